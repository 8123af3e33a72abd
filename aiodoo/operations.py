"""What a caller wants changed, as plain data. Nothing here asks doo for anything."""

from __future__ import annotations

from typing import ClassVar, TypeAlias, Unpack

import attrs

from aiodoo.models import AddWebhook, Changes, check_changes, check_config, check_id
from aiodoo.models.changes import keeping


def _team_id(value: str | int) -> str:
    return check_id(value, "team id")


def _keeping(config: AddWebhook) -> AddWebhook:
    return keeping(check_config(config))


def _webhook_id(value: str | int) -> str:
    return check_id(value, "webhook configuration id")


@attrs.frozen
class Create:
    """Create a webhook configuration in a team, whatever is there already."""

    word: ClassVar[str] = "create"
    team_id: str = attrs.field(converter=_team_id)
    config: AddWebhook = attrs.field(converter=check_config)


@attrs.frozen
class Ensure:
    """Create a webhook configuration unless an equal one is in the team already."""

    word: ClassVar[str] = "ensure"
    team_id: str = attrs.field(converter=_team_id)
    config: AddWebhook = attrs.field(converter=check_config)


@attrs.frozen(init=False)
class Update:
    """Change some fields of a webhook configuration, which gives it a new id.

    The changes are those of `WebhookConfiguration.copy`: `name description event_id event_guide_id
    client_secret hosts hooks authentication`.
    """

    word: ClassVar[str] = "update"
    team_id: str = attrs.field(converter=_team_id)
    webhook_id: str = attrs.field(converter=_webhook_id)
    changes: Changes = attrs.field(repr=lambda changes: repr(sorted(changes)), hash=False)

    def __init__(self, team_id: str | int, webhook_id: str | int, **changes: Unpack[Changes]) -> None:
        self.__attrs_init__(team_id, webhook_id, check_changes(changes))  # pyright: ignore[reportAttributeAccessIssue]  # made by attrs


@attrs.frozen
class Replace:
    """Put a whole new configuration in the place of one, which gives it a new id.

    A mask such as `***` where a secret should be means the secret that doo lists for the one that is replaced.
    """

    word: ClassVar[str] = "replace"
    team_id: str = attrs.field(converter=_team_id)
    webhook_id: str = attrs.field(converter=_webhook_id)
    config: AddWebhook = attrs.field(converter=_keeping)


@attrs.frozen
class Delete:
    """Delete a webhook configuration."""

    word: ClassVar[str] = "delete"
    team_id: str = attrs.field(converter=_team_id)
    webhook_id: str = attrs.field(converter=_webhook_id)


Operation: TypeAlias = Create | Ensure | Update | Replace | Delete
