"""A home folder for the program: where its profiles, its ledger and its runs are kept during tests."""

from __future__ import annotations

import os
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import attrs
from cli_process import installed, program, run_code

from aiodoo.sandbox import Sandbox

FAST = 'limits = { per_second = 200, per_day = "none" }\nfacts = { list_echoes_scope = true }\n'


@attrs.frozen
class Home:
    """A folder that belongs to nobody else; not in `tmp_path`, where the canary looks for secrets."""

    folder: Path
    environ: dict[str, str]

    @property
    def config(self) -> Path:
        """The file with the profiles."""
        return self.folder / "config" / "aiodoo" / "config.toml"

    @property
    def runs(self) -> Path:
        """The folder of the runs."""
        return self.folder / "state" / "aiodoo" / "runs"

    def write(self, *profiles: str, mode: int = 0o600) -> None:
        """Write the file with the profiles."""
        self.config.parent.mkdir(parents=True, exist_ok=True)
        self.config.write_text("\n".join(profiles))
        self.config.chmod(mode)

    def run(self, *arguments: str, typed: str = "", **environ: str) -> subprocess.CompletedProcess[str]:
        """Run the program to its end."""
        return run_code(program(*arguments), typed=typed, **{**self.environ, **environ})

    def run_installed(self, *arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
        """Run the installed program to its end."""
        return run_code(installed(*arguments), typed="", **{**self.environ, **environ})


@contextmanager
def new_home() -> Iterator[Home]:
    """Make a home, and take it away again."""
    with tempfile.TemporaryDirectory(prefix="aiodoo-home-") as name:
        folder = Path(name)
        environ = {
            "HOME": name,
            "XDG_CONFIG_HOME": str(folder / "config"),
            "XDG_STATE_HOME": str(folder / "state"),
            "TMPDIR": name,
            **{key: "" for key in os.environ if key.startswith("DOO_")},
        }
        yield Home(folder, environ)


def profile(name: str, box: Sandbox, more: str = FAST) -> str:
    """Return a profile of a sandbox as text."""
    return (
        f'[profiles.{name}]\nbase_url = "{box.url}"\napi_key = "{box.api_key}"\nclient_id = "{box.client_id}"\n'
        f'client_secret = "{box.client_secret}"\n{more}'
    )


def wait_for(box: Sandbox, requests: int, kind: str = "create") -> None:
    """Wait until doo has seen so many requests of a kind."""
    give_up = time.monotonic() + 60
    while box.count(kind) < requests:
        assert time.monotonic() < give_up
        time.sleep(0.01)
