"""`${secret:...}`: where a client secret comes from."""

from __future__ import annotations

import re
from pathlib import Path

from aiodoo.errors import ConfigError
from aiodoo.secret import ListedSecret, Secret

_REFERENCE = re.compile(r"\$\{secret:(?:(?P<listed>listed)|(?P<kind>env|file):(?P<what>[^${}]+))\}")


class BadReference(ConfigError):
    """A client secret is no usable reference; says what to write, and shows no value."""


def secret_of(text: str, folder: Path, found: dict[str, Secret]) -> Secret:
    """Return the secret that a reference means.

    Args:
        text: the reference.
        folder: what a relative path starts from.
        found: secrets that were read already; each is read once.

    Raises:
        BadReference: it is none, or leads nowhere.
    """
    match = _REFERENCE.fullmatch(text)
    if match is None:
        raise BadReference(
            "is no reference to a secret; write ${secret:env:NAME}, ${secret:file:PATH} or ${secret:listed}, "
            "as a secret itself has no place in this file"
        )
    if match["listed"]:
        return ListedSecret()
    if text not in found:
        what = match["what"]
        try:
            found[text] = Secret.from_env(what) if match["kind"] == "env" else Secret.from_file(folder / what)
        except ConfigError as error:
            raise BadReference(f"leads nowhere: {error}; set it, or correct the reference") from None
    return found[text]


def source_of(secret: Secret) -> str | None:
    """Return where a secret comes from as one text, such as `env:NAME`; None if it is the listed one."""
    if secret.source is None or isinstance(secret, ListedSecret):
        return None
    [(kind, what)] = secret.source.items()
    return f"{kind}:{what}"


def from_source(text: str) -> Secret:
    """Return the secret that `source_of` told of.

    Raises:
        ConfigError: it is not there any more.
    """
    kind, _, what = text.partition(":")
    return Secret.from_env(what) if kind == "env" else Secret.from_file(what)
