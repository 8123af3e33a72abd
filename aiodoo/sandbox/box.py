"""doo in the sandbox: its state, its limits, its faults and its own log, without a socket and without a clock of its own."""

from __future__ import annotations

import heapq
import math
import secrets
from collections.abc import Callable, Iterable
from email.utils import formatdate
from itertools import count
from random import Random
from typing import Any, Unpack

import attrs

from aiodoo.sandbox.answers import Data, failure, gateway_error
from aiodoo.sandbox.backend import Backend, Call, Organization, Work
from aiodoo.sandbox.damage import damage
from aiodoo.sandbox.faults import Fault, FaultRates, Script
from aiodoo.sandbox.gateway import Meter, Plan, limit_reached
from aiodoo.sandbox.jsontext import dumps
from aiodoo.sandbox.keys import Credentials, Entropy, Key
from aiodoo.sandbox.log import Log, LoggedRequest
from aiodoo.sandbox.moments import Moments
from aiodoo.sandbox.options import SettingOptions
from aiodoo.sandbox.settings import Settings
from aiodoo.sandbox.start import PerTeam, organizations_of, start
from aiodoo.sandbox.state import Team, Webhook
from aiodoo.sandbox.wire import Answer, Operation, Request, Route, find_route


class Box:
    """doo, as far as its webhook management goes.

    Equal boxes answer equal requests alike, except for what is secret: credentials, tokens and the client secrets of the
    webhooks that exist from the start come from `entropy`, which is random unless given.

    Parameters:
        organizations: how many there are; the teams' ids begin at 111, the organizations' at 70001.
        teams_per_organization: how many teams each has.
        webhooks_per_team: how many webhooks a team has from the start, or a function of the team's position. They
            alternate between doo's two printed examples and take no memory until their team is changed.
        seed: decides everything left to chance.
        plan: the usage plan of the first API key; None lifts both limits.
        rates: how likely faults are; a reset leaves them as they are.
        keep_log: False keeps only counts.
        credentials: the first API key's; random if not given.
        entropy: what all secrets are made from.
        settings: how this doo behaves; `changes` are members of `Settings` that differ from it.
    """

    def __init__(
        self,
        *,
        organizations: int = 3,
        teams_per_organization: int = 1,
        webhooks_per_team: PerTeam = 0,
        seed: int = 0,
        plan: Plan | None = Plan(),  # noqa: B008  # frozen
        rates: FaultRates | None = None,
        keep_log: bool = True,
        credentials: Credentials | None = None,
        entropy: bytes | None = None,
        settings: Settings | None = None,
        **changes: Unpack[SettingOptions],
    ) -> None:
        self.settings = attrs.evolve(settings or Settings(), **changes)
        self.plan = plan
        self.log = Log(keep=keep_log)
        self.rates = rates
        self.now = 0.0
        self._entropy = Entropy(entropy or secrets.token_bytes(32))
        self._known = organizations_of(organizations, teams_per_organization)
        self._webhooks_per_team = webhooks_per_team
        self._seed = seed
        self._keys: dict[str, Key] = {}
        self._tickets = count()
        self._date = (-1, "")
        self._request_ids = f"{seed & 0xFFFFFFFF:08x}-d00d-4000-8000-"
        self._begin()
        self.credentials = self.add_key(plan, credentials=credentials)

    def _begin(self) -> None:
        """Make everything that a reset makes anew."""
        seed = self._seed
        self._lag = self.settings.replica_lag
        self._fault_chance, self._latency_chance = Random(f"faults {seed}"), Random(f"latency {seed}")
        self._lag_chance = Random(f"lag {seed}")
        state = start(
            self._known, self._webhooks_per_team, seed=seed, settings=self.settings, entropy=self._entropy
        )
        self._backend = Backend(
            self.settings, state, self._known, self._entropy, self.log, lag=self._draw_lag
        )
        self._faults = Script()
        self._moments = Moments()
        self._refuses_until = -math.inf
        self._pending: list[tuple[float, int, Work, LoggedRequest]] = []

    def _draw_lag(self) -> float:
        return self._lag(self._lag_chance) if callable(self._lag) else self._lag

    # What a client may know

    @property
    def api_key(self) -> str:
        """The first API key."""
        return self.credentials.api_key

    @property
    def client_id(self) -> str:
        """The first API key's client id."""
        return self.credentials.client_id

    @property
    def client_secret(self) -> str:
        """The first API key's client secret."""
        return self.credentials.client_secret

    @property
    def teams(self) -> list[str]:
        """The ids of all teams."""
        return list(self._backend.state.teams)

    @property
    def organizations(self) -> list[Organization]:
        """All organizations."""
        return self._backend.organizations

    # What is asked on the wire

    def handle(self, request: Request, now: float, *, round_trip: float | None = None) -> Answer:
        """Take a request that arrives now and answer it.

        What it asks is done at once; the answer says how long it is on its way and whether it arrives.

        Parameters:
            now: seconds on the box's clock; never less than before.
            round_trip: the seconds drawn with `round_trip()` for this request, if half of them is over already. If not
                given, they are drawn here and all lie ahead.

        Raises:
            ConnectionRefusedError: it refuses connections now; nothing is counted or logged.
        """
        self.advance(now)
        if self.refuses_connections():
            raise ConnectionRefusedError("the sandbox refuses connections")
        route = find_route(request.method, request.path)
        key = self._keys.get(request.header("x-api-key") or "")
        team = route.team
        if route.operation == "delete" and (webhook := self._backend.state.find(route.webhook_id or "")):
            team = webhook.team
        entry = LoggedRequest(
            number=self.log.total + 1,
            time=now,
            key_id=None if key is None else key.credentials.key_id,
            kind=route.operation,
            method=request.method,
            path=request.path,
            page=request.query.get("page"),
            team=team,
            webhook_id=route.webhook_id,
            status=None,
            fault=None,
            acted=False,
        )
        refused = self._pass_gateway(route, key)
        answer = refused or self._answer(request, route, key, entry)
        if answer.wire is None:
            self._sign(answer, entry.number)
        answer.delay += self.round_trip() if round_trip is None else round_trip / 2
        entry.status = None if answer.drop in {"before_answer", "no_answer", "in_headers"} else answer.status
        self.log.add_request(entry)
        if refused is None:
            self._moments.come("after", route.operation, team, self.log)
        return answer

    def round_trip(self) -> float:
        """Draw the seconds that one request and its answer are on their way."""
        latency = self.settings.latency
        return latency(self._latency_chance) if callable(latency) else latency

    def advance(self, now: float) -> None:
        """Let time pass: whatever was late and is due by now happens."""
        if now < self.now:
            raise ValueError(f"the box's clock shows {self.now}, it cannot go back to {now}")
        self.now = now
        while self._pending and self._pending[0][0] <= now:
            due, _, work, entry = heapq.heappop(self._pending)
            work.carry_out(due)
            entry.acted = True

    def _pass_gateway(self, route: Route, key: Key | None) -> Answer | None:
        """Return what the gateway answers by itself, if it does."""
        if route.operation == "unknown":
            return gateway_error(403, "Missing Authentication Token", "MissingAuthenticationTokenException")
        if key is None:
            return gateway_error(403, "Forbidden", "ForbiddenException")
        refusal = key.meter.admit(self.now, token=route.operation == "token")
        if refusal is not None:
            return limit_reached(refusal, key.meter.plan, self.settings.epoch + self.now)
        return None

    def _answer(self, request: Request, route: Route, key: Key | None, entry: LoggedRequest) -> Answer:
        assert key is not None  # noqa: S101  # the gateway lets nobody else through
        self._moments.come("before", route.operation, entry.team, self.log)
        work = self._backend.judge(Call(entry.number, self.now, key, route, request))
        fault = self._faults.pick(route.operation, entry.team)
        if fault is None and self.rates is not None:
            fault = self.rates.draw(route.operation, self.now, self._fault_chance)
        if fault is None:
            entry.acted = not work.refused
            return work.carry_out(self.now)
        entry.fault = fault.kind
        return damage(self.settings, fault, self._befallen(fault, work, entry))

    def _befallen(self, fault: Fault, work: Work, entry: LoggedRequest) -> Answer:
        """Carry out what a fault lets happen; return the answer before the fault does anything to it."""
        if fault.carried_out:
            entry.acted = not work.refused
            return work.carry_out(self.now - fault.seconds if fault.kind == "stale" else self.now)
        if fault.kind == "late" and not work.refused:
            heapq.heappush(self._pending, (self.now + fault.after, next(self._tickets), work, entry))
        return Answer(204) if fault.kind == "delete_ignored" else failure(self.settings, 500)

    def _sign(self, answer: Answer, number: int) -> None:
        second = int(self.settings.epoch + self.now)
        if second != self._date[0]:
            self._date = (second, formatdate(second, usegmt=True))
        answer.headers["Date"] = self._date[1]
        answer.headers["x-amzn-RequestId"] = f"{self._request_ids}{number:012x}"

    # What a test arranges

    def add_key(
        self,
        plan: Plan | None = Plan(),  # noqa: B008  # frozen
        *,
        organizations: Iterable[str] | None = None,
        credentials: Credentials | None = None,
    ) -> Credentials:
        """Add an API key with its own plan; it sees all organizations unless some are given."""
        key_id = f"key-{len(self._keys) + 1}"
        given = credentials or Credentials(
            api_key=self._entropy.text(f"api key {key_id}"),
            client_id=f"client-{len(self._keys) + 1}",
            client_secret=self._entropy.text(f"client secret {key_id}"),
        )
        given = attrs.evolve(given, key_id=key_id)
        seen = None if organizations is None else frozenset(organizations)
        meter = Meter(plan or Plan(per_second=None, per_day=None))
        self._keys[given.api_key] = Key(given, meter, seen)
        return given

    def add_webhook(self, team: str, content: Data, *, webhook_id: str | None = None) -> str:
        """Put a webhook into a team as if it had always been there, unchecked; return its id."""
        webhook = self._backend.state.create(
            self._team(team), dumps(content), self.now, since=float("-inf"), webhook_id=webhook_id
        )
        self._backend.change("created", self.now, webhook, "setup")
        return webhook.id

    def foreign_create(self, team: str, content: Data, *, now: float | None = None) -> str:
        """Let somebody else create a webhook; return its id."""
        self.advance(self.now if now is None else now)
        webhook = self._backend.state.create(self._team(team), dumps(content), self.now)
        self._backend.change("created", self.now, webhook, "actor")
        return webhook.id

    def foreign_edit(self, webhook_id: str, content: Data, *, now: float | None = None) -> None:
        """Let somebody else change a webhook in place, which doo's API cannot."""
        self.advance(self.now if now is None else now)
        webhook = self._backend.state.edit(self._webhook(webhook_id), dumps(content), self.now)
        self._backend.change("edited", self.now, webhook, "actor")

    def foreign_replace(self, webhook_id: str, content: Data, *, now: float | None = None) -> str:
        """Let somebody else change a webhook as doo's API can: a new one with other content, the old one deleted.

        Returns the id of the new one.
        """
        self.advance(self.now if now is None else now)
        new = self.foreign_create(self._webhook(webhook_id).team, content)
        self.foreign_delete(webhook_id)
        return new

    def foreign_delete(self, webhook_id: str, *, now: float | None = None) -> None:
        """Let somebody else delete a webhook."""
        self.advance(self.now if now is None else now)
        webhook = self._webhook(webhook_id)
        self._backend.state.delete(webhook, self.now)
        self._backend.change("deleted", self.now, webhook, "actor")

    def revoke_tokens(self) -> None:
        """End all access tokens."""
        self._backend.tokens.revoke()

    def script(self, *faults: Fault) -> None:
        """Put faults at the end of what is to happen."""
        self._faults.add(*faults, teams=self._backend.state.teams)

    def before(
        self, operation: Operation, do: Callable[[], Any], *, team: str | None = None, nth: int = 1
    ) -> None:
        """Do something, once, right before a request is carried out.

        Only requests that the gateway lets through count. `do` may change anything here.

        Parameters:
            operation: of which kind the request is.
            team: the team in its path, or the one in which the webhook to delete lives; any if not given.
            nth: the first nth - 1 such requests from now on pass.
        """
        self._moments.add("before", operation, do, team=team, nth=nth, teams=self._backend.state.teams)

    def after(
        self, operation: Operation, do: Callable[[], Any], *, team: str | None = None, nth: int = 1
    ) -> None:
        """Do something, once, right after a request was carried out, before its answer arrives; as `before`."""
        self._moments.add("after", operation, do, team=team, nth=nth, teams=self._backend.state.teams)

    def when(self, holds: Callable[[Log], bool], do: Callable[[], Any]) -> None:
        """Do something, once, as soon as a condition on the log holds; looked at before and after each request."""
        self._moments.add_condition(holds, do)

    def refuse_connections(self, seconds: float = math.inf) -> None:
        """Refuse all connections from now on, for some seconds or until `accept_connections`.

        `handle` then raises `ConnectionRefusedError`; what arrived before is answered.
        """
        self._refuses_until = self.now + seconds

    def accept_connections(self) -> None:
        """Refuse connections no longer."""
        self._refuses_until = -math.inf

    def refuses_connections(self, now: float | None = None) -> bool:
        """Return whether connections are refused now, or at a time."""
        return (self.now if now is None else now) < self._refuses_until

    def let_lists_lag(self, seconds: float | Callable[[Random], float]) -> None:
        """Let lists show the state of some seconds ago from now on (at most an hour); 0 ends that.

        A function of the box's own chance draws the seconds for each page.
        """
        self._lag = seconds

    def give_id_again(self, webhook_id: str) -> None:
        """Let the next webhook that is created get an id that another one had, unless that is still there."""
        self._backend.state.given_again.append(webhook_id)

    def reset(self) -> None:
        """Begin anew, as a fresh account with the same API keys.

        Webhooks are as at the start, the log is empty, tokens are void, limits are unused, and what was arranged
        (faults, moments, refused connections, lists that lag) is forgotten. The clock goes on.
        """
        self.log.clear()
        self._begin()
        for key in self._keys.values():
            key.meter = Meter(key.meter.plan)

    # What a test asks

    def live(self, team: str) -> list[Data]:
        """Return a team's webhooks as posted, each with its id, oldest first. Not what a list shows: the truth."""
        return [
            webhook.content | {"id": webhook.id} for webhook in self._backend.state.live(self._team(team))
        ]

    def count(self, kind: Operation | None = None, status: int | None = None) -> int:
        """Return how many requests of a kind, with a status, or both, have arrived."""
        return self.log.count(kind, status)

    def digest(self, content: Data) -> str:
        """Return the digest by which the log names content (without an id, as posted)."""
        return self._backend.digest(content)

    @property
    def faults_left(self) -> list[Fault]:
        """The faults of the script that are still to happen."""
        return self._faults.left

    @property
    def moments_left(self) -> int:
        """How many actions still wait for their moment."""
        return self._moments.left

    @property
    def due(self) -> list[float]:
        """When what is late will happen, in seconds on the box's clock."""
        return sorted(due for due, *_ in self._pending)

    def _team(self, team: str) -> Team:
        return self._backend.state.teams[team]

    def _webhook(self, webhook_id: str) -> Webhook:
        webhook = self._backend.state.find(webhook_id)
        if webhook is None:
            raise ValueError(f"there is no webhook {webhook_id}")
        return webhook
