"""Prints the outcomes of runs while they go on, and last of all each run."""

from __future__ import annotations

import sys
from collections import deque
from collections.abc import Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import attrs

from aiodoo.cli.context import ENVIRONMENT, Context
from aiodoo.cli.kept_runs import record_of, summary_of
from aiodoo.cli.run_folders import RunFolder
from aiodoo.cli.terminal.output import Sheet
from aiodoo.cli.terminal.process import stop_signal
from aiodoo.cli.terminal.streams import takes_a_line
from aiodoo.cli.terminal.table import Column
from aiodoo.errors import DooError

if TYPE_CHECKING:
    from aiodoo import Report
    from aiodoo.bulk import Outcome
    from aiodoo.bulk.journal import OperationSummary


def _reason(record: Mapping[str, Any]) -> object:
    """Return why an operation ended as it did; of one that failed, with what doo said if the reason does not hold it."""
    reason, error = record["reason"], record["error"]
    if record["status"] == "failed" and reason and error and error not in reason:
        return f"{reason}: {error}"
    return reason or error


COLUMNS = (
    Column("TEAM", lambda record: record["team_id"], whole=True),
    Column("WEBHOOK", lambda record: record["old_id"] or record["webhook_id"], whole=True),
    Column("WHAT", lambda record: record["operation"]),
    Column("STATUS", lambda record: record["status"].replace("_", " ")),
    Column("REASON", _reason),
)


@attrs.define
class Outcomes:
    """The output of a command's runs, by name: with JSON lines each outcome is printed when its operation ends.

    Nothing that happens to the output stops a run: if standard output cannot be written any more, the error is kept, and
    raised by `finish`; while its reader takes nothing, as a pager does, outcomes wait to be printed.
    """

    _settings: Context
    _runs: Mapping[str, RunFolder]
    _shown: set[tuple[str, int]] = attrs.field(factory=set)
    _waiting: deque[tuple[str, Outcome]] = attrs.field(factory=deque)
    _lost: OSError | None = None
    _sheet: Sheet = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self._sheet = self._settings.sheet("outcome", *COLUMNS)

    def note(self, name: str, outcome: Outcome) -> None:
        """Print an outcome if the output is JSON lines; for `bulk.run(on_outcome=...)`."""
        if self._settings.output == "jsonl":
            self._waiting.append((name, outcome))
            while self._waiting and takes_a_line(sys.stdout):
                self._add(*self._waiting.popleft())

    def finish(self, reports: Mapping[str, Report]) -> None:
        """Print all outcomes that have not been printed, and the runs; a table has those alone that did not succeed.

        Raises:
            OSError: standard output could not be written.
        """
        with self._sheet:
            for name, outcome in self._waiting:
                self._add(name, outcome)
            for name, report in reports.items():
                for outcome in report:
                    if not (self._settings.output == "table" and outcome.status.fine):
                        self._add(name, outcome)
            if self._lost is not None:
                raise self._lost
            for name, report in reports.items():
                self._sheet.add(self._run(name, report), kind="run")

    def finish_cancelled(self) -> None:
        """Print of cancelled runs what their journals record; nothing for a table, or without a journal.

        Raises:
            OSError: standard output could not be written.
        """
        if self._settings.is_table or self._lost is not None:
            return
        with self._sheet:
            for name, run in self._runs.items():
                with suppress(DooError):
                    self._add_journal(name, run)

    def _add_journal(self, name: str, run: RunFolder) -> None:
        if (seen := summary_of(run)) is None:
            return
        for line in seen.lines:
            if (name, line.number) not in self._shown:
                self._sheet.add(journaled(run, line))
        self._sheet.add(record_of(run, seen), kind="run")

    def record(self, name: str, outcome: Outcome) -> dict[str, Any]:
        """Return the record of an outcome."""
        return {"profile": self._profile(name), "run_id": self._runs[name].id, **outcome.to_row()}

    def _add(self, name: str, outcome: Outcome) -> None:
        if self._lost is not None or (name, outcome.index) in self._shown:
            return
        self._shown.add((name, outcome.index))
        try:
            self._sheet.add(self.record(name, outcome))
        except OSError as error:
            self._lost = error

    def _run(self, name: str, report: Report) -> dict[str, Any]:
        stop = stop_signal()
        if all(outcome.ended for outcome in report):
            state = "finished"
        elif stop is not None and stop.is_set():
            state = "stopped"
        else:
            state = "interrupted" if report.resume_at is None else "parked"
        counts = {status: number for status, number in report.counts().items() if number}
        run, at = self._runs[name], report.resume_at
        return {
            "profile": self._profile(name),
            "run_id": run.id,
            "command": run.command,
            "began": run.began.isoformat(timespec="seconds"),
            "state": state,
            "resume_at": None if at is None else at.isoformat(timespec="seconds"),
            "operations": len(report),
            "done": sum(outcome.ended for outcome in report),
            "begun": sum(not outcome.ended and outcome.status.value != "not_started" for outcome in report),
            "requests": report.requests.total,
            "counts": counts,
            "stopped_because": report.stopped_because,
        }

    def _profile(self, name: str) -> str:
        run = self._runs[name]
        return run.profile or (ENVIRONMENT if name == run.id else name)


def journaled(run: RunFolder, line: OperationSummary) -> dict[str, Any]:
    """Return the record of the outcome that a journal tells."""
    return {
        "profile": run.profile or ENVIRONMENT,
        "run_id": run.id,
        "index": line.number,
        "team_id": line.team_id,
        "operation": line.word,
        "old_id": line.webhook_id,
        "webhook_id": line.new_id or line.webhook_id,
        "status": line.status.value,
        "ended": line.ended,
        "reason": line.reason,
        "error": line.error,
        "scope_unknown": None,
        "both_live": None,
    }
