"""The time that a ledger's file goes by: it outlives processes and restarts of the machine. Pure arithmetic.

Processes of one host share a monotonic clock until the machine restarts; its wall clock goes on after that,
but people and time servers set it. So the file has a time of its own, which follows the monotonic clock while
the machine runs, and is moved by the wall clock once after each restart.
"""

from __future__ import annotations

import attrs


@attrs.define
class FileTime:
    """What the file's time was when it was last looked at.

    Parameters:
        boot: names the run of the machine whose monotonic clock it is; empty where that is unknown.
        monotonic: what that clock showed, in seconds.
        wall: what the wall clock showed, in seconds since 1970.
        now: the file's time, in seconds.
        origin: what makes the file's time of the monotonic clock's.
    """

    boot: str
    monotonic: float
    wall: float
    now: float
    origin: float = 0.0

    def advance(self, boot: str, monotonic: float, wall: float) -> float:
        """Return the file's time now; it never goes back.

        In the same run of the machine only the monotonic clock counts: whatever the wall clock does, no time
        passes by it. After a restart the wall clock says how long it took; if it went back, no time passed.
        Where nobody knows whether the machine was restarted, the clock that saw less time pass is believed.
        """
        restarted = boot != self.boot or monotonic < self.monotonic
        if restarted:
            passed = wall - self.wall
        elif boot:
            passed = monotonic + self.origin - self.now
        else:
            passed = min(monotonic - self.monotonic, wall - self.wall)
        self.now += max(0.0, passed)
        if restarted or not boot:
            self.origin = self.now - monotonic
        self.boot, self.monotonic, self.wall = boot, monotonic, wall
        return self.now
