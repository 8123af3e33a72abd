"""How far a walk has come, as text that can be kept."""

from __future__ import annotations

from typing import Annotated, Self

import attrs
import msgspec

from aiodoo.checks import check_id
from aiodoo.errors import ConfigError
from aiodoo.models import Page


@attrs.frozen
class _Kept:
    done: list[str]
    at: dict[str, Annotated[int, msgspec.Meta(ge=1)]]
    shown: dict[str, list[str]] = attrs.field(factory=dict)


@attrs.define
class Cursor:
    """Teams that are finished, and the next page of those that are not.

    A page that was taken whole is finished. One that is walked webhook by webhook is finished once something after it
    has been asked for, so that a walk that goes on from a cursor may show it again and never misses one.

    Attributes:
        done: the teams that are finished, in order.
        at: the next page of a team that was begun.
        shown: the ids on that page that were shown, where a limit ended the walk within it.
    """

    done: dict[str, None] = attrs.field(factory=dict)
    at: dict[str, int] = attrs.field(factory=dict)
    shown: dict[str, frozenset[str]] = attrs.field(factory=dict)

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
                dict.fromkeys(done),
                {check_id(team_id, "team id"): page for team_id, page in kept.at.items()},
                {check_id(team_id, "team id"): frozenset(ids) for team_id, ids in kept.shown.items()},
            )
        except (ValueError, TypeError, RecursionError):
            pass
        raise ConfigError(
            "this is not the cursor of a walk; pass `walk.cursor` as it was, or none to begin anew"
        )

    def __str__(self) -> str:
        kept: dict[str, object] = {"done": list(self.done), "at": self.at}
        if self.shown:
            kept["shown"] = {team_id: sorted(ids) for team_id, ids in self.shown.items()}
        return msgspec.json.encode(kept).decode()

    def copy(self) -> Cursor:
        """Return one that stays as this one is now."""
        return Cursor(dict(self.done), dict(self.at), dict(self.shown))

    def finish(self, page: Page, *, last: bool) -> None:
        """Note that a page has been used up."""
        if last:
            self.finish_team(page.team_id)
        else:
            self.at[page.team_id] = page.number + 1
            self.shown.pop(page.team_id, None)

    def cut(self, page: Page) -> None:
        """Note that a limit has ended the walk within a page, after these webhook configurations."""
        self.shown[page.team_id] = self.already(page) | {webhook.id for webhook in page.items}
        self.at[page.team_id] = page.number

    def already(self, page: Page) -> frozenset[str]:
        """Return the ids on a page that an earlier walk has shown."""
        if self.at.get(page.team_id, 1) != page.number:
            return frozenset()
        return self.shown.get(page.team_id, frozenset())

    def finish_team(self, team_id: str) -> None:
        """Note that a team has been walked to its end."""
        self.at.pop(team_id, None)
        self.shown.pop(team_id, None)
        self.done[team_id] = None
