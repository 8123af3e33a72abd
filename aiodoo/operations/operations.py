"""The five operations, as plain data. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from difflib import get_close_matches
from typing import Any, ClassVar, Final, TypeAlias, Unpack

import attrs

from aiodoo.checks import check_id
from aiodoo.doo_warnings import Line, UnknownHookType
from aiodoo.errors import ConfigError
from aiodoo.facts import Facts
from aiodoo.models import (
    HOOK_TYPES,
    AddWebhook,
    Changes,
    check_all,
    check_changes,
    check_config,
    check_new_parts,
    check_replacement,
)
from aiodoo.models.changes import keep_listed
from aiodoo.models.rules import unknown_types
from aiodoo.operations.operation_form import PlainOperation, operation_in
from aiodoo.plain.document import read_document


def _team_id(value: str | int) -> str:
    return check_id(value, "team id")


def _keeping(config: AddWebhook) -> AddWebhook:
    return keep_listed(check_config(config))


def _webhook_id(value: str | int) -> str:
    return check_id(value, "webhook configuration id")


@attrs.frozen
class Create(PlainOperation):
    """Create a webhook configuration in a team, even if an equal one exists.

    Args:
        team_id: the team.
        config: what to create.

    Raises:
        ConfigError: the team id or the config is invalid.
    """

    word: ClassVar[str] = "create"
    team_id: str = attrs.field(converter=_team_id)
    config: AddWebhook = attrs.field(converter=check_config)


@attrs.frozen
class Ensure(PlainOperation):
    """Create a webhook configuration unless the team already has an equal one.

    Args:
        team_id: the team.
        config: what the team should have.

    Raises:
        ConfigError: the team id or the config is invalid.
    """

    word: ClassVar[str] = "ensure"
    team_id: str = attrs.field(converter=_team_id)
    config: AddWebhook = attrs.field(converter=check_config)


@attrs.frozen(init=False)
class Update(PlainOperation):
    """Change some fields of a webhook configuration, which gives it a new id.

        Update("111", "42", hosts={"old.example": "new.example"})

    Args:
        team_id: its team.
        webhook_id: its id.
        **changes: those of `AddWebhook.copy`: `name description event_id event_guide_id client_secret hosts endpoints
            hooks authentication`. `hosts={"old": "new"}` replaces hosts, `endpoints={"old": "new"}` whole URLs.

    Raises:
        ConfigError: an id or a change is invalid.
    """

    word: ClassVar[str] = "update"
    team_id: str = attrs.field(converter=_team_id)
    webhook_id: str = attrs.field(converter=_webhook_id)
    changes: Changes = attrs.field(repr=lambda changes: repr(sorted(changes)), hash=False)

    def __init__(self, team_id: str | int, webhook_id: str | int, **changes: Unpack[Changes]) -> None:
        team_id, webhook_id = _team_id(team_id), _webhook_id(webhook_id)
        with _of(f"{self.word} of webhook {webhook_id} in team {team_id}"):
            made = check_changes(changes)
        self.__attrs_init__(team_id, webhook_id, made)  # pyright: ignore[reportAttributeAccessIssue]  # made by attrs


@attrs.frozen
class Replace(PlainOperation):
    """Replace a webhook configuration with a new one, which gives it a new id.

    Args:
        team_id: its team.
        webhook_id: the id of the old one.
        config: the new one. A mask such as `***` in place of a secret stands for the secret that doo lists for the
            old one.
    """

    word: ClassVar[str] = "replace"
    team_id: str = attrs.field(converter=_team_id)
    webhook_id: str = attrs.field(converter=_webhook_id)
    config: AddWebhook = attrs.field(converter=_keeping)


@attrs.frozen
class Delete(PlainOperation):
    """Delete a webhook configuration.

    Args:
        team_id: its team.
        webhook_id: its id.
    """

    word: ClassVar[str] = "delete"
    team_id: str = attrs.field(converter=_team_id)
    webhook_id: str = attrs.field(converter=_webhook_id)


Operation: TypeAlias = Create | Ensure | Update | Replace | Delete

KINDS: Final = {kind.word: kind for kind in (Create, Ensure, Update, Replace, Delete)}
"""The classes of operations by their words."""


def from_dict(mapping: Mapping[str, Any]) -> Operation:
    """Read any operation that `to_dict` has written; see `Create.from_dict`.

    Args:
        mapping: the object, as `json.load` returns it.

    Raises:
        ConfigError: something does not fit; says where, and shows no value.
    """
    return read_document(mapping, "an operation", operation_of)


def operation_of(data: Any) -> Operation:
    """Read any operation, without the version of a document.

    Raises:
        Misfit: it does not fit.
    """
    return operation_in(data, KINDS)  # type: ignore[no-any-return]


def describe(operation: Operation) -> str:
    """Return an operation as text for a message, such as "update of webhook 42 in team 111"."""
    if isinstance(operation, Create | Ensure):
        return f"{operation.word} in team {operation.team_id}"
    return f"{operation.word} of webhook {operation.webhook_id} in team {operation.team_id}"


def check_operation(operation: Operation, facts: Facts) -> list[str]:
    """Check an operation by doo's rules, and return its hook types that no page of doo names.

    Raises:
        ConfigError: doo would refuse the operation, which the message names.
    """
    suffix = facts.type_suffix
    try:
        match operation:
            case Create(config=config) | Ensure(config=config):
                check_all(config, suffix)
                return unknown_types(config.hooks, suffix)
            case Replace(config=config):
                check_replacement(config, suffix)
                return unknown_types(config.hooks, suffix)
            case Update(changes=changes):
                check_new_parts(changes, suffix)
                return unknown_types(changes.get("hooks", ()), suffix)
            case _:
                return []
    except ConfigError as error:
        message = f"{describe(operation)}: {error}"
    raise ConfigError(message)


def warn_of_types(
    types: Iterable[str],
    line: Line,
    place: Callable[[str], str | None] | None = None,
    *,
    then: str = "",
) -> None:
    """Warn once of hook types that no page of doo names, at the caller's line.

    Args:
        types: the types.
        line: the caller's line.
        place: returns where a type stands in a file, or None.
        then: what is done with them; by default that they are sent as they are.
    """
    named = list(dict.fromkeys(types))
    if not named:
        return
    shown = []
    for name in named[:5]:
        close = get_close_matches(name, HOOK_TYPES, 1)
        shown.append(ascii(name[:80]) + (f" (did you mean {close[0]}?)" if close else ""))
    more = f" and {len(named) - 5} more" if len(named) > 5 else ""
    places = [] if place is None else [found for name in named[:5] if (found := place(name)) is not None]
    sent = "it is sent as it is, as doo may have new ones"
    prefix = f"{', '.join(places)}: " if places else ""
    line.warn(
        f"{prefix}no page of doo names the hook type {', '.join(shown)}{more}; {then or sent}",
        UnknownHookType,
    )


@contextmanager
def _of(described: str) -> Iterator[None]:
    """Prefix the message of a ConfigError with the operation."""
    try:
        yield
    except ConfigError as error:
        message = f"{described}: {error}"
    else:
        return
    raise ConfigError(message)
