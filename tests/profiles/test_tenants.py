"""Many tenants side by side: each at its own speed, none touched by another's trouble."""

from __future__ import annotations

import asyncio
import math
from collections import Counter
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Literal

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
    Report,
    ServerError,
    Session,
    Tenants,
)
from aiodoo.sandbox import Box, Fault, Plan
from aiodoo.tenants import TenantError
from aiodoo.worker import InlineWorker

CONFIG = AddWebhook(name="crm", hooks=[Hook(type="event_created", endpoint="https://crm.example/doo")])
UNLIMITED = Limits(per_second=None, per_day=None)


@attrs.define
class World:
    """Boxes by name, and sessions on them."""

    clock: SimulatedClock
    boxes: dict[str, Box] = attrs.field(factory=dict)

    def tenant(self, name: str, *, limits: Limits = UNLIMITED, **settings: Any) -> Session:
        """Return a session on a box of its own, whose plan is the session's limits."""
        plan = Plan(per_second=limits.per_second, per_day=limits.per_day, counting="sliding_log")
        box = self.boxes[name] = Box(plan=plan, seed=len(self.boxes), **({"latency": 0.02} | settings))
        return Session(
            api_key=box.api_key,
            client_id=box.client_id,
            client_secret=box.client_secret,
            limits=limits,
            facts=Facts(list_echoes_scope=True),
            clock=self.clock,
            transport=BoxTransport(box, self.clock),
            worker=InlineWorker(),
        )


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
    """Return how long so many requests take at the least, from the first to the last, evenly spaced."""
    return (requests - 1) / (limits.per_second or math.inf)


def test_fifty_tenants_at_their_own_speed() -> None:
    """Fifty tenants with different limits run at once, each within 3 % of its own quota's least time, none over it."""
    rates = [0.5, 1, 2, 3, 5, 8, 10, 2.5, 0.8, 20]

    async def main(clock: SimulatedClock) -> None:
        world = World(clock)
        limits = {
            f"tenant-{number}": Limits(per_second=rates[number % 10], per_day=2000) for number in range(50)
        }
        sessions = {
            name: world.tenant(name, limits=limit, organizations=2, webhooks_per_team=0)
            for name, limit in limits.items()
        }
        async with Tenants(sessions, concurrency=50) as tenants:
            reports = await tenants.run({name: creates(box, 30) for name, box in world.boxes.items()})
        for name, limit in limits.items():
            report, log = reports[name], world.boxes[name].log
            assert isinstance(report, Report)
            assert report.counts()["applied"] == 60
            assert world.boxes[name].count(status=429) == 0
            arrivals = [request.time for request in log.requests]
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


async def test_profiles_share_one_ledger(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Tenants of profiles keep their quota in one ledger in the state directory; who has no profile fails alone."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    monkeypatch.setenv("DOO_API_KEY", "of another account")
    file = tmp_path / "config.toml"
    file.write_text(
        "".join(
            f'[profiles.{name}]\napi_key = {{ env = "{name}" }}\nclient_id = "x"\nclient_secret = {{ env = "{name}" }}\n'
            for name in "ab"
        )
    )
    monkeypatch.setenv("a", "key-of-a")
    monkeypatch.setenv("b", "key-of-b")
    async with Tenants({"one": "a", "two": "b", "three": "c"}, config=file, limits=UNLIMITED) as tenants:
        ledgers = [tenants[name].quota.ledger for name in ("one", "two")]  # type: ignore[attr-defined]
        assert ledgers[0] is ledgers[1]
        assert ledgers[0].path == tmp_path / "aiodoo" / "quota.db"
        assert tenants["one"]._client._api_key.reveal() == "key-of-a"
        assert tenants["one"]._client.limits == UNLIMITED
    assert (
        repr(TenantError("a", ConfigError("x")))
        == "TenantError(tenant='a', error=ConfigError('x'), team_id=None)"
    )
