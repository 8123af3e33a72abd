"""A journal that cannot be trusted."""

from __future__ import annotations

from aiodoo.errors import JournalError


class DamagedJournal(JournalError):
    """A journal that is damaged, or none; its run can only be given up.

    Attributes:
        locator: where it is.
        why: what is wrong with it.
    """

    def __init__(self, locator: object, why: object) -> None:
        super().__init__(
            f"the journal {locator} is damaged, or no journal of aiodoo ({why}); nothing was sent. If it is a run's, give "
            "that up with bulk.abandon(journal=...), list its teams to see what was done, and begin a new run with "
            "bulk.run([Ensure(...), ...])"
        )
        self.locator = str(locator)
        self.why = str(why)
