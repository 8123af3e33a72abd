"""`--report` of `plan`, `apply`, `runs show` and `export`: pages for change tickets."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from cli_home import Home
from html_parts import Parts, read_page

from aiodoo.bulk.journal import timeline
from aiodoo.sandbox import Fault, Sandbox, serve

HIDDEN = secrets.token_hex()
HOSTILE = "<script>alert(1)</script>\u202e"
DECLARED = """\
aiodoo: 1
manage: {all: true}
teams: [111]
webhooks:
  - name: Webhook 1 of team 111
    description: Webhook for testing all the hook types
    hooks:
      - {type: event_created, endpoint: "https://crm2.example/1"}
    authentication:
      endpoint: https://crm2.example/token
      credentials: {client_secret: "${secret:env:CRM_SECRET}"}
  - name: "<script>alert(1)</script>\\u202E"
    hooks:
      - {type: event_created, endpoint: "https://new.example/"}
"""


@pytest.fixture
def box() -> Iterator[Sandbox]:
    """Serve a sandbox."""
    with serve(
        organizations=2, webhooks_per_team=2, plan=None, echo_scope=True, webhook_ids="counter"
    ) as sandbox:
        yield sandbox


def page_of(home: Home, *arguments: str, code: int = 0) -> Parts:
    """Run a command with --report, and return its page."""
    page = home.folder / "page.html"
    told = home.run(*arguments, "--report", str(page), CRM_SECRET=HIDDEN)
    assert told.returncode == code, told.stderr
    assert told.stderr.count(f"the page is {page}.") == 1, told.stderr
    assert HIDDEN not in page.read_text()
    return read_page(page)


def test_the_page_of_a_plan_shows_old_and_new_values(home: Home) -> None:
    """Field by field, with the cost, hosts that are new, and what is not declared."""
    shown = page_of(home, "plan", str(home.folder / "doo.yaml"))
    facts = shown.facts()
    assert (facts["To create"], facts["To replace"], facts["To delete"]) == ("1", "1", "0")
    assert facts["Cost"].partition(",")[0].endswith(" requests")
    assert facts["State"] == "not applied when this page was made"
    assert "https://crm.example/111/1" in "".join(shown.of("del"))
    assert "https://crm2.example/1" in shown.of("ins")
    assert "https://new.example/" in shown.of("ins")
    assert "new.example" in shown.of("td")
    assert "<script>alert(1)</script>\\u202e" in shown.of("td")
    assert "Webhook 2 of team 111" in shown.of("td")


def test_the_page_of_an_application_shows_what_came_of_it(home: Home) -> None:
    """Outcomes, the requests with their timeline, and what is left; `runs show` shows the same of the run."""
    file = str(home.folder / "doo.yaml")
    shown = page_of(home, "apply", file, "--yes")
    facts = shown.facts()
    assert (facts["State"], facts["Operations"]) == ("finished", "2 applied")
    assert facts["Requests sent"] == "5"
    assert "https://crm2.example/1" in shown.of("ins")
    assert "None." in shown.of("p")
    [caption] = shown.of("figcaption")
    assert caption.startswith(f"{facts['Requests sent']} requests from {datetime.now(UTC):%Y-}")
    later = page_of(home, "runs", "show")
    assert (
        later.facts().items()
        >= {name: facts[name] for name in ("Run", "State", "Operations", "Requests sent")}.items()
    )
    assert later.of("figcaption") == [caption]


def test_a_page_without_a_record_has_outcomes_and_no_timeline(home: Home) -> None:
    """As there is no journal that could tell of times."""
    shown = page_of(home, "apply", str(home.folder / "doo.yaml"), "--yes", "--no-record")
    assert shown.facts()["Operations"] == "2 applied"
    assert shown.of("td").count("applied") == 4
    assert shown.of("figcaption") == []


def test_a_page_that_cannot_be_written_keeps_a_plan_from_being_applied(home: Home, box: Sandbox) -> None:
    """It is written before anything is changed, too."""
    before = box.live("111")
    told = home.run(
        *("apply", str(home.folder / "doo.yaml"), "--yes", "--report", str(home.folder / "no" / "page.html")),
        CRM_SECRET=HIDDEN,
    )
    assert (told.returncode, "page.html cannot be written" in told.stderr) == (1, True)
    assert box.live("111") == before


def test_the_page_of_a_run_names_the_differences_left(home: Home, box: Sandbox) -> None:
    """Operations that have failed are named, once among the differences and once among all."""
    box.script(Fault("error_not_acted", on="create", team="112", status=422, times=None))
    assert home.run("move-host", "crm.example", "crm2.example", "--yes").returncode == 1
    shown = page_of(home, "runs", "show")
    assert shown.facts()["Operations"] == "2 applied, 2 failed"
    # Twice for each operation, and once for their number.
    assert (shown.of("td").count("failed"), shown.of("td").count("applied")) == (5, 3)


def test_the_page_of_an_export_counts_by_host_and_team_and_has_no_secret(home: Home, box: Sandbox) -> None:
    """Not even with --with-secrets; the rest of a URL, where doo's customers keep tokens, is left out."""
    box.add_webhook(
        "111",
        {
            "name": HOSTILE,
            "hooks": [{"type": "event_created", "endpoint": f"https://a.example/?token={HIDDEN}"}],
            "authentication": {"endpoint": "https://a.example/", "credentials": {"client_secret": HIDDEN}},
        },
    )
    shown = page_of(home, "export", "--with-secrets")
    assert shown.facts() == {"Webhook configurations": "5"}
    assert {"a.example", "crm.example", "Webhook 1 of team 112"} <= set(shown.of("td"))
    assert "event_created -> https://a.example/?..." in shown.of("td")


def test_the_timeline_of_a_journal_grows_to_its_requests(home: Home, tmp_path: Path) -> None:
    """From the run's first line on; a line that is cut off ends it, and what is no journal has none."""
    assert home.run("move-host", "crm.example", "crm2.example", "--yes").returncode == 0
    [journal] = home.runs.glob("*/journal")
    moments = timeline(journal)
    assert [moment.requests for moment in moments] == sorted(moment.requests for moment in moments)
    assert (moments[0].requests, moments[-1].requests) == (0, 12)
    cut = tmp_path / "journal"
    cut.write_bytes(journal.read_bytes()[:-300])
    assert timeline(cut) == moments[: len(timeline(cut))] != moments
    cut.write_text("something else\n")
    assert timeline(cut) == ()
