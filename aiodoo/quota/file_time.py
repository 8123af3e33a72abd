"""The time of a ledger's file, which continues across processes and restarts of the machine.

The processes of a host share a monotonic clock until the machine restarts. The wall clock continues after that, but can
be set. So the time of a file follows the monotonic clock while the machine runs, and is advanced by the wall clock once
after each restart.
"""

from __future__ import annotations

import attrs


@attrs.define
class FileTime:
    """The time of a file when it was last read.

    Parameters:
        boot: the boot that the monotonic clock counts from, see `Clock.boot`; empty where it is unknown.
        monotonic: the monotonic clock, in seconds.
        wall: the wall clock, in seconds since 1970.
        now: the time of the file, in seconds.
        origin: the difference between the time of the file and the monotonic clock.
    """

    boot: str
    monotonic: float
    wall: float
    now: float
    origin: float = 0.0

    def advance(self, boot: str, monotonic: float, wall: float) -> float:
        """Advance and return the time of the file, which never decreases.

        Within one boot only the monotonic clock counts. After a restart the time that passed is taken from the wall
        clock, or is 0 if that went back. Where the boot is unknown, the clock with the smaller difference is used.
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
