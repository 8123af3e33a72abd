"""Tenants that are added and removed while others are worked for, and what all of them would cost."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import attrs
import pytest
from simulated import SimulatedClock, simulate
from test_tenants import CONFIG, UNLIMITED, World, creates, three
from test_tenants_walks import boxes_of, sessions_of, shown

from aiodoo import ConfigError, Create, DooError, Forecast, Limits, Report, Session, Tenants
from aiodoo.sandbox import Fault


def complete(report: Report | DooError) -> bool:
    """Whether a run has done all."""
    return isinstance(report, Report) and report.complete


def test_a_tenant_that_is_added_is_one_of_them() -> None:
    """What has begun goes on without it, what begins afterwards includes it, and it is closed with the others."""

    async def main(clock: SimulatedClock) -> None:
        async with three(clock) as (tenants, world):
            walk = tenants.webhooks()
            seen = {(await anext(walk))[0]}
            world.boxes["acme"].script(Fault("slow", on="create", seconds=20.0))
            running = asyncio.ensure_future(
                tenants.run({name: creates(box) for name, box in world.boxes.items()})
            )
            await asyncio.sleep(5)
            for name in tenants:
                if name == "beta":
                    delta = world.tenant("delta", organizations=1, webhooks_per_team=1)
                    await tenants.add("delta", delta)
            assert set(tenants) == {"acme", "beta", "gamma", "delta"}
            seen |= {name async for name, _ in walk}
            assert seen == {"acme", "beta", "gamma"}
            reports = await running
            assert {name: complete(each) for name, each in reports.items()} == dict.fromkeys(seen, True)
            assert {name async for name, _ in tenants.webhooks()} == {*seen, "delta"}
            assert complete((await tenants.run({"delta": creates(world.boxes["delta"])}))["delta"])
        with pytest.raises(ConfigError, match="this Session is closed"):
            await delta.organizations.active_team()

    simulate(main)


@pytest.mark.parametrize("after", [0, 1, 4, 12])
async def test_a_tenant_is_removed_while_its_run_goes_on(tmp_path: Path, after: int) -> None:
    """Its run ends with an error and goes on from its journal when it is back; the others do not notice."""
    async with boxes_of("acme", "beta", organizations=2) as boxes:
        operations = {
            name: [
                Create(team, attrs.evolve(CONFIG, name=f"{number}"))
                for team in box.teams
                for number in range(10)
            ]
            for name, box in boxes.items()
        }
        sessions = {
            name: box.session(limits=Limits(per_second=50, per_day=None)) for name, box in boxes.items()
        }
        async with Tenants(sessions) as tenants:
            running = asyncio.ensure_future(tenants.run(operations, journals=tmp_path))
            while boxes["acme"].count() < after:  # noqa: ASYNC110  # the box tells nobody
                await asyncio.sleep(0.002)
            await asyncio.sleep(0)
            await tenants.remove("acme")
            sent = boxes["acme"].log.total
            assert list(tenants) == ["beta"]
            with pytest.raises(ConfigError, match="this Session is closed"):
                await sessions["acme"].organizations.active_team()
            await tenants.add("acme", boxes["acme"].session(limits=UNLIMITED))
            results = await running
            assert "the tenant acme was removed before the work for acme was done" in str(results["acme"])
            assert isinstance(results["acme"], ConfigError)
            assert complete(results["beta"])
            assert boxes["acme"].log.total == sent
            # What was on its way when it was removed may be in doubt; a box acts at once or never.
            again = await tenants.run({"acme": operations["acme"]}, journals=tmp_path, settle=0.5)
            assert complete(again["acme"])
        for box in boxes.values():
            assert [len(box.live(team)) for team in box.teams] == [10, 10]


@pytest.mark.parametrize("on_error", ["raise", "collect"])
async def test_a_tenant_is_removed_while_it_is_walked(on_error: Any) -> None:
    """The walk says that it is not whole, and has shown the others."""
    async with boxes_of("acme", "beta", organizations=1, webhooks_per_team=2) as boxes:
        boxes["acme"].script(Fault("slow", on="list", seconds=60.0))
        async with Tenants(sessions_of(boxes)) as tenants:
            walk = tenants.webhooks(on_error=on_error)
            assert (await anext(walk))[0] == "beta"
            await tenants.remove("acme")
            if on_error == "collect":
                assert [name for name, _ in await asyncio.wait_for(shown(walk), 30)] == ["beta"]
                [failed] = walk.errors
                assert failed.tenant == "acme"
                assert "the tenant acme was removed" in str(failed.error)
            else:
                with pytest.raises(ConfigError, match="the tenant acme was removed"):
                    await asyncio.wait_for(shown(walk), 30)


def test_a_removed_tenant_that_has_not_begun_never_begins() -> None:
    """Also if it still waits for its place among those that are worked for."""

    async def main(clock: SimulatedClock) -> None:
        begun: list[str] = []

        async def work(name: str, _: Session) -> None:
            begun.append(name)
            await asyncio.sleep(10)

        async with three(clock, concurrency=1) as (tenants, _):
            working = asyncio.ensure_future(tenants.each(work))
            await asyncio.sleep(1)
            await tenants.remove("gamma")
            results = await working
        assert begun == ["acme", "beta"]
        assert isinstance(results["gamma"], ConfigError)

    simulate(main)


def test_a_session_of_two_tenants_stays_open_for_the_other() -> None:
    """It is closed when the last of them is removed, or with the tenants."""

    async def main(clock: SimulatedClock) -> None:
        world = World(clock)
        session = world.tenant("a")
        async with Tenants({"a": session}) as tenants:
            await tenants.add("b", session)
            await tenants.remove("a")
            assert await tenants["b"].organizations.active_team()
            await tenants.remove("b")
            with pytest.raises(ConfigError, match="this Session is closed"):
                await session.organizations.active_team()

    simulate(main)


def test_tenants_that_are_closed_meanwhile_wait_for_a_removal() -> None:
    """A run that is taking its grace has ended, and its session is closed, when the tenants are."""

    async def main(clock: SimulatedClock) -> None:
        world = World(clock)
        session = world.tenant("acme")
        world.boxes["acme"].script(Fault("slow", on="create", times=None, seconds=6.0))
        async with Tenants({"acme": session}) as tenants:
            running = asyncio.ensure_future(tenants.run({"acme": creates(world.boxes["acme"], 3)}))
            await asyncio.sleep(1)
            removing = asyncio.ensure_future(tenants.remove("acme"))
            await asyncio.sleep(1)
            assert not removing.done()
        assert running.done()
        assert removing.done()
        with pytest.raises(ConfigError, match="this Session is closed"):
            await session.organizations.active_team()

    simulate(main)


async def test_what_cannot_be_added_or_removed_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By what is wrong, with nothing changed; a session that was not added stays the caller's, and open."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    file = tmp_path / "config.toml"
    file.write_text('[profiles.beta]\napi_key = "k"\nclient_id = "i"\nclient_secret = { env = "NOWHERE" }\n')
    file.chmod(0o600)
    async with boxes_of("acme", organizations=1) as boxes, boxes["acme"].session() as spare:
        tenants = Tenants(sessions_of(boxes), config=file)
        for changing in (tenants.add("beta", spare), tenants.remove("acme")):
            with pytest.raises(ConfigError, match="not open"):
                await changing
        async with tenants:
            given: Any
            for name, given, match in (
                ("acme", spare, "there is a tenant acme already; nothing was added"),
                ("beta", "beta", "NOWHERE"),
                ("beta", "nobody", "no profile 'nobody'"),
                ("beta", None, "a Session, a profile"),
                (5, spare, "name"),
            ):
                with pytest.raises(ConfigError, match=match):
                    await tenants.add(name, given)  # type: ignore[arg-type]
            with pytest.raises(ConfigError, match="there is no tenant beta"):
                await tenants.remove("beta")
            assert list(tenants) == ["acme"]
            assert tenants.profiles == {}
            monkeypatch.setenv("NOWHERE", "s")
            # Both load the profile at the same time; one of them comes first.
            adding = await asyncio.gather(
                tenants.add("beta", "beta"), tenants.add("beta", "beta"), return_exceptions=True
            )
            assert [str(error).partition(";")[0] for error in adding if error] == [
                "there is a tenant beta already"
            ]
            assert tenants.profiles["beta"].name == "beta"
        assert await spare.organizations.active_team()


def test_a_forecast_of_all_adds_up_and_names_the_longest() -> None:
    """It costs what those of each cost, agrees with what the runs send, and lets them list nothing again."""

    async def main(clock: SimulatedClock) -> None:
        world = World(clock)
        limits = {
            "quick": Limits(per_second=50, per_day=None),
            "slow": Limits(per_second=1, per_day=8, reserve=0),
        }
        sessions = {name: world.tenant(name, limits=limit, organizations=1) for name, limit in limits.items()}
        operations: dict[str, Any] = {name: creates(world.boxes[name], 8) for name in limits}
        async with Tenants(sessions) as tenants:
            forecast = await tenants.forecast(operations | {"quick": [*operations["quick"], 5]})
            assert isinstance(forecast["quick"], ConfigError)
            assert list(forecast.errors) == ["quick"]
            assert forecast.longest == "slow"

            sent = sum(box.log.total for box in world.boxes.values())
            forecast = await tenants.forecast(operations, baselines=forecast.baselines)
            lists = sum(box.count("list") for box in world.boxes.values())
            assert lists == sum(len(box.teams) for box in world.boxes.values())
            assert sum(box.log.total for box in world.boxes.values()) == sent + 2  # a token, and its list
            each = {name: one for name, one in forecast.items() if isinstance(one, Forecast)}
            assert set(each) == set(limits)
            assert forecast.requests == each["quick"].requests + each["slow"].requests
            assert forecast.counts == {"applied": 16}
            assert forecast.longest == "slow"
            assert (forecast.seconds, forecast.days) == (each["slow"].seconds, each["slow"].days)
            assert forecast.days > each["quick"].days
            assert forecast.cannot_end == {}
            assert repr(forecast) == (
                f"<TenantsForecast: {forecast.requests.total} requests, {forecast.days:.2f} days for slow>"
            )
            reports = await tenants.run(
                forecast.operations, baselines=forecast.baselines, on_exhausted="wait"
            )
            assert all(map(complete, reports.values()))
            assert sum(box.count("create") for box in world.boxes.values()) == forecast.requests.creates

            with pytest.raises(ConfigError, match="there is no tenant nobody"):
                await tenants.forecast(operations, baselines={"nobody": {}})
            with pytest.raises(ConfigError, match="there is no tenant nobody"):
                await tenants.forecast({"nobody": []})
            nothing = await tenants.forecast({})
            assert (nothing.longest, nothing.seconds, nothing.days) == (None, 0.0, 0.0)

    simulate(main)
