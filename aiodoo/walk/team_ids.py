"""The ids of the teams to walk, from iterables and async iterables."""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator, Iterable, Iterator, Sequence
from typing import Any, TypeAlias

from aiodoo.checks import check_id
from aiodoo.errors import ConfigError

TeamIds: TypeAlias = str | int | Iterable[str | int] | AsyncIterable[str | int]
"""A team id, or an iterable or async iterable of team ids."""

_NO_TEAM = (
    "no team was named; nothing was sent. Pass team ids, or use list_all() for every team that doo names"
)

_END: Any = object()


class WalkedTeams:
    """Iterates over team ids on demand, checked and without repetitions.

    Attributes:
        is_single: whether only one team was named, by its id.
    """

    def __init__(self, teams: Sequence[TeamIds], *, skip: Iterable[str]) -> None:
        if not teams:
            raise ConfigError(_NO_TEAM)
        self.is_single = len(teams) == 1 and isinstance(teams[0], str | int)
        self._seen = set(skip)
        self._any = bool(self._seen)
        self._parts = iter([_checked(part) for part in teams])
        self._part: Iterator[str] = iter(())
        self._awaited: AsyncIterator[str | int] | None = None

    async def count(self) -> int:
        """Return how many team ids are left, after reading all of them.

        Raises:
            ConfigError: as for `next`.
        """
        left = list[str]()
        while (team_id := await self.next()) is not None:
            left.append(team_id)
        self._part, self._awaited = iter(left), None
        self._seen.difference_update(left)
        return len(left)

    async def next(self) -> str | None:
        """Return the next team id, or None at the end.

        Raises:
            ConfigError: an id is invalid, or there was no id at all.
        """
        while True:
            found: Any = next(self._part, _END) if self._awaited is None else await anext(self._awaited, _END)
            if found is _END:
                part = next(self._parts, None)
                if part is None and not self._any:
                    raise ConfigError(_NO_TEAM)
                if part is None:
                    return None
                if isinstance(part, Iterator):
                    self._part, self._awaited = part, None
                else:
                    self._awaited = part
                continue
            team_id: str = found if self._awaited is None else check_id(found, "team id")
            self._any = True
            if team_id not in self._seen:
                self._seen.add(team_id)
                return team_id


def _team_id(value: str | int) -> str:
    return check_id(value, "team id")


def _checked(part: TeamIds) -> Iterator[str] | AsyncIterator[str | int]:
    """Return the ids of an argument; those that are awaited are not checked yet."""
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
    return map(_team_id, part)
