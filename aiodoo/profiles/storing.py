"""Writes a profile into the file without changing anything else in it."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from aiodoo import private_file
from aiodoo.credentials import ENVIRONMENT
from aiodoo.errors import ConfigError
from aiodoo.profiles.file import parse, read
from aiodoo.profiles.folders import config_path
from aiodoo.secret import Secret

_HEADER = re.compile(r"\s*\[+\s*(?P<name>[^\]#]+?)\s*\]+\s*(#.*)?")


def store(
    name: str,
    content: Mapping[str, Secret | str | Mapping[str, str | float]],
    *,
    config: str | os.PathLike[str] | None = None,
) -> Path:
    """Write the credentials and base URL of a profile into the file, with mode 0600, and return its path.

    Args:
        name: the name of the profile. Its other keys, such as its limits, are kept, as is everything else in the file.
        content: `api_key`, `client_id`, `client_secret` and optionally `base_url`, each a value or a table such as
            `{"keyring": "aiodoo", "user": "acme api_key"}`; and optionally `limits`.
        config: the file; `config_path()` if not given.

    Raises:
        ConfigError: the file cannot be written, or not without damage to its other content; it is unchanged then.
    """
    path = config_path() if config is None else Path(config).absolute()
    path = path.resolve() if path.is_symlink() else path
    wanted = {key: _plain(value) for key, value in content.items()}
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise _not_written(path, error) from None
    with private_file.alone_in(path.parent):
        _edit(path, name, wanted)
    return path


def _edit(path: Path, name: str, wanted: Mapping[str, Any]) -> None:
    found = read(path)
    before = "" if found is None else path.read_text(encoding="utf-8-sig")
    after = _edited(before, name, wanted)
    if parse(path, after.encode()) != _expected(found[0].content if found else {}, name, wanted):
        raise ConfigError(
            f"{path} has the profile {name} in a form that cannot be edited safely, and stays as it was; change "
            f"{', '.join(wanted)} of [profiles.{name}] by hand, or take another name"
        )
    try:
        private_file.write(path, after.encode())
    except OSError as error:
        raise _not_written(path, error) from None


def _plain(value: Secret | str | Mapping[str, str | float]) -> Any:
    if isinstance(value, Secret):
        return value.reveal()
    return value if isinstance(value, str) else dict(value)


def _expected(content: Mapping[str, Any], name: str, wanted: Mapping[str, Any]) -> dict[str, Any]:
    profiles = dict(content.get("profiles", {}))
    kept = {key: value for key, value in profiles.get(name, {}).items() if key not in {*_KEYS, *wanted}}
    return {**content, "profiles": {**profiles, name: {**kept, **wanted}}}


_KEYS = (*ENVIRONMENT, "base_url")


def _edited(text: str, name: str, wanted: Mapping[str, Any]) -> str:
    """Return the text with these lines in the table of the profile, which is appended if there is none."""
    lines = text.splitlines()
    new = [f"{key} = {_toml(value)}" for key, value in wanted.items()]
    old = re.compile(rf"\s*({'|'.join({*_KEYS, *wanted})})\s*=")
    headers = [number for number, line in enumerate(lines) if _HEADER.fullmatch(line)]
    for position, start in enumerate(headers):
        header = _HEADER.fullmatch(lines[start])
        if header is None or header["name"] not in {f"profiles.{name}", f'profiles."{name}"'}:
            continue
        end = headers[position + 1] if position + 1 < len(headers) else len(lines)
        kept = [line for line in lines[start + 1 : end] if not old.match(line)]
        return "\n".join([*lines[: start + 1], *new, *kept, *lines[end:], ""])
    return "\n".join([*lines, *([""] if lines else []), f"[profiles.{name}]", *new, ""])


def _toml(value: Any) -> str:
    if isinstance(value, str):
        escaped = "".join(
            f"\\U{ord(character):08x}" if character in '"\\' or not character.isprintable() else character
            for character in value
        )
        return f'"{escaped}"'
    if not isinstance(value, Mapping):
        return repr(value)
    return "{ " + ", ".join(f"{key} = {_toml(item)}" for key, item in value.items()) + " }"


def _not_written(path: Path, error: OSError) -> ConfigError:
    return ConfigError(
        f"{path} cannot be written: {error.strerror}; it stays as it was, and nothing is kept of what was typed"
    )
