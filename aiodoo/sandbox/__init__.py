"""The sandbox: a stand-in for doo with state, limits, a log, and faults on demand.

`Box` answers requests that are passed to it, without a socket or a clock. `Sandbox` (async), `serve` (in a thread) and
`serve_forever` (until cancelled) serve one over HTTP on 127.0.0.1. Importing this package does not load aiohttp; using
one of these does.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from aiodoo.sandbox.box import Box
    from aiodoo.sandbox.courier import Deliveries
    from aiodoo.sandbox.deliveries import SandboxDelivery
    from aiodoo.sandbox.examples import classic, graphql
    from aiodoo.sandbox.faults import Fault, FaultRates
    from aiodoo.sandbox.gateway import Plan
    from aiodoo.sandbox.keys import Credentials
    from aiodoo.sandbox.log import Log, LoggedChange, LoggedRequest
    from aiodoo.sandbox.server import Sandbox, run, serve, serve_forever
    from aiodoo.sandbox.settings import Settings
    from aiodoo.sandbox.wire import Answer, Request

__all__ = [
    "Answer",
    "Box",
    "Credentials",
    "Deliveries",
    "Fault",
    "FaultRates",
    "Log",
    "LoggedChange",
    "LoggedRequest",
    "Plan",
    "Request",
    "Sandbox",
    "SandboxDelivery",
    "Settings",
    "classic",
    "graphql",
    "run",
    "serve",
    "serve_forever",
]

_HOMES = {
    "Answer": "wire",
    "Box": "box",
    "Credentials": "keys",
    "Deliveries": "courier",
    "Fault": "faults",
    "FaultRates": "faults",
    "Log": "log",
    "LoggedChange": "log",
    "LoggedRequest": "log",
    "Plan": "gateway",
    "Request": "wire",
    "Sandbox": "server",
    "SandboxDelivery": "deliveries",
    "Settings": "settings",
    "classic": "examples",
    "graphql": "examples",
    "run": "server",
    "serve": "server",
    "serve_forever": "server",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
