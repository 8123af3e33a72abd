"""How a run behaves, checked before anything is sent."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable
from typing import Any, Literal, Self

import attrs

from aiodoo.bulk.report import Outcome, Progress
from aiodoo.errors import ConfigError


def check_seconds(value: object, name: str) -> None:
    """Raise ConfigError unless it is a number of seconds to wait for."""
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if not number or not 0 <= value < math.inf:  # type: ignore[operator]  # it is a number
        raise ConfigError(f"{name} must be a number of seconds, 0 or more; nothing was sent")


def _seconds(_: object, field: attrs.Attribute[float], value: object) -> None:
    check_seconds(value, field.name)


def _plain_function(_: object, field: attrs.Attribute[Any], value: object) -> None:
    if value is None:
        return
    if not callable(value):
        raise ConfigError(f"{field.name} must be a function; nothing was sent")
    if inspect.iscoroutinefunction(value) or inspect.iscoroutinefunction(type(value).__call__):
        raise ConfigError(
            f"{field.name} is called without await, so it cannot be an async function; nothing was sent"
        )


@attrs.frozen(kw_only=True)
class Settings:
    """How a run behaves.

    Attributes:
        settle: seconds after which a create without an answer can no longer land.
        park: whether the run returns when the day's quota is spent, instead of waiting.
        grace: seconds that a cancelled run takes to learn what became of the requests on their way.
        marker: whether what it creates carries an ownership marker.
        keep_secrets: encrypts the secrets of what is deleted, so that they can be kept.
        canary: whether the first team is done alone, and the others only if it is as wanted then.
        progress: called with a `Progress` after every step.
        on_outcome: called with the outcome of each operation that has ended, in an earlier process too.
    """

    settle: float = attrs.field(validator=_seconds)
    park: bool
    grace: float = attrs.field(validator=_seconds)
    marker: bool = False
    keep_secrets: Callable[[bytes], bytes] | None = attrs.field(default=None, validator=_plain_function)
    canary: bool = False
    progress: Callable[[Progress], object] | None = attrs.field(default=None, validator=_plain_function)
    on_outcome: Callable[[Outcome], object] | None = None

    @classmethod
    def asked(cls, *, journal: object, on_exhausted: Literal["park", "wait"] | None, **options: Any) -> Self:
        """Return the settings that a caller has asked for.

        Raises:
            ConfigError: one of them cannot be right.
        """
        if on_exhausted not in {"park", "wait", None}:
            raise ConfigError('on_exhausted must be "park" or "wait"; nothing was sent')
        if journal is None and options.get("keep_secrets") is not None:
            raise ConfigError("keep_secrets keeps them in a journal, so journal= is needed; nothing was sent")
        park = on_exhausted == "park" or (on_exhausted is None and journal is not None)
        return cls(park=park, **options)
