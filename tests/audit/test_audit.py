"""What an audit finds, and what it does not."""

from __future__ import annotations

import asyncio
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import aiodoo
from aiodoo.audit import AuditReport, ask_hosts, audit
from aiodoo.sandbox import Sandbox, graphql


def content(
    name: str = "app", *, endpoint: str = "https://crm.example/a", secret: str = "", **more: Any
) -> dict[str, Any]:
    """Return a webhook as the sandbox takes it; a secret makes an authentication."""
    made: dict[str, Any] = {"name": name, "hooks": [{"type": "event_created", "endpoint": endpoint}], **more}
    if secret:
        credentials = {"client_id": "doo", "client_secret": secret}
        made["authentication"] = {"endpoint": endpoint, "credentials": credentials}
    return made


async def audited(*webhooks: dict[str, Any], **options: Any) -> AuditReport:
    """Audit a team with these webhooks."""
    async with Sandbox(organizations=1, plan=None, order="oldest_first", echo_scope=True) as box:
        for webhook in webhooks:
            box.add_webhook("111", webhook)
        async with box.session(facts=aiodoo.Facts(list_echoes_scope=True)) as doo:
            return await doo.audit("111", **options)


def kinds(report: AuditReport) -> list[str]:
    """Return the kinds of the findings."""
    return [each.kind for each in report.findings]


async def test_a_sound_account_has_no_finding(secret: Callable[[], str]) -> None:
    """With TLS, a token, an event, and a secret of its own nothing is left to say."""
    report = await audited(
        content("one", secret=secret(), event_id="7"), content("two", secret=secret(), event_id="8")
    )
    assert (report.findings, report.worst, report.notes) == ((), None, ())
    assert report.teams == {"111": 2}
    assert [(each.host, each.hooks, each.webhooks, each.teams) for each in report.hosts] == [
        ("crm.example", 2, 2, 1)
    ]


async def test_twins_are_errors_but_for_the_first(secret: Callable[[], str]) -> None:
    """Equal in all but the id; another secret or event makes another webhook. The command deletes the right one."""
    word = secret()
    one = content("one", secret=word, event_id="7")
    report = await audited(one, one, content("one", secret=secret(), event_id="7"), {**one, "event_id": "8"})
    [found] = [each for each in report.findings if each.kind == "twin"]
    assert found.severity == "error"
    assert found.command == f"aiodoo webhooks delete {found.webhook_id} --team 111"
    assert report.worst == "error"


async def test_a_misspelt_type_names_the_right_one() -> None:
    """Suffixes of lists do not count; what may be new is an error as well, as doo does not deliver it."""
    hooks = [{"type": "event_creatd", "endpoint": "https://crm.example/a"}]
    report = await audited(graphql("suffixed"), {"name": "typo", "hooks": hooks, "event_id": "7"})
    [found] = [each for each in report.findings if each.kind == "unknown_type"]
    assert (found.name, "meant is perhaps event_created" in found.about) == ("typo", True)


async def test_endpoints_without_tls_and_without_a_token_are_warnings() -> None:
    """Also the token endpoint; this machine needs no TLS. User information is not shown."""
    report = await audited(
        content("plain", endpoint="http://user:word@crm.example/a", event_id="7"),
        content("here", endpoint="http://127.0.0.1:8000/a", event_id="7"),
    )
    assert [(each.kind, each.name) for each in report.findings] == [
        ("plain_http", "plain"),
        ("no_authentication", "here"),
        ("no_authentication", "plain"),
    ]
    assert "word" not in str(report.to_dict())


async def test_a_secret_that_several_hosts_know_is_a_warning(secret: Callable[[], str]) -> None:
    """One host may know it, for as few as nine; the report has neither the secret nor anything to guess it by."""
    word, many = secret(), secret()
    report = await audited(
        content("one", secret=word, event_id="7"),
        content("two", secret=word, event_id="7", endpoint="https://other.example/a"),
        *[
            content(f"many {n}", secret=many, event_id="7", endpoint="https://third.example/a")
            for n in range(10)
        ],
    )
    shared = [each for each in report.findings if each.kind == "shared_secret"]
    assert {each.name for each in shared if "2 hosts" in each.about} == {"one", "two"}
    assert len(shared) == 12
    nine = [content(f"few {n}", secret=secret, event_id="7") for n, secret in enumerate([many] * 9)]
    assert kinds(await audited(*nine)) == []


async def test_what_a_file_does_not_manage_is_told(tmp_path: Path) -> None:
    """By its prefix of names; an invalid file is an error before anything is sent."""
    file = tmp_path / "doo.yaml"
    file.write_text("aiodoo: 1\nmanage: {name_prefix: 'crm '}\nteams: {ids: ['111']}\nwebhooks: []\n")
    report = await audited(content("crm one", event_id="7"), content("other", event_id="7"), file=file)
    assert [each.name for each in report.findings if each.kind == "unmanaged"] == ["other"]
    file.write_text("aiodoo: 1\nmanaged: {}\n")
    with pytest.raises(aiodoo.ConfigError, match="manage"):
        await audited(file=file)


async def test_what_cannot_be_told_is_noted() -> None:
    """Lists that show no event ids or secrets leave a note, and no guess."""
    async with (
        Sandbox(organizations=1, plan=None, secrets="missing", webhooks_per_team=2) as box,
        box.session() as doo,
    ):
        report = await doo.audit()
    assert len(report.notes) == 2
    assert "whole_organization" not in kinds(report)


async def test_hosts_are_asked_once_and_without_a_request() -> None:
    """A host that listens is no finding; one that does not, or whose certificate is not trusted, is."""
    asked: list[bytes] = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.append(await reader.read(100))
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    closed = await asyncio.start_server(answer, "127.0.0.1", 0)
    port, other = (each.sockets[0].getsockname()[1] for each in (server, closed))
    closed.close()
    async with server:
        report = await audited(
            content("there", endpoint=f"http://127.0.0.1:{port}/a", event_id="7"),
            content("there too", endpoint=f"http://127.0.0.1:{port}/b", event_id="7"),
            content("gone", endpoint=f"http://127.0.0.1:{other}/a", event_id="7"),
            ask_hosts=True,
        )
        found = await ask_hosts([])
    silent = [(each.name, each.command) for each in report.findings if each.kind == "host_silent"]
    assert silent == [("gone", f"aiodoo move-host 127.0.0.1:{other} NEW-HOST")]
    assert asked == [b""]
    assert found == {}


def test_an_empty_account_is_fine() -> None:
    """Nothing is found, and the plain form says so."""
    report = audit([])
    assert report.to_dict()["counts"] == {"error": 0, "warning": 0, "info": 0}


@pytest.mark.parametrize(
    "endpoint",
    [
        "http://[bad/x",
        "https://{0}.invalid/",
        "https://$(id);x.invalid/",
        "https://a\x00b/",
        "https://h:99999/",
        "",
    ],
)
async def test_an_odd_endpoint_does_not_end_an_audit(endpoint: str) -> None:
    """It is reported like others, and a command is one that a shell takes apart as it is meant."""
    report = await audited(
        content("odd", endpoint=endpoint), content("odd", endpoint=endpoint), ask_hosts=True
    )
    assert "twin" in kinds(report)
    for found in report.findings:
        words = shlex.split(found.command)
        assert words[0] == "aiodoo"
        if found.kind == "host_silent":
            assert words == ["aiodoo", "move-host", found.about.partition(" does not answer")[0], "NEW-HOST"]
        else:
            assert found.webhook_id in words
