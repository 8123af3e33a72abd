"""A value that never prints."""

from __future__ import annotations

import hmac
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

from aiodoo.checks import check_kind, plain_text, printable
from aiodoo.errors import ConfigError

_LONGEST = 1 << 20
"""Characters of a file that a secret comes from."""


class Secret:
    """A text that shows itself only through `reveal()`.

    It compares in constant time and copies as itself; unless it is empty it refuses to be pickled, so that it
    cannot slip into a file or another process unseen.

    Attributes:
        source: where it came from, as what is written down in its place: `{"env": "NAME"}`, `{"file": "/path"}`, or
            `{"listed": {"team": ..., "webhook": ..., "field": ...}}` for one that doo's list shows; None if it was
            handed over as a bare value.
        is_number: whether JSON has a number where it stands, and not a text.
    """

    __slots__ = ("_value", "is_number", "source")

    def __init__(
        self, value: str | Secret, *, source: Mapping[str, Any] | None = None, is_number: bool = False
    ) -> None:
        """Take a text, or what another secret holds.

        Raises:
            ConfigError: it is neither.
        """
        if isinstance(value, Secret):
            source, is_number = value.source, value.is_number
            value = value.reveal()
        if not isinstance(value, str):
            raise ConfigError(f"a secret is text, not {type(value).__name__}; nothing was sent")
        self._value: str = plain_text(value)
        self.source: Mapping[str, Any] | None = source
        self.is_number: bool = is_number

    @property
    def is_at_hand(self) -> bool:
        """Whether `reveal()` has the text and need not look for it."""
        return True

    @staticmethod
    def of(value: str | Secret) -> Secret:
        """Return a secret as it is, and a text as a secret."""
        return value if isinstance(value, Secret) else Secret(value)

    @classmethod
    def from_env(cls, name: str) -> Self:
        """Read it from an environment variable; a journal then keeps the variable's name.

        Raises:
            ConfigError: the variable is not set, or empty; or the name cannot be one.
        """
        check_kind(name, "name", str, "text")
        try:
            value = os.environ.get(name)
        except ValueError:  # half a surrogate
            value = None
        if not value:
            raise ConfigError(
                f"the environment variable {printable(name)} is not set, or empty; a secret was to come from it"
            )
        return cls(value, source={"env": name})

    @classmethod
    def from_file(cls, path: str | os.PathLike[str]) -> Self:
        """Read it from a file, without a byte order mark before it and the line break at its end.

        A journal then keeps the file's path.

        Raises:
            ConfigError: the file cannot be read, or is empty.
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
            # Out here it has no context: that would hold the file's content.
            raise ConfigError(f"{where} cannot be read ({failure}); a secret was to come from it")
        if not value:
            raise ConfigError(f"{where} is empty; a secret was to come from it")
        return cls(value, source={"file": str(where)})

    def reveal(self) -> str:
        """Return the text itself."""
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
    """Stands for the secret that doo lists for a webhook configuration, when that is changed but for its secret."""

    __slots__ = ()

    def __init__(self, *, is_number: bool = False) -> None:
        super().__init__("", source={"listed": "same"}, is_number=is_number)

    def __bool__(self) -> bool:
        return True

    @property
    def is_at_hand(self) -> bool:
        """False: it is found when the change is made."""
        return False

    def reveal(self) -> str:
        """Refuse: only an update of a webhook configuration that has one finds out.

        Raises:
            ConfigError: always.
        """
        raise ConfigError(
            "a secret is to be the one that doo lists already, but nothing is listed that it could come from; "
            "nothing was sent. Say what it is"
        )
