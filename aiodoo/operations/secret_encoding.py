"""Secrets as a journal stores them: the source of each, or a keyed fingerprint of a bare value."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping
from typing import Any

from aiodoo.errors import SecretsNeeded
from aiodoo.secret import ListedSecret, Secret


class LaterSecret(Secret):
    """A secret decoded from a journal, whose value is given or read from its source later."""

    __slots__ = ()

    @property
    def is_available(self) -> bool:
        """Whether its value was given or read."""
        return bool(self._value)

    def __bool__(self) -> bool:
        return True

    def __eq__(self, other: object) -> bool:
        self.reveal()
        return super().__eq__(other)

    def __hash__(self) -> int:
        self.reveal()
        return super().__hash__()

    def give(self, value: str) -> None:
        """Set its value."""
        self._value = value


class UnknownSecret(LaterSecret):
    """A secret whose value a journal does not store: it was bare, or came from doo's list.

    Attributes:
        fingerprint: the fingerprint of its value; None if it is unknown.
    """

    __slots__ = ("fingerprint",)

    def __init__(
        self,
        fingerprint: str | None = None,
        *,
        source: Mapping[str, Any] | None = None,
        is_number: bool = False,
    ) -> None:
        super().__init__("", source=source, is_number=is_number)
        self.fingerprint = fingerprint

    def reveal(self) -> str:
        """Return its value.

        Raises:
            SecretsNeeded: it was not given.
        """
        if not self._value:
            raise SecretsNeeded(
                "a secret of this run was given as a bare value, which is stored nowhere; nothing was sent. Pass the same "
                "operations again, or give it to bulk.resume(journal, secrets=...)"
            )
        return self._value


class SourcedSecret(LaterSecret):
    """A secret that is read from its source when it is first needed; finished operations do not need it."""

    __slots__ = ()

    def __init__(self, source: Mapping[str, Any], *, is_number: bool = False) -> None:
        super().__init__("", source=source, is_number=is_number)

    def reveal(self) -> str:
        """Return its value, read on the first call.

        Raises:
            ConfigError: the source has no value any more.
        """
        if not self._value:
            match self.source:
                case {"env": name}:
                    self._value = Secret.from_env(name).reveal()
                case {"file": path, "name": name}:
                    self._value = Secret.from_section(path, name).reveal()
                case {"file": path}:
                    self._value = Secret.from_file(path).reveal()
        return self._value


def fingerprint(secret: Secret, key: bytes) -> str | None:
    """Return the keyed hash of a secret; for one whose value is unknown, the fingerprint that the journal stores."""
    if isinstance(secret, UnknownSecret) and not secret.is_available:
        return secret.fingerprint
    return hmac.new(key, secret.reveal().encode(), hashlib.sha256).hexdigest()


def is_listed(source: Mapping[str, Any] | None) -> bool:
    """Return whether a source is a webhook in doo's list, which can be read again."""
    return source is not None and isinstance(source.get("listed"), Mapping)


def place_of(secret: Secret, key: bytes) -> dict[str, Any]:
    """Return what a journal stores for a secret."""
    place = {} if secret.source is None else dict(secret.source)
    if not place or is_listed(place):
        # doo's list may have another value when the run is resumed.
        place["fingerprint"] = fingerprint(secret, key)
    return place | ({"number": True} if secret.is_number else {})


def secret_in(place: Mapping[str, Any]) -> Secret:
    """Return the secret for what a journal stores."""
    is_number = place.get("number") is True
    match place:
        case {"env": str(name)}:
            return SourcedSecret({"env": name}, is_number=is_number)
        case {"file": str(path), "name": str(name)}:
            return SourcedSecret({"file": path, "name": name}, is_number=is_number)
        case {"file": str(path)}:
            return SourcedSecret({"file": path}, is_number=is_number)
        case {"listed": {"team": str(), "webhook": str(), "field": str()} as where}:
            source = {"listed": dict(where)}
            return UnknownSecret(place.get("fingerprint"), source=source, is_number=is_number)
        case {"listed": _}:
            return ListedSecret(is_number=is_number)
    return UnknownSecret(place.get("fingerprint"), is_number=is_number)
