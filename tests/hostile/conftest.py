"""No test of a hostile world leaves this machine."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any

import pytest

HERE = ("127.", "::1", "localhost", "0.0.0.0")  # noqa: S104  # compared with, not bound to
_strangers: list[object] | None = None


def _listen(event: str, arguments: tuple[Any, ...]) -> None:
    if _strangers is None or event not in {"socket.connect", "socket.getaddrinfo"}:
        return
    address = arguments[1] if event == "socket.connect" else arguments[0]
    host = address[0] if isinstance(address, tuple) else address
    name = host.decode() if isinstance(host, bytes) else host
    if isinstance(name, str) and not name.startswith(HERE) and not name.endswith(".invalid"):
        _strangers.append(name)


@pytest.fixture(scope="session", autouse=True)
def _listening() -> None:
    """Hear of every connection and every name that is looked up; such a hook cannot be taken away again."""
    sys.addaudithook(_listen)


@pytest.fixture(autouse=True)
def _nobody_else_is_asked(_listening: None) -> Iterator[None]:
    """Every connection goes to this machine, and every name that is looked up is this machine's or nobody's."""
    global _strangers  # noqa: PLW0603  # a hook of the interpreter knows no other place
    _strangers = found = []
    yield
    _strangers = None
    assert found == []
