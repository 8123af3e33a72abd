"""A journal that cannot be trusted."""

from __future__ import annotations

from aiodoo.errors import JournalError


class DamagedJournal(JournalError):
    """A journal that is damaged, or none; its run can only be given up."""

    def __init__(self, locator: object, why: object) -> None:
        super().__init__(
            f"the journal {locator} is damaged, or no journal of aiodoo ({why}); nothing was sent. List the teams "
            "to see what was done, and begin a new run with bulk.run([Ensure(...), ...])"
        )
