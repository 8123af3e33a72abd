"""`aiodoo audit`: its table, its page, and its exit code for CI."""

from __future__ import annotations

import json
import shlex
from pathlib import Path

import pytest
from cli_home import new_home, profile
from cli_process import program, run, started
from html_parts import read_page

from aiodoo.sandbox import Sandbox, serve


def variables(sandbox: Sandbox) -> dict[str, str]:
    """Return what leads the program to a sandbox."""
    return {
        "DOO_BASE_URL": sandbox.url,
        "DOO_API_KEY": sandbox.api_key,
        "DOO_CLIENT_ID": sandbox.client_id,
        "DOO_CLIENT_SECRET": sandbox.client_secret,
    }


@pytest.mark.parametrize(("fail_on", "code"), [("error", 1), ("warning", 1), ("info", 1), ("never", 0)])
def test_the_exit_code_follows_the_worst_finding(fail_on: str, code: int) -> None:
    """A twin is an error."""
    with serve(organizations=1, plan=None) as sandbox:
        for _ in range(2):
            sandbox.add_webhook(
                "111", {"name": "a", "hooks": [{"type": "event_created", "endpoint": "https://a.example/"}]}
            )
        told = run("audit", "--fail-on", fail_on, "-o", "json", **variables(sandbox))
    assert told.returncode == code
    found = json.loads(told.stdout)
    assert [each["check"] for each in found] == ["twin", "no_authentication", "no_authentication"]
    assert found[0]["command"] == f"aiodoo webhooks delete {found[0]['webhook_id']} --team 111"


def test_the_page_stands_alone_and_shows_no_control_characters(tmp_path: Path) -> None:
    """It loads nothing, runs nothing, is private, and hostile names are text in it."""
    page = tmp_path / "audit.html"
    with serve(organizations=2, plan=None) as sandbox:
        hooks = [{"type": "event_created", "endpoint": "http://a.example/"}]
        sandbox.add_webhook("111", {"name": "<script>\u202e\x1b[2J", "hooks": hooks})
        told = run("audit", "--report", str(page), **variables(sandbox))
    assert told.returncode == 0
    cells = read_page(page).of("td")
    assert "<script>\\u202e\\x1b[2J" in cells
    assert "http://a.example/ is not encrypted" in "".join(cells)


def test_a_page_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    """With the path, and a code that is not 0."""
    with serve(organizations=1, plan=None) as sandbox:
        told = run("audit", "--report", str(tmp_path / "no" / "page.html"), **variables(sandbox))
    assert (told.returncode, "page.html cannot be written" in told.stderr) == (1, True)


def test_a_second_without_network_and_somebody_elses_delete_leave_a_whole_reading() -> None:
    """It waits out the one, and reads again after the other: what moves to an earlier page is not missed."""
    with serve(organizations=1, page_size=3, plan=None) as sandbox:
        hooks = [{"type": "event_created", "endpoint": "https://a.example/"}]
        ids = [sandbox.add_webhook("111", {"name": f"{n}", "hooks": hooks}) for n in range(9)]
        sandbox.before("list", lambda: sandbox.foreign_delete(ids[-1]), nth=2)  # it stands on the first page
        sandbox.before("list", lambda: sandbox.refuse_connections(1.0), nth=3)
        told = run("audit", "--fail-on", "never", "-o", "json", **variables(sandbox))
    assert told.returncode == 0, told.stderr
    assert {each["webhook_id"] for each in json.loads(told.stdout)} == set(ids[:-1])


def test_two_audits_at_once_write_whole_pages(tmp_path: Path) -> None:
    """Each replaces the page as a whole; whichever is last stays."""
    page = tmp_path / "audit.html"
    with serve(organizations=1, webhooks_per_team=3, plan=None) as sandbox:
        command = program("audit", "--report", str(page))
        with (
            started(command, environ=variables(sandbox)) as one,
            started(command, environ=variables(sandbox)) as two,
        ):
            codes = [each.wait(100) for each in (one, two)]
    assert codes == [0, 0]
    assert page.read_text().endswith("</html>\n")
    assert [each.name for each in tmp_path.iterdir()] == ["audit.html"]


def test_what_mends_a_finding_is_for_the_account_that_has_it() -> None:
    """Typed as it is shown, it changes the profile that was named, and not the default one."""
    with (
        new_home() as home,
        serve(organizations=1, plan=None) as first,
        serve(organizations=1, plan=None) as other,
    ):
        home.write('default = "first"\n', profile("first", first), profile("other", other))
        for box in (first, other, other):
            box.add_webhook(
                "111", {"name": "a", "hooks": [{"type": "event_created", "endpoint": "https://a.example/"}]}
            )
        twins = other.live("111")
        for also in ((), ("--config", str(home.config))):
            told = home.run("audit", "-p", "other", "-o", "json", *also)
            command = shlex.split(json.loads(told.stdout)[0]["command"])
            assert command[-len(also) - 2 :] == ["-p", "other", *also]
        assert " -p " not in home.run("audit").stdout
        assert home.run(*command[1:], "--yes").returncode == 0
        assert (len(first.live("111")), len(other.live("111"))) == (1, len(twins) - 1)
