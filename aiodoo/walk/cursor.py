"""How far a walk has come, as text that can be kept."""

from __future__ import annotations

from typing import Annotated, Self

import attrs
import msgspec

from aiodoo.errors import ConfigError
from aiodoo.models import Page, check_id


@attrs.frozen
class _Kept:
    done: list[str]
    at: dict[str, Annotated[int, msgspec.Meta(ge=1)]]


@attrs.define
class Cursor:
    """Teams that are finished, and the next page of those that are not.

    A page counts as finished once something after it has been asked for, so a walk that goes on from a
    cursor may show the page it stopped in again and never misses one.
    """

    done: dict[str, None] = attrs.field(factory=dict)
    at: dict[str, int] = attrs.field(factory=dict)

    @classmethod
    def parse(cls, text: str | None) -> Self:
        """Read what `str()` wrote; None is the beginning.

        Raises:
            ConfigError: the text is no cursor.
        """
        if text is None:
            return cls()
        try:
            kept = msgspec.json.decode(text, type=_Kept)
            done = [check_id(team_id, "team id") for team_id in kept.done]
            return cls(
                dict.fromkeys(done), {check_id(team_id, "team id"): page for team_id, page in kept.at.items()}
            )
        except (ValueError, TypeError, RecursionError):
            pass
        raise ConfigError(
            "this is not the cursor of a walk; pass `walk.cursor` as it was, or none to begin anew"
        )

    def __str__(self) -> str:
        return msgspec.json.encode(_Kept(list(self.done), self.at)).decode()

    def finish(self, page: Page, *, last: bool) -> None:
        """Note that a page has been used up."""
        if last:
            self.finish_team(page.team_id)
        else:
            self.at[page.team_id] = page.number + 1

    def finish_team(self, team_id: str) -> None:
        """Note that a team has been walked to its end."""
        self.at.pop(team_id, None)
        self.done[team_id] = None
