"""The page at a sandbox's root: what it shows, what its buttons do, and who may press them."""

from __future__ import annotations

import re
import shutil
import subprocess
import urllib.error
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from urllib.parse import urlencode
from urllib.request import Request, urlopen

import pytest

from aiodoo.sandbox import Fault, Sandbox, serve

VOID = {"meta", "input"}


class Tree(HTMLParser):
    """Checks that elements are nested, and notes what is asked for elsewhere and what has no label."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.asks: list[str] = []
        self.unlabelled: list[str] = []
        self.scripts = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note an element."""
        given = dict(attrs)
        self.asks += [str(value) for name, value in attrs if name in {"src", "href", "action"}]
        self.scripts += tag == "script" or any(name.startswith("on") for name, _ in attrs)
        if tag in {"input", "select"} and given.get("type") != "hidden" and "label" not in self.open:
            self.unlabelled.append(str(given))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        """Close the innermost element, which must be this one."""
        assert self.open.pop() == tag


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    """Serve a sandbox with two webhooks."""
    with serve(organizations=1, webhooks_per_team=2, plan=None) as box:
        yield box


def load(sandbox: Sandbox, **headers: str) -> str:
    """Load the page."""
    with urlopen(Request(sandbox.url.removesuffix("v1"), headers=headers)) as answer:  # noqa: S310  # http
        assert answer.headers["Content-Security-Policy"].startswith("default-src 'none'")
        return str(answer.read().decode())


def press(sandbox: Sandbox, do: str, **fields: str) -> str:
    """Send a form of the page, and return the page that follows."""
    key = re.findall(r'name="key" value="([0-9a-f]+)"', load(sandbox))[0]
    body = urlencode({"key": key, "do": do, **fields}).encode()
    with urlopen(Request(sandbox.url.removesuffix("v1"), data=body)) as answer:  # noqa: S310  # http
        return str(answer.read().decode())


def test_the_page_shows_the_account_and_asks_for_nothing_else(sandbox: Sandbox) -> None:
    """Valid nesting, a label for each field, no script, no request to elsewhere, and no secret."""
    hostile = "<b>\u202e\x1b[2J"
    sandbox.add_webhook("111", {"name": hostile, "hooks": [{"type": hostile, "endpoint": hostile}]})
    sandbox.deliveries.fire("event_created", {"id": 1})
    shown = load(sandbox)
    tree = Tree()
    tree.feed(shown)
    assert (tree.open, tree.asks, tree.scripts, tree.unlabelled) == ([], ["/"] * 3, 0, [])
    for text in ("Webhook 1 of team 111", "event_created", "not_sent", "&lt;b&gt;"):
        assert text in shown
    assert not {"\u202e", "\x1b", "<b>"} & {each for each in ("\u202e", "\x1b", "<b>") if each in shown}
    secrets = [sandbox.api_key, sandbox.client_secret]
    secrets += [each["authentication"]["credentials"]["client_secret"] for each in sandbox.live("111")[:2]]
    assert not [each for each in secrets if each in shown]


def test_its_buttons_fire_script_and_reset(sandbox: Sandbox) -> None:
    """What came of it is told once; what cannot be done is told, too."""
    assert "event_created was fired; it makes 2 deliveries." in press(
        sandbox, "fire", type="event_created", item='{"id": 7}'
    )
    assert "fired" not in load(sandbox)
    assert "gets the fault too_many" in press(sandbox, "fault", kind="too_many", on="create")
    assert sandbox.box.faults_left == [Fault("too_many", on="create")]
    for fields in (
        {"type": "event_created", "item": "{"},
        {"type": "event_created", "item": "[" * 100_000},
        {"type": "nothing", "item": '{"id": 1}'},
    ):
        assert "Nothing was done" in press(sandbox, "fire", **fields)
    assert "Nothing was done" in press(sandbox, "fault", kind="nothing", on="create")
    assert "as at the start" in press(sandbox, "reset")
    assert (sandbox.deliveries.all, sandbox.box.faults_left) == ([], [])


@pytest.mark.parametrize(
    "content",
    [
        {},
        {"name": 5, "hooks": 5},
        {"name": "<script>", "hooks": [5, {}, {"type": 5}, {"type": "event_created"}]},
        {"name": "odd", "hooks": [{"type": "event_created", "endpoint": "http://[bad"}]},
        {"hooks": [{"type": "event_created", "endpoint": "http://127.0.0.1:9"}], "authentication": 5},
    ],
)
def test_an_odd_webhook_is_shown_and_does_not_stop_others(sandbox: Sandbox, content: dict[str, Any]) -> None:
    """A test may add one without validation; the hooks of others deliver all the same."""
    sandbox.add_webhook("111", content)
    told = press(sandbox, "fire", type="event_created", item='{"id": 7}')
    assert "event_created was fired" in told
    assert "<script>" not in load(sandbox)


def test_no_other_page_can_press_them(sandbox: Sandbox) -> None:
    """A form needs the key of the page, and a name that leads here by a trick of DNS shows nothing."""
    root = sandbox.url.removesuffix("v1")
    for request, status in (
        (Request(root, data=b"do=reset"), 403),  # noqa: S310  # http
        (Request(root, data=b"do=reset&key=0"), 403),  # noqa: S310
        (Request(root, headers={"Host": "evil.example"}), 421),  # noqa: S310
    ):
        with pytest.raises(urllib.error.HTTPError) as caught:
            urlopen(request)  # noqa: S310
        assert caught.value.code == status
        caught.value.close()


def test_looking_at_the_page_is_no_request_to_doo(sandbox: Sandbox) -> None:
    """The log and the limits have what the API was asked alone."""
    load(sandbox)
    assert sandbox.log.total == 0


@pytest.mark.skipif(
    shutil.which("chromium") is None, reason="chromium is not installed; .ci/run installs it where it can"
)
def test_a_browser_shows_the_page_without_an_error(sandbox: Sandbox, tmp_path: Path) -> None:
    """Headless Chromium lays it out, with the tables filled."""
    command = ["chromium", "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"]
    command += ["--disable-background-networking", "--disable-component-update", "--disable-sync"]
    command += [f"--user-data-dir={tmp_path}", "--dump-dom", sandbox.url.removesuffix("v1")]
    shown = subprocess.run(command, capture_output=True, text=True, check=True, timeout=100)  # noqa: S603
    assert "Webhook 1 of team 111" in shown.stdout
