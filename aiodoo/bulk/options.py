"""The options of a run, checked before anything is sent."""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any, Literal, Self, TypeAlias, TypedDict, cast

import attrs

from aiodoo.bulk.baselines import checked_baseline
from aiodoo.bulk.journal import SharedJournal
from aiodoo.bulk.report import Outcome, Progress
from aiodoo.bulk.stopping import StopSignal, check_signal
from aiodoo.checks import (
    check_callback,
    check_choice,
    check_count,
    check_flag,
    check_seconds,
    check_words,
    plain_text,
)
from aiodoo.errors import ConfigError, Missing
from aiodoo.models import WebhookConfiguration
from aiodoo.operations.batch import MAX_PAIRS
from aiodoo.quota import Lane
from aiodoo.secret import Secret
from aiodoo.settling import SETTLE
from aiodoo.walk import Collected

GivenSecrets: TypeAlias = (
    Mapping[Any, str | Secret]
    | Callable[[Missing], str | Secret | None]
    | Callable[[Missing], Awaitable[str | Secret | None]]
)
"""Secrets for a resumed run: by (row, field), by the id of a webhook that has one secret, or a function of `Missing`."""


class NoOptions(TypedDict):
    """What else a run takes: nothing. Type checkers refuse other names, and let `**options` of `RunOptions` pass."""


class RunOptions(TypedDict, total=False):
    """How a run behaves, for `bulk.run`, `bulk.stream`, `desired.apply` and `tenants.run` alike.

    Each is described at `bulk.run`.

    Attributes:
        settle: seconds after which a create without an answer can no longer land; 130 unless given.
        on_exhausted: when the daily quota is spent, "park" (the default with a journal) or "wait" (the default without).
        grace: seconds that a cancelled run takes to leave nothing live twice; 10 unless given.
        stop: an event, of asyncio or threading, that ends the run in order; None for none.
        stop_within: seconds that this may take; 60 unless given.
        outage: seconds for which the run waits until doo can be reached; 3600 unless given.
        marker: whether descriptions end in a marker of the run; False unless given.
        keep_secrets: a function that encrypts the secrets of what is deleted, for `undo`; None for none.
        canary: whether the first team is done alone, before the others; False unless given.
        secrets: those that a resumed run needs and that are stored nowhere, see `bulk.resume`.
        on_finished: for a journal whose run has finished, "report" (the default) or "refuse".
        baseline: stable lists that were read a moment ago, used in place of the run's own first readings.
        on_claimed: for a team of another run, "refuse" (the default with a journal) or "wait" (the default without).
        moved: whether the journal is the latest copy, where nothing else can tell; False unless given.
        command: the name that `TeamClaimed` shows for the run; it must hold no secret.
        foreground: whether it costs and waits as single calls do; False unless given.
        max_pairs: how many updates of a team may have both their webhook configurations live at once; 25 unless given.
    """

    settle: float
    on_exhausted: Literal["park", "wait"] | None
    grace: float
    stop: StopSignal | None
    stop_within: float
    outage: float
    marker: bool
    keep_secrets: Callable[[bytes], bytes] | None
    canary: bool
    secrets: GivenSecrets | None
    on_finished: Literal["report", "refuse"]
    baseline: Mapping[str, list[WebhookConfiguration]] | Collected | None
    on_claimed: Literal["refuse", "wait"] | None
    moved: bool
    command: str | None
    foreground: bool
    max_pairs: int


def options_in(arguments: Mapping[str, Any]) -> RunOptions:
    """Return the options of a run from the `locals()` of a method that has each as a parameter.

    Those of its `**other` are included, so that `RunSettings.of` refuses them.
    """
    named = {name: arguments[name] for name in RunOptions.__annotations__ if name in arguments}
    return cast("RunOptions", {**named, **arguments.get("other", {})})


def _secrets(_: object, __: attrs.Attribute[Any], value: object) -> None:
    if value is not None and not isinstance(value, Mapping) and not callable(value):
        raise ConfigError(
            "secrets must be a mapping such as {(0, 'client_secret'): ...} or {webhook_id: ...}, or a function of "
            "aiodoo.Missing; nothing was sent"
        )


def _seconds(_: object, field: attrs.Attribute[float], value: object) -> None:
    check_seconds(value, field.name)


def _signal(_: object, field: attrs.Attribute[Any], value: object) -> None:
    check_signal(value, field.name)


def _callback(_: object, field: attrs.Attribute[Any], value: object) -> None:
    check_callback(value, field.name)


def _flag(_: object, field: attrs.Attribute[bool], value: object) -> None:
    check_flag(value, field.name)


def _words(_: object, field: attrs.Attribute[Any], value: object) -> None:
    check_words(value, field.name)


def _count(_: object, field: attrs.Attribute[int], value: object) -> None:
    check_count(value, field.name)


def _report_or_refuse(_: object, field: attrs.Attribute[Any], value: object) -> None:
    check_choice(value, field.name, ("report", "refuse"))


@attrs.frozen(kw_only=True)
class RunSettings:
    """The options of a run with their defaults applied.

    Attributes:
        park: whether the run returns when the daily quota is spent, instead of waiting.
        settle, grace, stop, stop_within, outage, marker, keep_secrets, canary, secrets, on_finished, moved, command,
            foreground, max_pairs: as in `RunOptions`.
        baseline: lists that were read before, by team id.
        wait_for_claims: whether the run waits for a team that another run has claimed, instead of being refused.
        progress: called with a `Progress` after every step.
        on_outcome: called with the outcome of each operation that ends, or has ended in an earlier process.
    """

    park: bool
    settle: float = attrs.field(default=SETTLE, validator=_seconds)
    grace: float = attrs.field(default=10.0, validator=_seconds)
    stop: StopSignal | None = attrs.field(default=None, validator=_signal)
    stop_within: float = attrs.field(default=60.0, validator=_seconds)
    outage: float = attrs.field(default=3600.0, validator=_seconds)
    marker: bool = attrs.field(default=False, validator=_flag)
    keep_secrets: Callable[[bytes], bytes] | None = attrs.field(default=None, validator=_callback)
    canary: bool = attrs.field(default=False, validator=_flag)
    secrets: GivenSecrets | None = attrs.field(default=None, repr=False, validator=_secrets)
    on_finished: Literal["report", "refuse"] = attrs.field(default="report", validator=_report_or_refuse)
    baseline: Mapping[str, Collected] = attrs.field(factory=dict)
    moved: bool = attrs.field(default=False, validator=_flag)
    wait_for_claims: bool = False
    command: str | None = attrs.field(default=None, validator=_words)
    foreground: bool = attrs.field(default=False, validator=_flag)
    max_pairs: int = attrs.field(default=MAX_PAIRS, validator=_count)
    progress: Callable[[Progress], object] | None = attrs.field(default=None, validator=_callback)
    on_outcome: Callable[[Outcome], object] | None = attrs.field(default=None, validator=_callback)

    @property
    def lane(self) -> Lane:
        """The queue in which its requests wait for slots."""
        return Lane.FRONT if self.foreground else Lane.BULK

    @classmethod
    def of(
        cls,
        options: RunOptions,
        *,
        journal: object,
        progress: Callable[[Progress], object] | None = None,
        on_outcome: Callable[[Outcome], object] | None = None,
    ) -> Self:
        """Return the settings for the options that a caller passed.

        Raises:
            ConfigError: an option is invalid.
        """
        unknown = sorted(set(options) - set(RunOptions.__annotations__))
        if unknown:
            raise ConfigError(
                f"a run has no option {', '.join(unknown)}; the options are {', '.join(RunOptions.__annotations__)}. "
                "Nothing was sent"
            )
        if journal is not None:
            journal_path(journal)
        given: dict[str, Any] = {**options}
        given["baseline"] = checked_baseline(given.get("baseline") or {})
        on_exhausted = given.pop("on_exhausted", None)
        if on_exhausted is not None:
            check_choice(on_exhausted, "on_exhausted", ("park", "wait"))
        on_claimed = given.pop("on_claimed", None)
        if on_claimed is not None:
            check_choice(on_claimed, "on_claimed", ("refuse", "wait"))
        wait = on_claimed == "wait" or (on_claimed is None and journal is None)
        if journal is None and given.get("keep_secrets") is not None:
            raise ConfigError("keep_secrets keeps them in a journal, so journal= is needed; nothing was sent")
        park = on_exhausted == "park" or (on_exhausted is None and journal is not None)
        return cls(park=park, wait_for_claims=wait, progress=progress, on_outcome=on_outcome, **given)


def journal_path(journal: object) -> Path | SharedJournal:
    """Return the path of a journal, or its name on a server.

    Raises:
        ConfigError: it is not the path of a file.
    """
    if isinstance(journal, SharedJournal):
        return journal
    if not isinstance(journal, str | os.PathLike):
        raise ConfigError(f"a journal is a path, and not a {type(journal).__name__}; nothing was sent")
    text = plain_text(os.fspath(journal))
    if not isinstance(text, str):
        raise ConfigError("a journal is a path as text, and not as bytes; nothing was sent")
    try:
        os.fsencode(text)
    except UnicodeEncodeError:
        raise ConfigError(
            "a journal's path has a character that no file name can have; nothing was sent"
        ) from None
    if not text.strip():
        raise ConfigError("a journal's path is empty; nothing was sent. Name a file")
    if "\0" in text:
        raise ConfigError("a journal's path has a null character; nothing was sent. Name a file")
    path = Path(text)
    if path.name in {"", ".."} or text.endswith(("/", "/.")):
        raise ConfigError(
            f"a journal is a file, and {text} names a folder; nothing was sent. Name a file in it"
        )
    return path
