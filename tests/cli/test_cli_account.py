"""`aiodoo login`, `whoami`, `quota` and `organizations`, and what every command has in common."""

from __future__ import annotations

import json
import os
import pty
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from cli_home import Home, new_home, profile
from cli_process import environment, program, started

from aiodoo.sandbox import Sandbox, serve


@pytest.fixture(scope="module")
def box() -> Iterator[Sandbox]:
    """Serve a sandbox for all tests of this file."""
    with serve(organizations=3, webhooks_per_team=2, plan=None, echo_scope=True) as sandbox:
        yield sandbox


@pytest.fixture
def home() -> Iterator[Home]:
    """Have a home of our own."""
    with new_home() as home:
        yield home


def test_login_asks_checks_once_and_stores(home: Home, box: Sandbox) -> None:
    """What is typed is checked with doo and stored where nobody else can read it; whoami then knows the account."""
    typed = f"{box.api_key}\n{box.client_id}\n{box.client_secret}\n"
    dry = home.run("login", "acme", "--base-url", box.url, "--dry-run", typed=typed)
    assert (dry.returncode, "nothing was saved" in dry.stderr, home.config.exists()) == (0, True, False)
    tokens = box.count("token")
    told = home.run("login", "acme", "--base-url", box.url, typed=typed)
    assert (told.returncode, told.stdout) == (0, "")
    saved = f"Credentials accepted (active team 111). Saved as profile acme in {home.config}."
    assert told.stderr == f"aiodoo: done: {saved}\n", "nobody reads a prompt, and no line begins with one"
    assert stat.S_IMODE(home.config.stat().st_mode) == 0o600
    assert box.count("token") == tokens + 1
    shown = home.run("whoami", "-o", "json")
    [record] = json.loads(shown.stdout)
    assert (record["profile"], record["team_id"], record["organization_id"]) == ("acme", "111", "70001")
    assert box.api_key not in shown.stdout + told.stderr
    again = home.run("login", "acme", "--base-url", box.url, typed=typed)
    assert (again.returncode, "use --yes" in again.stderr) == (2, True)


def test_login_with_wrong_keys(home: Home, box: Sandbox) -> None:
    """Refused credentials are asked about once, stored nowhere, and the exit code is 1."""
    tokens = box.count("token")
    told = home.run("login", "--base-url", box.url, typed=f"{box.api_key}\n{box.client_id}\nwrong\n")
    assert (told.returncode, told.stdout) == (1, "")
    assert not home.config.exists()
    assert "Traceback" not in told.stderr
    assert box.count("token") == tokens + 1


def test_login_into_the_keyring(home: Home, box: Sandbox) -> None:
    """With --store keyring the file holds no secret, only where they are."""
    environ = {
        "PYTHON_KEYRING_BACKEND": "keyring_in_a_file.Keyring",
        "PYTHONPATH": str(Path(__file__).parents[1] / "profiles"),
        "KEYRING_FOLDER": str(home.folder),
    }
    typed = f"{box.api_key}\n{box.client_id}\n{box.client_secret}\n"
    told = home.run("login", "acme", "--base-url", box.url, "--store", "keyring", typed=typed, **environ)
    assert told.returncode == 0
    text = home.config.read_text()
    assert 'api_key = {keyring = "aiodoo", user = "acme api_key"}' in text
    assert not {box.api_key, box.client_secret} & set(text.split('"'))
    assert home.run("organizations", "list", **environ).returncode == 0


def test_login_on_a_terminal_hides_what_is_typed(home: Home, box: Sandbox) -> None:
    """On a terminal the API key and the client secret are not shown while they are typed."""
    master, slave = pty.openpty()
    with started(
        program("login", "--base-url", box.url), environ=home.environ, stdin=slave, stdout=slave, stderr=slave
    ) as process:
        os.close(slave)
        shown = b""
        for prompt, line in (
            (b"API key:", box.api_key),
            (b"Client id:", box.client_id),
            (b"secret:", box.client_secret),
        ):
            while prompt not in shown:
                shown += os.read(master, 1024)
            os.write(master, line.encode() + b"\n")
        while b"Saved" not in shown:
            shown += os.read(master, 1024)
        assert process.wait() == 0
    os.close(master)
    assert box.client_id.encode() in shown
    assert box.api_key.encode() not in shown
    assert box.client_secret.encode() not in shown


def test_ctrl_c_at_a_prompt(home: Home) -> None:
    """Ctrl-C while something is asked ends with 130, and what is typed is shown again."""
    master, slave = pty.openpty()
    with started(program("login"), environ=home.environ, stdin=slave, stdout=slave, stderr=slave) as process:
        shown = b""
        while b"API key:" not in shown:
            shown += os.read(master, 1024)
        import termios  # noqa: PLC0415

        while termios.tcgetattr(slave)[3] & termios.ECHO:
            pass
        process.send_signal(2)
        assert process.wait() == 130
        assert termios.tcgetattr(slave)[3] & termios.ECHO
    os.close(slave)
    os.close(master)


def test_a_damaged_ledger_is_reset(home: Home, box: Sandbox) -> None:
    """The error names the command; it asks first, puts the file aside, and the day is spent afterwards."""
    home.write(profile("acme", box, "limits = { per_second = 200, per_day = 50 }\n"))
    assert home.run("quota").returncode == 0
    ledger = home.folder / "state" / "aiodoo" / "quota.db"
    assert home.run("quota", "reset", "--yes").returncode == 1
    ledger.write_bytes(ledger.read_bytes()[:5000])
    told = home.run("organizations", "list")
    assert (told.returncode, f"aiodoo quota reset --ledger {ledger}" in told.stderr) == (1, True)
    dry = home.run("quota", "reset", "--dry-run")
    assert (dry.returncode, ledger.stat().st_size) == (0, 5000)
    done = home.run("quota", "reset", "--ledger", str(ledger), "--yes")
    assert (done.returncode, "counts the day as spent" in done.stderr) == (0, True)
    assert [path.stat().st_size for path in ledger.parent.glob("quota.db.damaged-*")] == [5000]
    assert home.run("quota").returncode == 3
    refused = home.run("organizations", "list")
    assert (refused.returncode, "quota reset --day-is-free --ledger" in refused.stderr) == (3, True)
    unasked = home.run("quota", "reset", "--dry-run")
    assert (unasked.returncode, "it is whole" in unasked.stderr) == (1, True)
    lifted = home.run("quota", "reset", "--yes", "--day-is-free")
    assert (lifted.returncode, lifted.stderr) == (
        0,
        "aiodoo: done: The ledger no longer counts the day as spent.\n",
    )
    assert home.run("organizations", "list").returncode == 0
    ledger.write_bytes(b"")
    assert home.run("quota", "reset", "--yes", "--day-is-free").returncode == 0
    assert home.run("organizations", "list").returncode == 0


def test_quota_costs_nothing_and_knows_other_programs(home: Home, box: Sandbox) -> None:
    """What one program has used, the next one knows; with nothing left the exit code is 3, also for what needs it."""
    home.write(profile("acme", box, "limits = { per_second = 100, per_day = 4 }\n"))
    asked, tokens = box.count(), box.count("token")
    fresh = json.loads(home.run("quota", "-o", "jsonl").stdout)
    assert (fresh["used"], fresh["left"], fresh["free_again_at"], box.count()) == (0, 4, None, asked)
    assert home.run("organizations", "list").returncode == 0
    told = home.run("quota")
    assert told.stdout.splitlines()[1].split() == ["2", "2", "1", "4", "100", "now"]
    for _ in range(2):
        assert home.run("organizations", "list").returncode == 0
    assert box.count("token") == tokens + 1, "it is kept"
    spent = home.run("quota", "-o", "json")
    assert (spent.returncode, json.loads(spent.stdout)[0]["left"]) == (3, 0)
    assert json.loads(spent.stdout)[0]["free_again_at"]
    refused = home.run("whoami")
    assert (refused.returncode, refused.stdout) == (3, "")


def test_all_profiles(home: Home, box: Sandbox) -> None:
    """With --all-profiles every profile is asked; one that fails is told, and the others are shown."""
    wrong = profile("broken", box).replace(box.client_secret, "0" * 40)
    home.write(profile("acme", box), profile("beta", box), wrong)
    told = home.run("organizations", "list", "--all-profiles")
    assert told.returncode == 1
    lines = [line.split() for line in told.stdout.splitlines()]
    assert lines[0] == ["PROFILE", "ID", "NAME", "TEAMS"]
    assert [line[0] for line in lines[1:]] == ["acme"] * 3 + ["beta"] * 3
    assert told.stderr.startswith("aiodoo: error: broken: ")


@pytest.mark.parametrize(
    ("text", "mode", "told"),
    [
        (None, 0o600, "there is no file {config} with profiles in it; make one with `aiodoo login`"),
        ("fine", 0o644, "{config}: profiles.acme.api_key is a secret in a file that other users"),
        ("[profiles.acme]\napi_key = 1\n", 0o600, "{config}: profiles.acme.api_key must be"),
        ("[profiles.acme", 0o600, "{config} is not TOML"),
    ],
)
def test_a_file_that_cannot_be_used(home: Home, box: Sandbox, text: str | None, mode: int, told: str) -> None:
    """One line names the file, the key and the remedy; the exit code is 1."""
    if text is not None:
        home.write(profile("acme", box) if text == "fine" else text, mode=mode)
    ended = home.run("whoami")
    assert (ended.returncode, ended.stdout, len(ended.stderr.splitlines())) == (1, "", 1)
    assert told.format(config=home.config) in ended.stderr


WRONG = [
    ("whoami", "--sandbox", "--all-profiles"),
    ("whoami", "--output", "xml"),
    ("webhooks", "show", "1", "--all-profiles"),
    ("webhooks", "create", "111", "--sandbox"),
    ("webhooks", "create", "111", "--name", "x", "--hook", "nothing", "--sandbox"),
    (
        "webhooks",
        "create",
        "111",
        "--name",
        "x",
        "--token-url",
        "https://x.example",
        "--client-secret",
        "bare",
    ),
    ("webhooks", "update", "1", "--team", "111", "--sandbox"),
    ("webhooks", "update", "1", "--team", "111", "--edit", "--name", "x", "--sandbox"),
    ("webhooks", "delete", "1", "--team", "111", "--sandbox"),
    ("export", "--team", "111=112", "--format", "jsonl", "--sandbox"),
    ("copy", "--from-profile", "a", "--to-profile", "b"),
    ("doctor", "--all-profiles"),
]

ALL = "import sys\nfrom aiodoo.cli.app import run\nprint([run(arguments) for arguments in {!r}], flush=True)"


def test_wrong_usage(home: Home) -> None:
    """What cannot be meant is refused with 2, as is a change that nobody is there to agree to."""
    with started(
        [sys.executable, "-c", ALL.format(WRONG)], environ=home.environ, stdin=subprocess.DEVNULL
    ) as process:
        out, err = process.communicate()
    assert out.splitlines() == [str([2] * len(WRONG))]
    assert "Traceback" not in err
    assert "bare" not in err


def test_json_log(home: Home) -> None:
    """With --log-format json every line of standard error is JSON."""
    told = home.run("--log-format", "json", "whoami")
    line = json.loads(told.stderr)
    assert (told.returncode, line["level"], line["error"]) == (1, "error", "ConfigError")


def test_the_environment_is_enough(home: Home, box: Sandbox) -> None:
    """With the four variables set there need not be a file."""
    environ = {
        "DOO_BASE_URL": box.url,
        "DOO_API_KEY": box.api_key,
        "DOO_CLIENT_ID": box.client_id,
        "DOO_CLIENT_SECRET": box.client_secret,
    }
    told = home.run("whoami", "-o", "yaml", **environ)
    assert 'profile: environment\n  team_id: "111"\n' in told.stdout
    assert environment(**home.environ)["HOME"] == str(home.folder)
