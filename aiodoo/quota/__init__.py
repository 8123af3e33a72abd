"""Ledgers, which count the requests of each API key and decide when the next one may be sent.

`Memory` serves the Sessions of one event loop, `SQLite` all processes of a host, `Redis` those of
many hosts. Other ledgers implement the protocols `Ledger` and `Account`.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from aiodoo.quota.claims import Claim
from aiodoo.quota.ledger import Account, Lane, Ledger, Permits, Slot
from aiodoo.quota.limits import Limits
from aiodoo.quota.memory import Memory

if TYPE_CHECKING:
    from aiodoo.quota.redis import Redis
    from aiodoo.quota.resetting import Reset
    from aiodoo.quota.sqlite import SQLite
    from aiodoo.quota.usage import Quota, Usage

__all__ = [
    "Account",
    "Claim",
    "Lane",
    "Ledger",
    "Limits",
    "Memory",
    "Permits",
    "Quota",
    "Redis",
    "Reset",
    "SQLite",
    "Slot",
    "Usage",
]


def __getattr__(name: str) -> Any:
    modules = {"Quota": "usage", "Redis": "redis", "Reset": "resetting", "SQLite": "sqlite", "Usage": "usage"}
    if name not in modules:
        raise AttributeError(f"module 'aiodoo.quota' has no attribute {name!r}")
    # Imported on first use, as most programs do without.
    return getattr(import_module(f"aiodoo.quota.{modules[name]}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
