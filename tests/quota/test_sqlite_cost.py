"""What a grant costs on a ledger whose day has counted many requests, in rows, statements, pages and steps; not in time."""

from __future__ import annotations

import math
from pathlib import Path

import attrs
import pytest

from aiodoo.clock import Clock
from aiodoo.quota import Lane, Limits
from aiodoo.quota.day_window import DAY
from aiodoo.quota.exchange import Ask
from aiodoo.quota.living_runs import LivingOnHost
from aiodoo.quota.sqlite_file import LedgerFile
from aiodoo.quota.sqlite_rows import read_account, read_head, write_account, write_head
from aiodoo.quota.updates import Answered

LIMITS = Limits(per_second=None, per_day=100_000)
SIZES = (500, 2_000, 8_000)
PAGE = 4_096


class Steps(Clock):
    """A clock that is set by the test."""

    __slots__ = ("at",)

    def __init__(self) -> None:
        self.at = 1000.0

    def monotonic(self) -> float:
        """Return the time that was set."""
        return self.at


def filled(path: Path, counted: int, ends_in: float, clock: Clock) -> LedgerFile:
    """Make a ledger whose day has counted so many requests; the oldest ones end one by one from that many seconds on."""
    file = LedgerFile(path, LivingOnHost(path))
    with file._transaction(clock, durable=True) as database:  # sending them would take a day
        head = read_head(database, clock.boot(), clock.monotonic(), clock.now().timestamp())
        state, _ = read_account(database, "a", LIMITS, head, head.time.now)
        for number in range(counted):
            state.day.count(head.time.now + ends_in + number)
        write_account(database, "a", head, state)
        write_head(database, head)
    return file


@attrs.define
class Cost:
    """What one grant has cost at most."""

    rows: int = 0
    statements: int = 0
    pages: int = 0
    steps: int = 0


def cost(file: LedgerFile, clock: Steps) -> Cost:
    """Grant and end a request each second; return what one of them has cost at most, with the process's copy of the day."""
    most = Cost()
    known = file.exchange("a", LIMITS, clock, [], None).state.day.after
    database = file._database
    assert database is not None
    for _ in range(12):
        statements: list[str] = []
        steps = 0

        def step() -> None:
            nonlocal steps
            steps += 1

        clock.at += 1
        before, old = database.total_changes, file.path.read_bytes()
        database.set_trace_callback(statements.append)
        database.set_progress_handler(step, 1)
        reply = file.exchange("a", LIMITS, clock, [], Ask("holder", Lane.FRONT), known=known)
        now = clock.monotonic()
        assert reply.number is not None
        reply = file.exchange(
            "a", LIMITS, clock, [Answered(reply.number, now, now, 0.0, refused=False)], None, known=known
        )
        database.set_trace_callback(None)
        database.set_progress_handler(None, 0)
        known, new = reply.state.day.after, file.path.read_bytes()
        assert len(reply.ends) == 1
        pages = sum(old[at : at + PAGE] != new[at : at + PAGE] for at in range(0, len(new), PAGE))
        for name, count in (
            ("rows", database.total_changes - before),
            ("statements", len(statements)),
            ("pages", pages),
            ("steps", steps),
        ):
            setattr(most, name, max(count, getattr(most, name)))
    return most


@pytest.mark.parametrize("ends_in", [DAY / 2, -250.0], ids=["a day that fills", "a day that slides"])
def test_a_grant_costs_the_same_however_many_requests_the_day_has_counted(
    ends_in: float, tmp_path: Path
) -> None:
    """It adds one row and removes those that no longer count; nothing else of the day is read or written."""
    costs = []
    for counted in SIZES:
        clock = Steps()
        file = filled(tmp_path / f"{counted}.db", counted, ends_in, clock)
        costs.append(cost(file, clock))
        file.close()
    small, _, large = costs
    assert large.rows == small.rows <= 7
    assert large.statements == small.statements
    # An index of a larger day may be a level higher, and a page of it may be split.
    assert large.pages <= small.pages + 4
    assert large.steps <= small.steps * 1.2
    assert math.isclose(costs[1].steps, large.steps, rel_tol=0.2)
