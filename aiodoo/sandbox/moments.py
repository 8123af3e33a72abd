"""Calls functions before or after a certain request, or once a condition on the log holds."""

from __future__ import annotations

from collections.abc import Callable, Container
from typing import Any, Literal

import attrs

from aiodoo.sandbox.log import Log
from aiodoo.sandbox.wire import Operation, check_operation, check_team

Side = Literal["before", "after"]


@attrs.define(eq=False)
class _Moment:
    side: Side
    operation: Operation
    team: str | None
    skip: int
    do: Callable[[], Any]


class Moments:
    """Functions to call at certain requests; each is called once."""

    def __init__(self) -> None:
        self._moments: list[_Moment] = []
        self._conditions: list[tuple[Callable[[Log], bool], Callable[[], Any]]] = []

    def add(
        self,
        side: Side,
        operation: Operation,
        do: Callable[[], Any],
        *,
        team: str | None,
        nth: int,
        teams: Container[str],
    ) -> None:
        """Register a function for the n-th request of an operation.

        Raises:
            ValueError: the operation or the team does not exist.
        """
        check_operation(operation)
        check_team(team, teams)
        if nth < 1:
            raise ValueError("nth is at least 1")
        self._moments.append(_Moment(side, operation, team, nth - 1, do))

    def add_condition(self, holds: Callable[[Log], bool], do: Callable[[], Any]) -> None:
        """Register a function to call when a condition on the log holds."""
        self._conditions.append((holds, do))

    @property
    def left(self) -> int:
        """Number of functions that have not been called."""
        return len(self._moments) + len(self._conditions)

    def call_due(self, side: Side, operation: Operation, team: str | None, log: Log) -> None:
        """Call the functions that are due before, or after, a request."""
        due = [each for each in self._moments if self._is_due(each, side, operation, team)]
        for moment in due:
            self._moments.remove(moment)
            moment.do()
        for condition in [each for each in self._conditions if each[0](log)]:
            self._conditions.remove(condition)
            condition[1]()

    def _is_due(self, moment: _Moment, side: Side, operation: Operation, team: str | None) -> bool:
        if (moment.side, moment.operation) != (side, operation) or moment.team not in {None, team}:
            return False
        if moment.skip:
            moment.skip -= 1
            return False
        return True
