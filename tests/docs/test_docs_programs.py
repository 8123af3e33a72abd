"""The programs in `docs/examples` do what they say, as processes of their own, against a sandbox."""

from __future__ import annotations

import csv
import json
import os
import re
import secrets
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest

from aiodoo.sandbox import Credentials, Fault, Sandbox, graphql, serve

EXAMPLES = Path(__file__).parents[2] / "docs" / "examples"
FAST = "limits = { per_second = 200, per_day = 10000 }\nfacts = { list_echoes_scope = true }\n"


@pytest.fixture
def home() -> Iterator[Path]:
    """Have a folder for profiles, the ledger and journals; not in `tmp_path`, where the canary looks for secrets."""
    with tempfile.TemporaryDirectory(prefix="aiodoo-examples-") as name:
        yield Path(name)


def environment(home: Path, **more: str) -> dict[str, str]:
    """Return the environment of a program."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("DOO_")}
    return kept | {
        "XDG_CONFIG_HOME": str(home / "config"),
        "XDG_STATE_HOME": str(home / "state"),
        "PYTHONWARNINGS": "error",
        **more,
    }


def profile(name: str, url: str, credentials: Credentials, limits: str = FAST) -> str:
    """Return a profile as text."""
    return (
        f'[profiles.{name}]\nbase_url = "{url}"\napi_key = "{credentials.api_key}"\n'
        f'client_id = "{credentials.client_id}"\nclient_secret = "{credentials.client_secret}"\n{limits}'
    )


def write_profiles(home: Path, *profiles: str) -> None:
    """Write the file with the profiles."""
    path = home / "config" / "aiodoo" / "config.toml"
    path.parent.mkdir(parents=True)
    path.write_text("\n".join(profiles))
    path.chmod(0o600)


def run(home: Path, program: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a program to its end."""
    command = [sys.executable, "-X", "dev", str(EXAMPLES / program), *arguments]
    return subprocess.run(  # noqa: S603  # our own
        command, capture_output=True, text=True, check=False, env=environment(home), cwd=home
    )


def unhurried(error: str) -> str:
    """Leave out what asyncio's debug mode says of a machine that has other things to do."""
    return "".join(line for line in error.splitlines(keepends=True) if not line.startswith("Executing <"))


# The web app


class Worker:
    """One process of the web app."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        assert process.stdout is not None
        self.process = process
        self.url = process.stdout.readline().strip()

    def ask(self, method: str, path: str, content: Any = None) -> tuple[int, Any]:
        """Return status and content of an answer."""
        body = None if content is None else json.dumps(content).encode()
        asked = Request(self.url + path, body, {"Content-Type": "application/json"}, method=method)  # noqa: S310
        try:
            with urlopen(asked) as answer:  # noqa: S310  # on this machine
                return answer.status, json.load(answer)
        except HTTPError as error:
            with error:
                text = error.read().decode()
            return error.code, json.loads(text) if text.startswith("{") else text

    def stop(self) -> None:
        """End it as a process manager does."""
        self.process.send_signal(signal.SIGTERM)
        _, error = self.process.communicate()
        assert (self.process.returncode, unhurried(error)) == (0, "")


@contextmanager
def worker(home: Path, box: Sandbox) -> Iterator[Worker]:
    """Start one."""
    environ = environment(
        home,
        DOO_API_KEY=box.api_key,
        DOO_CLIENT_ID=box.client_id,
        DOO_CLIENT_SECRET=box.client_secret,
        DOO_BASE_URL=box.url,
        MOVE_JOURNALS=str(home),
        MOVE_SETTLE="0",
        DOO_PER_SECOND="50",
    )
    command = [sys.executable, "-X", "dev", str(EXAMPLES / "web_app.py")]
    with subprocess.Popen(  # noqa: S603  # our own
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environ, cwd=home
    ) as process:
        try:
            yield Worker(process)
        finally:
            process.kill()


def until(found: Callable[[], Any]) -> Any:
    """Wait for something, and return it."""
    end = time.monotonic() + 60
    while not (value := found()):
        assert time.monotonic() < end
        time.sleep(0.02)
    return value


def test_the_web_app_under_two_workers(home: Path) -> None:
    """Pages are stateless, a create sent twice makes one, the quota is shared, and a stopped job is resumed."""
    with ExitStack() as stack:
        box = stack.enter_context(
            serve(organizations=2, webhooks_per_team=lambda team: 0 if team else 6, page_size=4, plan=None)
        )
        one, two = (stack.enter_context(worker(home, box)) for _ in range(2))
        status, page = one.ask("GET", "/teams/111/webhooks")
        assert (status, len(page["webhooks"]), page["next"]) == (200, 4, 2)
        status, page = two.ask("GET", "/teams/111/webhooks?page=2")
        assert (status, len(page["webhooks"]), page["next"]) == (200, 2, None)
        assert box.count("list") == 2
        assert one.ask("GET", "/teams/999/webhooks")[0] == 404
        assert one.ask("GET", "/teams/111/webhooks?page=x")[0] == 400

        wanted = {"name": "crm", "hooks": [{"type": "event_created", "endpoint": "https://old.example/crm"}]}
        ids = {each.ask("PUT", "/teams/112/webhooks", wanted)[1]["id"] for each in (one, two, one)}
        assert {item["id"] for item in box.live("112")} == ids
        assert len(ids) == 1
        status, told = one.ask(
            "PUT", "/teams/112/webhooks", wanted | {"hooks": [{"type": "x", "endpoint": "no"}]}
        )
        assert (status, "endpoint" in told["error"]) == (400, True)
        assert two.ask("GET", "/quota") == one.ask("GET", "/quota")
        assert one.ask("GET", "/quota")[1]["used"] == box.log.total

        box.script(Fault("slow", on="create", seconds=1.0))
        assert move(one)[0] == 202
        until(lambda: box.count("create") >= 2)
        assert move(two)[0] == 202
        refused = until(lambda: _ended(two))
        assert (refused["state"], str(home / "move-") in refused["error"]) == ("failed", True)
        ended = until(lambda: _ended(one))
        assert (ended["state"], ended["counts"]["applied"]) == ("done", 6)
        assert len(box.live("111")) == 6
        assert box.count("create") == 1 + 6


def move(each: Worker, *teams: str, old: str = "crm.example", new: str = "new.example") -> tuple[int, Any]:
    """Begin a job."""
    return each.ask("POST", "/move", {"teams": teams or ("111", "112"), "old": old, "new": new})


def test_the_web_app_does_each_job_that_it_is_asked_for(home: Path) -> None:
    """One after another that has ended, another one or the same again; what is no job is refused."""
    with ExitStack() as stack:
        box = stack.enter_context(serve(organizations=2, webhooks_per_team=1, plan=None, echo_scope=True))
        app = stack.enter_context(worker(home, box))

        def hosts() -> list[str]:
            found = [json.dumps(item["hooks"]) for team in box.teams for item in box.live(team)]
            return [re.findall(r"//(\w+)\.example/", hooks)[0] for hooks in found]

        jobs = [("111", "crm", "new"), ("112", "crm", "new"), ("111", "new", "crm"), ("111", "crm", "new")]
        for (team, old, new), expected in zip(
            jobs, ["new crm", "new new", "crm new", "new new"], strict=True
        ):
            assert move(app, team, old=f"{old}.example", new=f"{new}.example")[0] == 202
            ended = until(lambda: _ended(app))
            assert (ended["state"], ended["counts"]["applied"]) == ("done", 1)
            assert hosts() == expected.split()
        assert list(home.glob("*.journal")) == []
        for wrong in ({}, [], {"teams": 5, "old": "a", "new": "b"}, {"teams": ["111"], "old": 1, "new": "b"}):
            assert app.ask("POST", "/move", wrong)[0] == 400
            assert app.ask("PUT", "/teams/111/webhooks", wrong)[0] == 400
        app.stop()


def test_the_web_apps_job_is_stopped_with_it_and_gone_on_with(home: Path) -> None:
    """At shutdown nothing is live twice; the next process resumes it when asked, and each webhook has moved once."""
    with ExitStack() as stack:
        box = stack.enter_context(serve(organizations=2, webhooks_per_team=5, plan=None, echo_scope=True))
        first = stack.enter_context(worker(home, box))
        box.script(Fault("slow", on="create", seconds=1.0, nth=3))
        assert move(first) == (202, {"state": "running"})
        assert move(first)[0] == 409
        until(lambda: box.count("create") >= 3)
        first.stop()
        moved = [
            item for team in box.teams for item in box.live(team) if "//new.example/" in json.dumps(item)
        ]
        assert all(len(box.live(team)) == 5 for team in box.teams), "nothing is live twice"
        assert 0 < len(moved) < 10
        second = stack.enter_context(worker(home, box))
        assert move(second)[0] == 202
        ended = until(lambda: _ended(second))
        assert (ended["state"], ended["resumed"], ended["counts"]["applied"]) == ("done", True, 10)
        for team in box.teams:
            hosts = re.findall(r"//(\w+)\.example/", json.dumps([item["hooks"] for item in box.live(team)]))
            assert (len(box.live(team)), set(hosts)) == (5, {"new"})
        second.stop()


def _ended(each: Worker) -> Any:
    state = each.ask("GET", "/move")[1]
    return state if state["state"] != "running" else None


# The migration


def test_the_migration_goes_on_after_a_stop_with_the_secrets(home: Path) -> None:
    """A dry run by row, a run that is stopped, the same once more: each row once, and the outcomes beside the file."""
    with ExitStack() as stack:
        old = stack.enter_context(serve(organizations=2, plan=None, echo_scope=True))
        new = stack.enter_context(serve(organizations=2, plan=None, echo_scope=True))
        write_profiles(
            home,
            profile("old", old.url, old.box.credentials),
            # One after the other, so that none follows the third create while that is not answered.
            profile("new", new.url, new.box.credentials, FAST.replace("200", "200, concurrency = 1")),
        )
        made = [
            old.add_webhook(
                team, graphql(f"Webhook {number}", endpoint=f"https://old.example/{team}/{number}")
            )
            for team in old.teams
            for number in (0, 1, 1)  # two are alike, and both are wanted
        ]
        rows = [("111", each, "112") for each in made[:3]] + [("112", each, "111") for each in made[3:]]
        rows += [("112", "nope", "111"), rows[0]]
        moves = home / "moves.csv"
        moves.write_text("\n".join(["from_team,webhook_id,to_team", *map(",".join, rows)]))

        dry = run(home, "migrate.py", str(moves))
        assert (dry.returncode, new.count("create")) == (1, 0)
        statuses = [line.split(",")[3] for line in dry.stdout.splitlines()]
        assert statuses == ["applied"] * 6 + ["not_sent"] * 2
        assert "the old account has no such webhook" in dry.stdout
        assert "an earlier row says the same" in dry.stdout

        stopped = stop_at_the_third_create(home, new, moves)
        assert (stopped.returncode, "the same command resumes" in stopped.stderr) == (130, True), (
            stopped.stderr
        )
        assert 0 < len(new.live("111")) + len(new.live("112")) < 6
        on = run(home, "migrate.py", str(moves), "--run")
        assert on.returncode == 1, on.stderr  # one row is wrong
        assert [contents(new, team) for team in ("112", "111")] == [
            contents(old, team, "new.example") for team in ("111", "112")
        ]
        with (home / "moves.outcomes.csv").open(newline="") as file:
            told = list(csv.DictReader(file))
        assert [row["status"] for row in told] == ["applied"] * 6 + ["not_sent"] * 2
        assert [row["webhook_id"] for row in told] == [webhook_id for _, webhook_id, _ in rows]
        assert {row["new_id"] for row in told[:6]} == {
            str(item["id"]) for team in new.teams for item in new.live(team)
        }

        moves.write_text(moves.read_text() + "\n112,another,111")
        other = run(home, "migrate.py", str(moves), "--run")
        assert (other.returncode, "is not as it was when its run began" in other.stderr) == (1, True)


def stop_at_the_third_create(home: Path, box: Sandbox, moves: Path) -> subprocess.CompletedProcess[str]:
    """Run the migration and press Ctrl-C in it."""
    command = [sys.executable, "-X", "dev", str(EXAMPLES / "migrate.py"), str(moves), "--run"]
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        # A shell that starts tests in the background has them ignore it, and the program would inherit that.
        signal.signal(signal.SIGINT, signal.default_int_handler)
    with subprocess.Popen(  # noqa: S603  # our own
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment(home), cwd=home
    ) as process:
        # It arrives with the third create, whose answer waits for as long as a busy machine may need to deliver it.
        box.script(Fault("slow", on="create", nth=3, seconds=8.0))
        box.before("create", lambda: process.send_signal(signal.SIGINT), nth=3)
        out, error = process.communicate()
        return subprocess.CompletedProcess(command, process.returncode, out, error)


def contents(box: Sandbox, team: str, host: str | None = None) -> Counter[str]:
    """Return what a team holds, without ids; with another host if one is given."""
    found = [json.dumps({**item, "id": None}, sort_keys=True) for item in box.live(team)]
    return Counter(text if host is None else text.replace("//old.example/", f"//{host}/") for text in found)


# The report


def test_the_report_over_thirty_keys(home: Path) -> None:
    """A line for each, in the order of the file; a key that doo does not know is one of them."""
    with serve(organizations=30, webhooks_per_team=lambda team: team % 4, plan=None, page_size=2) as box:
        keys = [box.add_key(None, organizations=[organization.id]) for organization in box.organizations]
        unknown = Credentials(api_key="nobody", client_id="nobody", client_secret="nobody")
        names = [f"tenant{number:02}" for number in range(30)]
        profiles = [profile(name, box.url, key) for name, key in zip(names, keys, strict=True)]
        write_profiles(home, *profiles[:10], profile("wrong", box.url, unknown), *profiles[10:])
        ended = run(home, "tenants_report.py")
        assert (ended.returncode, unhurried(ended.stderr)) == (1, "")
        lines = list(csv.DictReader(ended.stdout.splitlines()))
        assert [line["tenant"] for line in lines] == [*names[:10], "wrong", *names[10:]]
        wrong = lines.pop(10)
        assert (wrong["webhooks"], wrong["errors"] != "") == ("0", True)
        assert [int(line["webhooks"]) for line in lines] == [number % 4 for number in range(30)]
        assert {line["most used host"] for line in lines if line["webhooks"] != "0"} == {"crm.example"}
        assert [int(line["requests of the day"]) for line in lines] == [
            sum(request.key_id == key.key_id for request in box.log.requests) for key in keys
        ]
        again = run(home, "tenants_report.py")
        assert int(next(csv.DictReader(again.stdout.splitlines()))["requests of the day"]) == 2 * int(
            lines[0]["requests of the day"]
        )


# The FastAPI app, the nightly export and the test suite


def test_the_fastapi_app_subscribes_itself_and_receives(home: Path) -> None:
    """It shows pages, subscribes once, and hears of an event that the sandbox lets happen."""
    with (
        serve(organizations=1, webhooks_per_team=2, plan=None, delivery_pause=0.1) as box,
        free_port() as port,
    ):
        environ = environment(
            home,
            DOO_API_KEY=box.api_key,
            DOO_CLIENT_ID=box.client_id,
            DOO_CLIENT_SECRET=box.client_secret,
            DOO_BASE_URL=box.url,
            DOO_HOOK_SECRET=secrets.token_hex(16),
            APP_URL=f"http://127.0.0.1:{port}",
        )
        command = [sys.executable, str(EXAMPLES / "fastapi_app.py"), str(port)]
        with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=environ, cwd=home) as process:  # noqa: S603
            try:
                url = f"http://127.0.0.1:{port}"
                until(lambda: answers(f"{url}/events"))
                page = loaded(f"{url}/teams/111/webhooks")
                assert (len(page["names"]), page["next"]) == (2, None)
                first = loaded(f"{url}/teams/111/subscription", "PUT")
                assert first["ok"]
                assert loaded(f"{url}/teams/111/subscription", "PUT") == first
                box.deliveries.fire("event_created", {"id": 4711, "title": "Fair"})
                until(lambda: loaded(f"{url}/events") == {"4711": "Fair"})
            finally:
                process.send_signal(signal.SIGTERM)
                _, error = process.communicate()
        assert error == ""


def test_the_nightly_export_keeps_what_has_changed(home: Path) -> None:
    """A second night without changes writes nothing; the files are read by a plan, and have no secret."""
    with serve(organizations=1, webhooks_per_team=2, plan=None) as box:
        environ = environment(
            home,
            DOO_API_KEY=box.api_key,
            DOO_CLIENT_ID=box.client_id,
            DOO_CLIENT_SECRET=box.client_secret,
            DOO_BASE_URL=box.url,
        )

        def night(program: str, *arguments: str) -> subprocess.CompletedProcess[str]:
            command = [sys.executable, *program.split(), *arguments]
            return subprocess.run(command, capture_output=True, text=True, check=False, env=environ, cwd=home)  # noqa: S603

        example = str(EXAMPLES / "nightly_export.py")
        told = night(example, ".")
        assert (told.returncode, told.stderr) == (0, "")
        assert night(example, ".").stdout == "nothing has changed\n"
        box.add_webhook("111", graphql("new"))
        assert night(example, ".").stdout.startswith("doo-")
        files = sorted(home.glob("doo-*.json"))
        assert len(files) == 2
        webhooks = [webhook for team in box.teams for webhook in box.live(team)]
        written = {webhook["authentication"]["credentials"]["client_secret"] for webhook in webhooks}
        assert not [each for each in written if each in files[1].read_text()]
        told = night("-m aiodoo", "plan", str(files[1]))
        assert told.returncode == 0, told.stderr  # pending changes are 4


def test_the_test_suite_passes(home: Path) -> None:
    """With the plugin alone, as a project of its own."""
    environ = environment(home, PYTEST_DISABLE_PLUGIN_AUTOLOAD="1")
    command = [sys.executable, "-m", "pytest", "-q", "-p", "aiodoo.testing.plugin", "-p", "no:cacheprovider"]
    command += ["--rootdir", str(home), "-c", os.devnull, str(EXAMPLES / "test_moving.py")]
    told = subprocess.run(command, capture_output=True, text=True, check=False, env=environ, cwd=home)  # noqa: S603
    assert "4 passed" in told.stdout, told.stdout + told.stderr


@contextmanager
def free_port() -> Iterator[int]:
    """Return a port that nothing listens on, and that is given to nobody else at random meanwhile."""
    with socket.socket() as held:
        held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        held.bind(("127.0.0.1", 0))
        yield held.getsockname()[1]


def loaded(url: str, method: str = "GET") -> Any:
    """Return the JSON document at a URL."""
    with urlopen(Request(url, method=method)) as answer:  # noqa: S310  # on this machine
        return json.load(answer)


def answers(url: str) -> bool:
    """Return whether something answers at a URL."""
    try:
        loaded(url)
    except OSError:
        return False
    return True
