"""The result of verifying a run: the differences between what it wanted and what is live."""

from __future__ import annotations

from typing import Literal, TypeAlias

import attrs

from aiodoo.bulk.report import Outcome
from aiodoo.operations.records import Record
from aiodoo.walk import TeamError

_SHOWN = 5

What: TypeAlias = Literal["missing", "changed", "still_there", "both_live", "extra", "not_done"]
"""What a difference is; see `Difference.what`."""


@attrs.frozen(kw_only=True)
class Difference:
    """One difference between what an operation wanted and what is live.

    Attributes:
        outcome: the outcome of the operation.
        what: "missing": the webhook that it made, or kept, is gone; "changed": the webhook that it made has other content
            now; "still_there": the webhook that it was to delete is live; "both_live": an old webhook and its replacement
            are live; "extra": another webhook with the wanted content is live that no operation accounts for;
            "not_done": it did not succeed, and what it wanted is not live.
        webhook_ids: the ids concerned; of two that are both live, the old one first.
        ours: whether an extra webhook has the operation's marker.
    """

    outcome: Outcome
    what: What
    webhook_ids: tuple[str, ...]
    ours: bool = False

    def __str__(self) -> str:
        outcome = self.outcome
        where = f"row {outcome.index}, {outcome.operation.word} in team {outcome.operation.team_id}"
        return f"{where} ({outcome.status.value}): {self.finding}"

    @property
    def finding(self) -> str:
        """The difference as text, with the ids."""
        ids = " and ".join(self.webhook_ids)
        match self.what:
            case "missing":
                return f"{ids} {'are' if len(self.webhook_ids) > 1 else 'is'} not there any more"
            case "changed":
                return f"{ids} is not as it was wanted any more"
            case "still_there":
                return f"{ids} was to be deleted and is live"
            case "both_live":
                return f"{ids} are both live"
            case "extra":
                return self._extra
        named = getattr(self.outcome.operation, "webhook_id", None)
        gone = "" if named is None else f", and {named} is not there any more"
        return f"it was not done{f', and {ids} is as it was' if ids else gone}"

    @property
    def _extra(self) -> str:
        extra, *beside = self.webhook_ids
        if self.outcome.webhook_id == extra:
            old = getattr(self.outcome.operation, "webhook_id", None)
            return (
                f"{extra} was made to replace {old}, which somebody changed meanwhile and which is gone now; "
                "both what it was changed to and this one may be live"
            )
        live = f"{extra} and {beside[0]} are both live; the first has" if beside else f"{extra} is live with"
        return f"{live} the content that was wanted, and may have been made late; nothing deletes it"


@attrs.frozen
class Extra:
    """A live webhook configuration with the content that an operation wanted, beside the one that it made.

    A create in doubt may have made it late, or somebody else. Nothing deletes it.

    Attributes:
        outcome: the outcome of the operation that wanted this content.
        webhook_id: the id of the webhook configuration that no operation accounts for.
        ours: whether it has the operation's marker, so that a late create has made it. Without `marker=True` this is
            unknown and False.
    """

    outcome: Outcome
    webhook_id: str
    ours: bool


@attrs.frozen(kw_only=True, repr=False)
class Verification(Record):
    """The differences between what a run wanted and what is live, over all its operations and teams.

    Attributes:
        differences: all differences, by team.
        unread: the teams whose list could not be read.
        secret_unknown: the operations that were compared without their client secret, which was given as a bare value or
            whose source has no value any more. They do not affect `clean`.
    """

    differences: tuple[Difference, ...] = ()
    unread: tuple[TeamError, ...] = ()
    secret_unknown: tuple[Outcome, ...] = ()

    def __repr__(self) -> str:
        if self.clean:
            return "<Verification: clean>"
        parts = [str(difference) for difference in self.differences[:_SHOWN]]
        parts += [f"{len(self.differences) - _SHOWN} more"] if len(self.differences) > _SHOWN else []
        parts += [f"team {each.team_id} could not be read" for each in self.unread[:_SHOWN]]
        return f"<Verification: {len(self.differences)} differences: {'; '.join(parts)}>"

    @property
    def clean(self) -> bool:
        """Whether every team was read and there is no difference."""
        return not (self.differences or self.unread)

    @property
    def missing(self) -> tuple[Outcome, ...]:
        """The operations whose webhook is gone or has other content now."""
        return self._outcomes("missing", "changed")

    @property
    def still_there(self) -> tuple[Outcome, ...]:
        """The operations whose old webhook is still live, whatever their status."""
        return self._outcomes("still_there", "both_live")

    @property
    def not_done(self) -> tuple[Outcome, ...]:
        """The operations that did not succeed and whose wanted webhook is not live."""
        return self._outcomes("not_done")

    @property
    def extra(self) -> tuple[Extra, ...]:
        """Live webhook configurations with a wanted content that no operation accounts for."""
        return tuple(
            Extra(each.outcome, each.webhook_ids[0], ours=each.ours)
            for each in self.differences
            if each.what == "extra"
        )

    def _outcomes(self, *what: What) -> tuple[Outcome, ...]:
        return tuple(each.outcome for each in self.differences if each.what in what)
