"""Copy webhooks from one account to another, as a CSV file says, with a dry run and a journal.

    python migrate.py moves.csv                   what each row would do; changes nothing
    python migrate.py moves.csv --run             do it; after a stop, a kill or a spent quota, the same command resumes

The file has the columns `from_team`, `webhook_id` and `to_team`. The two accounts are the profiles `old` and `new`, and
webhooks that call `https://old.example/` call `https://new.example/` afterwards. The outcome of each row is
written beside the file, as `moves.outcomes.csv`.
"""

from __future__ import annotations

import asyncio
import csv
import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import aiodoo

HOSTS = {"old.example": "new.example"}
EXIT_CODES = {"done": 0, "failed": 1, "unfinished": 3}

Row = dict[str, str]


def read_rows(path: Path) -> list[Row]:
    """Read the file."""
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def write_rows(path: Path, rows: Iterable[Mapping[str, object]]) -> None:
    """Write a file, if there is anything to write."""
    rows = list(rows)
    with path.open("w", newline="", encoding="utf-8") as file:
        if rows:
            writer = csv.DictWriter(file, list(rows[0]))
            writer.writeheader()
            writer.writerows(rows)


async def listed(
    old: aiodoo.Session, rows: Sequence[Row]
) -> dict[tuple[str, str], aiodoo.WebhookConfiguration]:
    """Read each team of the old account, until two readings agree where it has several pages."""
    teams = dict.fromkeys(row["from_team"] for row in rows)
    walk = old.webhooks.list(teams, stable=True)
    return {(webhook.team_id, webhook.id): webhook async for webhook in walk}


async def prepared(
    old: aiodoo.Session, rows: Sequence[Row]
) -> tuple[list[aiodoo.Operation], list[int], dict[int, str]]:
    """Return the operations, the row of each of them, and what is wrong with the other rows."""
    found = await listed(old, rows)
    operations: list[aiodoo.Operation] = []
    places: list[int] = []
    wrong: dict[int, str] = {}
    seen: set[tuple[str, ...]] = set()
    for number, row in enumerate(rows):
        if tuple(row.values()) in seen:
            wrong[number] = "an earlier row says the same"
            continue
        seen.add(tuple(row.values()))
        webhook = found.get((row["from_team"], row["webhook_id"]))
        try:
            if webhook is None:
                raise aiodoo.NotFound("the old account has no such webhook")
            operations.append(aiodoo.Ensure(row["to_team"], webhook.copy(hosts=HOSTS)))
        except aiodoo.DooError as error:
            wrong[number] = str(error)
        else:
            places.append(number)
    return operations, places, wrong


def outcomes(
    rows: Sequence[Row],
    places: Sequence[int],
    wrong: Mapping[int, str],
    ended: aiodoo.Report | aiodoo.Forecast,
) -> list[dict[str, object]]:
    """Put the outcome of each operation beside its row.

    Webhooks with the same content make equal operations, so each outcome says by its index which one it is of.
    """
    written: list[dict[str, object]] = [
        {**row, "status": "not_sent", "new_id": "", "why": wrong.get(number, "")}
        for number, row in enumerate(rows)
    ]
    for outcome in ended.to_rows():
        written[places[outcome["index"]]].update(
            status=outcome["status"],
            new_id=outcome.get("webhook_id") or "",
            why=outcome["reason"] or outcome["error"] or "",
        )
    return written


async def dry_run(old: aiodoo.Session, new: aiodoo.Session, rows: Sequence[Row]) -> str:
    """Print what each row would do, and what the run would cost."""
    operations, places, wrong = await prepared(old, rows)
    forecast = await new.bulk.forecast(operations)
    for row in outcomes(rows, places, wrong, forecast):
        print(*row.values(), sep=",")
    print(f"{forecast.requests.total} requests, {forecast.days:.1%} of a day", file=sys.stderr)
    return "failed" if wrong or "failed" in forecast.counts else "done"


async def carry_out(old: aiodoo.Session, new: aiodoo.Session, path: Path, rows: Sequence[Row]) -> str:
    """Start the run, or resume it."""
    journal, places_file = path.with_suffix(".journal"), path.with_suffix(".places.csv")
    if journal.exists():
        # The journal has the operations but no secrets; those are read from the old account again.
        written = read_rows(places_file)
        if [row["row"] for row in written] != [json.dumps(row) for row in rows]:
            raise aiodoo.ConfigError(
                f"{path} is not as it was when its run began, and the journal {journal} has the rows of then; nothing was "
                "sent. Put the rows back to resume that run, and new rows into a file of another name"
            )
        kept = [(place, row["why"]) for place, row in enumerate(written)]
        places = [place for place, why in kept if not why]
        wrong = {place: why for place, why in kept if why}
        again: dict[tuple[str, str], aiodoo.WebhookConfiguration] = {}

        async def secret_of(missing: aiodoo.Missing) -> aiodoo.Secret | None:
            row = rows[places[missing.index]]
            if not again:
                again.update(await listed(old, rows))
            webhook = again.get((row["from_team"], row["webhook_id"]))
            login = None if webhook is None else webhook.authentication
            return None if login is None else login.credentials.client_secret

        report = await new.bulk.resume(journal, secrets=secret_of)
    else:
        operations, places, wrong = await prepared(old, rows)
        write_rows(
            places_file,
            [{"row": json.dumps(row), "why": wrong.get(place, "")} for place, row in enumerate(rows)],
        )
        forecast = await new.bulk.forecast(operations)
        report = await new.bulk.run(operations, journal=journal, baseline=forecast.baseline)
    write_rows(path.with_suffix(".outcomes.csv"), outcomes(rows, places, wrong, report))
    print(report, file=sys.stderr)
    if not report.complete:
        return "unfinished"
    return "done" if not wrong and all(outcome.status.fine for outcome in report) else "failed"


async def main(path: Path, *, run: bool) -> int:
    """Open the two accounts."""
    # Two Session.from_profile would both take a DOO_API_KEY of the environment; Tenants take none.
    async with aiodoo.Tenants({"old": "old", "new": "new"}) as accounts:
        old, new = accounts["old"], accounts["new"]
        rows = read_rows(path)
        ended = await (carry_out(old, new, path, rows) if run else dry_run(old, new, rows))
    return EXIT_CODES[ended]


if __name__ == "__main__":
    try:
        sys.exit(asyncio.run(main(Path(sys.argv[1]), run="--run" in sys.argv[2:])))
    except aiodoo.DooError as problem:
        sys.exit(f"migrate: {problem}")
    except KeyboardInterrupt:
        print("migrate: stopped; the same command resumes", file=sys.stderr)
        sys.exit(130)
