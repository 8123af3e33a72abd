"""Whatever is given as an id or a URL, no request goes anywhere but to doo's own paths at the configured host."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any

import pytest
from client.raw_server import raw_server
from hostile_payloads import PAYLOADS, TEXTS
from hostile_sockets import TEAM_ANSWER
from hostile_world import CONFIG, TEAM, WEBHOOK, boxed, item, page, session, written

import aiodoo
from aiodoo import AddWebhook, ConfigError, DooError, Hook, Session, TransportError
from aiodoo.checks import ID
from aiodoo.client import transport
from aiodoo.sandbox import Fault, Sandbox

SEGMENT = "[A-Za-z0-9_-]{1,64}"
KNOWN = re.compile(
    rf"(POST /v1/oauth|GET /v1/organizers/current/organizations|(GET|POST) /v1/team/{SEGMENT}/webhooks"
    rf"|DELETE /v1/webhooks/{SEGMENT}|POST /v1/webhooks/init/{SEGMENT})"
)

SENDABLE = [text for text in TEXTS if not re.search("[\ud800-\udfff]", text)]
"""What JSON can say; half surrogates make all of it unreadable."""

Use = Callable[[Session, Any], Awaitable[Any]]


async def all_of(doo: Session, value: Any) -> None:
    """Walk several teams, one of them given by hand."""
    await doo.webhooks.list([TEAM, value]).collect()


async def go_on(doo: Session, value: Any) -> None:
    """Walk on from a cursor that names a team."""
    await doo.webhooks.list(TEAM, cursor=value).collect()


USES: dict[str, Use] = {
    "list": lambda doo, value: doo.webhooks.list(value).collect(),
    "list, one of several": all_of,
    "create": lambda doo, value: doo.webhooks.create(value, CONFIG),
    "delete": lambda doo, value: doo.webhooks.delete(value),
    "delete, confirmed in": lambda doo, value: doo.webhooks.delete(WEBHOOK, confirm_in=value),
    "delete, confirmed": lambda doo, value: doo.webhooks.delete(value, confirm_in=TEAM),
    "update in a team": lambda doo, value: doo.webhooks.update(value, WEBHOOK, name="x"),
    "update": lambda doo, value: doo.webhooks.update(TEAM, value, name="x"),
    "replace": lambda doo, value: doo.webhooks.replace(TEAM, value, CONFIG),
    "initialize": lambda doo, value: doo.webhooks.initialize(value, organization_id=1, event_id=1),
    "initialize an organization": lambda doo, value: doo.webhooks.initialize("events", organization_id=value),
    "initialize an event": lambda doo, value: doo.webhooks.initialize("orders", event_id=value),
    "initialize one": lambda doo, value: doo.webhooks.initialize(
        "events", organization_id=1, webhook_configuration_id=value
    ),
    "a run that creates": lambda doo, value: doo.bulk.run([aiodoo.Create(value, CONFIG)]),
    "a run that deletes": lambda doo, value: doo.bulk.run([aiodoo.Delete(TEAM, value)], settle=0.1),
    "a run that updates": lambda doo, value: doo.bulk.run([aiodoo.Update(value, WEBHOOK, name="x")]),
}


def only_known(box: Sandbox) -> None:
    """Hold every request that arrived against the paths that doo documents."""
    arrived = {f"{each.method} {each.path}" for each in box.log.requests}
    assert {each for each in arrived if KNOWN.fullmatch(each) is None} == set()
    assert box.count("unknown") == 0


def is_id(value: Any) -> bool:
    """Tell whether a payload happens to be one that an id could be."""
    text = str(value) if type(value) is int else value
    return isinstance(text, str) and ID.fullmatch(text) is not None


def test_there_are_five_hundred_of_them() -> None:
    """The list of payloads is as long as it is said to be, and next to none could be an id."""
    assert len(PAYLOADS) >= 500
    assert not any(map(is_id, PAYLOADS))


@pytest.mark.parametrize("use", USES.values(), ids=USES)
async def test_what_is_no_id_is_not_sent(use: Use) -> None:
    """H22: an argument that is no id raises a ConfigError that does not show it, and nothing is sent."""
    async with boxed() as (box, doo):
        for payload in PAYLOADS:
            if use in {USES["list"], USES["list, one of several"]} and not isinstance(payload, str):
                continue  # a list may be given several
            if use in {USES["delete, confirmed in"], USES["initialize one"]} and payload is None:
                continue  # it may be left out
            before = len(box.log.requests)
            with pytest.raises((ConfigError, TypeError)) as caught:
                await use(doo, payload)
            assert len(box.log.requests) == before, repr(payload)
            if isinstance(payload, str) and len(payload) > 6:
                assert payload not in str(caught.value)
        only_known(box)


@pytest.mark.parametrize("use", USES.values(), ids=USES)
async def test_what_could_be_an_id_stays_in_its_place(use: Use) -> None:
    """H22: words that mean something elsewhere are one segment of a known path, no more."""
    words = [
        "null",
        "undefined",
        "true",
        "NaN",
        "__proto__",
        "constructor",
        "init",
        "oauth",
        "-1",
        "0",
        "-",
        "_",
    ]
    async with boxed() as (box, doo):
        for word in words:
            with suppress(DooError):
                await use(doo, word)
        only_known(box)


@pytest.mark.parametrize("cursor", [text for text in TEXTS if isinstance(text, str)][::7], ids=ascii)
async def test_a_cursor_made_by_somebody_else(cursor: str) -> None:
    """H22: a cursor is text from outside as well; one that names no teams is refused."""
    async with boxed() as (box, doo):
        for text in (
            cursor,
            written(done=[cursor], at={}).decode(),
            written(done=[], at={cursor: 2}).decode(),
        ):
            with pytest.raises(ConfigError):
                doo.webhooks.list(TEAM, cursor=text)
        assert len(box.log.requests) == 0


async def test_ids_that_doo_shows() -> None:
    """H22: of what a list shows, nothing that is no id gets into a request."""
    items = [item(value) for value in SENDABLE]
    # Of one page a hundred faults are told one by one.
    for first in range(0, len(items), 100):
        some = items[first : first + 100]
        async with boxed() as (box, doo):
            box.script(Fault("replaced", on="list", times=None, body=page(some)))
            async with doo.webhooks.list(TEAM, on_error="collect") as walk:
                shown = [webhook.id async for webhook in walk]
            assert shown == []
            assert len(walk.errors) == len(some)
            only_known(box)


async def test_teams_that_doo_names() -> None:
    """H22: of the teams that the organizations show, none that is no id is asked for."""
    named = [{"id": number, "teams": [{"id": text}]} for number, text in enumerate([*SENDABLE, TEAM], 1)]
    async with boxed() as (box, doo):
        box.script(Fault("replaced", on="organizations", times=None, body=written(organizations=named)))
        assert [webhook.id for webhook in await doo.webhooks.list_all().collect()] == [WEBHOOK]
        only_known(box)


BASES = [
    "{}",
    "https://{}",
    "http://{}",
    "https://rest.doo.net/v1{}",
    "https://rest.doo.net{}",
    "https://{}@rest.doo.net/v1",
]


@pytest.mark.parametrize("base", BASES)
async def test_base_urls(base: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """U10, H22: a base URL is refused, or it names exactly the host that it seems to."""
    opened: list[str] = []

    class Stop(Exception):
        """Nothing has to be sent here."""

    async def connect(_self: object, request: Any, **_: object) -> None:
        opened.append(request.url.host)
        raise Stop

    monkeypatch.setattr(transport._Connector, "connect", connect)
    for payload in [text for text in PAYLOADS if isinstance(text, str)]:
        url = base.format(payload)
        with suppress(ConfigError):
            async with session(url) as doo:
                with pytest.raises(TransportError):
                    await doo.organizations.active_team()
        if not opened:
            continue
        seems = re.fullmatch(r"https?://([A-Za-z0-9.:\[\]-]+?)(:\d+)?(/[A-Za-z0-9._~/-]*)?", url)
        assert seems is not None, url
        assert set(opened) == {seems[1].lower().strip("[]")}
        opened.clear()


@pytest.mark.parametrize(
    "endpoint",
    [
        "http://127.0.0.1:{port}/",
        "http://localhost:{port}/latest/meta-data",
        "https://127.0.0.1:{port}/",
        "http://u:p@127.0.0.1:{port}/?x=y#f",
        "http://[::1]:{port}/",
    ],
)
async def test_endpoints_are_not_called(endpoint: str) -> None:
    """H22: the URLs in a configuration are doo's to call; aiodoo never does, whatever it does with the configuration."""
    async with raw_server(TEAM_ANSWER) as stranger, boxed() as (box, doo):
        url = endpoint.format(port=stranger.port)
        config = AddWebhook(name="x", hooks=[Hook(type="event_created", endpoint=url)])
        made = await doo.webhooks.create(TEAM, config)
        made = await doo.webhooks.update(
            TEAM, made, name="y", hosts={"127.0.0.1": f"127.0.0.1:{stranger.port}"}
        )
        assert [each.name for each in await doo.webhooks.list(TEAM).collect() if each.id == made] == ["y"]
        await doo.webhooks.delete(made, confirm_in=TEAM)
        only_known(box)
    assert stranger.connections == 0
