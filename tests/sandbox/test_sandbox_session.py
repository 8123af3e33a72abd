"""A session on a sandbox in one call, and options that type checkers know."""

from __future__ import annotations

import inspect
from typing import get_type_hints

import attrs
import pytest

from aiodoo import ConfigError, Limits, Session
from aiodoo.sandbox import Box, Plan, Sandbox, Settings, serve
from aiodoo.sandbox.options import BoxOptions, SandboxOptions, SettingOptions


async def test_a_session_with_a_sandbox() -> None:
    """It has the sandbox's URL and credentials."""
    async with Sandbox(organizations=1, plan=None) as box, box.session() as doo:
        assert isinstance(doo, Session)
        assert (await doo.organizations.active_team()).id == box.teams[0]
        assert doo.base_url == box.url
        assert box.count("token") == 1


@pytest.mark.parametrize(
    ("plan", "limits"),
    [
        (None, Limits.none()),
        (Plan(), Limits()),
        (Plan(per_second=20, per_day=None), Limits(per_second=20, per_day=None)),
    ],
)
async def test_it_keeps_the_limits_of_the_plan(plan: Plan | None, limits: Limits) -> None:
    """So that nothing waits where nothing counts, and nothing is refused where something does."""
    async with Sandbox(plan=plan) as box, box.session() as doo:
        assert doo.limits == limits


async def test_options_win() -> None:
    """Whatever a Session takes can be given."""
    limits = Limits(per_second=7)
    async with (
        Sandbox(plan=None) as box,
        box.session(limits=limits, deadline=5, base_url=box.url + "/") as doo,
    ):
        assert doo.limits == limits
        assert doo._client.deadline == 5
        with pytest.raises(ConfigError):
            box.session(deadline=-1)


async def test_a_served_one_has_it_too() -> None:
    """From a thread of its own."""
    with serve(organizations=1, plan=None) as box:
        async with box.session() as doo:
            assert await doo.webhooks.list(box.teams).collect() == []


def test_no_limits() -> None:
    """Neither a second nor a day; the requests under way are still limited."""
    assert Limits.none() == Limits(per_second=None, per_day=None)
    assert Limits.none(concurrency=3).concurrency == 3
    with pytest.raises(ConfigError):
        Limits.none(concurrency=0)


def test_a_sandbox_that_is_not_open_has_no_session() -> None:
    """As it has no URL yet."""
    with pytest.raises(RuntimeError, match="before it is opened"):
        Sandbox(organizations=1).session()


def test_a_misspelled_option_is_refused() -> None:
    """By type checkers, which the ignores here are for, and by Python."""
    with pytest.raises(TypeError, match="organisations"):
        Sandbox(organisations=3)  # type: ignore[call-arg]
    with pytest.raises(TypeError, match="page_sise"):
        Box(page_sise=3)  # type: ignore[call-arg]
    with pytest.raises(TypeError, match="organisations"), serve(organisations=3):  # type: ignore[call-arg]
        pass
    with pytest.raises(ValueError, match="order"):
        Sandbox(order="newest")  # type: ignore[arg-type]


def test_every_option_is_typed_as_it_is() -> None:
    """The typed options are those of the settings, the box and the sandbox, with their types."""
    fields = {
        field.name: hint for field in attrs.fields(Settings) if (hint := get_type_hints(Settings)[field.name])
    }
    assert get_type_hints(SettingOptions) == fields
    for options, less, kind in ((BoxOptions, SettingOptions, Box), (SandboxOptions, BoxOptions, Sandbox)):
        taken = set(inspect.signature(kind).parameters) - {"box", "changes", "options"}
        assert taken == set(get_type_hints(options)) - set(get_type_hints(less))
