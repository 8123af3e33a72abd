"""The ids of the teams to walk, from iterables and async iterables."""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator, Iterable, Iterator, Sequence
from typing import TypeAlias

from aiodoo.checks import check_id
from aiodoo.errors import ConfigError

TeamIds: TypeAlias = str | int | Iterable[str | int] | AsyncIterable[str | int]
"""A team id, or an iterable or async iterable of team ids."""

_NO_TEAM = (
    "no team was named; nothing was sent. Pass team ids, or use list_all() for every team that doo names"
)


class WalkedTeams:
    """Iterates over team ids on demand, checked and without repetitions."""

    def __init__(self, teams: Sequence[TeamIds], *, skip: Iterable[str]) -> None:
        if not teams:
            raise ConfigError(_NO_TEAM)
        self._seen = set(skip)
        self._any = bool(self._seen)
        self._parts = iter([_checked(part) for part in teams])
        self._part: Iterator[str | int] | AsyncIterator[str | int] = iter(())

    async def next(self) -> str | None:
        """Return the next team id, or None at the end.

        Raises:
            ConfigError: an id is invalid, or there was no id at all.
        """
        while True:
            try:
                found = next(self._part) if isinstance(self._part, Iterator) else await anext(self._part)
            except (StopIteration, StopAsyncIteration):
                part = next(self._parts, None)
                if part is not None:
                    self._part = part
                    continue
                if not self._any:
                    raise ConfigError(_NO_TEAM) from None
                return None
            team_id = check_id(found, "team id")
            self._any = True
            if team_id not in self._seen:
                self._seen.add(team_id)
                return team_id


def _checked(part: TeamIds) -> Iterator[str | int] | AsyncIterator[str | int]:
    if isinstance(part, str | int):
        return iter([check_id(part, "team id")])
    if isinstance(part, AsyncIterable):
        return aiter(part)
    if isinstance(part, bytes | bytearray | memoryview) or not isinstance(part, Iterable):
        raise ConfigError(
            f"a {type(part).__name__} is neither a team id nor an iterable of team ids; nothing was sent"
        )
    if isinstance(part, Sequence | frozenset | set):
        if not part:
            raise ConfigError(_NO_TEAM)
        return iter([check_id(team_id, "team id") for team_id in part])
    return iter(part)
