"""A run's claim on each team that it comes to, waited for or not, and let go of when the team is done."""

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
    """How a run comes to its teams and lets go of them.

    Attributes:
        hold: what the run has of the quota's ledger; None if there is nothing to do.
        clock: where the time comes from.
        is_patient: tells whether claims of living runs are waited for now.
        rest: lets other teams go on until a time, for a reason.
        lost: told why the run must end, as it is another process's now, or the ledger cannot be used.
    """

    hold: Hold | None
    clock: Clock
    is_patient: Callable[[], bool]
    rest: Callable[[TeamSteps, float, str], Awaitable[None]]
    lost: Callable[[DooError], None]

    async def come_to(self, steps: TeamSteps) -> bool:
        """Come to a team; False if another run has claimed it since this one began, and it is not waited for."""
        if self.hold is None:
            return True
        again = Polling()
        while (claimed := await self._claimed_by(self.hold, steps.team_id)) is not None:
            if not (claimed.alive and self.is_patient()):
                for change in steps.changes:
                    if change.ending is Status.NOT_STARTED:
                        change.error = claimed.again()
                return False
            until = self.clock.monotonic() + again.seconds()
            await self.rest(steps, until, f"for the run {claimed.run} to let go of team {steps.team_id}")
        for change in steps.changes:
            if change.status is None and isinstance(change.error, TeamClaimed):
                change.error = None
        return True

    async def let_go_of(self, steps: TeamSteps) -> None:
        """Let go of a team all of whose operations have ended."""
        if self.hold is not None and all(change.ended for change in steps.changes):
            await self.hold.release(steps.team_id, self._changed_until(steps))

    def _changed_until(self, steps: TeamSteps) -> datetime | None:
        sent = any(change.creates_sent or change.deletes_sent for change in steps.changes)
        return self.clock.now() if sent else None

    async def _claimed_by(self, hold: Hold, team_id: str) -> TeamClaimed | None:
        try:
            return await hold.begin(team_id)
        except DooError as error:
            self.lost(error)
            return TeamClaimed(str(error))
