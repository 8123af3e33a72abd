"""Reads the secrets of a profile from the file itself, the environment, another file, a command or the keyring."""

from __future__ import annotations

import subprocess
from importlib import import_module
from typing import Any

import attrs

from aiodoo.errors import ConfigError
from aiodoo.profiles.tables import Table
from aiodoo.secret import Secret

PATIENCE = 60.0
"""Seconds that a command may take; it may have to ask for a passphrase."""

WAYS = '"...", { env = "NAME" }, { file = "/path" }, { command = ["program", "argument"] } or { keyring = "service", user = "name" }'


@attrs.frozen
class Found:
    """A secret, and a description of its source."""

    secret: Secret
    where: str


def find(table: Table, key: str) -> Found | None:
    """Return the secret for a key of a table; None if there is no such key.

    Raises:
        ConfigError: the value has another form, or its source cannot be read.
    """
    match table.content.get(key):
        case None:
            return None
        case str(value) if value:
            return Found(Secret(value), str(table.file))
        case {"env": str(name), **others} if name and not others:
            return Found(_told(table, key, lambda: Secret.from_env(name)), f"the environment's {name}")
        case {"file": str(path), **others} if path and not others:
            return Found(_told(table, key, lambda: Secret.from_file(path)), f"the file {path}")
        case {"command": [str(program), *arguments], **others} if not others and all(
            isinstance(argument, str) for argument in arguments
        ):
            return Found(_ask(table, key, [program, *arguments]), f"the command {program}")
        case {"keyring": str(service), "user": str(user), **others} if not others:
            return Found(_look_up(table, key, service, user), f"the keyring's {service}")
    raise table.wrong(key, f"must be {WAYS}")


def is_value(found: object) -> bool:
    """Return whether the value of a key is the secret itself."""
    return isinstance(found, str)


def is_command(found: object) -> bool:
    """Return whether the value of a key is a command."""
    return isinstance(found, dict) and "command" in found


def put_into_keyring(service: str, user: str, secret: Secret) -> None:
    """Store a secret in the keyring.

    Raises:
        ConfigError: there is no keyring, or it fails.
    """
    keyring = _keyring("to keep a secret in the keyring")
    try:
        keyring.set_password(service, user, secret.reveal())
    except keyring.errors.KeyringError as error:
        raise ConfigError(_without_keyring(error)) from None


def _told(table: Table, key: str, read: Any) -> Secret:
    try:
        found: Secret = read()
    except ConfigError as error:
        raise table.wrong(key, f"cannot be read: {error}") from None
    return found


def _ask(table: Table, key: str, command: list[str]) -> Secret:
    """Return what a command writes to standard output; its standard error is not captured."""
    try:
        ended = subprocess.run(  # noqa: S603  # the command is the user's own, run without a shell
            command, stdout=subprocess.PIPE, timeout=PATIENCE, check=False
        )
    except subprocess.TimeoutExpired:
        raise table.wrong(key, f"cannot be read: {command[0]} took longer than {PATIENCE:.0f} s") from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or type(error).__name__
        raise table.wrong(key, f"cannot be read: {command[0]} cannot be run ({reason})") from None
    if ended.returncode:
        raise table.wrong(key, f"cannot be read: {command[0]} ended with code {ended.returncode}")
    try:
        value = ended.stdout.decode().rstrip("\r\n")
    except UnicodeDecodeError:
        value = ""
    if not value:
        raise table.wrong(key, f"cannot be read: {command[0]} printed nothing, or no text")
    return Secret(value)


def _look_up(table: Table, key: str, service: str, user: str) -> Secret:
    keyring = _keyring(f"{table.file}: {table.place}.{key} is in the keyring")
    try:
        value = keyring.get_password(service, user)
    except keyring.errors.KeyringError as error:
        raise table.wrong(key, f"cannot be read: {_without_keyring(error)}") from None
    if not value:
        raise table.wrong(key, f"cannot be read: the keyring has nothing for {service!r} and {user!r}")
    return Secret(value)


def _keyring(what_for: str) -> Any:
    try:
        keyring = import_module("keyring")
        import_module("keyring.errors")
    except ModuleNotFoundError:
        raise ConfigError(f"{what_for}: pip install 'aiodoo[keyring]'; nothing was sent") from None
    return keyring


def _without_keyring(error: Exception) -> str:
    return f"the keyring cannot be used ({type(error).__name__}); on a system without one, take env, file or command"
