"""Operations as a journal keeps them: plain JSON, with where each secret comes from in its place."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import msgspec

from aiodoo.errors import ConfigError, SecretsNeeded
from aiodoo.models import AddWebhook
from aiodoo.operations import Create, Delete, Ensure, Operation, Replace, Update
from aiodoo.secret import ListedSecret, Secret

_PLACE = "$secret"


class UnknownSecret(Secret):
    """Stands for a secret that was handed over as a bare value and is not kept."""

    __slots__ = ()

    def __init__(self) -> None:
        super().__init__("")

    def __bool__(self) -> bool:
        return True

    def reveal(self) -> str:
        """Refuse: there is nothing to reveal.

        Raises:
            SecretsNeeded: always.
        """
        raise SecretsNeeded(
            "a secret of this run was given as a bare value, which is kept nowhere; nothing was sent. Pass the same "
            "operations again, or give secrets as Secret.from_env(...) or Secret.from_file(...) from the start"
        )


class SourcedSecret(Secret):
    """A secret that is read from where it comes from when it is first needed, so that what is done needs it no more."""

    __slots__ = ()

    def __init__(self, source: Mapping[str, str]) -> None:
        super().__init__("", source=source)

    def __bool__(self) -> bool:
        return True

    def __eq__(self, other: object) -> bool:
        self.reveal()
        return super().__eq__(other)

    def __hash__(self) -> int:
        self.reveal()
        return super().__hash__()

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


def write(operation: Operation, key: bytes) -> dict[str, Any]:
    """Return an operation as JSON without secrets; a bare one leaves a fingerprint under `key`."""
    return write_with(operation, lambda secret: placed(secret, key))


def placed(secret: Secret, key: bytes) -> dict[str, Any]:
    """Return what is written in a secret's place: where it comes from, or a fingerprint of it under `key`."""
    if secret.source is not None:
        return {_PLACE: dict(secret.source)}
    return {_PLACE: {"fingerprint": hmac.new(key, secret.reveal().encode(), hashlib.sha256).hexdigest()}}


def write_with(operation: Operation, place: Callable[[Secret], Any]) -> dict[str, Any]:
    """Return an operation as JSON, with what `place` returns in the place of each secret."""
    written: dict[str, Any] = {"is": operation.word, "team": operation.team_id}
    match operation:
        case Create(config=config) | Ensure(config=config):
            return written | {"config": config.to_dict(secrets=place)}
        case Replace(webhook_id=webhook_id, config=config):
            return written | {"webhook": webhook_id, "config": config.to_dict(secrets=place)}
        case Update(webhook_id=webhook_id, changes=changes):
            return written | {"webhook": webhook_id, "changes": _write_changes(dict(changes), place)}
        case Delete(webhook_id=webhook_id):
            return written | {"webhook": webhook_id}


def read(written: dict[str, Any]) -> Operation:
    """Return the operation; its secrets are read when they are needed, and bare ones stay unknown."""
    match written:
        case {"is": "create", "team": team_id, "config": config}:
            return Create(team_id, AddWebhook.from_dict(_with_secret(config)))
        case {"is": "ensure", "team": team_id, "config": config}:
            return Ensure(team_id, AddWebhook.from_dict(_with_secret(config)))
        case {"is": "replace", "team": team_id, "webhook": webhook_id, "config": config}:
            return Replace(team_id, webhook_id, AddWebhook.from_dict(_with_secret(config)))
        case {"is": "update", "team": team_id, "webhook": webhook_id, "changes": changes}:
            return Update(team_id, webhook_id, **_read_changes(changes))
        case {"is": "delete", "team": team_id, "webhook": webhook_id}:
            return Delete(team_id, webhook_id)
    raise ConfigError(
        "the journal holds an operation that this version of aiodoo does not know; nothing was sent"
    )


def reveal_all(operations: Iterable[Operation]) -> None:
    """Read every secret of these operations from where it comes from, which may be a file.

    Raises:
        SecretsNeeded: one was a bare value.
        ConfigError: one is not where it was.
    """
    for operation in operations:
        write_with(operation, lambda secret: None if isinstance(secret, ListedSecret) else secret.reveal())


def guarded(function: Callable[[bytes], bytes], data: bytes) -> tuple[bytes, str | None]:
    """Return what somebody's function makes of a secret, or what it raised; that itself may hold the secret."""
    try:
        return bytes(function(data)), None
    except Exception as error:  # noqa: BLE001  # whatever it is
        return b"", type(error).__name__


def digest(operations: Sequence[dict[str, Any]], key: bytes) -> str:
    """Return what tells one run's operations from another's."""
    return hmac.new(key, msgspec.json.encode(operations, order="deterministic"), hashlib.sha256).hexdigest()


def _write_changes(changes: dict[str, Any], place: Callable[[Secret], Any]) -> dict[str, Any]:
    # Hooks and authentication are written the way a whole configuration writes them.
    carrier = AddWebhook(
        name="-", hooks=tuple(changes.get("hooks", ())), authentication=changes.get("authentication")
    ).to_dict(secrets=place)
    for name in ("hooks", "authentication"):
        if name in changes:
            changes[name] = carrier.get(name)
    if "client_secret" in changes:
        changes["client_secret"] = place(Secret.of(changes["client_secret"]))
    if "hosts" in changes:
        changes["hosts"] = dict(changes["hosts"])
    return changes


def _read_changes(changes: dict[str, Any]) -> dict[str, Any]:
    match changes:
        case {"client_secret": {"$secret": {**place}}}:
            changes = changes | {"client_secret": _secret(place)}
    changes = _with_secret(changes).copy()
    carrier = AddWebhook.from_dict(
        {"name": "-", "hooks": changes.get("hooks", []), "authentication": changes.get("authentication")}
    )
    for name in ("hooks", "authentication"):
        if name in changes:
            changes[name] = getattr(carrier, name)
    return changes


def _with_secret(written: dict[str, Any]) -> dict[str, Any]:
    """Put a secret where one may stand, and nowhere else: a field that doo lists may look the same."""
    match written:
        case {
            "authentication": {
                "credentials": {"client_secret": {"$secret": {**place}}} as credentials
            } as login
        }:
            credentials = credentials | {"client_secret": _secret(place)}
            return written | {"authentication": login | {"credentials": credentials}}
    return written


def _secret(place: dict[Any, Any]) -> Secret:
    match place:
        case {"env": str()} | {"file": str()}:
            return SourcedSecret(place)
        case {"listed": _}:
            return ListedSecret()
    return UnknownSecret()
