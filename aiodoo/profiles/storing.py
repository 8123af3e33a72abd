"""Adds, changes and removes profiles in the file without changing anything else in it."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from aiodoo import private_file
from aiodoo.credentials import ENVIRONMENT
from aiodoo.errors import ConfigError
from aiodoo.profiles.folders import config_path
from aiodoo.profiles.tables import NO_NAME, is_name, parse, read
from aiodoo.secret import Secret

_KEYS = (*ENVIRONMENT, "base_url")


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
        ConfigError: the name is none, or the file cannot be written, or not without damage to its other content; it is
            unchanged then.
    """
    if not is_name(name):
        raise ConfigError(f"the profile {name!r} {NO_NAME}; nothing was saved")
    wanted = {key: _plain(value) for key, value in content.items()}
    return _change(
        config,
        lambda text: _with_profile(text, name, wanted),
        lambda before: _expected(before, name, wanted),
        f"change {', '.join(wanted)} of [profiles.{name}] by hand, or take another name",
    )


def set_default(name: str, *, config: str | os.PathLike[str] | None = None) -> Path:
    """Make a profile the one that is used if none is named, and return the path of the file.

    Args:
        name: the name of the profile.
        config: the file; `config_path()` if not given.

    Raises:
        ConfigError: there is no such profile, or the file cannot be written.
    """

    def expected(before: dict[str, Any]) -> dict[str, Any]:
        _check_known(before, name)
        return {**before, "default": name}

    return _change(
        config, lambda text: _with_default(text, name), expected, f'write default = "{name}" by hand'
    )


def remove(name: str, *, config: str | os.PathLike[str] | None = None) -> Path:
    """Remove a profile from the file, and return its path; secrets in a keyring stay there.

    Args:
        name: the name of the profile. If it is the default, there is none afterwards.
        config: the file; `config_path()` if not given.

    Raises:
        ConfigError: there is no such profile, or the file cannot be written.
    """

    def expected(before: dict[str, Any]) -> dict[str, Any]:
        _check_known(before, name)
        profiles = {key: item for key, item in before["profiles"].items() if key != name}
        kept = {key: item for key, item in before.items() if key != "default" or item != name}
        # An empty table of profiles may go with its last one.
        return {**kept, "profiles": profiles} if profiles else kept | {"profiles": {}}

    return _change(config, lambda text: _without_profile(text, name), expected, "remove it by hand")


def _change(
    config: str | os.PathLike[str] | None,
    edit: Callable[[str], str],
    expected: Callable[[dict[str, Any]], dict[str, Any]],
    otherwise: str,
) -> Path:
    """Replace the file's text by the edited one, if that means what is expected; return its path."""
    path = config_path() if config is None else Path(config).absolute()
    path = path.resolve() if path.is_symlink() else path
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise _not_written(path, error) from None
    with private_file.alone_in(path.parent):
        found = read(path)
        before = "" if found is None else path.read_bytes().decode("utf-8-sig")
        wanted = expected(dict(found[0].content) if found else {})
        after = _edited(before, edit)
        if {"profiles": {}, **parse(path, after.encode())} != {"profiles": {}, **wanted}:
            raise ConfigError(
                f"{path} has its profiles in a form that cannot be edited safely, and stays as it was; {otherwise}"
            )
        try:
            private_file.write(path, after.encode())
        except OSError as error:
            raise _not_written(path, error) from None
    return path


def _edited(text: str, edit: Callable[[str], str]) -> str:
    """Return the edited text with the line ends that it had."""
    lines = text.replace("\r\n", "\n")
    crlf = "\n" in text and text.count("\n") == text.count("\r\n")
    try:
        after = edit(lines)
    except ModuleNotFoundError:
        raise ConfigError(
            "changing the file with the profiles needs tomlkit; run pip install 'aiodoo[cli]'"
        ) from None
    return after.replace("\n", "\r\n") if crlf else after


def _with_profile(text: str, name: str, wanted: Mapping[str, Any]) -> str:
    import tomlkit  # noqa: PLC0415  # only the extra brings it
    from tomlkit.items import InlineTable  # noqa: PLC0415

    document = tomlkit.parse(text)
    profiles: Any = document.get("profiles", {})
    if name not in profiles and not isinstance(profiles, InlineTable):
        # At the end of the file, as tomlkit would put it between the lines of another profile's dotted keys.
        document = tomlkit.document()
        profiles = document["profiles"] = tomlkit.table(is_super_table=True)
        before = text and text + ("\n" if text.endswith("\n") else "\n\n")
    else:
        before = ""
    if name not in profiles:
        profiles[name] = tomlkit.inline_table() if isinstance(profiles, InlineTable) else tomlkit.table()
    table: Any = profiles[name]
    for key in _KEYS:
        if key in table and key not in wanted:
            del table[key]
    for key, value in wanted.items():
        if isinstance(value, Mapping):
            inner = tomlkit.inline_table()
            inner.update(value)
            table[key] = inner
        else:
            table[key] = value
    return before + tomlkit.dumps(document)


def _with_default(text: str, name: str) -> str:
    import tomlkit  # noqa: PLC0415  # only the extra brings it

    document = tomlkit.parse(text)
    if "default" not in document:
        # Above everything else, as a key below a table would belong to that table.
        return f'default = "{name}"\n{text}'
    document["default"] = name
    return tomlkit.dumps(document)


def _without_profile(text: str, name: str) -> str:
    import tomlkit  # noqa: PLC0415  # only the extra brings it

    document = tomlkit.parse(text)
    profiles: Any = document["profiles"]
    del profiles[name]
    if document.get("default") == name:
        del document["default"]
    return tomlkit.dumps(document)


def _plain(value: Secret | str | Mapping[str, str | float]) -> Any:
    if isinstance(value, Secret):
        return value.reveal()
    return value if isinstance(value, str) else dict(value)


def _expected(before: Mapping[str, Any], name: str, wanted: Mapping[str, Any]) -> dict[str, Any]:
    profiles = dict(before.get("profiles", {}))
    kept = {key: item for key, item in profiles.get(name, {}).items() if key not in {*_KEYS, *wanted}}
    return {**before, "profiles": {**profiles, name: {**kept, **wanted}}}


def _check_known(before: Mapping[str, Any], name: str) -> None:
    profiles = before.get("profiles", {})
    if name not in profiles:
        raise ConfigError(f"there is no profile {name}; there are {', '.join(profiles) or 'none'}")


def _not_written(path: Path, error: OSError) -> ConfigError:
    return ConfigError(
        f"{path} cannot be written: {error.strerror}; it stays as it was, and nothing is kept of what was typed"
    )
