"""The cursor of a walk: its position as text."""

from __future__ import annotations

from typing import Annotated, Self

import attrs
import msgspec

from aiodoo.checks import check_id
from aiodoo.errors import ConfigError
from aiodoo.models import Page


@attrs.frozen(repr=False)
class _Kept:
    done: list[str]
    at: dict[str, Annotated[int, msgspec.Meta(ge=1)]]
    shown: dict[str, list[str]] = attrs.field(factory=dict)


@attrs.define
class Cursor:
    """The position of a walk: finished teams, and the next page of teams in progress.

    A page yielded by `.pages()` is finished. A page yielded webhook by webhook is finished when the next item is
    requested, so a walk that continues from a cursor may yield webhooks again but never misses one.

    Attributes:
        done: the ids of the finished teams, in order.
        at: the next page number by team id, for teams in progress.
        shown: the yielded ids of that page by team id, if a limit ended the walk within it.
    """

    done: dict[str, None] = attrs.field(factory=dict)
    at: dict[str, int] = attrs.field(factory=dict)
    shown: dict[str, frozenset[str]] = attrs.field(factory=dict)

    @classmethod
    def parse(cls, text: str | None) -> Self:
        """Return the cursor for a result of `str()`; None means the start.

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
        """Return an independent copy."""
        return Cursor(dict(self.done), dict(self.at), dict(self.shown))

    def finish(self, page: Page, *, last: bool) -> None:
        """Record that a page is finished; with `last`, its team is finished, too."""
        if last:
            self.finish_team(page.team_id)
        else:
            self.at[page.team_id] = page.number + 1
            self.shown.pop(page.team_id, None)

    def cut(self, page: Page) -> None:
        """Record that a limit ended the walk within a page, after the items of `page`."""
        self.shown[page.team_id] = self.already(page) | {webhook.id for webhook in page.items}
        self.at[page.team_id] = page.number

    def already(self, page: Page) -> frozenset[str]:
        """Return the ids of a page that an earlier walk has yielded."""
        if self.at.get(page.team_id, 1) != page.number:
            return frozenset()
        return self.shown.get(page.team_id, frozenset())

    def finish_team(self, team_id: str) -> None:
        """Record that a team is finished."""
        self.at.pop(team_id, None)
        self.shown.pop(team_id, None)
        self.done[team_id] = None
