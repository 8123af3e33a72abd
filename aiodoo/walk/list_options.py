"""The options of a list, checked before anything is sent and handed on whole."""

from __future__ import annotations

from collections.abc import Mapping
from operator import itemgetter
from typing import Any, Literal, Self, cast

import attrs

from aiodoo.checks import check_choice
from aiodoo.deadline import DeadlineOption
from aiodoo.errors import ConfigError
from aiodoo.models import Filter

MOST_AT_ONCE = 1000
"""The limit for `prefetch`, as each concurrent team takes a task."""


def _check_prefetch(_: object, __: attrs.Attribute[int], value: object) -> None:
    if type(value) is not int or value < 1:
        raise ConfigError("prefetch is how many teams are read at a time: 1 or more; nothing was sent")


def _check_on_error(_: object, __: attrs.Attribute[Any], value: object) -> None:
    check_choice(value, "on_error", ("raise", "collect"))


def _check_limit(_: object, __: attrs.Attribute[Any], value: object) -> None:
    if value is not None and (type(value) is not int or value < 1):
        raise ConfigError(
            "limit is how many webhooks are shown at most: 1 or more, or None; nothing was sent"
        )


@attrs.frozen(kw_only=True, repr=False)
class ListOptions:
    """How a list is read and what of it is shown; each option is described at `webhooks.list`.

    Attributes:
        wanted: the patterns `name`, `endpoint` and `type`.
    """

    prefetch: int = attrs.field(default=4, validator=_check_prefetch)
    ordered: bool = True
    on_error: Literal["raise", "collect"] = attrs.field(default="raise", validator=_check_on_error)
    stable: bool = False
    cursor: str | None = None
    wanted: Filter = attrs.field(factory=Filter)
    limit: int | None = attrs.field(default=None, validator=_check_limit)
    deadline: DeadlineOption = "session"

    @classmethod
    def of(cls, arguments: Mapping[str, Any]) -> Self:
        """Return the options in the `locals()` of a method that has each as a parameter.

        Raises:
            ConfigError: an option is invalid.
        """
        if _given(arguments) == _DEFAULTS:
            return cast("Self", _USUAL)
        own = {name: arguments[name] for name in _OWN}
        return cls(**own, wanted=Filter(**{name: arguments[name] for name in _PATTERNS}))

    @property
    def at_once(self) -> int:
        """How many teams are read concurrently; one with a limit, as reading ahead could cost needless requests."""
        return min(self.prefetch, MOST_AT_ONCE) if self.limit is None else 1


_PATTERNS = tuple(attrs.fields_dict(Filter))
_OWN = tuple(name for name in attrs.fields_dict(ListOptions) if name != "wanted")
_USUAL = ListOptions()
_given = itemgetter(*_OWN, *_PATTERNS)
_DEFAULTS = (*(getattr(_USUAL, name) for name in _OWN), *(None for _ in _PATTERNS))
"""What `_given` returns for most lists, whose options need no checks."""
