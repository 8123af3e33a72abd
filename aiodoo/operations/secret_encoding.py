"""Secrets as a journal keeps them: where each comes from, in its place, or a keyed fingerprint of a bare value."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping
from typing import Any

from aiodoo.errors import SecretsNeeded
from aiodoo.secret import ListedSecret, Secret


class LaterSecret(Secret):
    """A secret of a journal, whose value comes later: it is given, or read where it comes from."""

    __slots__ = ()

    @property
    def is_at_hand(self) -> bool:
        """Whether it was given or read."""
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
        """Take its value."""
        self._value = value


class UnknownSecret(LaterSecret):
    """Stands for a secret whose value is not kept: it was bare, or doo's list has it; `give` it before it is needed.

    Attributes:
        fingerprint: what its value has to have; None if it is not known.
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
        """Return it if it was given.

        Raises:
            SecretsNeeded: it was not.
        """
        if not self._value:
            raise SecretsNeeded(
                "a secret of this run was given as a bare value, which is kept nowhere; nothing was sent. Pass the same "
                "operations again, or give it to bulk.resume(journal, secrets=...)"
            )
        return self._value


class SourcedSecret(LaterSecret):
    """A secret that is read from where it comes from when it is first needed, so that what is done needs it no more."""

    __slots__ = ()

    def __init__(self, source: Mapping[str, Any], *, is_number: bool = False) -> None:
        super().__init__("", source=source, is_number=is_number)

    def reveal(self) -> str:
        """Read it, once.

        Raises:
            ConfigError: it is not where it was.
        """
        if not self._value:
            match self.source:
                case {"env": name}:
                    self._value = Secret.from_env(name).reveal()
                case {"file": path}:
                    self._value = Secret.from_file(path).reveal()
        return self._value


def fingerprint(secret: Secret, key: bytes) -> str | None:
    """Return what tells a value from others without showing it; of one that is not at hand what is kept of it."""
    if isinstance(secret, UnknownSecret) and not secret.is_at_hand:
        return secret.fingerprint
    return hmac.new(key, secret.reveal().encode(), hashlib.sha256).hexdigest()


def is_listed(source: Mapping[str, Any] | None) -> bool:
    """Tell whether a secret came from a list of doo's that can be read again."""
    return source is not None and isinstance(source.get("listed"), Mapping)


def place_of(secret: Secret, key: bytes) -> dict[str, Any]:
    """Return what a journal keeps in a secret's place."""
    place = {} if secret.source is None else dict(secret.source)
    if not place or is_listed(place):
        # What doo lists may be another one when the run goes on.
        place["fingerprint"] = fingerprint(secret, key)
    return place | ({"number": True} if secret.is_number else {})


def secret_in(place: Mapping[str, Any]) -> Secret:
    """Return the secret that a place stands for."""
    is_number = place.get("number") is True
    match place:
        case {"env": str(name)}:
            return SourcedSecret({"env": name}, is_number=is_number)
        case {"file": str(path)}:
            return SourcedSecret({"file": path}, is_number=is_number)
        case {"listed": {"team": str(), "webhook": str(), "field": str()} as where}:
            source = {"listed": dict(where)}
            return UnknownSecret(place.get("fingerprint"), source=source, is_number=is_number)
        case {"listed": _}:
            return ListedSecret(is_number=is_number)
    return UnknownSecret(place.get("fingerprint"), is_number=is_number)
