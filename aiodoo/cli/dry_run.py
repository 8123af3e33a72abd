"""Lists what operations would change, webhook by webhook and field by field, for --dry-run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from aiodoo.cli.configurations import change_in_words
from aiodoo.cli.terminal.table import Column
from aiodoo.errors import ConfigError

if TYPE_CHECKING:
    from aiodoo import Create, Facts, Forecast, Operation, Tenants, WebhookConfiguration
    from aiodoo.cli.context import Context
    from aiodoo.desired import FieldChange

_COLUMNS = (
    Column("TEAM", lambda record: record["team_id"], whole=True),
    Column("WEBHOOK", lambda record: record["webhook_id"], whole=True),
    Column("WHAT", lambda record: record["operation"]),
    Column("NAME"),
    Column("WOULD BE", lambda record: record["status"].replace("_", " ")),
    Column("CHANGES"),
)


def show_operations(settings: Context, tenants: Tenants, wanted: Mapping[str, Forecast]) -> None:
    """Print each operation with the old and the new values of what it changes; of secrets only where they come from."""
    with settings.sheet("change", *_COLUMNS) as sheet:
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
                    "profile": name,
                    "team_id": operation.team_id,
                    "webhook_id": webhook_id,
                    "operation": operation.word,
                    "name": _name(operation, old),
                    "status": outcome.status.value,
                    "reason": outcome.reason or (None if outcome.error is None else str(outcome.error)),
                    "may_widen": outcome.scope_unknown,
                    "line": None,
                    "fields": [{"path": each.path, "old": each.old, "new": each.new} for each in fields],
                }
                sheet.add(record, {"changes": "\n".join(map(change_in_words, fields))})
            sheet.add(forecast_record(name, forecast), kind="forecast")


def show_create(settings: Context, tenants: Tenants, operation: Create) -> None:
    """Print a single create and what it costs."""
    from aiodoo import Forecast, Requests  # noqa: PLC0415  # load what --help can do without
    from aiodoo.operations.forecast import Expected  # noqa: PLC0415
    from aiodoo.operations.tracked import Status  # noqa: PLC0415

    expected = Expected(index=0, operation=operation, status=Status.APPLIED)
    forecast = Forecast(requests=Requests(creates=1), counts={"applied": 1}, outcomes=(expected,))
    show_operations(settings, tenants, dict.fromkeys(tenants, forecast))


def forecast_record(profile: str, forecast: Forecast) -> dict[str, Any]:
    """Return the record of a forecast."""
    return {
        "profile": profile,
        "requests": forecast.requests.total,
        "seconds": forecast.seconds,
        "days": forecast.days,
        "counts": dict(forecast.counts),
        "cannot_end": forecast.cannot_end,
    }


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
