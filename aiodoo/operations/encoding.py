"""Operations as a journal keeps them: plain JSON, with where each secret comes from in its place."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable, Iterable
from typing import Any

import msgspec

from aiodoo.errors import ConfigError
from aiodoo.models import AddWebhook
from aiodoo.models.secret_fields import CLIENT_SECRET, Path, field_of, find, mapped, plain_of, put, take_out
from aiodoo.operations.operations import Create, Delete, Ensure, Operation, Replace, Update
from aiodoo.operations.secret_encoding import UnknownSecret, fingerprint, is_listed, place_of, secret_in
from aiodoo.secret import ListedSecret, Secret

__all__ = [
    "UnknownSecret",
    "decode_operation",
    "digest",
    "encode_operation",
    "encode_with",
    "guarded",
    "placed",
    "reveal_all",
    "secrets_of",
]

_PLACE = "$secret"
_OLD_PLACES = frozenset({CLIENT_SECRET, ("client_secret",)})
"""Where older versions knew secrets."""


def encode_operation(operation: Operation, key: bytes) -> dict[str, Any]:
    """Return an operation as JSON without its secrets, and beside it where each stands and comes from.

    A bare one, and one that doo lists, leaves a fingerprint under `key`. What stands for secrets is kept apart from the
    content, in which doo, or whoever changes a webhook there, can write anything.
    """
    plain = encode_with(operation, _itself)
    body = _body(plain)
    if body is None:
        return plain
    found = sorted(find(plain[body]).items(), key=lambda each: field_of(each[0]))
    secrets = [[[*path], place_of(secret, key)] for path, secret in found]
    return plain | {body: take_out(plain[body]), "secrets": secrets}


def secrets_of(operation: Operation) -> dict[str, Secret]:
    """Return the secrets of an operation, by the fields in which they stand."""
    plain = encode_with(operation, _itself)
    body = _body(plain)
    return {} if body is None else {field_of(path): secret for path, secret in find(plain[body]).items()}


def placed(secret: Secret, key: bytes) -> dict[str, Any]:
    """Return what tells a secret from others: where it comes from, or a fingerprint of it under `key`.

    It is the same for one that was copied from a list and for the same one as a bare value.
    """
    if secret.source is not None and not is_listed(secret.source):
        return {_PLACE: dict(secret.source)}
    return {_PLACE: {"fingerprint": fingerprint(secret, key)}}


def _itself(secret: Secret) -> Secret:
    return secret


def _body(plain: dict[str, Any]) -> str | None:
    """Return which key of a written operation holds its content."""
    return next((name for name in ("config", "changes") if name in plain), None)


def encode_with(operation: Operation, place: Callable[[Secret], Any]) -> dict[str, Any]:
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


def decode_operation(written: dict[str, Any]) -> Operation:
    """Return the operation; its secrets are read when they are needed, and bare ones stay unknown until they are given."""
    body = _body(written)
    if body is None:
        return _read(written)
    content = written[body]
    if "secrets" not in written:
        # An older version left what stands for a client secret in its place, and no other secret was one.
        return _read(written | {body: _with_old_secrets(content, is_changes=body == "changes")})
    for path, place in written["secrets"]:
        content = put(content, tuple(path), secret_in(place))
    return _read(written | {body: content})


def _read(written: dict[str, Any]) -> Operation:
    match written:
        case {"is": "create", "team": team_id, "config": config}:
            return Create(team_id, AddWebhook.from_dict(config))
        case {"is": "ensure", "team": team_id, "config": config}:
            return Ensure(team_id, AddWebhook.from_dict(config))
        case {"is": "replace", "team": team_id, "webhook": webhook_id, "config": config}:
            return Replace(team_id, webhook_id, AddWebhook.from_dict(config))
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
        encode_with(operation, lambda secret: None if isinstance(secret, ListedSecret) else secret.reveal())


def guarded(function: Callable[[bytes], bytes], data: bytes) -> tuple[bytes, str | None]:
    """Return what somebody's function makes of a secret, or what it raised; that itself may hold the secret."""
    try:
        return bytes(function(data)), None
    except Exception as error:  # noqa: BLE001  # whatever it is
        return b"", type(error).__name__


def digest(operations: Iterable[Operation], key: bytes) -> str:
    """Return what tells one run's operations from another's."""
    plain = [_canonical(operation, key) for operation in operations]
    return hmac.new(key, msgspec.json.encode(plain, order="deterministic"), hashlib.sha256).hexdigest()


def _canonical(operation: Operation, key: bytes) -> dict[str, Any]:
    """Return an operation as older versions wrote it, so that their journals are known again; it is kept nowhere."""
    plain = encode_with(operation, _itself)
    body = _body(plain)

    def told(path: Path, secret: Secret) -> Any:
        is_sourced = secret.source is not None and not is_listed(secret.source)
        return placed(secret, key) if is_sourced or path in _OLD_PLACES else plain_of(secret)

    return plain if body is None else plain | {body: mapped(plain[body], told)}


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
    if "endpoints" in changes:
        # Not as an object, in which an old URL would be taken for the name of a field.
        changes["endpoints"] = [[*pair] for pair in changes["endpoints"].items()]
    return changes


def _read_changes(changes: dict[str, Any]) -> dict[str, Any]:
    changes = changes.copy()
    carrier = AddWebhook.from_dict(
        {"name": "-", "hooks": changes.get("hooks", []), "authentication": changes.get("authentication")}
    )
    for name in ("hooks", "authentication"):
        if name in changes:
            changes[name] = getattr(carrier, name)
    if "endpoints" in changes:
        changes["endpoints"] = dict(changes["endpoints"])
    return changes


def _with_old_secrets(content: Any, *, is_changes: bool) -> Any:
    """Put a secret where an older version let one stand, and nowhere else: a field that doo lists may look the same."""
    for path in _OLD_PLACES if is_changes else (CLIENT_SECRET,):
        found = content
        for name in path:
            found = found.get(name) if isinstance(found, dict) else None
        if isinstance(found, dict) and isinstance(found.get(_PLACE), dict):
            content = put(content, path, secret_in(found[_PLACE]))
    return content
