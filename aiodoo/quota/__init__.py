"""When a request may leave: ledgers of what each API key has used.

`Memory` serves the Sessions of one event loop, `SQLite` all processes of a host. Another ledger is a class with the methods of `Ledger` and
`Account`.
"""

from __future__ import annotations

from aiodoo.quota.ledger import Account, Lane, Ledger, Permits, Slot
from aiodoo.quota.limits import Limits
from aiodoo.quota.memory import Memory
from aiodoo.quota.sqlite import SQLite

__all__ = ["Account", "Lane", "Ledger", "Limits", "Memory", "Permits", "SQLite", "Slot"]
