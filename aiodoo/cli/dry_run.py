"""Lists what operations would change, webhook by webhook and field by field, for --dry-run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from aiodoo.cli.configurations import change_in_words
from aiodoo.cli.terminal.output import Column
from aiodoo.errors import ConfigError

if TYPE_CHECKING:
    from aiodoo import Facts, Forecast, Operation, Tenants, WebhookConfiguration
    from aiodoo.cli.context import Context
    from aiodoo.desired import FieldChange

_COLUMNS = (
    Column("TEAM", lambda record: record["team_id"], whole=True),
    Column("WEBHOOK", lambda record: record["webhook_id"], whole=True),
    Column("WHAT"),
    Column("NAME"),
    Column("WOULD BE", lambda record: record["status"].replace("_", " ")),
    Column("CHANGES"),
)


def show_operations(settings: Context, tenants: Tenants, wanted: Mapping[str, Forecast]) -> None:
    """Print each operation with the old and the new values of what it changes; of secrets only where they come from."""
    with settings.sheet(*_COLUMNS) as sheet:
        for name, forecast in wanted.items():
            listed = {
                (webhook.team_id, webhook.id): webhook
                for webhooks in forecast.baseline.values()
                for webhook in webhooks
            }
            for outcome in forecast.outcomes:
                operation = outcome.operation
                webhook_id = getattr(operation, "webhook_id", None)
                old = listed.get((operation.team_id, webhook_id or ""))
                fields = _fields(operation, old, tenants[name].facts)
                record = {
                    "team_id": operation.team_id,
                    "webhook_id": webhook_id,
                    "what": operation.word,
                    "name": _name(operation, old),
                    "status": outcome.status.value,
                    "fields": [{"path": each.path, "old": each.old, "new": each.new} for each in fields],
                }
                cells = {"changes": "\n".join(map(change_in_words, fields))}
                sheet.add({"profile": name, **record} if settings.all_profiles else record, cells)


def _name(operation: Operation, old: WebhookConfiguration | None) -> str | None:
    config = getattr(operation, "config", None)
    return old.name if old is not None else None if config is None else config.name


def _fields(operation: Operation, old: WebhookConfiguration | None, facts: Facts) -> Sequence[FieldChange]:
    """Return the fields that an operation changes, without old values if its webhook configuration was not read."""
    from aiodoo import Create, Delete, Ensure, Replace, Update  # noqa: PLC0415  # load what --help can do without
    from aiodoo.desired import FieldChange, diff  # noqa: PLC0415
    from aiodoo.desired.file.building import WantedWebhook  # noqa: PLC0415
    from aiodoo.desired.planning.diff import contents_of  # noqa: PLC0415
    from aiodoo.models.copying import content_of  # noqa: PLC0415

    try:
        match operation:
            case Replace() if old is not None:
                return diff(old, operation.config)
            case Create() | Ensure() | Replace():
                return contents_of(WantedWebhook(operation.config, 0), facts)
            case Update() if old is not None:
                return diff(old, old.copy(**operation.changes))
            case Delete() if old is not None:
                contents = contents_of(WantedWebhook(content_of(old), 0), facts)
                return [FieldChange(each.path, each.new, None) for each in contents]
    except ConfigError as error:
        # What cannot be copied is not changed either; the forecast counts it as failed.
        return [FieldChange("", None, str(error))]
    return ()
