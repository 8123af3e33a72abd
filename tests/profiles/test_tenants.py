"""Many tenants side by side: each at its own speed, none touched by another's trouble."""

from __future__ import annotations

import asyncio
import math
import tomllib
from collections import Counter
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any, Literal, NoReturn

import anyio
import attrs
import pytest
from simulated import SimulatedClock, simulate
from simulated_doo import BoxTransport

from aiodoo import (
    AddWebhook,
    AuthenticationError,
    ConfigError,
    Create,
    DooError,
    Facts,
    Hook,
    Limits,
    QuotaExhausted,
    Report,
    ServerError,
    Session,
    Tenants,
)
from aiodoo.client.transport import Transport
from aiodoo.offload import InlineWorker
from aiodoo.sandbox import Box, Fault, Plan, Sandbox
from aiodoo.sandbox.gateway import Counting
from aiodoo.tenants import TenantError

CONFIG = AddWebhook(name="crm", hooks=[Hook(type="event_created", endpoint="https://crm.example/doo")])
UNLIMITED = Limits(per_second=None, per_day=None)


@attrs.define
class World:
    """Boxes by name, and sessions on them."""

    clock: SimulatedClock
    boxes: dict[str, Box] = attrs.field(factory=dict)

    def tenant(
        self,
        name: str,
        *,
        limits: Limits = UNLIMITED,
        counting: Counting = "sliding_log",
        transport: Transport | None = None,
        **settings: Any,
    ) -> Session:
        """Return a session on a box of its own, whose plan is the session's limits.

        Each box has a base URL of its own: claims tell services apart by that, as two API keys may reach one team.
        """
        plan = Plan(per_second=limits.per_second, per_day=limits.per_day, counting=counting)
        box = self.boxes[name] = Box(plan=plan, seed=len(self.boxes), **({"latency": 0.02} | settings))
        return Session(
            api_key=box.api_key,
            client_id=box.client_id,
            client_secret=box.client_secret,
            base_url=f"https://{name}.example/api",
            limits=limits,
            facts=Facts(list_echoes_scope=True),
            clock=self.clock,
            transport=transport or BoxTransport(box, self.clock),
            worker=InlineWorker(),
        )


class Broken:
    """A transport with a fault of its own, which nobody expects."""

    async def send(self, *_: Any, **__: Any) -> NoReturn:
        """Fail."""
        raise ZeroDivisionError

    async def close(self) -> None:
        """Do nothing."""


class Stubborn(Broken):
    """A transport that cannot be closed either."""

    async def close(self) -> None:
        """Fail."""
        raise ZeroDivisionError


@asynccontextmanager
async def three(clock: SimulatedClock, **options: Any) -> AsyncIterator[tuple[Tenants, World]]:
    """Open three tenants of two teams with two webhooks each."""
    world = World(clock)
    sessions = {
        name: world.tenant(name, organizations=2, webhooks_per_team=2) for name in ("acme", "beta", "gamma")
    }
    async with Tenants(sessions, **options) as tenants:
        yield tenants, world


def creates(box: Box, times: int = 1) -> list[Create]:
    """Return operations that create so many webhooks in every team."""
    return [
        Create(team, attrs.evolve(CONFIG, name=f"crm {number}"))
        for team in box.teams
        for number in range(times)
    ]


def least_seconds(requests: int, limits: Limits) -> float:
    """Return how long so many requests take at the least, from the first to the last: evenly spaced, or whole days."""
    evenly = (requests - 1) / (limits.per_second or math.inf)
    return max(evenly, 86_400.0 * ((requests - 1) // (limits.per_day or math.inf)))


def test_fifty_tenants_at_their_own_speed() -> None:
    """Fifty tenants with different limits, gateways and distances run at once: each within 3 % of its own quota's least time, none over it.

    The first twenty round trips are for getting to know a gateway, so it takes some more requests to get that near.
    """
    rates = (0.5, 1, 2, 3, 5, 8, 10, 2.5, 0.8, 20)
    ways: tuple[Counting, ...] = ("sliding_log", "fixed_window", "token_bucket")

    async def main(clock: SimulatedClock) -> None:
        world = World(clock)
        limits = {
            f"tenant-{number}": Limits(
                per_second=rates[number % 10], per_day=60 if number % 7 == 3 else 2000, reserve=0
            )
            for number in range(50)
        }
        sessions = {
            name: world.tenant(
                name,
                limits=limit,
                counting=ways[number // 3 % 3],
                latency=(0.02, 0.05, 0.1)[number % 3],
                organizations=2,
                webhooks_per_team=0,
            )
            for number, (name, limit) in enumerate(limits.items())
        }
        async with Tenants(sessions, concurrency=50) as tenants:
            reports = await tenants.run({name: creates(box, 80) for name, box in world.boxes.items()})
        for name, limit in limits.items():
            report, log = reports[name], world.boxes[name].log
            assert isinstance(report, Report)
            assert report.counts()["applied"] == 160
            assert world.boxes[name].count(status=429) == 0
            arrivals = [request.time for request in log.requests]
            assert len(arrivals) == 160 + 2 + 1, "each create, a look at each team, and a token"
            least = least_seconds(len(arrivals), limit)
            assert arrivals[-1] - arrivals[0] <= 1.03 * least, (name, limit)

    simulate(main)


def test_one_tenants_trouble_is_its_own() -> None:
    """Refused credentials and an error in the caller's own code stay with their tenant."""

    async def broken() -> Iterable[Create]:
        raise ZeroDivisionError

    async def main(clock: SimulatedClock) -> None:
        world = World(clock)
        sessions = {name: world.tenant(name) for name in ("fine", "refused", "broken")}
        world.boxes["refused"].script(Fault("unauthorized", on="token", times=None))
        async with Tenants(sessions) as tenants:
            operations = {name: creates(world.boxes["fine"]) for name in tenants} | {"broken": broken}
            results = await tenants.run(operations)
        assert list(results) == list(operations)
        assert isinstance(results["fine"], Report)
        assert results["fine"].complete
        assert isinstance(results["refused"], AuthenticationError)
        assert isinstance(results["broken"], DooError)
        assert isinstance(results["broken"].__cause__, ZeroDivisionError)

    simulate(main)


def test_the_walk_names_tenants() -> None:
    """Every webhook of every tenant comes once, with its tenant's name; tenants can be named their teams."""

    async def main(clock: SimulatedClock) -> None:
        async with three(clock) as (tenants, world):
            found = [(name, webhook.team_id, webhook.id) async for name, webhook in tenants.webhooks()]
            assert sorted(found) == sorted(
                (name, team, str(item["id"]))
                for name, box in world.boxes.items()
                for team in box.teams
                for item in box.live(team)
            )
            walk = tenants.webhooks(teams={"beta": (world.boxes["beta"].teams[0],)})
            assert Counter([name async for name, _ in walk]) == {"acme": 4, "beta": 2, "gamma": 4}

    simulate(main)


@pytest.mark.parametrize("first", ["token", "list"])
def test_the_walk_collects_errors(first: Literal["token", "list"]) -> None:
    """With `on_error="collect"` what fails is noted with its tenant and team, and everything else is read."""

    async def main(clock: SimulatedClock) -> None:
        async with three(clock) as (tenants, world):
            beta = world.boxes["beta"]
            broken = beta.teams[1] if first == "list" else None
            beta.script(Fault("error_not_acted", on=first, team=broken, times=3))
            walk = tenants.webhooks(on_error="collect")
            found = Counter([name async for name, _ in walk])
            (failed,) = walk.errors
            assert failed.tenant == "beta"
            assert isinstance(failed.error, ServerError)
            of_beta = {} if first == "token" else {"beta": 2}
            assert (found, failed.team_id) == ({"acme": 4, "gamma": 4, **of_beta}, broken)

    simulate(main)


def test_the_walk_raises_the_first_error() -> None:
    """By default the first failure ends the walk, and says whose it is; the tenants stay usable."""

    async def main(clock: SimulatedClock) -> None:
        async with three(clock) as (tenants, world):
            world.boxes["beta"].script(Fault("error_not_acted", on="token", times=3))
            with pytest.raises(ServerError) as raised:
                _ = [name async for name, _ in tenants.webhooks()]
            assert raised.value.__notes__ == ["tenant beta"]
            assert len([name async for name, _ in tenants.webhooks()]) == 12

    simulate(main)


def test_a_walk_that_is_broken_off_asks_nothing_more() -> None:
    """After a break the tenants read no further, and closing them ends what is left."""

    async def main(clock: SimulatedClock) -> None:
        async with three(clock) as (tenants, world):
            async for _ in tenants.webhooks():
                break
            async with tenants.webhooks() as walk:
                await anext(walk)
            await asyncio.sleep(60)
            assert sum(box.count("list") for box in world.boxes.values()) <= 12
        assert asyncio.all_tasks() == {asyncio.current_task()}

    simulate(main)


@pytest.mark.parametrize("closed", ["tenants", "walk"])
def test_a_walk_that_is_closed_by_somebody_else_ends(closed: str) -> None:
    """Whoever waits for the next webhook then is told that what was seen is not all, and so is who asks later."""

    async def main(clock: SimulatedClock) -> None:
        async with three(clock) as (tenants, world):
            for box in world.boxes.values():
                box.script(Fault("slow", on="list", times=None, seconds=30.0))
            walk = tenants.webhooks(on_error="collect")
            waiting = asyncio.ensure_future(anext(walk))
            await asyncio.sleep(5)
            assert not waiting.done()
            if closed == "walk":
                await walk.aclose()
        with pytest.raises(ConfigError, match=r"closed while .*; the walk is not complete"):
            await asyncio.wait_for(waiting, 60)
        with pytest.raises(ConfigError, match="not all"):
            await anext(walk)
        assert asyncio.all_tasks() == {asyncio.current_task()}

    simulate(main)


def test_a_walk_tells_of_what_nobody_expects() -> None:
    """A tenant whose walk fails with something that is no DooError is not left out in silence."""

    async def main(clock: SimulatedClock) -> None:
        world = World(clock)
        sessions = {
            "fine": world.tenant("fine", webhooks_per_team=2),
            "broken": world.tenant("broken", transport=Broken()),
        }
        async with Tenants(sessions) as tenants:
            walk = tenants.webhooks(on_error="collect")
            assert len([webhook async for webhook in walk]) == 6
            [failed] = walk.errors
            assert failed.tenant == "broken"
            assert isinstance(failed.error.__cause__, ZeroDivisionError)
            with pytest.raises(DooError, match="the work for broken failed with ZeroDivisionError"):
                _ = [webhook async for webhook in tenants.webhooks()]

    simulate(main)


def test_work_that_is_cancelled_is_its_own_tenants_trouble() -> None:
    """Something that one tenant waits for is cancelled: the others go on. Cancelling all of it cancels all of it."""

    async def main(clock: SimulatedClock) -> None:
        async def work(name: str, doo: Session) -> str:
            if name == "beta":
                gone = asyncio.ensure_future(asyncio.sleep(60))
                gone.cancel()
                await gone
            return (await doo.organizations.active_team()).id

        async with three(clock) as (tenants, _):
            results = await tenants.each(work)
            assert list(results) == ["acme", "beta", "gamma"]
            assert (results["acme"], results["gamma"]) == ("111", "111")
            assert isinstance(results["beta"], DooError)
            assert isinstance(results["beta"].__cause__, asyncio.CancelledError)

            whole = asyncio.ensure_future(tenants.each(lambda *_: asyncio.sleep(60)))
            await asyncio.sleep(1)
            whole.cancel()
            with pytest.raises(asyncio.CancelledError):
                await whole
        assert asyncio.all_tasks() == {asyncio.current_task()}

    simulate(main)


def test_one_slow_and_one_spent_tenant_hold_up_nobody(tmp_path: Path) -> None:
    """The slow one takes its time, the one whose day is spent is parked, and the third is done as if it were alone."""

    async def main(clock: SimulatedClock) -> None:
        world = World(clock)
        few = Limits(per_second=None, per_day=5, reserve=0)
        limits = {"fine": Limits(per_second=1, per_day=None), "slow": UNLIMITED, "spent": few}
        sessions = {name: world.tenant(name, limits=limit) for name, limit in limits.items()}
        world.boxes["slow"].script(Fault("slow", on=("list", "create"), times=None, seconds=50.0))
        ended: dict[str, float] = {}

        async def ending(name: str, doo: Session) -> None:
            await doo.bulk.run(creates(world.boxes[name]), journal=tmp_path / f"{name}.journal")
            ended[name] = clock.monotonic()

        async with Tenants(sessions) as tenants:
            results = await tenants.each(ending)
            assert results == dict.fromkeys(limits)
            assert ended["spent"] < 5 < ended["fine"] < 10
            assert ended["slow"] > 100
            reports = await tenants.run(
                {name: creates(box) for name, box in world.boxes.items()}, journals=tmp_path
            )
            assert {
                name: isinstance(report, Report) and report.complete for name, report in reports.items()
            } == {"fine": True, "slow": True, "spent": False}

    simulate(main)


def test_every_session_is_closed_whatever_happens() -> None:
    """Also if another one cannot be closed; one may have two names."""

    async def main(clock: SimulatedClock) -> None:
        world = World(clock)
        fine, stubborn = world.tenant("fine"), world.tenant("stubborn", transport=Stubborn())
        team = None
        with pytest.raises(ZeroDivisionError):
            async with Tenants({"a": stubborn, "b": fine, "c": fine}) as tenants:
                team = await tenants["c"].organizations.active_team()
        assert team is not None
        with pytest.raises(ConfigError, match="this Session is closed"):
            await fine.organizations.active_team()

    simulate(main)


def test_closing_that_is_cancelled_closes_all_the_same() -> None:
    """Whoever cancels while a run takes its grace, even twice, leaves no session open and no task behind."""

    async def main(clock: SimulatedClock) -> None:
        world = World(clock)
        session = world.tenant("acme")
        world.boxes["acme"].script(Fault("slow", on="create", times=None, seconds=6.0))

        async def use() -> None:
            async with anyio.create_task_group() as group, Tenants({"acme": session}) as tenants:
                group.start_soon(tenants.run, {"acme": creates(world.boxes["acme"], 3)})
                await asyncio.sleep(1)

        using = asyncio.ensure_future(use())
        for seconds in (2, 1):
            await asyncio.sleep(seconds)
            using.cancel()
        with pytest.raises(asyncio.CancelledError):
            await using
        with pytest.raises(ConfigError, match="this Session is closed"):
            await session.organizations.active_team()
        assert asyncio.all_tasks() == {asyncio.current_task()}

    simulate(main)


@pytest.mark.parametrize("after", [0, 1, 3, 7, 15])
async def test_closing_while_a_run_goes_on(tmp_path: Path, after: int) -> None:
    """The run ends and says so, lets go of its journal, and goes on from there with other sessions: nothing is doubled."""
    async with Sandbox(plan=None, organizations=2) as box:

        def session(limits: Limits) -> Session:
            return Session(
                base_url=box.url,
                api_key=box.api_key,
                client_id=box.client_id,
                client_secret=box.client_secret,
                limits=limits,
            )

        operations = [
            Create(team, attrs.evolve(CONFIG, name=f"{number}")) for team in box.teams for number in range(10)
        ]
        # One place: the second of them has not begun when they are closed.
        sessions = {name: session(Limits(per_second=50, per_day=None)) for name in ("acme", "beta")}
        async with Tenants(sessions, concurrency=1) as tenants:
            running = asyncio.ensure_future(
                tenants.run({"acme": operations, "beta": []}, journals=tmp_path / "moves")
            )
            while box.count() < after:  # noqa: ASYNC110  # the box tells nobody
                await asyncio.sleep(0.002)
            await asyncio.sleep(0)
        results = await running
        for name in sessions:
            error = results[name]
            assert isinstance(error, ConfigError)
            assert f"closed before the work for {name} was done" in str(error)
        async with Tenants({"acme": session(UNLIMITED)}) as tenants:
            # What was on its way when they were closed may be in doubt; a box acts at once or never.
            reports = await tenants.run({"acme": operations}, journals=tmp_path / "moves", settle=0.5)
            assert isinstance(reports["acme"], Report)
            assert reports["acme"].counts()["applied"] == 20
        assert [len(box.live(team)) for team in box.teams] == [10, 10]


async def test_opening_that_is_cut_off_closes_what_was_handed_in(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever cancels while a profile's command is still asked for its secret leaves no session open."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    file = tmp_path / "config.toml"
    slow = '{ command = ["sleep", "1"] }'
    file.write_text(f"[profiles.a]\napi_key = {slow}\nclient_id = {slow}\nclient_secret = {slow}\n")
    file.chmod(0o600)
    given = Session(api_key="k", client_id="i", client_secret="s")  # never sent
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.2), Tenants({"given": given, "a": "a"}, config=file):
            raise AssertionError("it cannot have been opened")
    with pytest.raises(ConfigError, match="this Session is closed"):
        await given.organizations.active_team()


async def test_the_file_with_the_profiles_is_read_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However many profiles are opened, their file is read and checked once, as it grows with them."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    readings = 0

    def counted(text: str) -> dict[str, Any]:
        nonlocal readings
        readings += 1
        return parse(text)

    parse = tomllib.loads
    monkeypatch.setattr(tomllib, "loads", counted)
    names = [f"t{number}" for number in range(50)]
    secret = '{ env = "SOME_SECRET" }'
    monkeypatch.setenv("SOME_SECRET", "s")
    file = tmp_path / "config.toml"
    keys = f"api_key = {secret}\nclient_id = {secret}\nclient_secret = {secret}\n"
    file.write_text("".join(f"[profiles.{name}]\n{keys}" for name in names))
    async with Tenants({name: name for name in names} | {"nobody": "nobody"}, config=file) as tenants:
        assert [tenants[name].base_url for name in names[:2]] == [tenants["t49"].base_url] * 2
        with pytest.raises(ConfigError, match="has no profile 'nobody'"):
            tenants["nobody"]
    assert readings == 1


def test_concurrency_is_how_many_tenants_at_a_time() -> None:
    """No more tenants than that are worked for at once."""

    async def main(clock: SimulatedClock) -> None:
        at_once = most = 0

        async def work(_: str, doo: Session) -> str:
            nonlocal at_once, most
            at_once += 1
            most = max(most, at_once)
            await asyncio.sleep(1)
            at_once -= 1
            return (await doo.organizations.active_team()).id

        async with three(clock, concurrency=2) as (tenants, world):
            assert await tenants.each(work) == {name: box.teams[0] for name, box in world.boxes.items()}
        assert most == 2

    simulate(main)


def test_names_are_checked_before_anything_is_sent(tmp_path: Path) -> None:
    """Operations for nobody, a name that is no file's, and tenants that are not open are refused."""

    async def main(clock: SimulatedClock) -> None:
        async with three(clock) as (tenants, world):
            with pytest.raises(ConfigError, match="there is no tenant delta"):
                await tenants.run({"delta": []})
            with pytest.raises(ConfigError, match="there is no tenant delta"):
                await tenants.each(lambda *_: asyncio.sleep(0), only=["acme", "delta"])
            with pytest.raises(ConfigError, match="there is no tenant delta"):
                tenants.webhooks(teams={"delta": ("111",)})
        session = World(clock).tenant("x")
        closed = Tenants({"../x": session})
        with pytest.raises(ConfigError, match="are not open"):
            closed["../x"]
        async with closed as tenants:
            with pytest.raises(ConfigError, match=r"'\.\./x' cannot name a journal"):
                await tenants.run({"../x": []}, journals=tmp_path / "runs")
        assert sum(box.count() for box in world.boxes.values()) == 0
        with pytest.raises(ConfigError, match="at least 1"):
            Tenants({}, concurrency=0)

    simulate(main)


def test_journals_go_on(tmp_path: Path) -> None:
    """With a folder for journals each tenant's run has one, and the same call again sends nothing."""

    async def main(clock: SimulatedClock) -> None:
        async with three(clock) as (tenants, world):
            told: list[str] = []
            operations = {name: creates(box) for name, box in world.boxes.items()}
            for _ in range(2):
                reports = await tenants.run(
                    operations, journals=tmp_path / "moves", progress=lambda name, _: told.append(name)
                )
                assert all(isinstance(report, Report) and report.complete for report in reports.values())
            assert {box.count("create") for box in world.boxes.values()} == {2}
            assert set(told) == set(operations)
        assert {path.name for path in (tmp_path / "moves").glob("*.journal")} == {
            f"{name}.journal" for name in operations
        }

    simulate(main)


PROFILE = """\
[profiles.{name}]
api_key = {{ env = "KEY_{name}" }}
client_id = {{ env = "ID_{name}" }}
client_secret = {{ env = "SECRET_{name}" }}
base_url = "{url}"
"""


async def test_profiles_with_the_same_key_share_its_limits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Over real HTTP, against a gateway that counts: what one uses the other lacks; a profile of another key does not."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    monkeypatch.setenv("DOO_API_KEY", "of another account")
    allowed = Plan(per_second=None, per_day=8)
    async with Sandbox(plan=allowed) as shared, Sandbox(plan=allowed) as other:
        file = tmp_path / "config.toml"
        text = ""
        for name, box in {"one": shared, "two": shared, "other": other}.items():
            text += PROFILE.format(name=name, url=box.url)
            monkeypatch.setenv(f"KEY_{name}", box.api_key)
            monkeypatch.setenv(f"ID_{name}", box.client_id)
            monkeypatch.setenv(f"SECRET_{name}", box.client_secret)
        file.write_text(text)
        limits = Limits(per_second=None, per_day=8, reserve=0)
        async with Tenants(
            {"one": "one", "two": "two", "other": "other", "nobody": "nobody"}, config=file, limits=limits
        ) as tenants:

            async def ask(_: str, doo: Session) -> int:
                answered = 0
                with suppress(QuotaExhausted):
                    while answered < 10:
                        await doo.organizations.active_team()
                        answered += 1
                return answered

            results = await tenants.each(ask)
            assert isinstance(results["nobody"], ConfigError)
            one, two = results["one"], results["two"]
            assert isinstance(one, int)
            assert isinstance(two, int)
            # Each asks for a token of its own, and the rest of the eight is theirs together.
            assert one + two == 8 - 2
            assert results["other"] == 8 - 1
        for box in (shared, other):
            assert box.count(status=429) == 0
        assert (tmp_path / "aiodoo" / "quota.db").exists()


async def test_sessions_that_are_handed_in_need_no_home(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who uses no profile needs neither a home folder nor a state directory."""

    def no_home() -> NoReturn:
        raise RuntimeError

    monkeypatch.delenv("XDG_STATE_HOME", raising=False)
    monkeypatch.setattr(Path, "home", no_home)
    given = Session(api_key="k", client_id="i", client_secret="s")  # never sent
    async with Tenants({"given": given, "a": "a"}) as tenants:
        assert tenants["given"] is given
        with pytest.raises(ConfigError, match="there is no home folder"):
            tenants["a"]


def test_a_tenants_error_can_be_printed() -> None:
    """It says whose it is."""
    assert (
        repr(TenantError("a", ConfigError("x")))
        == "TenantError(tenant='a', error=ConfigError('x'), team_id=None)"
    )


def test_a_tenant_is_there_before_it_is_open() -> None:
    """`in` and `list` agree, before and after; asking for its session is another thing."""
    tenants = Tenants({"acme": "a profile that is nowhere"})
    check_membership(tenants)

    async def main() -> None:
        async with tenants:
            check_membership(tenants)

    asyncio.run(main())


def check_membership(tenants: Tenants) -> None:
    """Look at a mapping of one tenant whose profile cannot be loaded."""
    assert list(tenants) == ["acme"]
    assert "acme" in tenants
    assert "beta" not in tenants
    with pytest.raises(ConfigError):
        tenants["acme"]
