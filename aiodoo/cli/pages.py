"""The pages that --report writes for change tickets: of a plan, of what was applied, of a run, an export and an audit."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

from aiodoo.cli.configurations import as_cells
from aiodoo.cli.context import Context
from aiodoo.cli.kept_runs import record_of, state_in_words
from aiodoo.cli.run_folders import RunFolder
from aiodoo.cli.terminal.html_page import HtmlTable, html_page, write_page

if TYPE_CHECKING:
    from aiodoo import Report, WebhookConfiguration
    from aiodoo.audit import AuditReport
    from aiodoo.bulk.journal import Moment, RunSummary
    from aiodoo.desired import Plan, PlannedChange

_WIDTH, _HEIGHT = 720, 160
"""The size of the picture of a run's requests."""


def write_plan(
    settings: Context, path: Path, plan: Plan, cost: str, applied: tuple[RunFolder, Report] | None = None
) -> None:
    """Write the page of a plan, and say where it is if nothing was applied yet.

    Args:
        settings: the options of the command.
        path: the file of the page.
        plan: the plan.
        cost: what it costs, in words.
        applied: the run that has applied it, with its report; None if nothing was applied yet.

    Raises:
        ConfigError: the page cannot be written.
    """
    name, parts = Path(plan.file).name, list(_parts_of_plan(plan))
    if applied is None:
        facts = _facts_of_plan(plan, cost) | {"State": "not applied when this page was made"}
        _write(settings, path, html_page(f"Plan of {name}", facts, parts))
        return
    run, report = applied
    record = {
        "state": "parked"
        if report.resume_at is not None
        else "finished"
        if report.complete
        else "not finished",
        "resume_at": None if report.resume_at is None else report.resume_at.isoformat(),
        "counts": report.counts(),
        "requests": report.requests.total,
    }
    facts = _facts_of_plan(plan, cost) | _facts_of(run, record, report.stopped_because)
    outcomes = _parts_of(run, report.to_rows())
    write_page(path, html_page(f"Application of {name}", facts, [*parts, *outcomes]))


def write_run(settings: Context, path: Path, run: RunFolder, seen: RunSummary | None) -> None:
    """Write the page of a run; `seen` is its state, None if it has not begun.

    Raises:
        ConfigError: the page cannot be written.
    """
    stopped_because = None if seen is None else seen.end.stopped_because
    lines = () if seen is None else seen.lines
    rows = [
        {
            "team_id": line.team_id,
            "operation": line.word,
            "old_id": line.webhook_id,
            "webhook_id": line.new_id,
            "status": line.status.value,
            "reason": line.reason,
            "error": line.error,
        }
        for line in lines
    ]
    facts = _facts_of(run, record_of(run, seen), stopped_because)
    _write(settings, path, html_page(f"Run {run.id}", facts, _parts_of(run, rows)))


def write_export(settings: Context, path: Path, found: Iterable[tuple[str, WebhookConfiguration]]) -> None:
    """Write the page of webhook configurations, each with the name of its profile, without their secrets.

    Raises:
        ConfigError: the page cannot be written.
    """
    from aiodoo.audit import audit  # noqa: PLC0415  # --help does without

    of: dict[str, list[WebhookConfiguration]] = {}
    for profile, webhook in found:
        of.setdefault(profile, []).append(webhook)
    parts: list[HtmlTable] = []
    for profile, webhooks in of.items():
        begin = f"{profile}: " if settings.all_profiles else ""
        parts += _hosts_and_teams(begin, audit(webhooks))
        cells = [as_cells(webhook) for webhook in webhooks]
        columns = ("team", "id", "name", "hooks", "event_id", "token_url")
        rows = [[each[column] for column in columns] for each in cells]
        heads = ("Team", "Webhook", "Name", "Hooks", "Event", "Token from")
        parts.append(HtmlTable(f"{begin}Webhook configurations", heads, rows))
    facts = {"Webhook configurations": sum(map(len, of.values()))}
    _write(settings, path, html_page("Export of doo's webhook configurations", facts, parts))


def write_audit(settings: Context, path: Path, found: Mapping[str, AuditReport]) -> None:
    """Write the page of the audit of each profile.

    Raises:
        ConfigError: the page cannot be written.
    """
    parts: list[HtmlTable] = []
    facts: dict[str, object] = {}
    for profile, each in found.items():
        begin = f"{profile}: " if settings.all_profiles else ""
        facts |= {f"{begin}{severity}": many for severity, many in each.counts().items()}
        columns = ("Severity", "Team", "Name", "Webhook", "Found", "Mended by")
        rows = [
            (
                one.severity,
                one.team_id,
                one.name,
                one.webhook_id,
                one.about,
                settings.again(one.command, profile),
            )
            for one in each.findings
        ]
        parts.append(HtmlTable(f"{begin}Findings", columns, rows))
        parts += _hosts_and_teams(begin, each)
        notes = [(note,) for note in each.notes]
        parts.append(HtmlTable(f"{begin}Not checked", ("Why",), notes, "Everything was checked."))
    _write(settings, path, html_page("Audit of doo's webhook configurations", facts, parts))


def _write(settings: Context, path: Path, page: str) -> None:
    write_page(path, page)
    settings.talk.say(f"the page is {path}.", page=str(path))


def _hosts_and_teams(begin: str, found: AuditReport) -> list[HtmlTable]:
    """Return the tables of an account's hosts and teams, with headings that begin so."""
    hosts = [(one.host, one.hooks, one.webhooks, one.teams) for one in found.hosts]
    return [
        HtmlTable(f"{begin}Hosts", ("Host", "Hooks", "Webhook configurations", "Teams"), hosts),
        HtmlTable(f"{begin}Teams", ("Team", "Webhook configurations"), list(found.teams.items())),
    ]


def _facts_of_plan(plan: Plan, cost: str) -> dict[str, object]:
    counts = plan.counts()
    facts: dict[str, object] = {
        "File": plan.file,
        "Plan": plan.digest[:12],
        "Planned at": _time(plan.made_at),
        **{f"To {kind}": counts[kind] for kind in ("create", "replace", "delete")},
        "Unchanged": counts["unchanged"],
        "Cost": cost,
    }
    if plan.cost.days:
        facts["Days of quota"] = f"{plan.cost.days:.2g}"
    return facts


def _parts_of_plan(plan: Plan) -> Iterator[HtmlTable]:
    problems = [(problem.team_id, problem.line, problem.says) for problem in plan.problems]
    yield HtmlTable("Problems", ("Team", "Line", "What is left out, and why"), problems)
    names = {team.id: team.organization for team in plan.teams}
    rows = [row for change in plan for row in _rows_of(change, names.get(change.team_id))]
    columns = ("Change", "Team", "Organization", "Webhook", "Id", "Line", "Field", "Value")
    yield HtmlTable("What changes", columns, rows, "Nothing.")
    title = "Hosts that no webhook configuration of these teams has had"
    yield HtmlTable(title, ("Host",), [(host,) for host in plan.new_hosts])
    kept = [(team.id, one.webhook_id, one.name) for team in plan.teams for one in team.undeclared]
    yield HtmlTable("Not declared, and kept", ("Team", "Webhook", "Name"), kept)


def _rows_of(change: PlannedChange, organization: str | None) -> Iterator[Sequence[object]]:
    """Yield a row for each field of a change, of which the first one names it, and one for each remark."""
    name = (change.name, None) if change.kind == "delete" else change.name
    named = (change.kind, change.team_id, organization, name, change.webhook_id, _text(change.line))
    values: list[tuple[str, object]] = [(field.path, (field.old, field.new)) for field in change.fields]
    if change.why is not None:
        values.append(("why", change.why))
    if change.may_widen:
        values.append(
            ("may widen", "it is limited to no event, and doo's list may not show that the old one was")
        )
    for number, value in enumerate(values or [("", "")]):
        yield (*(named if not number else ("",) * len(named)), *value)


def _facts_of(run: RunFolder, record: Mapping[str, Any], stopped_because: str | None) -> dict[str, object]:
    """Return what is said of a run; the record has its state, counts, requests, and when it can be resumed."""
    counts = ", ".join(
        f"{number} {word.replace('_', ' ')}" for word, number in record["counts"].items() if number
    )
    facts: dict[str, object] = {
        "Run": run.id,
        "Command": run.command,
        "Profile": run.profile,
        "Began": _time(run.began),
        "State": state_in_words(record),
        "Stopped because": stopped_because,
        "Operations": counts,
        "Requests sent": record["requests"],
    }
    return {name: value for name, value in facts.items() if value not in {None, ""}}


def _parts_of(run: RunFolder, rows: Sequence[Mapping[str, Any]]) -> Iterator[HtmlTable | str]:
    """Yield what is left of a run, the timeline of its requests, and its outcomes; the rows are as a report's."""
    columns = ("Team", "Operation", "Webhook", "New webhook", "Outcome", "Reason")
    cells = [_cells_of(row) for row in rows]
    left = [each for each, row in zip(cells, rows, strict=True) if _is_left(row)]
    yield HtmlTable("Differences left", columns, left)
    yield from _timeline(run)
    counted = Counter((row["operation"], row["status"]) for row in rows)
    outcomes = [(*kind, number) for kind, number in counted.items()]
    yield HtmlTable("Outcomes", ("Operation", "Outcome", "Number"), outcomes)
    yield HtmlTable("Operations", columns, cells)


def _cells_of(row: Mapping[str, Any]) -> tuple[object, ...]:
    old, new = row["old_id"], row["webhook_id"]
    twice = "both may be live" if row.get("both_live", False) else None
    why = row["reason"] or row["error"] or twice
    return row["team_id"], row["operation"], old, new if new != old else None, row["status"], why


def _is_left(row: Mapping[str, Any]) -> bool:
    return row["status"] not in {"applied", "unchanged"} or row.get("both_live", False)


def _timeline(run: RunFolder) -> Iterator[HtmlTable | str]:
    from aiodoo.bulk.journal import timeline  # noqa: PLC0415  # --help does without

    moments = [*timeline(run.journal)] if isinstance(run.journal, Path) and run.has_journal else []
    days: dict[str, int] = {}
    for before, moment in pairwise(moments):
        day = f"{moment.at:%Y-%m-%d}"
        days[day] = days.get(day, 0) + moment.requests - before.requests
    yield HtmlTable("Requests a day", ("Day (UTC)", "Requests"), list(days.items()))
    if days and moments[-1].requests:
        yield _picture(moments)


def _picture(moments: Sequence[Moment]) -> str:
    """Return a picture of how requests grew, a step at most for each of its columns."""
    began, ended, most = moments[0].at, moments[-1].at, moments[-1].requests
    seconds = (ended - began).total_seconds() or 1.0
    steps: Mapping[int, int] = {
        round((moment.at - began).total_seconds() / seconds * _WIDTH): moment.requests for moment in moments
    }
    path = " ".join(f"H{x} V{_HEIGHT - round(requests / most * _HEIGHT)}" for x, requests in steps.items())
    label = f"{most} requests from {_time(began)} to {_time(ended)}"
    return (
        f'<figure><svg viewBox="-1 -1 {_WIDTH + 2} {_HEIGHT + 2}" role="img" aria-label="{label}">'
        f'<path d="M0 0 V{_HEIGHT} H{_WIDTH}" fill="none" stroke="#888"/>'
        f'<path d="M0 {_HEIGHT} {path}" fill="none" stroke="currentColor" stroke-width="2"/>'
        f"</svg><figcaption>{label}</figcaption></figure>"
    )


def _time(moment: Any) -> str:
    return f"{moment:%Y-%m-%d %H:%M:%S} UTC"


def _text(value: object) -> str | None:
    return None if value is None else str(value)
