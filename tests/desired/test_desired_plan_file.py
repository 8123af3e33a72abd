"""Plans in files: whole, private, without secrets, and of no use once they were edited."""

from __future__ import annotations

import errno
import json
import os
import stat
from pathlib import Path
from typing import Any

import pytest
from desired_world import CRM, changing, declare, session, world
from simulated import SimulatedClock, simulate

from aiodoo import ConfigError, PlanDrift
from aiodoo.desired.planning.plan_file import digest

LOGIN = """\
    authentication:
      endpoint: https://crm.example/token
      credentials:
        client_secret: ${secret:env:AIODOO_TEST_SECRET}
"""


def test_a_plan_comes_back_as_it_was_and_can_be_applied(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Written, read and applied by another process; the file is its owner's alone, and holds no secret."""
    value = os.urandom(12).hex()
    monkeypatch.setenv("AIODOO_TEST_SECRET", value)

    async def main(clock: SimulatedClock) -> None:
        async with world(clock) as (doo, box):
            plan = await doo.desired.plan(declare(tmp_path, CRM + LOGIN))
            await doo.desired.write(plan, tmp_path / "plan.json")
            async with session(clock, box) as other:
                assert await other.desired.read(tmp_path / "plan.json") == plan
                assert (await other.desired.apply(tmp_path / "plan.json")).counts()["applied"] == 4

    simulate(main)
    text = (tmp_path / "plan.json").read_text()
    assert value not in text
    operation = json.loads(text)["teams"][0]["changes"][1]["operation"]
    assert operation["secrets"] == [
        [["authentication", "credentials", "client_secret"], {"env": "AIODOO_TEST_SECRET"}]
    ]
    assert stat.S_IMODE((tmp_path / "plan.json").stat().st_mode) == 0o600
    assert sorted(path.name for path in tmp_path.iterdir()) == ["doo.yaml", "plan.json"]


def _drop(plan: dict[str, Any]) -> None:
    del plan["teams"][0]["changes"][0]


def _redirect(plan: dict[str, Any]) -> None:
    plan["teams"][0]["changes"][0]["operation"]["config"]["hooks"][0]["endpoint"] = "https://evil.example"


def _unlist(plan: dict[str, Any]) -> None:
    plan["teams"][0]["listing"] = plan["teams"][1]["listing"]


def _cheapen(plan: dict[str, Any]) -> None:
    plan["price"]["requests"]["creates"] = 0


def _add(plan: dict[str, Any]) -> None:
    plan["note"] = "harmless"


def _missign(plan: dict[str, Any]) -> None:
    plan["digest"] = "ä" * 64


def _unseal(plan: dict[str, Any]) -> None:
    del plan["digest"]


EDITS = (_drop, _redirect, _unlist, _cheapen, _add, _missign, _unseal)


@pytest.mark.parametrize("edit", EDITS, ids=[edit.__name__ for edit in EDITS])
def test_an_edited_plan_is_drift(tmp_path: Path, edit: Any) -> None:
    """Whatever was changed, also what would do no harm: nothing is sent."""

    async def main(clock: SimulatedClock) -> None:
        async with world(clock) as (doo, box):
            path = tmp_path / "plan.json"
            await doo.desired.write(await doo.desired.plan(declare(tmp_path, CRM)), path)
            plan = json.loads(path.read_text())
            edit(plan)
            path.write_text(json.dumps(plan))
            before = box.log.total
            with pytest.raises(PlanDrift, match=r"is not as it was made: .*; nothing was sent. Plan again"):
                await doo.desired.apply(path)
            assert box.log.total == before

    simulate(main)


def test_a_plan_that_was_only_laid_out_anew_is_the_same(tmp_path: Path) -> None:
    """An editor that reformats JSON does no harm."""

    async def main(clock: SimulatedClock) -> None:
        async with world(clock) as (doo, _):
            path = tmp_path / "plan.json"
            plan = await doo.desired.plan(declare(tmp_path, CRM))
            await doo.desired.write(plan, path)
            path.write_text(json.dumps(json.loads(path.read_text()), sort_keys=True))
            assert await doo.desired.read(path) == plan

    simulate(main)


def test_a_plan_of_another_api_key(tmp_path: Path) -> None:
    """It names the way out; nothing is sent."""

    async def main(clock: SimulatedClock) -> None:
        async with world(clock) as (doo, _), world(clock) as (other, box):
            plan = await doo.desired.plan(declare(tmp_path, CRM))
            with pytest.raises(PlanDrift, match="another API key; nothing was sent"):
                await other.desired.apply(plan)
            assert changing(box) == 0

    simulate(main)


def test_what_is_no_plan(tmp_path: Path) -> None:
    """No file, no JSON, other JSON, a later format: each says what it is."""

    async def main(clock: SimulatedClock) -> None:
        async with world(clock) as (doo, _):
            with pytest.raises(ConfigError, match=r"plan\.json cannot be read .*No such file"):
                await doo.desired.read(tmp_path / "plan.json")
            others = ('{"format": "1"}', '{"format": true}', '{"format": 1.5}', '{"format": null}')
            for text in ("", "x", "[]", "{}", "1" * 5000, "[" * 100_000, *others):
                (tmp_path / "plan.json").write_text(text)
                with pytest.raises(ConfigError, match=r"holds no plan; .*aiodoo plan --out plan\.json"):
                    await doo.desired.read(tmp_path / "plan.json")
            (tmp_path / "plan.json").write_text('{"format": 2}')
            with pytest.raises(PlanDrift, match=r"has format 2, and this aiodoo knows format 1.*Plan again"):
                await doo.desired.read(tmp_path / "plan.json")

    simulate(main)


def test_a_plan_that_cannot_be_written(tmp_path: Path) -> None:
    """It says so, and leaves nothing behind."""

    async def main(clock: SimulatedClock) -> None:
        async with world(clock) as (doo, _):
            plan = await doo.desired.plan(declare(tmp_path, CRM))
            with pytest.raises(ConfigError, match=r"could not be written .*No such file"):
                await doo.desired.write(plan, tmp_path / "no" / "plan.json")
            (tmp_path / "folder").mkdir()
            os.mkfifo(tmp_path / "pipe")
            (tmp_path / "link").symlink_to("/dev/null")
            for name in ("folder", "pipe", "link", "nul\0"):
                with pytest.raises(ConfigError, match="could not be written"):
                    await doo.desired.write(plan, tmp_path / name)

    simulate(main)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["doo.yaml", "folder", "link", "pipe"]
    assert stat.S_ISFIFO((tmp_path / "pipe").stat().st_mode)
    assert (tmp_path / "link").is_symlink()


def test_a_disk_that_fails_leaves_the_plan_that_was_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whole or not at all, and nothing is left beside it."""

    def fails(_: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    async def main(clock: SimulatedClock) -> None:
        async with world(clock) as (doo, _):
            plan, path = await doo.desired.plan(declare(tmp_path, CRM)), tmp_path / "plan.json"
            await doo.desired.write(plan, path)
            with monkeypatch.context() as full:
                full.setattr(os, "fsync", fails)
                with pytest.raises(ConfigError, match=r"could not be written to .*: No space left on device"):
                    await doo.desired.write(plan, path)
            assert await doo.desired.read(path) == plan

    simulate(main)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["doo.yaml", "plan.json"]


def test_a_plan_of_another_version_of_aiodoo(tmp_path: Path) -> None:
    """Signed with the right key, but with fields that this version does not know: not applied, not guessed at."""

    async def main(clock: SimulatedClock) -> None:
        async with world(clock) as (doo, box):
            path = tmp_path / "plan.json"
            await doo.desired.write(await doo.desired.plan(declare(tmp_path, CRM)), path)
            plan = json.loads(path.read_text()) | {"order": "random"}
            del plan["format"]
            plan["digest"] = digest(plan, doo._parts.owner.key)
            path.write_text(json.dumps({"format": 1, **plan}))
            before = box.log.total
            with pytest.raises(
                PlanDrift, match=r"written by another version of aiodoo; nothing was sent. Plan"
            ):
                await doo.desired.apply(path)
            assert box.log.total == before

    simulate(main)


def test_a_plan_that_is_written_again_is_new_and_still_its_owners_alone(tmp_path: Path) -> None:
    """Whatever the file was, and whatever a writer that was killed has left beside it."""

    async def main(clock: SimulatedClock) -> None:
        async with world(clock) as (doo, _):
            path = tmp_path / "plan.json"
            path.write_text("old")
            path.chmod(0o644)
            (tmp_path / f"plan.json.{os.getpid()}.new").write_text("left")
            plan = await doo.desired.plan(declare(tmp_path, CRM))
            await doo.desired.write(plan, path)
            assert await doo.desired.read(path) == plan
            assert stat.S_IMODE(path.stat().st_mode) == 0o600

    simulate(main)
