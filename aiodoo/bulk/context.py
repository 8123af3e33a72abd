"""What runs need of the session that carries them out."""

from __future__ import annotations

import attrs

from aiodoo.client.recent_changes import RecentChanges
from aiodoo.clock import Clock
from aiodoo.credentials import Owner
from aiodoo.driver.driver import Driver
from aiodoo.events import Listeners, Stats
from aiodoo.facts import Facts
from aiodoo.offload import Offload
from aiodoo.quota import Limits
from aiodoo.quota.hold import Claims, Hold
from aiodoo.walk import ListReader


@attrs.frozen(eq=False, kw_only=True)
class RunContext:
    """What runs need of their session.

    Attributes:
        driver: executes actions.
        lists: reads teams' lists.
        claims: the account in the quota's ledger, with the claims of runs.
        holds: the holds of the session's runs in progress.
        owner: whose data it is, as journals and claims name it.
        limits: the limits of the account.
        facts: settings for what doo does not document.
        clock: time and randomness.
        worker: reads and writes journals.
        changes: what the session has changed.
        stats: counts requests and answers.
        listeners: receive events.
    """

    driver: Driver
    lists: ListReader
    claims: Claims
    holds: list[Hold]
    owner: Owner
    limits: Limits
    facts: Facts
    clock: Clock
    worker: Offload
    changes: RecentChanges
    stats: Stats
    listeners: Listeners
