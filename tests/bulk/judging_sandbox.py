"""A sandbox that judges each request as it arrives, and what is left at rest, by what it has seen itself.

The invariants of a run, whatever befalls it: at every instant each webhook that is to stay is live, as it was or as it is
wanted; nothing is deleted that no operation names; an old webhook is deleted only after a list has shown its replacement;
the intent of each change is on the disk before the change arrives; at rest there is what the report says, twins counted.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import attrs
from bulk_world import Judge

from aiodoo import Outcome
from aiodoo.operations import Delete, Ensure, Operation, Update
from aiodoo.sandbox import Answer, Box, LoggedChange, Request

FINE = frozenset({"applied", "unchanged"})
SETTLE = 130.0
"""Seconds after which a run takes it that a create without an answer can no longer land."""


class WatchedBox(Box):
    """A box that shows each request and its answer to a witness."""

    witness: Witness | None = None
    before_each: Callable[[], None] | None = None

    def handle(self, request: Request, now: float, *, round_trip: float | None = None) -> Answer:
        """Let the witness see the request before it is carried out, and its answer."""
        self.advance(now)
        if self.before_each is not None:
            self.before_each()
        if self.witness is not None:
            self.witness.arrives(request, now)
        answer = super().handle(request, now, round_trip=round_trip)
        if self.witness is not None:
            self.witness.answered(answer, now)
        return answer


@attrs.define(eq=False)
class Lineage:
    """What becomes of one webhook, or of one create.

    Attributes:
        webhook_id: the one that was there before, if it is not a create.
        contents: digests of what it is, one after the other; None where it is not there.
        numbers: the operations that lead from each content to the next.
    """

    team: str
    webhook_id: str | None
    contents: list[str | None]
    numbers: list[int] = attrs.Factory(list)

    @property
    def must_live(self) -> bool:
        """Whether it has to be live at every instant."""
        return None not in self.contents


@attrs.define(eq=False)
class Living:
    """A live webhook, as the log tells of it."""

    webhook_id: str
    digest: str
    original: bool = False
    by: int | str = "setup"
    shown_at: float | None = None


@attrs.define(eq=False)
class Place:
    """Something that may, or must, be live at rest; `ids` if it is known which."""

    lineage: Lineage
    digests: frozenset[str | None]
    ids: frozenset[str | None] | None = None

    def takes(self, webhook: Living) -> bool:
        """Whether a webhook can be it."""
        if self.ids is not None:
            return webhook.webhook_id in self.ids
        return _stands_for(webhook, self.lineage, self.digests)


@attrs.frozen
class Rest:
    """What is not as it should be at rest.

    Attributes:
        lost: what must be there and is not.
        doubled: live webhooks that nothing accounts for.
        late: those of them that are there because a create came after it could no longer be expected.
        misread: those of them in a team whose list showed, at least twice, one page as it was before and another as it
            is: two readings of it can agree and both be wrong.
    """

    lost: int
    doubled: list[Living]
    late: list[Living]
    misread: list[Living]


class Witness:
    """Sees every request and change of a box from now on, and holds them against the operations of its runs.

    Args:
        box: what it watches.
        operations: those of all runs, one after the other.
        journals: where the runs write down what they do, each with the number of its first operation.

    Attributes:
        violations: what was not as it has to be, in the order in which it was seen.
        disturbed: by team, how many webhooks somebody else took away or edited.
        edited: by team, how many of them were edited.
    """

    def __init__(
        self, box: WatchedBox, operations: Sequence[Operation], journals: Mapping[Path, int] | None = None
    ) -> None:
        self.box = box
        self.operations = operations
        self.journals = journals or {}
        self.violations: list[str] = []
        self.disturbed = dict.fromkeys(box.teams, 0)
        self.edited = dict.fromkeys(box.teams, 0)
        self._judge = Judge(box, operations)
        self._seen = len(box.log.changes)
        self._live: dict[str, dict[str, Living]] = {}
        self._lists: list[tuple[float, str, list[str]]] = []
        self._swapped: dict[str, set[str]] = {}
        self._lineages = list(self._read(operations))
        for team, webhooks in self._judge.before.items():
            self._live[team] = {
                webhook_id: Living(webhook_id, box.digest(stored), original=True)
                for webhook_id, stored in webhooks.items()
            }
        box.witness = self

    def _read(self, operations: Sequence[Operation]) -> Iterator[Lineage]:
        named: dict[str, Lineage] = {}
        for team, webhooks in self._judge.before.items():
            for webhook_id, stored in webhooks.items():
                named[webhook_id] = Lineage(team, webhook_id, [self.box.digest(stored)])
        for number, operation in enumerate(operations):
            webhook_id = getattr(operation, "webhook_id", None)
            wanted = None if isinstance(operation, Delete) else self._judge.wanted(operation)
            digest = None if wanted is None else self.box.digest(wanted)
            if webhook_id is None:
                yield Lineage(operation.team_id, None, [None, digest], [number])
            elif webhook_id in named:
                lineage = named[webhook_id]
                if isinstance(operation, Update) and lineage.numbers:
                    digest = self._updated(lineage, operations, operation)
                lineage.contents.append(digest)
                lineage.numbers.append(number)
        yield from named.values()

    def _updated(self, lineage: Lineage, operations: Sequence[Operation], operation: Update) -> str:
        """Work out what an update makes of what the operations before it made."""
        assert lineage.webhook_id is not None
        stored = self._judge.before[lineage.team][lineage.webhook_id]
        for number in lineage.numbers:
            earlier = operations[number]
            if isinstance(earlier, Update):
                stored = stored | dict(earlier.changes)
            else:
                stored = self._judge.wanted(earlier) or {}
        return self.box.digest(stored | dict(operation.changes))

    # At each request.

    def arrives(self, request: Request, now: float) -> None:
        """Judge a request before it is carried out."""
        self.catch_up()
        parts = request.path.split("/")
        if request.method == "DELETE":
            self._delete_arrives(parts[-1], now)
        elif request.method == "POST" and parts[-1] == "webhooks":
            self._create_arrives(parts[-2], request.body)

    def answered(self, answer: Answer, now: float) -> None:
        """Take down what came of it, and what a list shows once it has arrived."""
        self.catch_up()
        entry = self.box.log.requests[-1]
        whole = answer.drop is None and answer.wire is None and answer.status == 200
        if entry.kind == "list" and whole and entry.fault in {None, "stale", "slow", "envelope_lie"}:
            shown = json.loads(answer.body).get("_embedded", {}).get("webhooks", [])
            self._lists.append((now + answer.delay, entry.team or "", [item["id"] for item in shown]))

    def catch_up(self) -> None:
        """Judge every change of state since the last time, however it came about."""
        changes = self.box.log.changes
        while self._seen < len(changes):
            change = changes[self._seen]
            self._seen += 1
            live = self._live[change.team]
            if change.what == "created":
                live[change.webhook_id] = Living(change.webhook_id, change.digest, by=change.by)
            elif change.what == "deleted":
                gone = live.pop(change.webhook_id)
                if change.by == "actor" and gone.by != "actor":
                    self.disturbed[change.team] += 1
            else:
                self.edited[change.team] += 1
                live[change.webhook_id].digest = change.digest
                live[change.webhook_id].original = False
                if live[change.webhook_id].by != "actor":
                    self.disturbed[change.team] += 1
                live[change.webhook_id].by = "actor"
            self._covered(change.team, change.time)

    def _hold(self, holds: bool, otherwise: str) -> None:  # noqa: FBT001
        # Not raised: whoever let the request arrive is not who has to hear of it.
        if not holds:
            self.violations.append(otherwise)

    def _covered(self, team: str, at: float) -> None:
        must = [lineage for lineage in self._lineages if lineage.team == team and lineage.must_live]
        live = list(self._live[team].values())
        missing = len(must) - _most(
            must, live, lambda lineage, webhook: _stands_for(webhook, lineage, frozenset(lineage.contents))
        )
        self._hold(missing <= self.disturbed[team], f"at {at} {missing} webhooks of team {team} were missing")

    def _delete_arrives(self, webhook_id: str, now: float) -> None:
        lineage, next_content = self._named(webhook_id)
        made = self._made(webhook_id)
        self._hold(
            lineage is not None or (made is not None and self.disturbed[made.team] > 0),
            f"{webhook_id} was to be deleted though no operation names it",
        )
        if self.journals:
            written = any(
                state.get("old_id") == webhook_id
                and state["stage"] not in {"planned", "create_intent", "maybe"}
                for state in self._written()
            )
            self._hold(written, f"at {now} the delete of {webhook_id} arrived before it was written down")
        if lineage is None or next_content is None:
            return
        swapped = self._swapped.setdefault(lineage.team + next_content, set())
        swapped.add(webhook_id)
        shown = {
            each
            for delivered, team, ids in self._lists
            if team == lineage.team and delivered <= now
            for each in ids
        }
        replacements = self._made_with(lineage.team, next_content) & shown
        self._hold(
            len(replacements) + self.disturbed[lineage.team] >= len(swapped),
            f"at {now} {webhook_id} was to be deleted before a list showed its replacement",
        )

    def _named(self, webhook_id: str) -> tuple[Lineage | None, str | None]:
        """Return whose webhook it is that is to go, and what has to be there then."""
        for lineage in self._lineages:
            if lineage.numbers and lineage.webhook_id == webhook_id:
                return lineage, lineage.contents[1]
        made = self._made(webhook_id)
        candidates = [
            (lineage, following)
            for lineage in self._lineages
            for content, following in zip(lineage.contents[1:], lineage.contents[2:], strict=False)
            if made is not None and lineage.team == made.team and content == made.digest
        ]
        # Of twins it may be any, so it is the one of which least is asked.
        candidates.sort(key=lambda candidate: candidate[1] is not None)
        return candidates[0] if candidates else (None, None)

    def _made(self, webhook_id: str) -> LoggedChange | None:
        for change in reversed(self.box.log.changes):
            if change.webhook_id == webhook_id and change.what == "created":
                return change
        return None

    def _made_with(self, team: str, digest: str) -> set[str]:
        return {
            change.webhook_id
            for change in self.box.log.changes
            if change.what == "created"
            and change.team == team
            and change.digest == digest
            and change.by != "setup"
        }

    def _create_arrives(self, team: str, body: bytes) -> None:
        if not self.journals:
            return
        digest = self.box.digest(json.loads(body))
        intended = set()
        for state in self._written():
            if state["team"] == team and state["stage"] != "planned":
                intended |= {
                    content
                    for lineage in self._lineages
                    for content, number in zip(lineage.contents[1:], lineage.numbers, strict=True)
                    if number == state["number"]
                }
        # What somebody else edited is copied as it is now.
        holds = digest in intended or self.disturbed[team] > 0
        self._hold(holds, f"a create in team {team} arrived before it was written down")

    def _written(self) -> Iterator[dict[str, Any]]:
        """Read, as another process would, what the journals hold of each operation."""
        for journal, first in self.journals.items():
            if not journal.exists():
                continue
            kept: dict[str, Any] = {}
            *lines, _torn = journal.read_bytes().split(b"\n")
            for line in lines[1:]:
                rows = json.loads(line.split(b" ", 4)[4])
                kept |= {key: value for kind, key, value in rows if kind == "change"}
            for key, value in kept.items():
                number = first + int(key)
                yield value | {"number": number, "team": self.operations[number].team_id}

    # At rest.

    def at_rest(self, outcomes: Sequence[Outcome]) -> Rest:
        """Hold what is live against how each operation ended."""
        self.catch_up()
        assert not self.violations, self.violations
        assert [outcome.operation for outcome in outcomes] == list(self.operations)
        lost, doubled = 0, []
        for team in self.box.teams:
            lineages = [lineage for lineage in self._lineages if lineage.team == team]
            must, may = [], []
            for lineage in lineages:
                required, optional = self._places(lineage, outcomes)
                must += required
                may += optional
            live = [webhook for webhook in self._live[team].values() if webhook.by != "actor"]
            missing = len(must) - _most(must, live, Place.takes)
            lost += max(0, missing - self.disturbed[team])
            placed = _placed([*must, *may], live, Place.takes)
            # Copies of what somebody else edited meanwhile, and copies of these, are not known by their content.
            doubled += [webhook for webhook in live if webhook not in placed][2 * self.edited[team] :]
        late = [webhook for webhook in doubled if self._is_late(webhook)]
        misread = [webhook for webhook in doubled if webhook not in late and self._may_be_misread(webhook)]
        told = [*late, *misread]
        return Rest(lost, [webhook for webhook in doubled if webhook not in told], late, misread)

    def _places(
        self, lineage: Lineage, outcomes: Sequence[Outcome]
    ) -> tuple[Sequence[Place], Sequence[Place]]:
        """Return what must be live of a lineage, and what may be beside that."""
        original = frozenset({lineage.webhook_id})
        done = 0
        while done < len(lineage.numbers) and outcomes[lineage.numbers[done]].status in FINE:
            done += 1
        content = lineage.contents[done]
        if done == len(lineage.numbers):
            if content is None:
                return [], []
            ended = outcomes[lineage.numbers[-1]] if lineage.numbers else None
            if ended is not None and isinstance(ended.operation, Ensure) and ended.status == "unchanged":
                # What it has found may be what its own create has made, after a list had proven that it made nothing.
                found = frozenset({ended.webhook_id})
                return [], [Place(lineage, frozenset({content}), found)]
            ids = original if ended is None else frozenset({ended.webhook_id})
            return [Place(lineage, frozenset({content}), ids)], []
        here = Place(lineage, frozenset({content}), original if done == 0 else None)
        if outcomes[lineage.numbers[done]].status in {"not_started", "skipped"}:
            return ([] if content is None else [here]), []
        begun = [
            place
            for place, number in enumerate(lineage.numbers, 1)
            if outcomes[number].status not in {"not_started", "skipped"}
        ]
        reached = frozenset(lineage.contents[done : max(begun) + 1])
        if lineage.webhook_id is None:
            # One that no list has told of, as none could be read, is unfinished.
            unknown = outcomes[lineage.numbers[0]].status in {"unknown", "unfinished"}
            return [], [Place(lineage, reached)] if unknown else []
        here = Place(lineage, reached)
        others = [Place(lineage, reached) for _ in range(max(begun) - done)]
        return ([], [here, *others]) if None in reached else ([here], others)

    def _team_of(self, webhook: Living) -> str:
        return next(team for team, live in self._live.items() if live.get(webhook.webhook_id) is webhook)

    def _is_late(self, webhook: Living) -> bool:
        """Tell whether it, or one like it that was taken for it, landed late."""
        live = self._live[self._team_of(webhook)].values()
        return any(other.digest == webhook.digest and self._landed_late(other) for other in live)

    def _may_be_misread(self, webhook: Living) -> bool:
        team = self._team_of(webhook)
        pages = [each for each in self.box.log.requests if each.kind == "list" and each.team == team]
        stale = sum(each.fault == "stale" for each in pages)
        return stale > 1 and any(each.page not in {None, "1"} for each in pages)

    def _landed_late(self, webhook: Living) -> bool:
        if not isinstance(webhook.by, int):
            return False
        request = self.box.log.requests[webhook.by - 1]
        (made,) = [
            change
            for change in self.box.log.changes
            if change.by == webhook.by
            and change.webhook_id == webhook.webhook_id
            and change.what == "created"
        ]
        return request.fault == "late" and made.time - request.time > SETTLE


def _stands_for(webhook: Living, lineage: Lineage, digests: frozenset[str | None]) -> bool:
    if webhook.original:
        return webhook.webhook_id == lineage.webhook_id and webhook.digest in digests
    return webhook.by != "actor" and webhook.digest in digests


def _most(wanted: Sequence[Any], there: Sequence[Any], fits: Callable[[Any, Any], bool]) -> int:
    """Return how many of the wanted can be had at once."""
    return len(_placed(wanted, there, fits))


def _placed(wanted: Sequence[Any], there: Sequence[Any], fits: Callable[[Any, Any], bool]) -> dict[Any, Any]:
    """Give each of the wanted one of its own of what is there, as far as that goes."""
    given: dict[Any, Any] = {}

    def give(one: Any, tried: set[Any]) -> bool:
        for each in there:
            if each not in tried and fits(one, each):
                tried.add(each)
                if each not in given or give(given[each], tried):
                    given[each] = one
                    return True
        return False

    for one in wanted:
        give(one, set())
    return given
