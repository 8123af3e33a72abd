"""Operations as JSON for a journal, with the source or fingerprint of each secret instead of its value."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable, Iterable
from typing import Any

import msgspec

from aiodoo.errors import ConfigError
from aiodoo.models.secret_fields import (
    CLIENT_SECRET,
    Path,
    field_of,
    find_secrets,
    map_secrets,
    plain_of,
    put,
)
from aiodoo.operations.operation_form import body_of, encode_with, encoded, itself, made_of, with_places
from aiodoo.operations.operations import KINDS, Operation
from aiodoo.operations.secret_encoding import UnknownSecret, fingerprint, is_listed, place_of, secret_in
from aiodoo.secret import ListedSecret, Secret

__all__ = [
    "UnknownSecret",
    "decode_operation",
    "digest",
    "encode_all",
    "encode_operation",
    "encode_with",
    "guarded",
    "placed",
    "reveal_all",
    "secrets_of",
]

_PLACE = "$secret"
_OLD_PLACES = frozenset({CLIENT_SECRET, ("client_secret",)})
"""The paths of secrets in journals of older versions."""


def encode_operation(operation: Operation, key: bytes) -> dict[str, Any]:
    """Return an operation as JSON whose key `secrets` lists the path and source of each secret instead of its value.

    A bare secret, and one from doo's list, is represented by its fingerprint under `key`. The sources are separate from
    the content because that may hold anything, as anybody can edit a webhook at doo.
    """
    return encoded(operation, lambda _, secret: place_of(secret, key))


def encode_all(operations: Iterable[Operation], key: bytes) -> tuple[list[dict[str, Any]], str]:
    """Return each operation as `encode_operation` does, and the `digest` of all."""
    written, canonical = list[dict[str, Any]](), list[dict[str, Any]]()
    for operation in operations:
        plain = encode_with(operation, itself)
        body = body_of(plain)
        found = {} if body is None else find_secrets(plain[body])
        written.append(
            plain
            if body is None
            else with_places(plain, body, found, lambda _, secret: place_of(secret, key))
        )
        canonical.append(_canonical(plain, key) if found else plain)
    return written, _hash(canonical, key)


def secrets_of(operation: Operation) -> dict[str, Secret]:
    """Return the secrets of an operation by field."""
    plain = encode_with(operation, itself)
    body = body_of(plain)
    return (
        {} if body is None else {field_of(path): secret for path, secret in find_secrets(plain[body]).items()}
    )


def placed(secret: Secret, key: bytes) -> dict[str, Any]:
    """Return what identifies a secret without its value: its source, or its fingerprint under `key`.

    A secret from doo's list and the same bare value give the same result.
    """
    if secret.source is not None and not is_listed(secret.source):
        return {_PLACE: dict(secret.source)}
    return {_PLACE: {"fingerprint": fingerprint(secret, key)}}


def decode_operation(written: dict[str, Any]) -> Operation:
    """Return the operation; sourced secrets are read when needed, and bare ones are unknown until `give` is called.

    Raises:
        ConfigError: this version does not know the operation.
    """
    body = body_of(written)
    if body is None:
        return _read(written)
    content = written[body]
    if "secrets" not in written:
        # Older versions wrote the source of a client secret in its place, and knew no other secrets.
        return _read(written | {body: _with_old_secrets(content, is_changes=body == "changes")})
    for path, place in written["secrets"]:
        content = put(content, tuple(path), secret_in(place))
    return _read(written | {body: content})


def _read(written: dict[str, Any]) -> Operation:
    body, kind = body_of(written), KINDS.get(written["is"])
    if kind is not None:
        return made_of(kind, written, None if body is None else written[body])  # type: ignore[no-any-return]
    raise ConfigError(
        "the journal holds an operation that this version of aiodoo does not know; nothing was sent"
    )


def reveal_all(operations: Iterable[Operation]) -> None:
    """Read every secret of these operations from its source, which may be a file.

    Raises:
        SecretsNeeded: a secret was a bare value.
        ConfigError: a source has no value any more.
    """
    for operation in operations:
        encode_with(operation, lambda secret: None if isinstance(secret, ListedSecret) else secret.reveal())


def guarded(function: Callable[[bytes], bytes], data: bytes) -> tuple[bytes, str | None]:
    """Return a user function's result for a secret and None, or nothing and the name of the error that it raised.

    Only the error's name is returned, as its message may contain the secret.
    """
    try:
        return bytes(function(data)), None
    except Exception as error:  # noqa: BLE001  # a user function may raise anything
        return b"", type(error).__name__


def digest(operations: Iterable[Operation], key: bytes) -> str:
    """Return a keyed hash of a run's operations."""
    return _hash([_canonical(encode_with(operation, itself), key) for operation in operations], key)


def _hash(plain: list[dict[str, Any]], key: bytes) -> str:
    return hmac.new(key, msgspec.json.encode(plain, order="deterministic"), hashlib.sha256).hexdigest()


def _canonical(plain: dict[str, Any], key: bytes) -> dict[str, Any]:
    """Return an encoded operation as older versions wrote it, so that digests in their journals still match."""
    body = body_of(plain)

    def told(path: Path, secret: Secret) -> Any:
        is_sourced = secret.source is not None and not is_listed(secret.source)
        return placed(secret, key) if is_sourced or path in _OLD_PLACES else plain_of(secret)

    return plain if body is None else plain | {body: map_secrets(plain[body], told)}


def _with_old_secrets(content: Any, *, is_changes: bool) -> Any:
    """Put secrets only where older versions had them, as any other field may have the same shape."""
    for path in _OLD_PLACES if is_changes else (CLIENT_SECRET,):
        found = content
        for name in path:
            found = found.get(name) if isinstance(found, dict) else None
        if isinstance(found, dict) and isinstance(found.get(_PLACE), dict):
            content = put(content, path, secret_in(found[_PLACE]))
    return content
