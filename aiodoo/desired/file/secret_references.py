"""References to secrets: `${secret:env:NAME}`, `${secret:file:PATH}`, `${secret:here:NAME}` and `${secret:listed}`."""

from __future__ import annotations

import re
from pathlib import Path

from aiodoo.errors import ConfigError
from aiodoo.secret import ListedSecret, Secret

_REFERENCE = re.compile(r"\$\{secret:(?:(?P<listed>listed)|(?P<kind>env|file|here):(?P<what>[^${}]+))\}")


class BadReference(ConfigError):
    """A client secret is no valid reference; the message says what is allowed and shows no value."""


def check_reference(text: str, folder: Path, *, outside: bool) -> re.Match[str]:
    """Return the parts of a reference without reading the secret.

    Args:
        text: the reference.
        folder: the folder that relative paths start from.
        outside: whether files outside of this folder may be read.

    Raises:
        BadReference: the text is no reference, or refers to a file that may not be read.
    """
    match = _REFERENCE.fullmatch(text)
    if match is None:
        raise BadReference(
            "is no reference to a secret; write ${secret:env:NAME}, ${secret:file:PATH} or ${secret:listed}, "
            "as a secret itself has no place here"
        )
    if match["kind"] == "file" and not outside:
        path = folder / match["what"]
        if not path.resolve().is_relative_to(folder.resolve()):
            raise BadReference(
                f"would read {path}, which is outside of this file's folder, and send what is in it; if you trust whoever "
                "wrote this, say --outside-files (outside_files=True)"
            )
    return match


def secret_of(text: str, folder: Path, found: dict[str, Secret], *, outside: bool = True) -> Secret:
    """Return the secret for a reference.

    Args:
        text: the reference.
        folder: the folder that relative paths start from.
        found: a cache of secrets by reference, so that each is read once.
        outside: whether files outside of the folder may be read.

    Raises:
        BadReference: the text is no reference, its source cannot be read, or may not be.
    """
    match = check_reference(text, folder, outside=outside)
    if match["listed"]:
        return ListedSecret()
    if text not in found:
        if match["kind"] == "here":
            raise BadReference("is none of the names under secrets; add it there, or correct the reference")
        what = match["what"]
        try:
            found[text] = Secret.from_env(what) if match["kind"] == "env" else Secret.from_file(folder / what)
        except ConfigError as error:
            raise BadReference(f"cannot be resolved: {error}; set it, or correct the reference") from None
    return found[text]


def source_of(secret: Secret) -> str | None:
    """Return the source of a secret as text, such as `env:NAME`; None if it has none, or is a `ListedSecret`."""
    if secret.source is None or isinstance(secret, ListedSecret):
        return None
    match secret.source:
        case {"file": path, "name": name}:
            return f"here:{path}#{name}"
        case {"listed": {"team": team, "webhook": webhook}}:
            return f"the list of team {team}, webhook configuration {webhook}"
    [(kind, what)] = secret.source.items()
    return f"{kind}:{what}"


def from_source(text: str) -> Secret:
    """Return the secret for a result of `source_of`.

    Raises:
        ConfigError: the source does not exist any more.
    """
    kind, _, what = text.partition(":")
    if kind == "here":
        path, _, name = what.rpartition("#")
        return Secret.from_section(path, name)
    return Secret.from_env(what) if kind == "env" else Secret.from_file(what)
