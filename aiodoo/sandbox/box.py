"""The sandbox without HTTP: state, limits, faults and a log; the caller passes requests and the time."""

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
from aiodoo.sandbox.deliveries import Outbox, SandboxDelivery
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
    """A model of doo's webhook management.

    Two boxes with equal parameters give equal answers to equal requests, except for secrets: credentials, tokens and the
    client secrets of the initial webhooks are derived from `entropy`, which is random by default.

    Parameters:
        organizations: number of organizations; team ids begin at 111, organization ids at 70001.
        teams_per_organization: number of teams in each organization.
        webhooks_per_team: number of initial webhooks in each team, or a function of the team's position. They alternate
            between doo's two printed examples and take no memory until their team is changed.
        seed: seed of all random numbers.
        plan: usage plan of the first API key; None means no limits.
        rates: probabilities of faults; a reset keeps them.
        keep_log: whether the log keeps entries; False keeps only counts.
        credentials: credentials of the first API key; random by default.
        entropy: root from which all secrets are derived.
        settings: how this box behaves; `changes` override members of it.
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
        self.outbox = Outbox(self.settings)
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
        """Create all state that a reset creates again."""
        seed = self._seed
        self._lag = self.settings.replica_lag
        self._fault_chance, self._latency_chance = Random(f"faults {seed}"), Random(f"latency {seed}")
        self._lag_chance = Random(f"lag {seed}")
        state = start(
            self._known, self._webhooks_per_team, seed=seed, settings=self.settings, entropy=self._entropy
        )
        self._backend = Backend(
            self.settings, state, self._known, self._entropy, self.log, lag=self._draw_lag, outbox=self.outbox
        )
        self._faults = Script()
        self._moments = Moments()
        self._refuses_until = -math.inf
        self._pending: list[tuple[float, int, Work, LoggedRequest]] = []

    def _draw_lag(self) -> float:
        return self._lag(self._lag_chance) if callable(self._lag) else self._lag

    # Read-only facts

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

    # Requests and time

    def handle(self, request: Request, now: float, *, round_trip: float | None = None) -> Answer:
        """Execute a request that arrives now and return its answer.

        The request takes effect immediately; the answer says when it arrives (`delay`) and whether it does (`drop`).

        Parameters:
            now: seconds on the box's clock; never less than in the call before.
            round_trip: seconds drawn with `round_trip()` for this request, half of which have passed already. If not
                given, they are drawn here and none has passed.

        Raises:
            ConnectionRefusedError: the box refuses connections; nothing is counted or logged.
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
            self._moments.call_due("after", route.operation, team, self.log)
        return answer

    def round_trip(self) -> float:
        """Draw the seconds of one round trip."""
        latency = self.settings.latency
        return latency(self._latency_chance) if callable(latency) else latency

    def advance(self, now: float) -> None:
        """Set the clock, and carry out late requests that are due."""
        if now < self.now:
            raise ValueError(f"the box's clock shows {self.now}, it cannot go back to {now}")
        self.now = now
        while self._pending and self._pending[0][0] <= now:
            due, _, work, entry = heapq.heappop(self._pending)
            work.carry_out(due)
            entry.acted = True

    def _pass_gateway(self, route: Route, key: Key | None) -> Answer | None:
        """Return the gateway's refusal, or None if it passes the request on."""
        if route.operation == "unknown":
            return gateway_error(403, "Missing Authentication Token", "MissingAuthenticationTokenException")
        if key is None:
            return gateway_error(403, "Forbidden", "ForbiddenException")
        refusal = key.meter.admit(self.now, token=route.operation == "token")
        if refusal is not None:
            return limit_reached(refusal, key.meter.plan, self.settings.epoch + self.now)
        return None

    def _answer(self, request: Request, route: Route, key: Key | None, entry: LoggedRequest) -> Answer:
        assert key is not None  # noqa: S101  # the gateway refuses requests without a key
        self._moments.call_due("before", route.operation, entry.team, self.log)
        work = self._backend.judge(Call(entry.number, self.now, key, route, request))
        fault = self._faults.pick(route.operation, entry.team)
        if fault is None and self.rates is not None:
            fault = self.rates.draw(route.operation, self.now, self._fault_chance)
        if fault is None:
            entry.acted = not work.refused
            return work.carry_out(self.now)
        entry.fault = fault.kind
        return damage(self.settings, fault, self._execute_with(fault, work, entry))

    def _execute_with(self, fault: Fault, work: Work, entry: LoggedRequest) -> Answer:
        """Carry out the request as far as the fault allows; return the answer as it is without the fault."""
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

    # Arrangements

    def add_key(
        self,
        plan: Plan | None = Plan(),  # noqa: B008  # frozen
        *,
        organizations: Iterable[str] | None = None,
        credentials: Credentials | None = None,
    ) -> Credentials:
        """Add an API key with its own plan; it has access to all organizations unless some are given."""
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
        """Add a webhook to a team as if it had always existed, without validation; return its id."""
        webhook = self._backend.state.create(
            self._team(team), dumps(content), self.now, since=float("-inf"), webhook_id=webhook_id
        )
        self._backend.change("created", self.now, webhook, "setup")
        return webhook.id

    def foreign_create(self, team: str, content: Data, *, now: float | None = None) -> str:
        """Create a webhook as another client would; return its id."""
        self.advance(self.now if now is None else now)
        webhook = self._backend.state.create(self._team(team), dumps(content), self.now)
        self._backend.change("created", self.now, webhook, "actor")
        return webhook.id

    def foreign_edit(self, webhook_id: str, content: Data, *, now: float | None = None) -> None:
        """Change a webhook in place, as a user of doo's own interface might; doo's API has no such request."""
        self.advance(self.now if now is None else now)
        webhook = self._backend.state.edit(self._webhook(webhook_id), dumps(content), self.now)
        self._backend.change("edited", self.now, webhook, "actor")

    def foreign_replace(self, webhook_id: str, content: Data, *, now: float | None = None) -> str:
        """Replace a webhook as another client would: create one, delete the old one; return the new id."""
        self.advance(self.now if now is None else now)
        new = self.foreign_create(self._webhook(webhook_id).team, content)
        self.foreign_delete(webhook_id)
        return new

    def foreign_delete(self, webhook_id: str, *, now: float | None = None) -> None:
        """Delete a webhook as another client would."""
        self.advance(self.now if now is None else now)
        webhook = self._webhook(webhook_id)
        self._backend.state.delete(webhook, self.now)
        self._backend.change("deleted", self.now, webhook, "actor")

    def fire(
        self, hook_type: str, item: Data, *, team: str | None = None, now: float | None = None
    ) -> list[SandboxDelivery]:
        """Let something happen; `outbox` has the deliveries of all hooks of this type, which a `Sandbox` sends."""
        self.advance(self.now if now is None else now)
        teams = self._backend.state.teams.values() if team is None else [self._team(team)]
        webhooks = [webhook for each in teams for webhook in self._backend.state.live(each)]
        return self.outbox.add(hook_type, item, webhooks, due=self.now)

    def revoke_tokens(self) -> None:
        """Revoke all access tokens."""
        self._backend.tokens.revoke()

    def script(self, *faults: Fault) -> None:
        """Append faults to the script."""
        self._faults.add(*faults, teams=self._backend.state.teams)

    def before(
        self, operation: Operation, do: Callable[[], Any], *, team: str | None = None, nth: int = 1
    ) -> None:
        """Call `do` once, right before a request is carried out.

        Requests that the gateway refuses do not count. `do` may call any method of the box.

        Parameters:
            operation: the kind of request.
            team: the team in its path, or of the webhook to delete; any by default.
            nth: which such request from now on; 1 is the next.
        """
        self._moments.add("before", operation, do, team=team, nth=nth, teams=self._backend.state.teams)

    def after(
        self, operation: Operation, do: Callable[[], Any], *, team: str | None = None, nth: int = 1
    ) -> None:
        """Call `do` once, right after a request was carried out and before its answer arrives; as `before`."""
        self._moments.add("after", operation, do, team=team, nth=nth, teams=self._backend.state.teams)

    def when(self, holds: Callable[[Log], bool], do: Callable[[], Any]) -> None:
        """Call `do` once, as soon as `holds` returns true for the log; evaluated before and after each request."""
        self._moments.add_condition(holds, do)

    def refuse_connections(self, seconds: float = math.inf) -> None:
        """Refuse connections from now on, for `seconds` or until `accept_connections`.

        `handle` then raises `ConnectionRefusedError`; requests that arrived before are answered.
        """
        self._refuses_until = self.now + seconds

    def accept_connections(self) -> None:
        """Accept connections again."""
        self._refuses_until = -math.inf

    def refuses_connections(self, now: float | None = None) -> bool:
        """Return whether connections are refused at the time `now`, by default the current one."""
        return (self.now if now is None else now) < self._refuses_until

    def let_lists_lag(self, seconds: float | Callable[[Random], float]) -> None:
        """Make lists show the state of `seconds` ago (at most 3600) from now on; 0 ends this.

        A function is called with the box's random generator for each page.
        """
        self._lag = seconds

    def give_id_again(self, webhook_id: str) -> None:
        """Assign this id to the next webhook that is created, unless a live webhook has it."""
        self._backend.state.given_again.append(webhook_id)

    def reset(self) -> None:
        """Restore the initial state; API keys and fault rates are kept, and the clock is not set back.

        Restores the initial webhooks and clears the log, tokens, limits and arrangements (faults, moments, refused
        connections, lag of lists).
        """
        self.log.clear()
        self.outbox.clear()
        self._begin()
        for key in self._keys.values():
            key.meter = Meter(key.meter.plan)

    # Inspection

    def live(self, team: str) -> list[Data]:
        """Return a team's webhooks as posted, each with its id, oldest first; lags and masked secrets do not apply."""
        return [
            webhook.content | {"id": webhook.id} for webhook in self._backend.state.live(self._team(team))
        ]

    def count(self, kind: Operation | None = None, status: int | None = None) -> int:
        """Return the number of requests, optionally of one kind, with one status, or both."""
        return self.log.count(kind, status)

    def digest(self, content: Data) -> str:
        """Return the digest by which the log identifies content (as posted, without an id)."""
        return self._backend.digest(content)

    @property
    def faults_left(self) -> list[Fault]:
        """The faults of the script that have not happened as often as they should."""
        return self._faults.left

    @property
    def moments_left(self) -> int:
        """Number of actions that have not been called yet."""
        return self._moments.left

    @property
    def due(self) -> list[float]:
        """Times at which late requests will be carried out, in seconds on the box's clock."""
        return sorted(due for due, *_ in self._pending)

    def _team(self, team: str) -> Team:
        return self._backend.state.teams[team]

    def _webhook(self, webhook_id: str) -> Webhook:
        webhook = self._backend.state.find(webhook_id)
        if webhook is None:
            raise ValueError(f"there is no webhook {webhook_id}")
        return webhook
