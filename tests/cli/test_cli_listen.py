"""`aiodoo listen` and `aiodoo trigger`: a sandbox delivers to one terminal what another one lets happen."""

from __future__ import annotations

import json
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

from cli_process import program, run, started

from aiodoo.sandbox import Sandbox, serve


def control(sandbox: Sandbox) -> dict[str, str]:
    """Return the variables that `aiodoo sandbox --control` prints."""
    return {
        "DOO_SANDBOX_CONTROL_URL": sandbox.control_url,
        "DOO_SANDBOX_CONTROL_TOKEN": sandbox.control_token,
    }


@contextmanager
def listening(sandbox: Sandbox, folder: Path, *arguments: str) -> Iterator[Iterator[str]]:
    """Listen, and subscribe what is written for `webhooks create`; yield the lines of standard output."""
    file = folder / "webhook.json"
    with started(program("listen", *arguments, "--write-webhook", str(file))) as process:
        assert process.stderr is not None
        assert process.stdout is not None
        while "listening" not in process.stderr.readline():
            pass
        assert file.stat().st_mode & 0o777 == 0o600
        sandbox.add_webhook("111", json.loads(file.read_text()))
        yield iter(process.stdout.readline, "")
        process.send_signal(signal.SIGINT)
        process.wait(30)
        assert process.returncode == 130


@contextmanager
def endpoint(status: int) -> Iterator[tuple[str, list[tuple[str | None, bytes]]]]:
    """Serve an endpoint that answers every POST with one status, and yield its URL and what it gets."""
    got: list[tuple[str | None, bytes]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:  # the standard library's name
            body = self.rfile.read(int(self.headers["Content-Length"]))
            got.append((self.headers["Authorization"], body))
            self.send_response(status)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Stay silent."""

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/hook", got
        finally:
            server.shutdown()
            thread.join()


def test_what_one_terminal_triggers_another_one_prints(tmp_path: Path) -> None:
    """A line for each delivery; control characters of its texts are escaped."""
    with (
        serve(organizations=1, plan=None, control=True) as sandbox,
        listening(sandbox, tmp_path, "event_created") as lines,
    ):
        item = {"id": 7, "title": "\x1b[2J\u202e"}
        told = run("trigger", "event_created", json.dumps(item), **control(sandbox))
        assert (told.returncode, told.stderr) == (0, "")
        assert "event_created" in told.stdout
        stamp, type_, rest = next(lines).split(maxsplit=2)
        assert (type_, json.loads(rest)) == ("event_created", item)
        assert "\x1b" not in rest + stamp
        sandbox.deliveries.wait(60)
        assert [each.state for each in sandbox.deliveries.all] == ["delivered"]


def test_json_lines_are_for_programs(tmp_path: Path) -> None:
    """Standard output has the deliveries alone."""
    with (
        serve(organizations=1, plan=None, control=True) as sandbox,
        listening(sandbox, tmp_path, "order_created", "-o", "jsonl") as lines,
    ):
        run("trigger", "on_order_created", '{"id": 1, "event_id": 7}', **control(sandbox))
        record = json.loads(next(lines))
        assert record.pop("received_at")
        assert record == {
            "kind": "received",
            "type": "order_created",
            "event_id": "7",
            "data": {"id": 1, "event_id": 7},
        }


def test_a_delivery_is_sent_on(tmp_path: Path) -> None:
    """As doo has sent it but for doo's token; if it is not taken, doo is told so, and sends it again."""
    for status, state in ((200, "delivered"), (503, "dead")):
        folder = tmp_path / str(status)
        folder.mkdir()
        with (
            endpoint(status) as (url, got),
            serve(
                organizations=1, plan=None, control=True, delivery_pause=0.0, delivery_attempts=2
            ) as sandbox,
        ):
            with listening(sandbox, folder, "event_created", "--forward-to", url):
                run("trigger", "event_created", '{"id": 7}', **control(sandbox))
                sandbox.deliveries.wait(60)
                assert [each.state for each in sandbox.deliveries.all] == [state]
            assert got == [(None, b'{"id":7}')] * (1 if status == 200 else 2)


def test_what_cannot_be_done_is_told_before_it_begins(tmp_path: Path) -> None:
    """Misspelled types, missing variables, an item that is none, a file that exists or has no folder, a port that is taken."""
    (tmp_path / "there").write_text("")
    with serve(organizations=1, plan=None, control=True) as sandbox:
        port = sandbox.url.split(":")[2].split("/")[0]
        for arguments, code, words in (
            (["trigger", "event_creatd"], 2, "event_created"),
            (["trigger", "event_created", "{"], 2, "the item is not JSON"),
            (["trigger", "event_created", "{}"], 1, "an item is an object with an id"),
            (["trigger", "event_created", "--team", "9"], 1, "there is no 9"),
            (["listen", "event_creatd"], 2, "event_created"),
            (["listen", "--client-secret-env", "NOT_SET"], 2, "NOT_SET is not set"),
            (["listen", "--write-webhook", str(tmp_path / "there")], 2, "exists already"),
            (["listen", "--write-webhook", str(tmp_path / "none" / "w.json")], 1, "w.json cannot be written"),
            (["listen", "--port", port], 1, f"port {port}"),
        ):
            told = run(*arguments, **control(sandbox))
            assert (told.returncode, words in told.stderr) == (code, True), (arguments, told.stderr)
        for url in (sandbox.url, "no-url"):
            told = run("trigger", "event_created", **control(sandbox) | {"DOO_SANDBOX_CONTROL_URL": url})
            assert (told.returncode, "is not the address" in told.stderr) == (1, True), told.stderr
    told = run("trigger", "event_created")
    assert (told.returncode, "DOO_SANDBOX_CONTROL_URL" in told.stderr) == (2, True)
    told = run("trigger", "event_created", **control(sandbox))
    assert (told.returncode, "no sandbox answers" in told.stderr) == (1, True)


def test_a_dry_run_triggers_nothing() -> None:
    """The item is checked, and several profiles make no difference, as none is used."""
    with serve(organizations=1, webhooks_per_team=2, plan=None, control=True) as sandbox:
        for arguments, rows in ((["--dry-run"], 0), (["--all-profiles"], 3)):
            told = run("trigger", "event_created", *arguments, **control(sandbox))
            assert (told.returncode, len(told.stdout.splitlines())) == (0, rows), told.stderr
            assert len(sandbox.deliveries.all) == max(0, rows - 1)


def test_listening_ends_when_nobody_reads(tmp_path: Path) -> None:
    """What is printed would be lost, so doo is not told any more that it was received."""
    file = tmp_path / "webhook.json"
    with (
        serve(organizations=1, plan=None, control=True, delivery_attempts=1) as sandbox,
        started(program("listen", "event_created", "--write-webhook", str(file))) as process,
    ):
        assert process.stderr is not None
        assert process.stdout is not None
        while "listening" not in process.stderr.readline():
            pass
        sandbox.add_webhook("111", json.loads(file.read_text()))
        process.stdout.close()
        run("trigger", "event_created", **control(sandbox))
        sandbox.deliveries.wait(60)
        assert process.wait(30) == 1
        assert [each.state for each in sandbox.deliveries.all] == ["dead"]
