"""How a run behaves, checked before anything is sent."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal, Self

import attrs

from aiodoo.arguments import check_callback, check_choice, check_seconds
from aiodoo.bulk.report import Outcome, Progress
from aiodoo.errors import ConfigError


def _seconds(_: object, field: attrs.Attribute[float], value: object) -> None:
    check_seconds(value, field.name)


def _callback(_: object, field: attrs.Attribute[Any], value: object) -> None:
    check_callback(value, field.name)


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
    keep_secrets: Callable[[bytes], bytes] | None = attrs.field(default=None, validator=_callback)
    canary: bool = False
    progress: Callable[[Progress], object] | None = attrs.field(default=None, validator=_callback)
    on_outcome: Callable[[Outcome], object] | None = None

    @classmethod
    def asked(cls, *, journal: object, on_exhausted: Literal["park", "wait"] | None, **options: Any) -> Self:
        """Return the settings that a caller has asked for.

        Raises:
            ConfigError: one of them cannot be right.
        """
        if on_exhausted is not None:
            check_choice(on_exhausted, "on_exhausted", ("park", "wait"))
        if journal is None and options.get("keep_secrets") is not None:
            raise ConfigError("keep_secrets keeps them in a journal, so journal= is needed; nothing was sent")
        park = on_exhausted == "park" or (on_exhausted is None and journal is not None)
        return cls(park=park, **options)
