"""Numbers, nestings and texts that nothing can hold are refused with an error of aiodoo's own, before anything is sent."""

from __future__ import annotations

import sys
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest
from bulk_world import world
from simulated import SimulatedClock, simulate

from aiodoo import (
    AddWebhook,
    Authentication,
    ClientCredentials,
    ConfigError,
    Delete,
    DooError,
    Facts,
    Hook,
    Limits,
    Origin,
    Secret,
    Session,
    Update,
    quota,
)
from aiodoo.profiles.tables import parse

HUGE = 10**5000
"""More digits than Python writes."""

LARGE = 10**400
"""More than a float holds."""

URL = "https://crm.example/"
HOOK = Hook(type="event_created", endpoint=URL)


def nested() -> list[Any]:
    """Nestings without an end, or with one that is too far away for recursion, of every class."""
    tuples: Any = ()
    mappings: Any = {}
    mixed: Any = []
    for _ in range(10_000):
        tuples, mappings, mixed = (tuples,), MappingProxyType({"a": mappings}), [(mixed,)]
    in_itself: dict[str, Any] = {}
    in_itself["a"] = (in_itself,)
    twice: list[Any] = []
    twice += [twice, twice]
    return [tuples, mappings, mixed, in_itself, twice]


@pytest.mark.parametrize("value", nested(), ids=["tuples", "mappings", "mixed", "itself", "twice"])
def test_nesting_of_any_class_is_refused(value: Any) -> None:
    """Whatever the lists and objects are made of."""
    for config in (
        lambda: AddWebhook(name="crm", hooks=[HOOK], extra={"x": value}),
        lambda: AddWebhook(name="crm", hooks=[HOOK.copy(extra={"password": value})]),
        lambda: AddWebhook(name="crm", hooks=[HOOK.copy(origin=Origin(body="{}", extra={"x": value}))]),
    ):
        with pytest.raises(ConfigError, match="extra holds something that JSON cannot say"):
            config().check()
    with pytest.raises(ConfigError, match="cannot be written as JSON"):
        Hook.graphql("event_created", endpoint=URL, query="{a}", variables={"x": value})


@pytest.mark.parametrize("number", [HUGE, -HUGE], ids=["plus", "minus"])
def test_a_number_without_end_is_no_id(number: int) -> None:
    """Neither of a team or webhook, nor of an event."""
    with pytest.raises(ConfigError, match="team id must be"):
        Delete(number, "12")
    with pytest.raises(ConfigError, match="webhook configuration id must be"):
        Delete("111", number)
    with pytest.raises(ConfigError, match="event_id must be text"):
        Update("111", "12", event_id=number)
    with pytest.raises(ConfigError, match="event_guide_id must be text"):
        AddWebhook(name="crm", hooks=[HOOK], event_guide_id=number).check()
    with pytest.raises(ConfigError):
        AddWebhook.from_dict(
            {"name": "crm", "hooks": [{"type": "event_created", "endpoint": URL}], "event_id": number}
        )


@pytest.mark.parametrize("number", [HUGE, LARGE], ids=["digits", "size"])
@pytest.mark.parametrize("field", ["per_second", "per_day", "concurrency", "reserve"])
def test_a_number_without_end_is_no_limit(field: str, number: int) -> None:
    """The error can be read all the same."""
    with pytest.raises(ConfigError, match=f"{field} must be"):
        Limits(**{field: number})  # type: ignore[arg-type]  # one is a whole number


def test_calls_refuse_what_no_request_can_hold() -> None:
    """Nothing is sent for any of them."""

    async def main(clock: SimulatedClock) -> None:
        async with world(clock) as (doo, box):
            before = len(box.log.requests)
            calls = [
                lambda: doo.webhooks.page("111", HUGE),
                lambda: doo.webhooks.page(HUGE, 1),
                lambda: doo.webhooks.page("111", deadline=LARGE),
                lambda: doo.bulk.run([Delete("111", "12")], settle=LARGE),
                lambda: doo.request("GET", "/a", params={"a": HUGE}),
                lambda: doo.request("GET", "/a", params={"a": "\ud800"}),
                lambda: doo.request("POST", "/a", json={"a": HUGE}),
                lambda: doo.webhooks.initialize("events", organization_id=1, max_rate_per_min=HUGE),
                lambda: doo.webhooks.initialize("events", organization_id=HUGE),
                lambda: doo.webhooks.initialize("events", organization_id=1, webhook_types=5),  # type: ignore[arg-type]
                lambda: doo.webhooks.initialize("events", organization_id=1, webhook_types=["a\ud800"]),
                lambda: doo.webhooks.initialize(
                    "events", organization_id=1, webhook_types=["event_created\n"]
                ),
                lambda: doo.webhooks.initialize("events", organization_id=1, webhook_types="event created"),
            ]
            for number, call in enumerate(calls):
                with pytest.raises(ConfigError):
                    pytest.fail(f"call {number} has returned {await call()!r}")
            assert len(box.log.requests) == before

    simulate(main)


def test_a_walk_of_as_many_teams_as_there_can_be_begins_at_once() -> None:
    """No more tasks are started than any program has a use for."""

    async def main(clock: SimulatedClock) -> None:
        async with world(clock) as (doo, box):
            box.add_webhook("111", {"name": "crm", "hooks": [{"type": "event_created", "endpoint": URL}]})
            assert len(await doo.webhooks.list("111", prefetch=sys.maxsize).collect()) == 1

    simulate(main)


@pytest.mark.parametrize(
    "config",
    [
        lambda: AddWebhook(name="crm", hooks=[Hook(type=Secret("event_created"), endpoint=URL)]),  # type: ignore[arg-type]
        lambda: AddWebhook(name="crm", hooks=[HOOK.copy(origin=Origin(body=Secret("{}")))]),  # type: ignore[arg-type]
        lambda: AddWebhook(name="crm", hooks=[HOOK], authentication=Authentication(
            endpoint=URL, credentials=ClientCredentials(client_secret="s3cret"), header_format=Secret("a"),  # type: ignore[arg-type]
        )),
    ],
)  # fmt: skip
def test_a_secret_is_no_text_where_text_is_wanted(config: Any) -> None:
    """It would be sent as such in the place of a name."""
    with pytest.raises(ConfigError, match="is empty or not text"):
        config().check()


@pytest.mark.parametrize("path", [None, 5, b"ledger", ["a"]])
def test_a_ledger_needs_a_path(path: Any) -> None:
    """As text or as a path object, in a ledger's class."""
    with pytest.raises(ConfigError, match="ledger must be the path"):
        quota.SQLite(path)
    with pytest.raises(ConfigError, match="quota must be a ledger"):
        Session(api_key="a", client_id="b", client_secret="c", quota=Path("ledger"))  # type: ignore[arg-type]


def test_statuses_are_whole_numbers() -> None:
    """Also where one cannot be in a set."""
    with pytest.raises(ConfigError, match="token_refused"):
        Facts(token_refused=[[401]])  # type: ignore[list-item]


@pytest.mark.parametrize(
    "host", ["a..b.example", "a" * 64 + ".example", "a." * 130 + "example", "1.2.3.999", "1.2.3.4.5"]
)
def test_a_host_that_cannot_be_one_is_no_outage(host: str) -> None:
    """It is refused when the session is made, as doo's and as a proxy's."""
    given = {"api_key": "a", "client_id": "b", "client_secret": "c"}
    with pytest.raises(ConfigError, match="base URL"):
        Session(**given, base_url=f"https://{host}/v1")
    with pytest.raises(ConfigError, match="proxy="):
        Session(**given, proxy=f"http://u:p@{host}:8080")


@pytest.mark.parametrize("text", ["a = " + "[" * 3000 + "]" * 3000, "a = " + "9" * 5000, 'a = "\\ud800"'])
def test_a_file_of_profiles_that_breaks_its_reader_is_named(text: str, tmp_path: Path) -> None:
    """It says which file it is."""
    with pytest.raises(DooError, match=r"config\.toml"):
        parse(tmp_path / "config.toml", text.encode())
