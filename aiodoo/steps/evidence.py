"""What is known of a team, and what that says of its changes: made, seen, gone, or somebody else's doing."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping

import attrs

from aiodoo.errors import PlanDrift, UnstableListing
from aiodoo.facts import Facts
from aiodoo.models import WebhookConfiguration
from aiodoo.reconcile import difference, find_made, same
from aiodoo.steps.change import GONE, Change, Stage, Status
from aiodoo.steps.readiness import Readiness
from aiodoo.steps.standing import Standing

TRIES = 3
"""Creates proven not to have happened, and failed readings of a list, before a change is given up."""


LAG = 0.25
"""The part of `settle` by which a list may be older than the moment at which it is asked for."""


def settled_after(settle: float) -> float:
    """Return the seconds after which a list shows for sure whether a create without an answer has happened."""
    return settle * (1 + LAG)


@attrs.define(kw_only=True, eq=False)
class Evidence:
    """What is known of a team.

    Attributes:
        settle: seconds after which a create without an answer can no longer land; None never waits for it.
        known: the ids that the team had before anything was changed; None until they are found out.
        listing: the team's list as it was last read; None if ids are taken at their word.
        is_as_planned: tells whether the list, when it is first read, is the one that the changes were made for.
        conclusive: whether what the list lacks was gone when it was read.
        not_before: when the list is worth reading again (monotonic seconds).
        fresh_from: what was read before is no ground for a delete (monotonic seconds).
    """

    team_id: str
    standing: Standing
    facts: Facts
    settle: float | None
    known: set[str] | None
    listing: dict[str, WebhookConfiguration] | None
    is_as_planned: Callable[[Iterable[WebhookConfiguration]], bool] | None = None
    conclusive: bool = False
    not_before: float = 0.0
    fresh_from: float = -math.inf

    def make_ready(self) -> None:
        """Find out what each change has to send whose turn has come."""
        self._readiness.prepare()

    def make_next_ready(self, change: Change) -> None:
        """Find out what the next operation on the same webhook configuration has to send, if its turn has come."""
        self._readiness.prepare_after(change)

    @property
    def _readiness(self) -> Readiness:
        return Readiness(self.standing, self.listing, self.facts)

    def is_accounted(self, webhook_id: str) -> bool:
        """Tell whether a webhook configuration cannot be what a create in doubt has made."""
        return webhook_id in (self.known or ()) or webhook_id in self.standing.made

    def created(self, change: Change, webhook_id: str, now: float) -> None:
        """Take in that a create was carried out."""
        change.move(Stage.CREATED, new_id=webhook_id)
        change.looked_at = now
        change.error = None
        if not change.swaps:
            change.end(Status.APPLIED)

    def deleted(self, change: Change, now: float) -> None:
        """Take in that a delete was asked for, which proves nothing yet."""
        change.move(Stage.DELETED)
        change.looked_at = now if change.deletes_sent == 1 or change.looked_at is None else change.looked_at

    def shrunk(self, listing: Mapping[str, WebhookConfiguration]) -> UnstableListing | None:
        """Tell of a list that lacks far more than was deleted here: it may be cut short, so it proves nothing."""
        asked = [change for change in self.standing.changes if change.deletes_sent or change.stage in GONE]
        deleted = {change.old_id for change in asked}
        seen = {change.new_id for change in asked if change.new_id is not None}
        expected = ((self.known or set()) | seen) - deleted
        there = len(expected & listing.keys())
        if there >= len(expected) * 0.7:
            return None
        return UnstableListing(
            f"the list of team {self.team_id} shows {there} of {len(expected)} webhook configurations that should be "
            "there; nothing is concluded from it. See who else changes this team's webhooks"
        )

    def take_in(
        self,
        listing: dict[str, WebhookConfiguration],
        *,
        stable: bool,
        conclusive: bool,
        began: float,
        now: float,
    ) -> None:
        """Conclude from a list what can be concluded.

        Args:
            listing: the team's list, by id.
            stable: whether what it lacks was gone when it was read.
            conclusive: the same, also for a list that was read once, which is so if it is a single page.
            began: when its first request was made.
            now: monotonic seconds.
        """
        self.listing, self.conclusive = listing, conclusive
        if self.known is None:
            self.known = set(listing)
            if self.is_as_planned is not None and not self.is_as_planned(listing.values()):
                self._leave_alone()
        self.make_ready()
        self._allow_for_older(now)
        self._adopt(began if stable else None)
        for change in self.standing.at(Stage.CREATED):
            if change.wanted is None:
                continue
            self._verify(change, listing, now)
        if stable:
            for change in self.standing.at(Stage.DELETED):
                self._check_gone(change, listing, now)
        self.make_ready()

    def _leave_alone(self) -> None:
        reason = f"team {self.team_id} is not as it was when this was planned"
        for change in [*self.standing.open.values()]:
            change.end(Status.SKIPPED, reason, PlanDrift(f"{reason}; nothing was changed in it. Plan again"))

    def look_anew(self, changes: Iterable[Change], now: float) -> bool:
        """Make those ready anew whose old webhook somebody else has changed or deleted.

        Returns:
            Whether any of them has been made anew, or has ended.
        """
        changes = list(changes)
        drifted = [change for change in changes if self._has_drifted(change, now)]
        for change in drifted:
            change.unready()
        if drifted:
            self.make_ready()
        return bool(drifted) or any(change.status is not None for change in changes)

    def _has_drifted(self, change: Change, now: float) -> bool:
        if change.old_id is None or self.listing is None:
            return False
        old, copied = self.listing.get(change.old_id), change.copied
        if old is not None:
            return copied is not None and copied is not old and not old.is_same_text(copied)
        if self.conclusive and (predates := self._predates(change)) is not None:
            if change.swaps:
                change.looked_at = now if change.looked_at is None else change.looked_at
                self._look_again(change, now, Status.FAILED, predates)
            return False
        return self.conclusive

    def _adopt(self, began: float | None) -> None:
        """Find the creates in doubt in the list; one that a stable, late enough list lacks has not happened."""
        taken = {*(self.known or ()), *self.standing.made}
        for change in self.standing.at(Stage.MAYBE):
            if change.wanted is None:
                continue
            assert change.doubtful_since is not None  # noqa: S101  # it was sent
            found = find_made(
                change.wanted,
                (self.listing or {}).values(),
                self.facts,
                marker=change.marker,
                apart_from=taken,
            )
            if found is not None:
                taken.add(found.id)
                change.adopted = change.marker is None
                self.created(change, found.id, change.doubtful_since)
            elif (
                began is not None
                and self.settle is not None
                and change.doubtful_since + settled_after(self.settle) <= began
            ):
                change.move(Stage.PLANNED)
                change.doubtful_since = None
                if change.creates_sent >= TRIES:
                    change.end(Status.FAILED, f"{TRIES} creates had no effect")

    def _verify(self, change: Change, listing: Mapping[str, WebhookConfiguration], now: float) -> None:
        assert change.wanted is not None and change.new_id is not None  # noqa: S101, PT018  # it was created
        listed, old = listing.get(change.new_id), listing.get(change.old_id or "")
        if listed is None:
            self._look_again(
                change,
                now,
                Status.UNKNOWN,
                f"doo answered with {change.new_id} but does not list it; {change.old_id} was kept",
            )
        elif (where := difference(change.wanted, listed, self.facts)) is not None:
            reason = f"doo lists {change.new_id} with another {where} than was sent; it and {change.old_id} are both live"
            change.end(Status.FAILED, reason)
        elif old is not None and change.copied is not None and not same(change.copied, old, self.facts):
            live = f"it and {change.new_id}, which was to take its place, are both live"
            reason = f"somebody else has changed {change.old_id} meanwhile; {live}"
            change.end(Status.SKIPPED, reason, PlanDrift(f"{reason}. Look at both, and delete one"))
        else:
            # The old one is deleted even if this list lacks it: only a stable list proves that something is gone.
            change.move(Stage.VERIFIED)

    def _check_gone(self, change: Change, listing: Mapping[str, WebhookConfiguration], now: float) -> None:
        if change.old_id in listing:
            self._still_listed(change, now)
        elif (predates := self._predates(change)) is not None:
            self._look_again(change, now, Status.FAILED, predates)
        else:
            change.move(Stage.CONFIRMED)
            change.error = None
            change.end(Status.APPLIED)

    def _still_listed(self, change: Change, now: float) -> None:
        if change.deletes_sent < 2:
            change.move(Stage.VERIFIED if change.swaps else Stage.PLANNED)
        else:
            live = f" beside its replacement {change.new_id}" if change.swaps else ""
            self._look_again(
                change, now, Status.FAILED, f"doo still lists {change.old_id}{live} after two deletes"
            )

    def _predates(self, change: Change) -> str | None:
        """Say why the list may be older than what an update here has made; None if it is not."""
        return self.standing.predates(change, change.old_id, self.listing or ())

    def _allow_for_older(self, now: float) -> None:
        """Look again for what cannot be told yet, as the list may be older than what an earlier update has made."""
        for change in self._untold:
            if (predates := self._predates(change)) is not None:
                change.looked_at = now if change.looked_at is None else change.looked_at
                otherwise = Status.FAILED if change.stage is Stage.PLANNED else Status.UNKNOWN
                self._look_again(change, now, otherwise, predates)

    @property
    def _untold(self) -> list[Change]:
        """What has its turn and could not be made ready, or was begun and is not known yet."""
        waiting = [change for change in self.standing.waiting() if self.standing.has_turn(change)]
        begun = self.standing.at(Stage.MAYBE, Stage.CREATED)
        return waiting + [change for change in begun if change.wanted is None]

    def _look_again(self, change: Change, now: float, otherwise: Status, reason: str) -> None:
        """Allow for a list that lags behind: look again ever more rarely, for as long as a create may settle."""
        since = now if change.looked_at is None else change.looked_at
        if self.settle is None or now - since >= self.settle:
            change.end(otherwise, reason)
        else:
            self.not_before = max(self.not_before, now + max(2.0, now - since))
