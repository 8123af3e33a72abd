"""When a request may leave: ledgers of what each API key has used.

`Memory` serves the Sessions of one event loop, `SQLite` all processes of a host. Another ledger is a class with the methods of `Ledger` and
`Account`.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from aiodoo.quota.claims import Claim
from aiodoo.quota.ledger import Account, Lane, Ledger, Permits, Slot
from aiodoo.quota.limits import Limits
from aiodoo.quota.memory import Memory
from aiodoo.quota.usage import Quota, Usage

if TYPE_CHECKING:
    from aiodoo.quota.resetting import Reset
    from aiodoo.quota.sqlite import SQLite

__all__ = [
    "Account",
    "Claim",
    "Lane",
    "Ledger",
    "Limits",
    "Memory",
    "Permits",
    "Quota",
    "Reset",
    "SQLite",
    "Slot",
    "Usage",
]


def __getattr__(name: str) -> Any:
    rooms = {"Reset": "resetting", "SQLite": "sqlite"}
    if name not in rooms:
        raise AttributeError(f"module 'aiodoo.quota' has no attribute {name!r}")
    # Only who uses a file pays for importing what handles it.
    return getattr(import_module(f"aiodoo.quota.{rooms[name]}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
