"""Faults that a campaign draws by their kinds, counted as they fire."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any

import attrs

from aiodoo.sandbox import Fault, FaultRates


@attrs.frozen(kw_only=True)
class DrawnFaults(FaultRates):
    """Draws what befalls a request.

    Attributes:
        make: makes a fault of each kind.
        chances: of each kind.
        fired: how often each has come about.
    """

    make: Mapping[str, Callable[[random.Random], Fault]]
    chances: Mapping[str, float]
    fired: Counter[str]

    def draw(self, operation: Any, now: float, chance: random.Random) -> Fault | None:  # noqa: ARG002  # as FaultRates has it
        """Draw a fault, or none."""
        roll = chance.random()
        for kind, rate in self.chances.items():
            if roll < rate:
                fault = self.make[kind](chance)
                if not fault.befalls(operation, None):
                    return None
                self.fired[kind] += 1
                return fault
            roll -= rate
        return None
