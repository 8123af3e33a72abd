"""The ledger of many hosts, on a real Valkey server: its limits hold, whatever happens to a process or to the server."""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Awaitable, Callable
from datetime import datetime
from pathlib import Path
from urllib.parse import quote

import pytest
from quota_judge import over_sliding_log
from redis_process import SINCE
from redis_world import Valkey

from aiodoo import Session, Tenants, profiles
from aiodoo.clock import Clock
from aiodoo.errors import ConfigError, QuotaExhausted, QuotaUnavailable, TeamClaimed
from aiodoo.operations import Update
from aiodoo.quota import Account, Lane, Limits, Permits, Redis, SQLite
from aiodoo.quota.claims import Claim, Given, Overtaken
from aiodoo.quota.hold import Hold
from aiodoo.quota.updates import (
    Abandoned,
    Claimed,
    Finished,
    LetGo,
    Noted,
    TeamBegun,
    TeamDone,
)
from aiodoo.sandbox import Sandbox

FRONT, BULK = Lane.FRONT, Lane.BULK
PROCESS = Path(__file__).with_name("redis_process.py")


async def call(account: Account, lane: Lane = FRONT, **how: float | None) -> float:
    """Do one request that is answered at once; return when it left."""
    slot = await account.acquire(lane, Permits(8), **how)
    slot.answered(0.0)
    return time.monotonic()


def claimed(run: str, *teams: str, journal: str | None = "j") -> Claimed:
    """Return the update by which a run claims teams."""
    return Claimed(run=run, base_url="u", teams=teams, journal=journal, command="c", who="w", since=SINCE)


async def begun(url: str, *words: str) -> asyncio.subprocess.Process:
    """Start a process on the ledger."""
    return await asyncio.create_subprocess_exec(
        sys.executable, str(PROCESS), url, *words, stdout=asyncio.subprocess.PIPE
    )


# The rate and the day.


async def test_two_processes_keep_one_limit(server: Valkey) -> None:
    """Together they never send more than the limit in any window, and none of them is left out."""
    processes = [await begun(server.url, "send", "15", "20", "0") for _ in range(2)]
    said = [(await process.communicate())[0].split() for process in processes]
    assert [len(words) for words in said] == [15, 15]
    sent = sorted(float(word) for words in said for word in words)
    assert over_sliding_log(sent, Limits(per_second=20)) == 0


async def test_a_day_is_spent_by_all_together_and_survives_a_crash_of_the_server(server: Valkey) -> None:
    """Of five requests two processes send five; after kill -9 of the server, and without its scripts, the day is spent."""
    one, two = server.account(per_day=5, per_second=100), server.account(per_day=5, per_second=100)
    for account in (one, two, one, two):
        await call(account)
    await one.refresh()
    await two.refresh()
    assert (one.used, two.left(FRONT)) == (4, 1)
    server.kill()
    server.start()
    server.say("SCRIPT", "FLUSH")
    await call(two)
    with pytest.raises(QuotaExhausted, match="nothing was sent") as caught:
        await call(one)
    assert isinstance(caught.value.resume_at, datetime)
    later = server.account(per_day=5, per_second=100)
    with pytest.raises(QuotaExhausted):
        await call(later)
    assert later.used == 5
    for account in (one, two, later):
        await account.close()


async def test_every_key_is_forgotten_some_day_and_named_without_a_secret(server: Valkey) -> None:
    """The server holds only what carries a time to live."""
    account = server.account(per_day=100)
    await call(account)
    await account.say(claimed("r", "1"))
    await account.say(Noted("r", 1, 7))
    await account.refresh()
    keys = server.keys()
    assert {key.rpartition(":")[2] for key in keys} >= {
        "account",
        "day",
        "version",
        "runs",
        "fences",
        "noted",
    }
    for key in keys:
        assert key.startswith(("aiodoo:{a}:", "aiodoo:{claims}:"))
        assert int(server.say("TTL", key)[1:]) > 0
    await account.close()


# Claims.


@pytest.mark.parametrize("kind", ["sqlite", "redis"])
async def test_claims_follow_the_same_rules(server: Valkey, tmp_path: Path, kind: str) -> None:
    """A run claims all of its teams or none; who resumes it has a higher number, and the older one gets no slot."""

    def process() -> Account:
        ledger = SQLite(tmp_path / "quota.db") if kind == "sqlite" else Redis(server.url)
        return ledger.open(account="a", limits=Limits(per_second=100), clock=Clock())

    one, two = process(), process()
    given = await one.say(claimed("r", "1", "2"))
    assert isinstance(given, Given)
    assert (given.number, given.known) == (1, False)
    hold = Hold.of("r", given, one)
    (await one.acquire(BULK, Permits(8), hold=hold)).answered(0.0)
    refused = await two.say(claimed("s", "1", "3"))
    assert isinstance(refused, Claim)
    assert (refused.run, refused.alive, refused.teams) == ("r", True, ("1", "2"))
    assert [claim.run for claim in await two.claims()] == ["r"]
    alive = await two.say(claimed("r", "1", "2"))
    assert isinstance(alive, Claim)
    assert await one.say(TeamBegun("r", 1, "1")) == Given(number=1, known=True)
    hold.note_journal(9)
    (await one.acquire(BULK, Permits(8), hold=hold)).answered(0.0)
    await one.say(LetGo("r"))
    (stopped,) = await two.claims()
    assert (stopped.alive, stopped.teams) == (False, ("1", "2"))
    again = await two.say(claimed("r", "1", "2"))
    assert again == Given(number=2, journal_number=9, known=True)
    with pytest.raises(TeamClaimed, match="resumed"):
        await one.acquire(BULK, Permits(8), hold=hold)
    assert await one.say(TeamDone("r", 1, "1")) == Overtaken("r")
    assert isinstance(await one.say(Abandoned("r")), Claim)
    await two.say(TeamDone("r", 2, "1", SINCE))
    assert [claim.teams for claim in await one.claims()] == [("1", "2")]
    await two.say(TeamBegun("r", 2, "2"))
    assert [claim.teams for claim in await one.claims()] == [("2",)]
    await two.say(Finished("r", 2, SINCE))
    await two.say(LetGo("r"))
    assert list(await one.claims()) == []
    later = await one.say(claimed("s", "1", "2", "3"))
    assert isinstance(later, Given)
    assert (await one.say(TeamBegun("s", 1, "1"))).worked_until == SINCE
    await one.say(LetGo("s"))
    assert isinstance(await two.say(Abandoned("s")), Given)
    assert await one.say(Noted("s", 1, None)) == Overtaken("s", given_up=True)
    await one.close()
    await two.close()


async def test_two_runs_that_claim_at_the_same_time(server: Valkey) -> None:
    """Of many runs that want one team at once, one gets it."""
    accounts = [server.account() for _ in range(4)]
    answers = await asyncio.gather(
        *(
            account.say(claimed(f"r{n}{m}", "1", f"{m + 2}"))
            for n, account in enumerate(accounts)
            for m in range(3)
        )
    )
    assert sum(isinstance(answer, Given) for answer in answers) == 1
    for account in accounts:
        await account.close()


async def test_a_killed_process_is_alive_until_its_lease_ends(server: Valkey) -> None:
    """Its run is refused to others while it renews; after kill -9 another process takes the run up with a higher number."""
    process = await begun(server.url, "hold", "r")
    assert (await process.stdout.readline()).strip() == b"1"
    account = server.account(per_second=100)
    await asyncio.sleep(1.2)  # longer than the lease, which it has renewed
    assert isinstance(await account.say(claimed("r", "1", "2")), Claim)
    process.kill()
    await process.wait()
    for _ in range(500):
        given = await account.say(claimed("r", "1", "2"))
        if isinstance(given, Given):
            break
        await asyncio.sleep(0.01)
    assert given == Given(number=2, journal_number=None, known=True)
    await account.close()


# The server is away.


async def test_nothing_is_sent_while_the_server_is_away(server: Valkey) -> None:
    """A request waits for as long as it was told, then it is told why; when the server is back, it gets its slot."""
    patient, hasty = server.account(), server.account(wait=0.2)
    await call(patient)
    server.kill()
    try:
        waiting = asyncio.create_task(call(patient))
        with pytest.raises(QuotaUnavailable, match="nothing was sent"):
            await call(hasty)
        assert not waiting.done()
    finally:
        server.start()
    await waiting
    await call(hasty)
    await hasty.refresh()
    await patient.close()
    await hasty.close()


async def _ends(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """End a connection without an answer, as a server with TLS does with what has none."""
    await reader.read(1)
    writer.close()


async def _answers_in_clear(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answer as a server without TLS does."""
    await reader.read(1)
    writer.write(b"-ERR unknown command\r\n")
    writer.close()


@pytest.mark.parametrize(
    ("url", "server", "why"),
    [
        ("redis://:pass-word@nobody.invalid:6379/0", None, "its host name"),
        ("redis://:pass-word@127.0.0.1:1/0", None, "Connection refused"),
        ("unix:///nowhere/at/all", None, "No such file"),
        ("rediss://:pass-word@127.0.0.1:{port}/0", _answers_in_clear, "a server without TLS has redis://"),
        ("redis://:pass-word@127.0.0.1:{port}/0", _ends, "a server with TLS has rediss://"),
    ],
)
async def test_why_a_server_is_away(
    url: str, server: Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]] | None, why: str
) -> None:
    """The error tells a name from a port and from TLS, and shows no password."""
    listening = await asyncio.start_server(server or _ends, "127.0.0.1", 0)
    port = listening.sockets[0].getsockname()[1]
    account = Redis(url.format(port=port), wait=0.0).open(account="a", limits=Limits(), clock=Clock())
    try:
        with pytest.raises(QuotaUnavailable, match=why) as caught:
            await call(account)
    finally:
        await account.close()
        listening.close()
        await listening.wait_closed()
    assert "pass-word" not in str(caught.value)


async def test_what_is_not_reported_at_the_end_is_said(
    server: Valkey, caplog: pytest.LogCaptureFixture
) -> None:
    """A Session that closes while the server is away logs that its slots are freed by patience."""
    account = server.account(wait=0.0)
    slot = await account.acquire(FRONT, Permits(8))
    server.kill()
    try:
        slot.answered(0.0)
        await account.close()
    finally:
        server.start()
    assert "freed by patience" in caplog.text


# The URL, loops and processes.


@pytest.mark.parametrize(
    "url", ["", "localhost:6379", "http://h", "redis://h:port", None, "redis://", "redis://me:1/2@h"]
)
def test_a_url_that_is_none(url: str) -> None:
    """It is refused at once."""
    with pytest.raises(ConfigError, match="redis://HOST"):
        Redis(url)


@pytest.mark.parametrize("wait", [-1, float("nan"), "5", None])
def test_a_wait_that_is_none(wait: float) -> None:
    """It is refused at once."""
    with pytest.raises(ConfigError, match="wait"):
        Redis("redis://h", wait=wait)


async def test_a_password_is_not_shown(server: Valkey, secret: Callable[[], str]) -> None:
    """Neither the ledger nor an error of it contains user, password or options of the URL."""
    word = secret()
    shown = quote(word, safe="")
    ledger = Redis(f"redis://someone:{shown}@127.0.0.1:{server.port}/0?client_name={shown}", wait=0.1)
    account = ledger.open(account="a", limits=Limits(), clock=Clock())
    with pytest.raises(ConfigError, match="refused") as caught:
        await call(account)
    said = f"{ledger!r} {caught.value} {caught.value!r}"
    assert word not in said
    assert shown not in said
    await account.close()


def test_a_ledger_serves_several_event_loops(server: Valkey) -> None:
    """One ledger can be used by one loop after the other, and by two at once; a Session belongs to one."""
    ledger = Redis(server.url)

    async def main() -> None:
        account = ledger.open(account="a", limits=Limits(per_second=100, per_day=9), clock=Clock())
        await call(account)
        await account.close()

    async def both() -> None:
        account = ledger.open(account="a", limits=Limits(per_second=100, per_day=9), clock=Clock())
        await call(account)
        await asyncio.gather(asyncio.to_thread(asyncio.run, main()), call(account))
        with pytest.raises(ConfigError, match="another event loop"):
            await asyncio.to_thread(asyncio.run, call(account))
        await account.refresh()
        assert account.used == 4
        await account.close()

    asyncio.run(main())
    asyncio.run(both())


async def test_a_child_cannot_use_the_ledger_of_its_parent(server: Valkey) -> None:
    """It is told to open its own, and sends nothing."""
    said, _ = await (await begun(server.url, "fork")).communicate()
    assert b"when this process was forked, and nothing was sent" in said


# The environment.


async def test_the_environment_names_the_server(
    server: Valkey, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """With it, sessions of the environment and tenants of profiles share the server, and make no file."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    monkeypatch.setenv("AIODOO_LEDGER", server.url)
    async with Sandbox(plan=None) as box:
        for name in ("api_key", "client_id", "client_secret"):
            monkeypatch.setenv(f"DOO_{name.upper()}", getattr(box, name))
        monkeypatch.setenv("DOO_BASE_URL", box.url)
        limits = Limits(per_second=100)
        async with (
            Session.from_env(limits=limits) as one,
            Tenants({"t": profiles.load()}, limits=limits) as tenants,
        ):
            await one.organizations.active_team()
            await tenants["t"].organizations.active_team()
            assert (await one.quota.usage()).used == box.log.total == 4
    assert not profiles.ledger_path().exists()


def test_an_environment_that_names_no_server(
    monkeypatch: pytest.MonkeyPatch, secret: Callable[[], str]
) -> None:
    """It is told so with the name of the variable, and without what it holds."""
    word = secret()
    monkeypatch.setenv("AIODOO_LEDGER", f"http://:{word}@h")
    with pytest.raises(ConfigError, match="AIODOO_LEDGER") as caught:
        profiles.shared_ledger()
    assert word not in str(caught.value)


# At work.


async def test_a_run_waits_while_the_server_is_away(
    server: Valkey, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A run with a journal on one host goes on when the server is back, and one on another host is refused its team.

    The log says that the ledger was away, not doo.
    """
    caplog.set_level("INFO", logger="aiodoo.bulk")
    async with (
        Sandbox(organizations=1, webhooks_per_team=6, plan=None) as box,
        box.session(quota=Redis(server.url, wait=0.1), limits=Limits(per_second=20)) as one,
        box.session(quota=Redis(server.url, wait=0.1), limits=Limits(per_second=20)) as two,
    ):
        (team,) = box.teams
        updates = [Update(team, item["id"], description="moved") for item in box.live(team)]
        run = asyncio.create_task(one.bulk.run(updates, journal=tmp_path / "journal", settle=0.0))
        while not box.count("create"):  # noqa: ASYNC110  # of the sandbox, in another thread
            await asyncio.sleep(0.01)
        with pytest.raises(TeamClaimed):
            await two.bulk.run(updates, journal=tmp_path / "other", settle=0.0)
        server.kill()
        try:
            await asyncio.sleep(0.5)
            assert not run.done()
        finally:
            server.start()
        report = await run
        assert [outcome.status for outcome in report] == ["applied"] * 6
        assert all(item["description"] == "moved" for item in box.live(team))
        assert list(await two._parts.claims.claims()) == []
    assert "the ledger answers again" in caplog.text
    assert "doo answers again" not in caplog.text
