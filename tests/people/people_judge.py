"""Holds everything that people, their processes and somebody else do to an account against the sandbox's own log.

At every instant as many webhooks of a name are live as are wanted; each delete is of a webhook that the run was told to
delete or to replace, and that its process has looked at a moment ago; what somebody edited is not deleted unless the edit
lives on; nothing is refused for coming too early. At rest whatever is live beyond what was wanted is named somewhere.
"""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable
from typing import Any

from people_account import edit_of
from people_seen import Living, Look, Name, Process, Run

from aiodoo.operations import Create, Delete, Ensure, Replace, Update
from aiodoo.sandbox import Answer, Box, LoggedChange, Request

LOOK = 60.0
"""Seconds after which a look at a webhook is no ground to delete it, unless the deletes of a batch take long."""


class Door:
    """The box as one process comes to it."""

    def __init__(self, judge: Judge, process: Process) -> None:
        self.judge = judge
        self.process = process

    def handle(self, request: Request, now: float, *, round_trip: float | None = None) -> Answer:
        """Let a request in, and the judge know whose it is."""
        return self.judge.let_in(self.process, request, now, round_trip)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.judge.box, name)


class Judge:
    """Sees every request and every change.

    Attributes:
        faults: what was not as it has to be, in the order in which it was seen.
        raced: deletes of what somebody edited, or whose replacement he took away, after the last look that could have
            shown it: nobody can prevent these.
        deaths: by webhook, who deleted it.
    """

    def __init__(self, box: Box, *, per_second: float | None, lag: float) -> None:
        self.box = box
        self.lag = lag
        self.longest_look = max(LOOK, 3 * 25 / (per_second or 1000)) + 1
        self.faults: list[str] = []
        self.raced = 0
        self.deaths: dict[str, Process | None] = {}
        self.undecided = Counter[Name]()
        self.runs: list[Run] = []
        self.replacing = False
        self.inside = False
        self.anything = False
        self.names: dict[str, Name] = {}
        self.taken: dict[Name, tuple[float, str]] = {}
        self.removed: dict[Name, list[Living]] = defaultdict(list)
        self.touched: dict[Name, set[int]] = defaultdict(set)
        self.before_each: Callable[[], None] | None = None
        self._contents: dict[str, dict[str, Any]] = {}
        self._processes: dict[int, Process] = {}
        self._seen = len(box.log.changes)
        self.live: dict[str, Living] = {}
        for team in box.teams:
            for item in box.live(team):
                stored = self.note(item)
                self.live[item["id"]] = Living(item["id"], team, stored, box.digest(stored))
        self.wanted = Counter(webhook.name for webhook in self.live.values())
        self.names |= {webhook.webhook_id: webhook.name for webhook in self.live.values()}

    def note(self, item: dict[str, Any]) -> dict[str, Any]:
        """Take down what content a digest stands for."""
        stored = {key: value for key, value in item.items() if key not in {"id", "_links"}}
        self._contents[self.box.digest(stored)] = stored
        return stored

    def let_in(self, process: Process, request: Request, now: float, round_trip: float | None) -> Answer:
        """Judge a request, let the box answer it, and take down what the answer shows."""
        box = self.box
        box.advance(now)
        self.catch_up()
        if self.before_each is not None:
            self.before_each()
            self.catch_up()
        if request.method == "POST" and request.path.endswith("/webhooks"):
            self.note(json.loads(request.body))
        self._processes[box.log.total + 1] = process
        answer = box.handle(request, now, round_trip=round_trip)
        process.requests += 1
        entry = box.log.requests[-1]
        self.catch_up()
        if entry.kind == "list" and answer.status == 200 and answer.drop is None and answer.wire is None:
            self._shown(process, answer, now, (entry.team or "", entry.page or 1))
        if entry.status == 429 and entry.fault is None:
            self._fault(f"{process.name} was refused for coming too early", now)
        return answer

    def _fault(self, what: str, now: float) -> None:
        self.faults.append(f"{what} [at {now:.1f} s]")

    def _shown(self, process: Process, answer: Answer, now: float, page: tuple[str, int]) -> None:
        try:
            items = json.loads(answer.body)["_embedded"]["webhooks"]
        except (ValueError, KeyError):
            return
        process.read[page].append((now, now - self.lag))
        for item in items:
            if isinstance(item, dict) and "id" in item:
                digest = self.box.digest(self.note(item))
                process.looks[item["id"]].append(Look(now - self.lag, now + answer.delay, digest, page))
                process.run.first.setdefault(item["id"], digest)

    def _deleted(self, process: Process, webhook: Living, change: LoggedChange) -> None:
        """Judge a delete that was carried out."""
        now = self.box.log.requests[int(change.by) - 1].time
        operation = process.run.targets().get(webhook.webhook_id)
        ours = webhook.process is not None and webhook.process.run is process.run
        what = f"{process.name} deleted {webhook.name} {webhook.webhook_id}"
        if operation is None and not ours and not self.anything:
            self._fault(f"{what}, which no operation names", now)
        look = process.last_look(webhook.webhook_id, now)
        if look is None:
            self._fault(f"{what} without having looked at it", now)
            return
        if now - look.arrived > self.longest_look:
            self._fault(f"{what} after a look {now - look.arrived:.0f} s ago", now)
        if webhook.edited_at is None or (self._lives_on(webhook) and not isinstance(operation, Delete)):
            return
        if look.digest != webhook.digest:
            self.raced += 1
        elif process.run.first.get(webhook.webhook_id) != webhook.digest:
            self._fault(f"{what}, whose edit it had seen", now)

    def _lives_on(self, webhook: Living) -> bool:
        return any(
            other is not webhook and other.name == webhook.name and other.edit == webhook.edit
            for other in self.live.values()
        )

    def catch_up(self) -> None:
        """Judge every change since the last time, however it came about."""
        changes = self.box.log.changes
        while self._seen < len(changes):
            change = changes[self._seen]
            self._seen += 1
            self._changed(change)

    def _changed(self, change: LoggedChange) -> None:
        process = self._processes.get(change.by) if isinstance(change.by, int) else None
        if change.what == "created":
            stored = self._contents.get(change.digest)
            if stored is None:
                stored = self.note(
                    next(i for i in self.box.live(change.team) if i["id"] == change.webhook_id)
                )
            made = Living(change.webhook_id, change.team, stored, change.digest, process)
            if process is not None and made.name in process.run.ensured():
                # What an Ensure makes beside others of its name is wanted, unless one of them is equal to it.
                self.wanted[made.name] += all(
                    each.name != made.name or each.digest != made.digest for each in self.live.values()
                )
            self.live[change.webhook_id] = made
            self.names[change.webhook_id] = made.name
            self.touched[made.name].add(id(process and process.run))
            if process is None and not self.replacing:
                self.wanted[made.name] += 1
        elif change.what == "edited":
            webhook = self.live[change.webhook_id]
            webhook.content, webhook.digest = self._contents[change.digest], change.digest
            webhook.edited_at = change.time
            self.touched[webhook.name].add(id(None))
        else:
            webhook = self.live.pop(change.webhook_id)
            if process is not None:
                self._deleted(process, webhook, change)
            self._gone(webhook, process, change)

    def _gone(self, webhook: Living, process: Process | None, change: LoggedChange) -> None:
        now = change.time
        self.deaths[webhook.webhook_id] = process
        self.touched[webhook.name].add(id(process and process.run))
        name = webhook.name
        left = self.count(name)
        operation = None if process is None else process.run.targets().get(webhook.webhook_id)
        if process is None:
            self.taken[name] = now, webhook.webhook_id
            self.removed[name].append(webhook)
        if process is None and self.replacing:
            self.undecided[name] += self._under_way(webhook)
        elif process is None:
            # Who deletes one of a pair does not say that he wants none.
            self.wanted[name] = min(self.wanted[name], left)
            # Whether the copy stays that a run was about to make of it, nobody can tell.
            self.undecided[name] += self._under_way(webhook)
        elif isinstance(operation, Delete):
            self.wanted[name] = min(self.wanted[name], left)
        elif left < self.wanted[name]:
            # What doo carries out late was decided when it was sent.
            sent = self.box.log.requests[int(change.by) - 1].time
            if self._taken_unseen(process, webhook, sent):
                # Somebody took the other one away after the last look that could have shown it.
                self.raced += 1
            elif self.wanted[name] - left > self._not_to_be_told(name, left):
                self._fault(f"{process.name} left {left} of {name}, {self.wanted[name]} are wanted", now)
            self.wanted[name] = left

    def _taken_unseen(self, process: Process, webhook: Living, sent: float) -> bool:
        look = process.last_look(webhook.webhook_id, sent)
        taken, other = self.taken.get(webhook.name, (-1.0, ""))
        if look is not None and look.of < taken:
            return True
        # Or it was there when the page was last read that showed it, a moment ago.
        shown = process.last_look(other, sent)
        if shown is None or sent - shown.arrived > self.longest_look:
            return False
        return shown.of <= taken and process.last_read(shown.page, sent) == shown.of

    def _not_to_be_told(self, name: Name, left: int) -> int:
        """Return how many fewer may be live than are wanted, as somebody else took some away that were being replaced.

        Of twins nobody can tell then which of them a copy has taken the place of; one of them has to be there.
        """
        return max(self._pairs_taken(name), self.undecided[name] if left else 0)

    def _pairs_taken(self, name: Name) -> int:
        """Return how many old ones somebody else has taken away together with what was to take their places."""
        targets = {each for run in self.runs for each in run.targets()}
        old = sum(each.webhook_id in targets for each in self.removed[name])
        return min(old, len(self.removed[name]) - old)

    def _under_way(self, webhook: Living) -> bool:
        """Return whether a run that has not ended is about to replace a webhook, or has made it."""
        under_way = [run for run in self.runs if not run.ended]
        return any(webhook.webhook_id in run.targets() for run in under_way) or (
            webhook.process is not None and webhook.process.run in under_way
        )

    def begun_by(self, run: Run) -> set[str]:
        """Return the webhooks in the teams that a run has changed something in, which it had read to the end before."""
        teams = {name[0] for name, runs in self.touched.items() if id(run) in runs}
        return {each for each in run.first if self.names.get(each, ("", ""))[0] in teams}

    def count(self, name: Name) -> int:
        """Return how many of a name are live."""
        return sum(webhook.name == name for webhook in self.live.values())

    def log(self) -> list[tuple[float, str]]:
        """Tell of every request and every change, for whoever replays a life."""
        told = []
        for entry in self.box.log.requests:
            what = f"    {self._processes[entry.number].name}: {entry.kind} {entry.team or ''} {entry.webhook_id or ''}"
            page = "" if entry.page is None else f" page {entry.page}"
            told.append((entry.time, f"{what}{page} -> {entry.status} {entry.fault or ''}"))
        for change in self.box.log.changes:
            stored = self._contents.get(change.digest, {})
            what = (
                f"{change.what} {stored.get('name')} {change.webhook_id} {edit_of(stored) if stored else ''}"
            )
            told.append((change.time, f"        ({change.by}) {what}"))
        return told

    # At rest.

    def surplus(self) -> dict[Name, tuple[int, list[Living]]]:
        """Return what is live beyond what is wanted: how many of a name are too many, and which there are."""
        wanted = self.wanted + self.undecided
        once: set[Name] = set()
        for run in self.runs:
            if not run.reports:
                continue
            for outcome in run.reports[-1]:
                operation = outcome.operation
                if isinstance(operation, Create) and outcome.status in {"applied", "unchanged"}:
                    wanted[operation.team_id, operation.config.name] += 1
                elif isinstance(operation, Ensure):
                    once.add((operation.team_id, operation.config.name))
        for name in once:
            # One that somebody has edited is not what is to be there.
            edited = sum(each.name == name and each.edit != "" for each in self.live.values())
            wanted[name] = max(1 + edited, wanted[name])
        found: dict[Name, list[Living]] = defaultdict(list)
        for webhook in self.live.values():
            found[webhook.name].append(webhook)
        return {
            name: (len(there) - wanted[name], there)
            for name, there in found.items()
            if len(there) > wanted[name]
        }

    def standing_for(self, ids: Iterable[str]) -> set[str]:
        """Return those of these that are live, or what another run has put in the place of them."""
        replaced = {
            outcome.operation.webhook_id: outcome.webhook_id
            for run in self.runs
            for outcome in (run.reports[-1] if run.reports else ())
            if isinstance(outcome.operation, Update | Replace)
            and outcome.status == "applied"
            and outcome.webhook_id is not None
        }
        found = set()
        for each in ids:
            id_ = each
            while id_ not in self.live and id_ in replaced:
                id_ = replaced[id_]
            found.add(id_)
        return found & self.live.keys()

    def provided(self, name: Name) -> bool:
        """Return whether several runs have ensured the same."""
        ensured = [
            run
            for run in self.runs
            for each in run.operations
            if isinstance(each, Ensure) and (each.team_id, each.config.name) == name
        ]
        return len(ensured) > 1

    def kept(self) -> None:
        """What a run says to have made is there, unless somebody else or another run has taken it away."""
        for run in self.runs:
            for outcome in run.reports[-1] if run.reports else ():
                made = outcome.webhook_id
                if outcome.status != "applied" or made is None or isinstance(outcome.operation, Delete):
                    continue
                if made in self.live:
                    continue
                if made not in self.deaths:
                    self.faults.append(f"a report tells of {made}, which never was")
                    continue
                by = self.deaths[made]
                if by is not None and by.run is run:
                    self.faults.append(f"{by.name} deleted {made}, which its own report calls applied")
