"""The package's names: complete, sorted, loaded when used, and cheap to import."""

from __future__ import annotations

import subprocess
import sys

import pytest

import aiodoo


def run(code: str) -> str:
    """Run code in a fresh interpreter and return what it prints."""
    done = subprocess.run([sys.executable, "-W", "error", "-c", code], capture_output=True, check=True)  # noqa: S603
    return done.stdout.decode().strip()


def test_they_are_sorted() -> None:
    """Constants, then classes, then modules; each in order of the alphabet, each once."""

    def place(name: str) -> tuple[int, str]:
        return (0 if name.isupper() else 1 if name[0].isupper() else 2), name

    assert sorted(aiodoo.__all__, key=place) == aiodoo.__all__
    assert len(set(aiodoo.__all__)) == len(aiodoo.__all__)


@pytest.mark.parametrize("name", aiodoo.__all__)
def test_each_can_be_had(name: str) -> None:
    """Every name is there, and a class is called what it is called."""
    value = getattr(aiodoo, name)
    assert value is getattr(aiodoo, name)
    if isinstance(value, type):
        assert value.__name__ == name
        assert value.__module__.startswith("aiodoo.")


def test_dir_shows_them() -> None:
    """dir() knows every name before it is used."""
    assert set(aiodoo.__all__) <= set(dir(aiodoo))
    assert run("import aiodoo; print(set(aiodoo.__all__) <= set(dir(aiodoo)))") == "True"


def test_a_star_takes_them_all() -> None:
    """`from aiodoo import *` brings all names and no other."""
    code = "names = set(globals()); from aiodoo import *; print(*sorted(set(globals()) - names - {'names'}))"
    assert run(code).split() == sorted(aiodoo.__all__)


def test_every_error_is_among_them() -> None:
    """Whatever can be raised can be caught by a name of the package."""
    raised = {
        name
        for name, value in vars(aiodoo.errors).items()
        if isinstance(value, type) and issubclass(value, aiodoo.DooError)
    }
    assert raised - {"DooError"} < set(aiodoo.__all__)


def test_another_name() -> None:
    """What is not there is an AttributeError, as for any module."""
    with pytest.raises(AttributeError, match="no attribute 'Sesion'"):
        aiodoo.Sesion  # noqa: B018
    assert not hasattr(aiodoo, "_nothing")


@pytest.mark.parametrize(
    "code",
    [
        "import aiodoo",
        "import aiodoo; dir(aiodoo)",
        "import aiodoo; aiodoo.sandbox.Box",
        "import aiodoo; aiodoo.errors.DooError, aiodoo.Secret",
    ],
)
def test_what_importing_loads(code: str) -> None:
    """Neither aiohttp nor anyio, until something is used that needs them."""
    heavy = ("aiohttp", "anyio", "backoff", "cattrs")
    assert run(f"import sys; {code}; print(*[name for name in {heavy} if name in sys.modules])") == ""


def test_a_session_loads_what_it_needs() -> None:
    """Using the Session is what loads the wire."""
    code = (
        "import sys, aiodoo; print('aiohttp' in sys.modules); aiodoo.Session; print('aiohttp' in sys.modules)"
    )
    assert run(code).split() == ["False", "True"]
