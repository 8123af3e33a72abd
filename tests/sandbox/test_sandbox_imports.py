"""The sandbox judges the SDK, so it shares nothing with it; and it loads no HTTP until somebody wants HTTP."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import aiodoo.sandbox

PACKAGE = Path(aiodoo.sandbox.__file__).parent


JUDGES = sorted(path for path in PACKAGE.rglob("*.py") if path.name != "connecting.py")
"""All but the room that hands out a session to whoever tries things out."""


@pytest.mark.parametrize("path", JUDGES, ids=lambda path: path.name)
def test_imports_nothing_of_the_sdk(path: Path) -> None:
    """No module of the sandbox imports anything of aiodoo that is not the sandbox."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        else:
            continue
        for name in names:
            assert (
                not name.startswith("aiodoo")
                or name.startswith("aiodoo.sandbox.")
                or node.module == "aiodoo.sandbox"
            )


@pytest.mark.parametrize("name", ["Box", "Settings", "Plan", "Fault", "FaultRates", "Request", "classic"])
def test_loads_no_aiohttp(name: str) -> None:
    """Importing the sandbox, and using a box without a network, loads no aiohttp."""
    code = f"import sys, aiodoo.sandbox; aiodoo.sandbox.{name}; sys.exit('aiohttp' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0  # noqa: S603  # our own code


def test_a_sandbox_loads_nothing_of_the_sdk_until_a_session_is_asked_for() -> None:
    """Serving alone takes none of it."""
    code = (
        "import sys; from aiodoo.sandbox import serve\n"
        "def loaded(): return any(name in sys.modules for name in ('aiodoo.session', 'aiodoo.client', 'aiodoo.quota'))\n"
        "with serve() as box:\n"
        "    assert not loaded(); box.session; assert not loaded(); box.session(); assert loaded()"
    )
    done = subprocess.run([sys.executable, "-c", code], check=False, capture_output=True, text=True)  # noqa: S603  # our own
    assert (done.returncode, done.stderr) == (0, "")


def test_works_without_orjson() -> None:
    """Where orjson is not installed, the box answers the same bytes without it."""
    code = (
        "import sys; HIDE\n"
        "from sandbox_asker import asker\n"
        "client = asker(webhooks_per_team=3, entropy=b'for this test')\n"
        "print(client.ask('GET', '/team/111/webhooks').body.decode())\n"
        "print(client.ask('POST', '/oauth', raw=b'[' * 100_000).status, client.box.digest({'b': 1, 'a': [1.5, None]}))"
    )
    with_it, without_it = (
        subprocess.run(  # noqa: S603  # our own code
            [sys.executable, "-c", code.replace("HIDE", hide)],
            cwd=Path(__file__).parent,
            check=True,
            capture_output=True,
        ).stdout
        for hide in ("", "sys.modules['orjson'] = None")
    )
    assert with_it == without_it
    assert b'"total_items":3' in with_it


def test_exports() -> None:
    """Every public name is there, and no other."""
    for name in aiodoo.sandbox.__all__:
        assert getattr(aiodoo.sandbox, name).__name__ == name
    with pytest.raises(AttributeError, match="no attribute 'Nothing'"):
        _ = aiodoo.sandbox.Nothing
