"""`aiodoo export`, and what `aiodoo plan` and `apply` make of it: nothing to do, a restored account, or a clone."""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterator
from typing import Any

import pytest
from cli_home import Home, profile

from aiodoo.sandbox import Sandbox, classic, graphql, serve

HIDDEN = secrets.token_hex()


@pytest.fixture
def box() -> Iterator[Sandbox]:
    """Serve two teams without webhooks."""
    with serve(organizations=2, webhooks_per_team=0, plan=None, echo_scope=True, page_size=200) as sandbox:
        yield sandbox


def exported(home: Home, *options: str) -> str:
    """Write an export into a file."""
    told = home.run("export", *options)
    assert told.returncode == 0, told.stderr
    file = home.folder / "doo.yaml"
    file.write_text(told.stdout)
    return str(file)


def contents(box: Sandbox, team: str) -> list[dict[str, Any]]:
    """Return what a team holds, whatever its ids, in order of the names."""
    items = [
        {name: value for name, value in item.items() if name not in {"id", "_links"}}
        for item in box.live(team)
    ]
    for item in items:
        # What a run adds to tell its own webhooks from others.
        item["description"] = (item["description"] or "").partition("[aiodoo:")[0].strip()
        for hook in item["hooks"]:
            # The list's suffix of GraphQL hooks differs from webhook to webhook.
            hook["type"] = "_".join(hook["type"].split("_")[:2])
    return sorted(items, key=lambda item: str(item["name"]))


def fill(box: Sandbox) -> None:
    """Add webhooks whose names have nothing in common, with unknown fields and old contents."""
    box.add_webhook(
        "111", classic("CRM", client_secret=HIDDEN) | {"colour": "red", "headers": {"X-Key": HIDDEN}}
    )
    box.add_webhook("111", graphql("nel\x85 ${x} \u202e") | {"description": "two\n\n lines "})
    box.add_webhook(
        "111",
        {**classic("Billing"), "hooks": [{"type": "x", "method": "GET", "endpoint": "https://a.example"}]},
    )
    box.add_webhook("112", classic(" no", client_secret="***"))


def test_a_plan_of_what_was_exported_has_nothing_to_do(home: Home, box: Sandbox) -> None:
    """Whatever the names have in common; the secrets that the export leaves out stay as they are."""
    fill(box)
    file = exported(home)
    assert HIDDEN not in (home.folder / "doo.yaml").read_text()
    told = home.run("plan", file, "--exit-code")
    assert (told.returncode, told.stdout.splitlines()[0]) == (0, "Nothing to do: 4 unchanged in 2 teams.")
    (home.folder / "doo.yaml").write_bytes(
        b"\xef\xbb\xbf" + (home.folder / "doo.yaml").read_bytes().replace(b"\n", b"\r\n")
    )
    assert home.run("plan", file, "--exit-code").returncode == 0


def test_more_than_a_mebibyte_is_planned(home: Home, box: Sandbox) -> None:
    """An account of more webhooks than the old limit of a file had room for."""
    for number in range(1200):
        box.add_webhook("111", classic(f"{number} webhook") | {"description": "x" * 400})
    file = exported(home)
    assert (home.folder / "doo.yaml").stat().st_size > 1 << 20
    assert home.run("plan", file, "--exit-code").stdout.startswith("Nothing to do: 1200 unchanged")


def test_an_export_with_secrets_restores_an_account(home: Home, box: Sandbox) -> None:
    """What was lost is created again as it was, from the file alone; the program says what the file holds."""
    fill(box)
    before = contents(box, "111")
    told = home.run("export", "--with-secrets", "--team", "111")
    assert "holds client secrets in clear" in told.stderr
    file = exported(home, "--with-secrets", "--team", "111")
    for item in box.live("111"):
        box.foreign_delete(item["id"])
    (home.folder / "doo.yaml").chmod(0o644)
    applied = home.run("apply", file, "--yes")
    assert applied.returncode == 0, applied.stderr
    assert "holds secrets, and other users of this machine may open it (mode 644)" in applied.stderr
    assert HIDDEN not in applied.stdout + applied.stderr
    assert {path.stat().st_mode & 0o077 for path in home.runs.rglob("*")} == {0}
    assert contents(box, "111") == before
    assert not [
        path for path in home.runs.rglob("*") if path.is_file() and HIDDEN.encode() in path.read_bytes()
    ]


def test_an_export_with_secrets_clones_to_another_account(home: Home, box: Sandbox) -> None:
    """With the teams of the other account in the place of the listed ones."""
    fill(box)
    with serve(organizations=2, webhooks_per_team=0, plan=None, echo_scope=True) as other:
        home.write(profile("acme", box), profile("other", other))
        told = home.run("export", "-p", "acme", "--with-secrets", "--team", "111=112")
        (home.folder / "doo.yaml").write_text(told.stdout)
        plan = json.loads(home.run("plan", "-p", "other", str(home.folder / "doo.yaml"), "-o", "json").stdout)
        assert plan["counts"]["create"] == 3
        applied = home.run("apply", "-p", "other", str(home.folder / "doo.yaml"), "--yes")
        assert applied.returncode == 0, applied.stderr
        assert contents(other, "112") == contents(box, "111")
        assert not other.live("111")


def test_an_export_that_is_not_whole_is_not_printed(home: Home) -> None:
    """A file without a team says that there is none; where no day suffices for all, nothing is read either."""
    with serve(organizations=5, plan=None) as box:
        home.write(profile("acme", box, "limits = { per_second = 200, per_day = 4 }\n"))
        told = home.run("export")
        assert (told.returncode, told.stdout, box.count("list")) == (1, "", 0)
    assert "5 teams take at least 5 requests, and 4 a day may be used for this" in told.stderr
    assert "fewer teams at a time with --team, or raise per_day in the limits of the profile" in told.stderr
    assert "nothing was printed, as the file would not be whole" in told.stderr
