"""The session: what it takes and refuses, whom it belongs to, what it shares, and its end."""

from __future__ import annotations

import asyncio
import inspect
import secrets
import threading
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from unlimited_session import UNLIMITED, config, nothing_left, practice, session

import aiodoo
from aiodoo import ConfigError, Limits, Secret, Session, events, quota
from aiodoo.profiles import ledger_path
from aiodoo.sandbox import Fault, Sandbox, serve
from aiodoo.session import Options

CREDENTIALS = ("api_key", "client_id", "client_secret")
VARIABLES = dict(zip(CREDENTIALS, ("DOO_API_KEY", "DOO_CLIENT_ID", "DOO_CLIENT_SECRET"), strict=True))


def credentials(**changes: Any) -> dict[str, Any]:
    """Credentials of nobody."""
    return {name: secrets.token_hex() for name in CREDENTIALS} | changes


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Set the environment's credentials to those of a sandbox, with changes; None takes one away."""

    def put(box: Sandbox | None = None, **changes: str | None) -> None:
        known = {name: getattr(box, name) for name in CREDENTIALS} if box else credentials()
        known = {VARIABLES[name]: value for name, value in known.items()}
        known |= {"DOO_BASE_URL": box.url if box else None} | changes
        for name, value in known.items():
            if value is None:
                monkeypatch.delenv(name, raising=False)
            else:
                monkeypatch.setenv(name, value)

    return put


# From the environment


async def test_from_the_environment(environment: Callable[..., None]) -> None:
    """Three variables are a session; the base URL is a fourth."""
    async with Sandbox(plan=None) as box:
        environment(box)
        async with Session.from_env(limits=UNLIMITED) as doo:
            assert (await doo.organizations.active_team()).id == "111"
        environment(box, DOO_BASE_URL="http://127.0.0.1:1/v1")
        async with Session.from_env(base_url=box.url, limits=UNLIMITED, deadline=30.0) as doo:
            assert (await doo.organizations.active_team()).id == "111"


async def test_the_environment_has_the_limits(environment: Callable[..., None]) -> None:
    """Two variables set the limits, `none` for no limit; limits that are given win, and other texts are refused."""
    environment(DOO_PER_SECOND="2.5", DOO_PER_DAY="none")
    assert Session.from_env().limits == Limits(per_second=2.5, per_day=None)
    assert Session.from_env(limits=UNLIMITED).limits == UNLIMITED
    for name, value in {"DOO_PER_SECOND": "fast", "DOO_PER_DAY": "0"}.items():
        environment(**({"DOO_PER_SECOND": None, "DOO_PER_DAY": None} | {name: value}))
        with pytest.raises(ConfigError, match=name):
            Session.from_env()


async def test_sessions_of_the_environment_share_the_ledger_of_the_host(
    environment: Callable[..., None], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """It is the file that profiles use; a ledger that is given wins."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    limits = Limits(per_second=100, per_day=1000)
    async with Sandbox(plan=None) as box:
        environment(box)
        async with Session.from_env(limits=limits) as doo, Session.from_env(limits=limits) as other:
            await doo.organizations.active_team()
            await other.organizations.active_team()
            # Both of both, the token included.
            assert (await other.quota.usage()).used == box.log.total == 4
            assert ledger_path().is_relative_to(tmp_path)
            assert ledger_path().exists()
            async with Session.from_env(limits=limits, quota=quota.Memory()) as alone:
                await alone.organizations.active_team()
                assert (await alone.quota.usage()).used == 2


def test_without_a_base_url_it_is_doo(environment: Callable[..., None]) -> None:
    """Where nothing is said, requests would go to doo itself; an empty variable says nothing."""
    for base_url in (None, ""):
        environment(DOO_BASE_URL=base_url)
        transport = Session.from_env()._client._transport
        assert transport._base_url == aiodoo.REST == "https://rest.doo.net/v1"  # type: ignore[attr-defined]
    assert aiodoo.INTEGRATION == "https://integration.doo.net/v1"


@pytest.mark.parametrize(
    "missing", [["DOO_API_KEY"], ["DOO_CLIENT_ID", "DOO_CLIENT_SECRET"], VARIABLES.values()]
)
@pytest.mark.parametrize("value", [None, ""])
def test_missing_variables_are_named(
    environment: Callable[..., None], missing: list[str], value: str | None
) -> None:
    """Every one that is missing or empty is named, and no other."""
    environment(**dict.fromkeys(missing, value))
    with pytest.raises(ConfigError) as caught:
        Session.from_env()
    for name in VARIABLES.values():
        assert (name in str(caught.value)) == (name in missing)


@pytest.mark.parametrize("name", VARIABLES.values())
@pytest.mark.parametrize("around", ["{}\n", " {}", "{}\r\n", "\t{}"])
def test_a_trailing_newline_is_told(environment: Callable[..., None], name: str, around: str) -> None:
    """What a careless `echo` leaves behind is named for what it is, and its value is not shown."""
    value = secrets.token_hex()
    environment(**{name: around.format(value)})
    with pytest.raises(ConfigError, match="spaces or line breaks") as caught:
        Session.from_env()
    assert value not in str(caught.value)


@pytest.mark.parametrize("name", VARIABLES.values())
@pytest.mark.parametrize("around", ["\u00e9{}", "{}\u200b", "\ufeff{}", "{}\x7f"])
def test_what_is_no_key_at_all(environment: Callable[..., None], name: str, around: str) -> None:
    """Other characters that cannot go into a header are refused as well, and the value is not shown."""
    value = secrets.token_hex()
    environment(**{name: around.format(value)})
    with pytest.raises(ConfigError) as caught:
        Session.from_env()
    assert value not in str(caught.value)


def test_a_bad_base_url_of_the_environment(environment: Callable[..., None]) -> None:
    """It is checked like one that is given."""
    environment(DOO_BASE_URL="http://rest.doo.net/v1")
    with pytest.raises(ConfigError, match="must be https"):
        Session.from_env()


def test_the_options_are_those_of_a_session() -> None:
    """from_env() takes whatever Session() takes beside the credentials."""
    assert set(Options.__annotations__) == set(inspect.signature(Session).parameters) - set(CREDENTIALS)


# What it takes


@pytest.mark.parametrize("name", CREDENTIALS)
@pytest.mark.parametrize("kind", [str, Secret])
@pytest.mark.parametrize(
    "around",
    ["{}\n", "\n{}", " {} ", "{}\r\nx-evil: 1", "{}\x00", "\u00e9{}", "{}\u200b", "{}\u2028", "{}\x7f"],
)
def test_credentials_that_cannot_go_into_a_header(name: str, kind: type[Any], around: str) -> None:
    """Line breaks, control and non-ASCII characters are refused before anything is sent; the value is not shown."""
    value = secrets.token_hex()
    with pytest.raises(ConfigError) as caught:
        Session(**credentials(**{name: kind(around.format(value))}))
    assert name.replace("_", " ").lower() in str(caught.value).lower()
    assert value not in f"{caught.value} {caught.value!r}"


@pytest.mark.parametrize("name", CREDENTIALS)
@pytest.mark.parametrize("value", ["", Secret(""), None, 5, b"key"])
def test_credentials_that_are_none(name: str, value: Any) -> None:
    """Empty credentials and other things than text are refused."""
    with pytest.raises(ConfigError):
        Session(**credentials(**{name: value}))


async def test_credentials_as_secrets() -> None:
    """A Secret is as good as a text."""
    async with Sandbox(plan=None) as box:
        hidden = {name: Secret(getattr(box, name)) for name in CREDENTIALS}
        async with session(box, **hidden) as doo:
            assert (await doo.organizations.active_team()).id == "111"


@pytest.mark.parametrize(
    "url",
    [
        "https://rest.doo.net/v1",
        "https://rest.doo.net/v1/",
        "https://doo.example:8443/stage",
        "http://127.0.0.1:8080/v1",
        "http://127.1.2.3/v1",
        "http://localhost:8080/v1",
        "http://[::1]:8080/v1",
    ],
)
def test_base_urls_that_will_do(url: str) -> None:
    """Anywhere with https, on this machine with http too."""
    transport = Session(**credentials(base_url=url))._client._transport
    assert transport._base_url == url.rstrip("/")  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    "url",
    [
        "http://rest.doo.net/v1",
        "http://10.0.0.1/v1",
        "http://localhost.evil.example/v1",
        "http://127.0.0.1.evil.example/v1",
        "ftp://rest.doo.net/v1",
        "//rest.doo.net/v1",
        "rest.doo.net/v1",
        "https://user:password@rest.doo.net/v1",
        "https://rest.doo.net/v1?x=1",
        "https://rest.doo.net/v1#x",
        "https://rest.doo.net/v1/../v2",
        "https://rest.doo.net\\@evil.example/v1",
        "https://rest.doo.net:99999/v1",
        "https://r\u0435st.doo.net/v1",
        "",
        None,
    ],
)
def test_base_urls_that_will_not_do(url: Any) -> None:
    """Secrets go to the base URL, so it must be https and nothing but a URL."""
    with pytest.raises(ConfigError, match="base URL"):
        Session(**credentials(base_url=url))


@pytest.mark.parametrize("name", ["timeout", "deadline"])
@pytest.mark.parametrize("value", [0, -1, float("nan"), float("inf"), "60", True])
def test_seconds_that_are_none(name: str, value: Any) -> None:
    """A time that is not above 0, or no number, is refused: 0 would wait for ever."""
    with pytest.raises(ConfigError, match=name):
        Session(**credentials(**{name: value}))


@pytest.mark.parametrize("value", [-1, float("nan"), float("inf"), "60", True])
async def test_a_deadline_of_a_call_that_is_none(value: Any) -> None:
    """It is refused by its name, with nothing sent; 0 is a deadline that nothing can keep."""
    async with Sandbox(plan=None) as box, session(box) as doo:
        for call in (doo.organizations.active_team, partial(doo.webhooks.update, "111", "12", name="new")):
            with pytest.raises(ConfigError, match="deadline"):
                await call(deadline=value)
        assert box.count() == 0


async def heard(event: events.Event) -> None:
    """Hear of an event, in an async program."""


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"limits": 5}, "limits must be aiodoo.Limits"),
        ({"facts": {"list_echoes_scope": True}}, "facts must be aiodoo.Facts"),
        ({"quota": "quota.db"}, "quota must be a ledger"),
        ({"on_event": heard}, "on_event is called without await"),
        ({"on_event": 5}, "on_event must be a function"),
    ],
)
def test_an_option_of_another_kind(options: dict[str, Any], match: str) -> None:
    """It is refused by its name when the session is made, not when it is first used."""
    with pytest.raises(ConfigError, match=match):
        Session(**credentials(**options))


def test_a_timeout_is_needed_and_a_deadline_is_not() -> None:
    """One wire request always has an end; a call need not have one."""
    with pytest.raises(ConfigError, match="timeout"):
        Session(**credentials(timeout=None))
    assert Session(**credentials(deadline=None))._client.deadline is None


async def test_it_never_shows_a_secret() -> None:
    """Neither the session nor what it holds prints its credentials."""
    async with practice() as (doo, box):
        await doo.organizations.active_team()
        shown = " ".join(map(repr, [doo, doo._client, doo.webhooks, doo.organizations, doo.quota, doo.stats]))
        for hidden in (box.api_key, box.client_secret):
            assert hidden not in shown


# Whom it belongs to


async def test_after_closing() -> None:
    """A closed session refuses every call and sends nothing; closing it twice is no error."""
    async with practice(webhooks_per_team=1) as (doo, box):
        await doo.organizations.active_team()
        before = box.log.total
        await doo.aclose()
        await doo.aclose()
        for call in (
            doo.organizations.active_team,
            lambda: anext(doo.organizations.list()),
            lambda: anext(doo.webhooks.list("111")),
            doo.webhooks.list("111").collect,
            lambda: doo.webhooks.create("111", config()),
            lambda: doo.webhooks.update("111", "12", name="new"),
            lambda: doo.webhooks.replace("111", "12", config()),
            lambda: doo.webhooks.delete("12"),
            lambda: doo.webhooks.delete("12", confirm_in="111"),
            lambda: doo.webhooks.initialize("events", organization_id=1),
        ):
            with pytest.raises(ConfigError, match="closed"):
                await call()
        assert box.log.total == before


@pytest.mark.parametrize("shared", [True, False])
async def test_closing_while_calls_wait_for_the_quota(shared: bool) -> None:  # noqa: FBT001
    """They end at once and say why, in whatever ledger they wait, and nobody else's do."""
    ledger = quota.Memory()
    limits = Limits(per_second=0.1, per_day=None)
    async with Sandbox(plan=None) as box, session(box, limits=limits, quota=ledger) as other:
        doo = session(box, limits=limits, quota=ledger) if shared else session(box, limits=limits)
        waiting = [asyncio.ensure_future(doo.organizations.active_team()) for _ in range(3)]
        others = asyncio.ensure_future(other.organizations.active_team())
        await asyncio.sleep(0)
        await doo.aclose()
        ended, going = await asyncio.wait(waiting, timeout=5)
        assert not going
        for call in ended:
            with pytest.raises(ConfigError, match="this Session is closed"):
                call.result()
        assert not others.done()
        others.cancel()
        await asyncio.wait({others})


async def test_closing_waits_for_file_work_without_holding_up_the_loop() -> None:
    """Other tasks have their turns while a journal is still being written; even who cancels waits for that."""
    async with Sandbox(plan=None) as box:
        doo = session(box)
        written = threading.Event()
        work = doo._parts.worker.do(lambda: written.wait(10))
        closing = asyncio.ensure_future(doo.aclose())
        for _ in range(10):
            await asyncio.sleep(0.001)
            closing.cancel()
        assert not closing.done()
        written.set()
        await asyncio.wait({closing})
        assert closing.cancelled()
        assert work.result()


async def test_closing_an_unused_one() -> None:
    """A session that was never used closes without having opened anything."""
    async with nothing_left(), Session(**credentials()):
        pass


async def test_an_exception_in_its_block_comes_out() -> None:
    """Leaving by an exception closes the session and changes nothing about the exception."""

    async def fail() -> None:
        async with practice() as (doo, _):
            await doo.organizations.active_team()
            raise ZeroDivisionError

    async with nothing_left():
        with pytest.raises(ZeroDivisionError):
            await fail()


def test_from_another_event_loop() -> None:
    """A session belongs to the event loop that used it first; another one, of this or another thread, is refused."""
    with serve(plan=None) as box, asyncio.Runner() as first, asyncio.Runner() as second:
        doo = session(box)

        async def ask() -> str:
            return (await doo.organizations.active_team()).id

        def in_a_thread() -> list[BaseException]:
            failures: list[BaseException] = []

            def run() -> None:
                try:
                    asyncio.run(ask())
                except BaseException as error:  # noqa: BLE001
                    failures.append(error)

            thread = threading.Thread(target=run)
            thread.start()
            thread.join()
            return failures

        assert first.run(ask()) == "111"
        before = box.log.total
        with pytest.raises(ConfigError, match="event loop"):
            second.run(ask())
        [failure] = in_a_thread()
        assert isinstance(failure, ConfigError)
        assert box.log.total == before
        with pytest.raises(ConfigError, match="event loop"):
            second.run(doo.aclose())
        assert first.run(ask()) == "111"
        first.run(doo.aclose())


def test_from_another_event_loop_while_a_token_is_fetched() -> None:
    """Nobody of another event loop waits for this one's token."""
    with serve(plan=None) as box, asyncio.Runner() as first, asyncio.Runner() as second:
        box.script(Fault("slow", on="token", seconds=30))
        left = asyncio.Event()
        doo = session(box, on_event=lambda event: left.set())

        async def ask() -> None:
            await doo.organizations.active_team()

        async def begin() -> asyncio.Task[None]:
            task = asyncio.create_task(ask())
            await left.wait()
            return task

        async def end(task: asyncio.Task[None]) -> None:
            task.cancel()
            await asyncio.wait({task})
            await doo.aclose()

        task = first.run(begin())
        with pytest.raises(ConfigError, match="event loop"):
            second.run(ask())
        first.run(end(task))


def test_from_the_next_event_loop() -> None:
    """Also after the first loop is gone a session is not used again."""
    with serve(plan=None) as box:
        doo = session(box)

        async def ask() -> None:
            await doo.organizations.active_team()

        async def ask_and_close() -> None:
            await ask()
            await doo.aclose()

        asyncio.run(ask_and_close())
        with pytest.raises(ConfigError, match="closed"):
            asyncio.run(ask())


# What it shares


async def test_two_sessions_on_one_ledger() -> None:
    """Sessions on one API key count together; another key counts for itself."""
    ledger, limits = quota.Memory(), Limits(per_second=None, per_day=5)
    async with Sandbox(plan=None) as box:
        other = box.add_key(None)
        others = {name: getattr(other, name) for name in CREDENTIALS}
        async with (
            session(box, quota=ledger, limits=limits) as one,
            session(box, quota=ledger, limits=limits) as two,
            session(box, quota=ledger, limits=limits, **others) as another,
        ):
            await one.organizations.active_team()
            await two.organizations.active_team()
            assert (await one.quota.usage()).used == (await two.quota.usage()).used == 4
            await another.organizations.active_team()
            assert (await another.quota.usage()).used == 2
            await two.organizations.active_team()
            for spent in (one, two):
                with pytest.raises(aiodoo.QuotaExhausted):
                    await spent.organizations.active_team()
            await another.organizations.active_team()
        assert box.log.total == 5 + 3


async def test_sessions_without_a_ledger_count_alone() -> None:
    """Each has a memory of its own."""
    limits = Limits(per_second=None, per_day=2)
    async with Sandbox(plan=None) as box:
        async with session(box, limits=limits) as one, session(box, limits=limits) as two:
            await one.organizations.active_team()
            await two.organizations.active_team()
        assert box.log.total == 4


async def test_other_limits_on_one_ledger() -> None:
    """A ledger refuses a session whose limits differ; how many requests it has under way is its own affair."""
    ledger = quota.Memory()
    own = credentials(quota=ledger)
    Session(**own, limits=Limits(per_second=2, per_day=100))
    for other in (Limits(), Limits(per_second=2), Limits(per_second=2, per_day=100, reserve=0.5), None):
        with pytest.raises(ConfigError, match="other limits"):
            Session(**own, limits=other)
    Session(**own, limits=Limits(per_second=2, per_day=100, concurrency=1))
    Session(**credentials(quota=ledger))


# What it tells


async def test_stats() -> None:
    """Requests by kind, answers by class, failures, 429s and retries: as the sandbox counted them."""
    async with practice(webhooks_per_team=9, page_size=7) as (doo, box):
        box.script(
            Fault("lost_after", on="list"),
            Fault("error_not_acted", on="list", nth=2, status=503),
            Fault("too_many", on="create", headers={"Retry-After": "0"}),
        )
        await doo.webhooks.list(box.teams[0]).collect()
        await doo.webhooks.create("111", config())
        with pytest.raises(aiodoo.NotFound):
            await doo.webhooks.create("999", config())
        stats = doo.stats
        assert dict(stats.requests) == {
            kind: box.count(kind)  # type: ignore[arg-type]
            for kind in ("token", "list", "create")
        }
        assert stats.token_requests == 1
        assert dict(stats.answers) == {"2xx": 4, "5xx": 1, "4xx": 2}
        assert (stats.failures, stats.rate_limited, stats.retries) == (1, 1, 3)
        assert stats.quota_wait >= 0
        assert doo.stats is stats


async def test_events() -> None:
    """on_event hears of each request, in order; what it raises harms no call."""
    heard: list[events.Event] = []

    def listen(event: events.Event) -> None:
        heard.append(event)
        raise ZeroDivisionError

    async with Sandbox(webhooks_per_team=1, plan=None) as box, session(box, on_event=listen) as doo:
        await doo.webhooks.list("111").collect()
    sent = [(event.kind, event.team_id) for event in heard if isinstance(event, events.RequestSent)]
    assert sent == [("token", None), ("list", "111")]
    assert [event.status for event in heard if isinstance(event, events.Answered)] == [200, 200]
