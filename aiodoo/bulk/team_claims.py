"""Confirms a run's claim on each team before work on it starts, and releases it when the team is done."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import datetime

import attrs

from aiodoo.bulk.run_claims import Polling
from aiodoo.clock import Clock
from aiodoo.errors import DooError, TeamClaimed
from aiodoo.operations.team_steps import TeamSteps
from aiodoo.operations.tracked import Status
from aiodoo.quota.hold import Hold


@attrs.define
class TeamClaims:
    """Claims and releases a run's teams one by one.

    Attributes:
        hold: the run's entry in the ledger; None if it has nothing to do.
        clock: the time.
        may_wait: returns whether to wait for claims of runs that are alive.
        wait_until: waits until a monotonic time while other teams continue; the text says for what.
        on_lost: called with the error if the run must end: another process has resumed it, or the ledger cannot be used.
    """

    hold: Hold | None
    clock: Clock
    may_wait: Callable[[], bool]
    wait_until: Callable[[TeamSteps, float, str], Awaitable[None]]
    on_lost: Callable[[DooError], None]

    async def claim(self, steps: TeamSteps) -> bool:
        """Claim a team; return False if another run has claimed it since this one started and is not waited for."""
        if self.hold is None:
            return True
        again = Polling()
        while (claimed := await self._claimed_by(self.hold, steps.team_id)) is not None:
            if not (claimed.alive and self.may_wait()):
                for change in steps.changes:
                    if change.ending is Status.NOT_STARTED:
                        change.error = claimed.again()
                return False
            until = self.clock.monotonic() + again.seconds()
            await self.wait_until(steps, until, f"for the run {claimed.run} to release team {steps.team_id}")
        for change in steps.changes:
            if change.status is None and isinstance(change.error, TeamClaimed):
                change.error = None
        return True

    async def release(self, steps: TeamSteps) -> None:
        """Release a team if all of its operations have ended."""
        if self.hold is not None and all(change.ended for change in steps.changes):
            await self.hold.release(steps.team_id, self._changed_until(steps))

    def _changed_until(self, steps: TeamSteps) -> datetime | None:
        sent = any(change.creates_sent or change.deletes_sent for change in steps.changes)
        return self.clock.now() if sent else None

    async def _claimed_by(self, hold: Hold, team_id: str) -> TeamClaimed | None:
        try:
            return await hold.begin(team_id)
        except DooError as error:
            self.on_lost(error)
            return TeamClaimed(str(error))
