"""Secrets: texts that are never printed."""

from __future__ import annotations

import hmac
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

from aiodoo.checks import check_kind, plain_text, printable
from aiodoo.errors import ConfigError

_LONGEST = 1 << 20
"""Characters; the limit for a file with a secret."""


class Secret:
    """A text that only `reveal()` returns; its `repr()`, `str()` and `format()` are `***`.

    Secrets compare in constant time. Copies are the same object. Pickling raises TypeError unless the secret is empty,
    so that no secret gets into a file or another process by accident.

    >>> secret = Secret("s3cret")
    >>> print(f"{secret} {secret!r}")
    *** Secret('***')

    Attributes:
        source: the reference that journals and plans store in its place: `{"env": "NAME"}`, `{"file": "/path"}` (with
            `"name"` for one of several secrets in a file of desired state), or `{"listed": {"team": ..., "webhook": ..., "field": ...}}` for a secret in doo's list; None for a secret
            without a source.
        is_number: whether the JSON value is a number.
    """

    __slots__ = ("_value", "is_number", "source")

    def __init__(
        self, value: str | Secret, *, source: Mapping[str, Any] | None = None, is_number: bool = False
    ) -> None:
        """Create a secret from a text or from another secret.

        Raises:
            ConfigError: the value is neither.
        """
        if type(value) is not str:
            if isinstance(value, Secret):
                source, is_number = value.source, value.is_number
                value = value.reveal()
            if not isinstance(value, str):
                raise ConfigError(f"a secret is text, not {type(value).__name__}; nothing was sent")
            value = plain_text(value)
        self._value: str = value
        self.source: Mapping[str, Any] | None = source
        self.is_number: bool = is_number

    @property
    def is_available(self) -> bool:
        """Whether `reveal()` returns the text; False for a `ListedSecret`."""
        return True

    @property
    def is_at_hand(self) -> bool:
        """`is_available`, by its name in earlier versions."""
        return self.is_available

    @staticmethod
    def of(value: str | Secret) -> Secret:
        """Return a secret unchanged, and a text as a new secret."""
        return value if isinstance(value, Secret) else Secret(value)

    @classmethod
    def from_env(cls, name: str) -> Self:
        """Return the secret in an environment variable; journals and plans store the variable's name.

        Raises:
            ConfigError: the variable is not set, or empty, or the name is invalid.
        """
        check_kind(name, "name", str, "text")
        try:
            value = os.environ.get(name)
        except ValueError:  # a lone surrogate
            value = None
        if not value:
            raise ConfigError(
                f"the environment variable {printable(name)} is not set, or empty; a secret was to come from it"
            )
        return cls(value, source={"env": name})

    @classmethod
    def from_file(cls, path: str | os.PathLike[str]) -> Self:
        """Return the secret in a file, without a byte order mark and trailing line breaks.

        Journals and plans store the path of the file.

        Raises:
            ConfigError: the file cannot be read, is too long, or is empty.
        """
        check_kind(path, "path", (str, os.PathLike), "a path")
        where = Path(os.fsdecode(path)).absolute()
        value, failure = "", None
        try:
            with where.open(encoding="utf-8-sig") as file:
                text = file.read(_LONGEST + 1)
            value = text.rstrip("\r\n")
        except (OSError, ValueError) as error:
            failure = type(error).__name__
        else:
            failure = "too long for a secret" if len(text) > _LONGEST else None
        if failure is not None:
            # Raised outside of `except`, as the context would hold the content of the file.
            raise ConfigError(f"{where} cannot be read ({failure}); a secret was to come from it")
        if not value:
            raise ConfigError(f"{where} is empty; a secret was to come from it")
        return cls(value, source={"file": str(where)})

    @classmethod
    def from_section(cls, path: str | os.PathLike[str], name: str) -> Self:
        """Return a secret under `secrets` of a file of desired state; journals and plans store path and name.

        Args:
            path: the file.
            name: its name there; the value is a number, or a text in double quotes, on the same line.

        Raises:
            ConfigError: the file cannot be read, or has no such secret.
        """
        from aiodoo.named_secrets import read_named  # noqa: PLC0415  # most programs do not use it

        where, found, failure = Path(os.fsdecode(path)).absolute(), None, None
        try:
            found = read_named(where, name)
        except (OSError, ValueError) as error:
            failure = type(error).__name__
        if failure is not None:
            raise ConfigError(f"{where} cannot be read ({failure}); a secret was to come from it")
        if found is None or not found[0]:
            raise ConfigError(
                f"{where} has no secret {printable(name)} under secrets, as a number or a text in double quotes on one "
                "line; a secret was to come from it"
            )
        return cls(found[0], source={"file": str(where), "name": name}, is_number=found[1])

    def reveal(self) -> str:
        """Return the text."""
        return self._value

    def __repr__(self) -> str:
        return "Secret('***')"

    def __str__(self) -> str:
        return "***"

    def __format__(self, spec: str, /) -> str:
        return format("***", spec)

    def __bool__(self) -> bool:
        return bool(self._value)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Secret):
            return NotImplemented
        return hmac.compare_digest(
            self._value.encode("utf-8", "surrogatepass"), other._value.encode("utf-8", "surrogatepass")
        )

    def __hash__(self) -> int:
        return hash((Secret, self._value))

    def __copy__(self) -> Self:
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        return self

    def __reduce__(self) -> tuple[type[Self], tuple[str]]:
        if not self:
            return type(self), ("",)
        raise TypeError(
            "a Secret is not pickled; pass where it comes from, or call reveal() yourself, or of a whole webhook "
            "configuration pass to_dict(secrets=...)"
        )


class ListedSecret(Secret):
    """A placeholder in an update or a replacement for the secret that doo lists already."""

    __slots__ = ()

    def __init__(self, *, is_number: bool = False) -> None:
        super().__init__("", source={"listed": "same"}, is_number=is_number)

    def __bool__(self) -> bool:
        return True

    @property
    def is_available(self) -> bool:
        """False, as the secret is read from the list when the operation is executed."""
        return False

    def reveal(self) -> str:
        """Raise ConfigError, as the secret is known only while the operation is executed.

        Raises:
            ConfigError: always.
        """
        raise ConfigError(
            "a secret is to be the one that doo lists already, but nothing is listed that it could come from; "
            "nothing was sent. Say what it is"
        )
