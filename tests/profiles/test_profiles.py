"""Profiles: where they are found, what wins, where secrets come from, and what is refused."""

from __future__ import annotations

import re
import stat
import subprocess
import sys
import tomllib
import uuid
from collections.abc import Callable
from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import keyring
import keyring_in_a_file
import pytest
from hypothesis import given
from hypothesis import strategies as st

import aiodoo
from aiodoo import ConfigError, Limits, Secret, Session
from aiodoo.profiles import (
    ENVIRONMENT,
    config_path,
    credentials,
    ledger_path,
    load,
    names,
    remove,
    set_default,
    store,
)
from aiodoo.profiles.storing import _expected, _with_profile
from aiodoo.quota import SQLite

Write = Callable[..., Path]
REFERENCES = 'api_key = { env = "KEY" }\nclient_id = { env = "ID" }\nclient_secret = { env = "SECRET" }\n'


@pytest.fixture(autouse=True)
def home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Live in a folder of our own, with nothing in the environment."""
    for name in (
        *ENVIRONMENT.values(),
        "DOO_BASE_URL",
        "DOO_PER_SECOND",
        "DOO_PER_DAY",
        "AIODOO_PROFILE",
        "XDG_CONFIG_HOME",
        "XDG_STATE_HOME",
    ):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("KEY", "ID", "SECRET"):
        monkeypatch.setenv(name, value())
    return tmp_path


@pytest.fixture
def write() -> Write:
    """Write the file with the profiles."""

    def write(text: str, *, mode: int = 0o600, path: Path | None = None) -> Path:
        path = path or config_path()
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        path.chmod(mode)
        return path

    return write


def value() -> str:
    """Return a secret that may stand in a file."""
    return uuid.uuid4().hex


def of_values(**values: str) -> str:
    """Return the lines of a profile that holds its secrets."""
    given = {key: value() for key in ENVIRONMENT} | values
    return "\n".join(f'{key} = "{text}"' for key, text in given.items()) + "\n"


# Where profiles are found


def test_a_profile_holds_everything_a_session_takes(write: Write) -> None:
    """Credentials, base URL, limits, facts, teams and times are read, each in its own words."""
    write(
        f"""[profiles.acme]
{of_values(api_key="the-key")}base_url = "https://integration.doo.net/v1/"
timeout = 20
deadline = 90.5
teams = ["111", 222]
limits = {{ per_second = 5, per_day = "none", concurrency = 3, reserve = 0.1 }}
[profiles.acme.facts]
token_refused = [401, 403]
delete_sends_bearer = false
list_echoes_scope = true
type_suffix = '_[0-9]+$'
time_zone = "Europe/Berlin"
"""
    )
    profile = load("acme")
    assert profile.api_key.reveal() == "the-key"
    assert profile.limits == Limits(per_second=5, per_day=None, concurrency=3, reserve=0.1)
    assert profile.teams == ("111", "222")
    assert profile.others == {"timeout": 20, "deadline": 90.5}
    assert profile.base_url == "https://integration.doo.net/v1"
    facts = profile.facts
    assert (facts.token_refused, facts.delete_sends_bearer, facts.list_echoes_scope) == (
        {401, 403},
        False,
        True,
    )
    assert (facts.type_suffix.pattern, facts.time_zone) == ("_[0-9]+$", ZoneInfo("Europe/Berlin"))


def test_defaults_are_doos(write: Write) -> None:
    """A profile of credentials alone has doo's limits and the documented facts."""
    write(f"[profiles.acme]\n{of_values()}")
    profile = load()
    assert (profile.name, profile.base_url, profile.limits) == ("acme", None, Limits())
    assert profile.facts.time_zone.utcoffset(None) == timedelta(hours=1)


def test_folders_follow_xdg(monkeypatch: pytest.MonkeyPatch, home: Path) -> None:
    """Without XDG's variables, or with relative ones, files are below the home folder; else where they say."""
    assert config_path() == home / ".config/aiodoo/config.toml"
    monkeypatch.setenv("XDG_CONFIG_HOME", "relative")
    assert config_path() == home / ".config/aiodoo/config.toml"
    assert ledger_path() == home / ".local/state/aiodoo/quota.db"
    monkeypatch.setenv("XDG_CONFIG_HOME", "/c")
    monkeypatch.setenv("XDG_STATE_HOME", "/s")
    assert (config_path(), ledger_path()) == (Path("/c/aiodoo/config.toml"), Path("/s/aiodoo/quota.db"))


def test_which_profile_is_taken(write: Write) -> None:
    """The one that is named, else the file's default, else its only one; else the error lists them."""
    both = f"[profiles.acme]\n{REFERENCES}[profiles.beta]\n{REFERENCES}"
    write(both)
    assert names() == ("acme", "beta")
    assert load("beta").name == "beta"
    with pytest.raises(ConfigError, match=r"has 2 profiles \(acme, beta\) and no default; say which"):
        load()
    with pytest.raises(ConfigError, match="has no profile 'gamma'; it has acme, beta"):
        load("gamma")
    write(f'default = "beta"\n{both}')
    assert load().name == "beta"


def test_a_file_from_another_system(write: Write) -> None:
    """With a byte order mark and CRLF it is read, and can be written again."""
    path = write("\ufeff" + f"[profiles.acme]\n{REFERENCES}".replace("\n", "\r\n"))
    assert load("acme").name == "acme"
    store("beta", {key: {"env": "KEY"} for key in ENVIRONMENT})
    assert names(path) == ("acme", "beta")


def test_another_file(write: Write, home: Path) -> None:
    """`config=` names another file."""
    path = write(f"[profiles.other]\n{REFERENCES}", path=home / "other.toml")
    assert (names(path), load(config=path).name, names()) == (("other",), "other", ())


def test_without_a_file_the_error_names_both_ways_out() -> None:
    """Neither file nor environment: the error says where the file would be, and which variables would do."""
    with pytest.raises(
        ConfigError, match=r"config\.toml .* `aiodoo login`, or set DOO_API_KEY, DOO_CLIENT_ID"
    ):
        Session.from_profile()


# The environment


def test_the_environment_wins(
    write: Write, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Each variable that is set wins over the profile, whose other settings stay; that is told once as a warning."""
    write(f"[profiles.acme]\n{of_values()}limits = {{ per_second = 5 }}\n")
    key = value()
    monkeypatch.setenv("DOO_API_KEY", key)
    monkeypatch.setenv("DOO_BASE_URL", "http://127.0.0.1:1/v1")
    monkeypatch.setenv("DOO_PER_DAY", "none")
    profile = load("acme")
    assert profile.api_key.reveal() == key
    assert (profile.base_url, profile.limits.per_second) == ("http://127.0.0.1:1/v1", 5)
    assert profile.limits.per_day is None
    assert [record.getMessage() for record in caplog.records] == [
        "the environment overrules the profile acme: DOO_API_KEY, DOO_BASE_URL, DOO_PER_DAY"
    ]
    untouched = load("acme", environment=False)
    assert (untouched.base_url, untouched.limits.per_day) == (None, 1000)


def test_the_environment_alone_is_a_profile(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    """With all three credentials in it and no profile named, no file is looked at."""
    write("[broken")
    for variable in ENVIRONMENT.values():
        monkeypatch.setenv(variable, value())
    profile = load()
    assert profile.name is None
    assert set(profile.origins.values()) == {f"the environment's {name}" for name in ENVIRONMENT.values()}


# Where secrets come from


def test_secrets_from_elsewhere(write: Write, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A variable, a file or a command can hold a secret; the file with the profiles may then be read by others."""
    (home / "secret").write_text("from a file\n")
    write(
        '[profiles.acme]\napi_key = {{ env = "KEY" }}\nclient_id = {{ file = "{}" }}\n'
        "client_secret = {{ command = ['{}', '-c', 'print(7)'] }}\n".format(home / "secret", sys.executable),
        mode=0o644,
    )
    monkeypatch.setenv("KEY", "from the environment")
    profile = load()
    found = [profile.api_key, profile.client_id, profile.client_secret]
    assert [secret.reveal() for secret in found] == ["from the environment", "from a file", "7"]
    assert profile.origins["client_secret"] == f"the command {sys.executable}"


def test_secrets_from_the_keyring(write: Write, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The keyring can hold a secret; one that is not in it, and a system without one, are told."""
    monkeypatch.setenv("KEYRING_FOLDER", str(home))
    before = keyring.get_keyring()
    write("[profiles.acme]\n" + REFERENCES.replace('{ env = "KEY" }', '{ keyring = "doo", user = "acme" }'))
    try:
        keyring.set_keyring(keyring_in_a_file.Keyring())
        with pytest.raises(
            ConfigError, match=r"acme\.api_key cannot be read: the keyring has nothing for 'doo'"
        ):
            load()
        keyring.set_password("doo", "acme", "from the keyring")
        assert load().api_key.reveal() == "from the keyring"
        keyring.set_keyring(keyring.backends.fail.Keyring())
        with pytest.raises(ConfigError, match=r"the keyring cannot be used \(NoKeyringError\); .* take env"):
            load()
    finally:
        keyring.set_keyring(before)


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ('api_key = { env = "NOT_THERE" }', "environment variable NOT_THERE is not set"),
        ('api_key = { file = "/not/there" }', "/not/there cannot be read"),
        (r'api_key = { file = "/not\u0000/there" }', "there cannot be read"),
        (
            "api_key = { command = ['echo', 'a\u00e4'] }",
            "is invalid: the value has control or non-ASCII",
        ),
        ('api_key = { command = ["/not/there"] }', r"/not/there cannot be run \(No such file"),
        ('api_key = { command = ["false"] }', "false ended with code 1"),
        ('api_key = { command = ["true"] }', "true printed nothing"),
        ('api_key = { command = "pass" }', r"must be \"\.\.\.\", \{ env"),
        ('api_key = { env = "A", file = "b" }', r"must be \"\.\.\.\", \{ env"),
        ("api_key = 3", r"must be \"\.\.\.\", \{ env"),
        ('api_key = ""', r"must be \"\.\.\.\", \{ env"),
    ],
)
def test_a_secret_that_cannot_be_had(write: Write, line: str, told: str) -> None:
    """The error names the file, the profile, the key and what is wrong."""
    path = write("[profiles.acme]\n" + REFERENCES.replace('api_key = { env = "KEY" }', line))
    with pytest.raises(ConfigError, match=rf"{path}: profiles\.acme\.api_key .*{told}.*nothing was sent"):
        load("acme")


def test_a_command_that_takes_too_long(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is ended, and the error says so."""
    monkeypatch.setattr(credentials, "PATIENCE", 0.2)
    write("[profiles.acme]\n" + REFERENCES.replace('{ env = "ID" }', '{ command = ["sleep", "600"] }'))
    with pytest.raises(ConfigError, match=r"acme\.client_id cannot be read: sleep took longer than 0 s"):
        load()


# What is refused


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o644])
def test_secrets_that_others_can_read(write: Write, mode: int) -> None:
    """A file with secrets in it that others may open is refused whole, and the remedy is named."""
    path = write(f"[profiles.fine]\n{REFERENCES}[profiles.acme]\n{of_values()}", mode=mode)
    with pytest.raises(ConfigError, match=rf"profiles\.acme\.api_key is a secret .*chmod 600 {path}"):
        load("fine")


def test_commands_that_others_can_change(write: Write) -> None:
    """A file that others may write is not asked what to run."""
    write("[profiles.acme]\n" + REFERENCES.replace('{ env = "ID" }', '{ command = ["id"] }'), mode=0o620)
    with pytest.raises(
        ConfigError, match=r"acme\.client_id is a command in a file that other users may change"
    ):
        load()


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (
            "[profiles.acme\n",
            "is not TOML: expected ']' at the end of a table declaration|cannot be read at line 1",
        ),
        ('[profiles.acme]\napi_key = "{secret}\n', "is not TOML: .* at line 2, column"),
        (
            "{fine}[profiles.beta]\n{fine}",
            "is not TOML: a table or a key is there a second time at line 6, column 15",
        ),
        ("profile = 1", "profile is not known; what can be set here is default, profiles"),
        ("profiles = 1", "profiles must be a table"),
        ('[profiles.acme]\napikey = "{secret}"', "profiles.acme.apikey is not known; what can be set"),
        ('[profiles."a b"]\napi_key = "{secret}"', "must be a name of 1 to 64"),
        (
            "[profiles.acme]\nclient_id = {{ env = 'ID' }}",
            "acme.api_key is missing; write .* or set DOO_API_KEY",
        ),
        (
            "{fine}base_url = 'http://doo.example?{secret}'",
            "acme.base_url is invalid: the base URL must",
        ),
        ("{fine}limits = {{ per_second = 0 }}", "acme.limits.per_second is invalid: per_second must be"),
        ("{fine}limits = {{ per_hour = 0 }}", "acme.limits.per_hour is not known"),
        ("{fine}limits = {{ per_day = 1.5 }}", "acme.limits.per_day is invalid"),
        ("{fine}facts = {{ time_zone = 'Mars' }}", "acme.facts.time_zone must be the name of a zone"),
        ("{fine}facts = {{ type_suffix = '(' }}", "acme.facts.type_suffix must be a regular expression"),
        (
            "{fine}facts = {{ list_echoes_scope = 'yes' }}",
            "acme.facts.list_echoes_scope must be true or false",
        ),
        ("{fine}teams = ['1/2']", "acme.teams is invalid: a team id must be"),
        ("{fine}timeout = true", "acme.timeout must be a number of seconds"),
        ("{fine}timeout = nan", "acme.timeout must be a number of seconds"),
        ("{fine}deadline = inf", "acme.deadline must be a number of seconds"),
        (
            "[profiles.acme]\napi_key = '{secret} '",
            "acme.api_key is invalid: the value has spaces or line breaks",
        ),
        (
            "[profiles.acme]\napi_key = 'ü{secret}'",
            "acme.api_key is invalid: the value has control or non-ASCII",
        ),
    ],
)
def test_what_cannot_be_right(write: Write, text: str, told: str) -> None:
    """The error names the file and the key or the line, and shows no value."""
    secret = value()
    fine = f"[profiles.acme]\n{REFERENCES}"
    path = write(text.format(secret=secret, fine=fine))
    with pytest.raises(ConfigError, match=f"{path}.*({told})") as refused:
        load("acme")
    assert secret not in f"{refused.value!r} {refused.value.__context__!r}"


def test_what_is_no_file(home: Path) -> None:
    """A folder and a device in the file's place are told."""
    with pytest.raises(ConfigError, match="cannot be read: Is a directory"):
        load("acme", config=home)
    with pytest.raises(ConfigError, match="/dev/null is no file of profiles"):
        load("acme", config="/dev/null")


# Sessions


async def test_from_profile(write: Write) -> None:
    """A Session of a profile has its settings, those given besides win, and its ledger is the shared file."""
    write(f'[profiles.acme]\n{REFERENCES}base_url = "http://127.0.0.1:1/v1"\nlimits = {{ per_second = 5 }}\n')
    async with Session.from_profile("acme", deadline=7.0) as doo:
        client = doo._client
        assert (doo.limits.per_second, client.deadline) == (5, 7.0)
        ledger = doo._parts.account.connection.ledger  # type: ignore[attr-defined]
        assert isinstance(ledger, SQLite)
        assert ledger.path == ledger_path()
    async with Session.from_profile("acme", limits=Limits(), quota=aiodoo.quota.Memory()) as doo:
        assert doo.limits == Limits()


# Writing


def test_stored_profiles_are_read_again() -> None:
    """What `store` writes is what `load` reads; nobody else can open the file, and its folder is made."""
    given = {key: Secret(value() + "\"\\'") for key in ENVIRONMENT}
    path = store("acme", {**given, "base_url": "http://127.0.0.1:1/v1"})
    assert path == config_path()
    assert (stat.S_IMODE(path.stat().st_mode), stat.S_IMODE(path.parent.stat().st_mode)) == (0o600, 0o700)
    profile = load("acme")
    assert {key: getattr(profile, key) for key in ENVIRONMENT} == given
    assert [left.name for left in path.parent.iterdir()] == ["config.toml"]
    path.unlink()  # the canary looks for secrets in files that are left


def test_storing_again_keeps_all_else(write: Write) -> None:
    """A profile that is there gets new credentials; its limits, its comments and other profiles stay."""
    path = write(
        f"# mine\n[profiles.acme] # the first\n{of_values()}# as doo's support said:\nlimits = {{ per_second = 5 }}\n"
        f"[profiles.acme.facts]\nlist_echoes_scope = true\n[profiles.beta]\n{REFERENCES}"
    )
    path.chmod(0o644)
    store("acme", {key: {"env": "KEY"} for key in ENVIRONMENT})
    text = path.read_text()
    assert "# mine\n[profiles.acme] # the first\n" in text
    assert "# as doo's support said:\nlimits = { per_second = 5 }\n[profiles.acme.facts]" in text
    assert text.endswith(f"[profiles.beta]\n{REFERENCES}")
    assert (load("acme").limits.per_second, load("acme").facts.list_echoes_scope) == (5, True)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_profiles_that_two_processes_store_at_once(tmp_path: Path) -> None:
    """Each is in the file at the end: a process does not write over what another one has stored meanwhile."""
    code = (
        "import sys\nfrom aiodoo.profiles import store\n"
        "print(flush=True)\nsys.stdin.readline()\n"
        "for number in range(30):\n"
        "    store(f'{sys.argv[1]}{number}', {'api_key': {'env': 'KEY'}}, config=sys.argv[2])\n"
    )
    file = tmp_path / "shared" / "config.toml"
    with ExitStack() as stack:
        both = [
            stack.enter_context(
                subprocess.Popen(  # noqa: S603  # our own code
                    [sys.executable, "-c", code, name, file],
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                )
            )
            for name in ("one", "other")
        ]
        for process in both:
            assert process.stdout is not None
            process.stdout.readline()
        for process in both:
            assert process.stdin is not None
            process.stdin.write(b"\n")
            process.stdin.flush()
        assert [process.wait() for process in both] == [0, 0]
    assert set(names(file)) == {f"{name}{number}" for name in ("one", "other") for number in range(30)}
    assert [left.name for left in file.parent.iterdir()] == ["config.toml"]


@pytest.mark.parametrize(
    "text",
    [
        "[profiles]\nacme = {{ {0} }} # ours\n",
        "profiles = {{ acme = {{ {0} }} }}\n",
        "profiles.acme = {{ {0} }}\n# and no more\n",
        "profiles.acme.api_key = 'x' # mine\nprofiles.acme.limits.per_second = 5\n",
        "[ profiles ]\nacme.api_key = 'x' # mine\nacme.teams = [\n  '1', # one\n]\n",
        "# one\u2028two\n[profiles.'acme']\napi_key = '''x'''\n[profiles.acme.limits] # slow\nper_second = 5",
        "\ufeff# kept\r\n[profiles.acme]\r\napi_key = 'x'\r\n\r\n[profiles.beta]\r\napi_key = 'y'\r\n",
    ],
)
def test_every_form_of_toml_is_kept(write: Write, text: str) -> None:
    """Inline, dotted and quoted tables, comments and line ends: what was not to change is as it was."""
    path = write(text.format(REFERENCES.strip().replace("\n", ", ")))
    before = path.read_bytes().decode()
    store("acme", {key: {"env": "KEY"} for key in ENVIRONMENT})
    store("added", {key: {"env": "KEY"} for key in ENVIRONMENT})
    after = path.read_bytes().decode()
    for kept in re.findall("#.*", before):
        assert kept.rstrip("\r") in after
    assert after.count("\r\n") == (after.count("\n") if "\r\n" in before else 0)
    assert {"acme", "added"} <= set(names())
    set_default("added")
    assert path.read_text().startswith('default = "added"')
    remove("added")
    assert "added" not in path.read_text()


@pytest.mark.parametrize("open_part", ["file", "folder"])
def test_what_others_can_change_is_refused(write: Write, open_part: str) -> None:
    """Whoever could write the file, or put another one in its place, could send credentials to a host of theirs."""
    path = write("[profiles.acme]\n" + REFERENCES)
    (path if open_part == "file" else path.parent).chmod(0o770)
    with pytest.raises(ConfigError, match=r"can be changed by other users .*Run `chmod go-w"):
        load("acme")
    path.parent.chmod(0o700)


def test_six_thousand_profiles_are_one_file(write: Write) -> None:
    """A file of more than a MiB is read once for all of them."""
    facts = "facts = { token_refused = [401, 403], list_echoes_scope = true, time_zone = 'Europe/Berlin' }\n"
    path = write("".join(f"[profiles.tenant-{number}]\n{REFERENCES}{facts}" for number in range(6000)))
    assert path.stat().st_size > 1 << 20
    assert len(names()) == 6000


def test_a_folder_that_cannot_be_written() -> None:
    """An error of the disk is told, and nothing is left behind."""
    with pytest.raises(ConfigError, match=r"/dev/null/config\.toml cannot be (written|read)"):
        store("acme", {key: {"env": "KEY"} for key in ENVIRONMENT}, config="/dev/null/config.toml")


@given(st.text(st.characters(codec="utf-8"), max_size=60), st.text(st.characters(codec="utf-8"), max_size=60))
def test_any_text_survives_being_stored(api_key: str, base_url: str) -> None:
    """Whatever a value holds, it is read as it was written."""
    wanted = {"api_key": api_key, "base_url": base_url}
    text = _with_profile("[profiles.beta]\nx = 1\n", "acme", wanted)
    assert tomllib.loads(text) == _expected({"profiles": {"beta": {"x": 1}}}, "acme", wanted)
