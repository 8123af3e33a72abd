"""One call: its deadline, around its tries, each of which is a token, then a slot, then one wire request.

Whatever waits, waits here or in the quota, and holds neither a slot nor a permit meanwhile.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from contextlib import AsyncExitStack
from typing import Literal, TypeVar, cast
from weakref import WeakValueDictionary

from aiodoo.arguments import check_seconds
from aiodoo.auth import Tokens, account_name, fingerprint_key
from aiodoo.call import Call, Watch
from aiodoo.clock import Clock
from aiodoo.errors import (
    SESSION_CLOSED,
    ApiError,
    AuthenticationError,
    ConfigError,
    DeadlineExceeded,
    DooError,
    QuotaExhausted,
    RateLimited,
    ServerError,
)
from aiodoo.events import (
    Answered,
    Event,
    Listeners,
    RateLimitHit,
    RequestFailed,
    RequestSent,
    Retrying,
    Stats,
    Waited,
)
from aiodoo.facts import Facts
from aiodoo.loop import running_loop
from aiodoo.protocol import answers, requests
from aiodoo.protocol.cleaning import without_echoes
from aiodoo.protocol.outcome import Outcome, outcome
from aiodoo.protocol.wire import Answer, Kind, Request
from aiodoo.quota import Account, Lane, Limits, Permits, Slot
from aiodoo.quota.hold import Claims, Hold
from aiodoo.quota.local_claims import WithClaims
from aiodoo.recent import Recent
from aiodoo.retries import LONGEST_WAIT, RATE_LIMIT_TRIES, TryAgain, longest_wait, may_repeat, repeated
from aiodoo.secret import Secret
from aiodoo.transport import Transport, Trip
from aiodoo.worker import ThreadWorker, Worker, to_the_end

T = TypeVar("T")

NOTICED = 0.001
"""Seconds from which on a wait is worth an event."""

Deadline = float | None | Literal["session"]
"""Seconds for one call with all its waits and tries; None for no end, "session" for the Session's."""


class Client:
    """Sends requests to doo on one API key, within its quota.

    Args:
        transport: what carries a request; closed with the client.
        account: the API key's account in the quota's ledger.
        limits: what the account was opened with, and how many requests may be under way.
        api_key: sent with every request.
        client_id: of the client credentials.
        client_secret: of the client credentials.
        clock: time and chance.
        facts: what doo does not document.
        deadline: seconds for one call with all its waits and tries.
        on_event: called with each `events.Event`, at once and in the event loop.
        worker: where journals are read and written.
        base_url: of the service; names it where runs claim teams.
    """

    def __init__(
        self,
        *,
        transport: Transport,
        account: Account,
        limits: Limits,
        api_key: Secret,
        client_id: Secret,
        client_secret: Secret,
        clock: Clock | None = None,
        facts: Facts | None = None,
        deadline: float | None = 120.0,
        on_event: Callable[[Event], object] | None = None,
        worker: Worker | None = None,
        base_url: str = "",
    ) -> None:
        self.account = account
        self.base_url = base_url
        self.claims: Claims = cast("Claims", account) if hasattr(account, "claim") else WithClaims(account)
        self.holds: list[Hold] = []
        # Tells what this client has read and changed from what others have.
        self.reader = os.urandom(8).hex()
        self.changed_at: dict[str, float] = {}
        self.recent = Recent()
        self._ensuring: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        self.account_name = account_name(api_key)
        self.fingerprint_key = fingerprint_key(api_key)
        self.worker = worker or ThreadWorker("aiodoo")
        self.limits = limits
        self.clock = clock or Clock()
        self.facts = facts or Facts()
        self.deadline = deadline
        self.stats = Stats()
        self._transport = transport
        self._permits = Permits(limits.concurrency)
        self._api_key = api_key
        self._client_id = client_id
        self._client_secret = client_secret
        self._listeners = Listeners(on_event)
        self._secrets = (api_key, client_secret)
        self._tokens = Tokens(self._fetch_token, self.clock)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._process: int | None = None
        self._closed = False
        self._ending: asyncio.Task[None] | None = None

    async def call(
        self,
        request: Request,
        read: Callable[[Answer], T],
        *,
        lane: Lane = Lane.FRONT,
        deadline: Deadline = "session",
        watch: Watch | None = None,
    ) -> T:
        """Send a request, with its tries and waits, and return what `read` makes of the answer.

        Args:
            request: what to ask.
            read: reads an answer that doo did not refuse.
            lane: who asks.
            deadline: seconds for all of it.
            watch: is told when a wire request leaves, and when it is proven to have changed nothing.

        Raises:
            OutcomeUnknown: a change may or may not have happened.
            DeadlineExceeded: the time ran out; nothing is in doubt.
            QuotaExhausted: the day's requests are spent.
            DooError: what the last try ended with.
        """
        if self._closed:
            raise ConfigError(SESSION_CLOSED)
        self._check_loop()
        seconds = self.seconds(deadline)
        give_up_at = None if seconds is None else self.clock.monotonic() + seconds
        call = Call(request, read, lane, seconds, give_up_at, watch)
        try:
            if seconds is None:
                return cast("T", await self._tries(call))
            async with asyncio.timeout(seconds):
                return cast("T", await self._tries(call))
        except TimeoutError as error:
            if seconds is None or isinstance(error, DooError):
                raise
            raise call.too_late() from None
        except asyncio.CancelledError as error:
            if (cut_off := call.cut_off(error)) is not None:
                self.tell(cut_off)
            raise
        finally:
            if call.doubt is not None:
                self.recent.lost(request, self.facts, self.clock.monotonic())

    def ensuring(self, team_id: str) -> asyncio.Lock:
        """Return what keeps two calls from creating the same in a team at once."""
        lock = self._ensuring.get(team_id)
        if lock is None:
            lock = self._ensuring[team_id] = asyncio.Lock()
        return lock

    def tell(self, event: Event) -> None:
        """Hand an event about something that is larger than one call to the log and to `on_event`."""
        self._listeners.tell(event)

    def seconds(self, deadline: Deadline) -> float | None:
        """Return the seconds that a deadline stands for; None for no end."""
        if deadline == "session":
            return self.deadline
        return None if deadline is None else check_seconds(deadline, "deadline")

    async def close(self) -> None:
        """Stop a token request under way, close every connection and let go of the ledger; whoever cancels waits for it."""
        self._check_loop()
        self._closed = True
        if self._ending is None:
            self._ending = asyncio.ensure_future(self._let_go())
        await to_the_end(self._ending)
        self._ending.result()

    async def _let_go(self) -> None:
        # Last in, first out, whatever becomes of the others: the end of a program cancels every task, this one too.
        async with AsyncExitStack() as closing:
            closing.push_async_callback(self.account.close, self._permits)
            closing.push_async_callback(self.worker.close)
            closing.push_async_callback(self._transport.close)
            closing.push_async_callback(self._tokens.close)

    def _check_loop(self) -> None:
        """Belong to the first event loop that asks; locks and connections are of no use to another one.

        Nor to a forked process: both would write to one connection, and use a quota twice.
        """
        running, process = running_loop(), os.getpid()
        if self._loop is None:
            self._loop, self._process = running, process
        if process != self._process:
            raise ConfigError(
                "this Session was in use when this process was forked, and nothing was sent; "
                "open and close one Session in each process"
            )
        if running is not self._loop:
            raise ConfigError(
                "this Session belongs to another event loop and nothing was sent; "
                "open and close one Session in each event loop"
            )

    async def _try(self, call: Call[T]) -> T:
        """Do one try; raise `TryAgain`, or what the call ends with."""
        try:
            token, slot = await self._admit(call)
        except DooError as error:
            raise self._not_admitted(call, error) from None
        try:
            value = await self._send(call, token, slot)
        except DooError as error:
            # Its frames hold the request's headers and the whole answer.
            error.__traceback__ = None
            wait = self._after(call, error, token)
            raise TryAgain(wait) from None
        self.recent.done(call.request, value, self.clock.monotonic())
        if token is not None:
            self._tokens.accepted(token)
        return value

    _tries = repeated(_try)

    async def _admit(self, call: Call[T]) -> tuple[Secret | None, Slot]:
        """Wait for a token and then for a slot; a token refused meanwhile is fetched anew, without the slot."""
        while True:
            token = await self._token(call) if call.request.bearer else None
            call.waits_for = "its turn in the quota"
            begun = self.clock.monotonic()
            slot = await self.claims.acquire(
                call.lane, self._permits, give_up_at=call.give_up_at, hold=self._hold(call)
            )
            waited = self.clock.monotonic() - begun
            if waited > NOTICED:
                self.stats.quota_wait += waited
                self._tell(Waited, call, what="quota", seconds=waited)
            if token is None:
                return None, slot
            if self._tokens.current is not None:
                return self._tokens.current, slot
            slot.give_back()

    def _hold(self, call: Call[T]) -> Hold | None:
        """Return that of the run whose request it is; a token is any run's that needs one, too."""
        if call.request.kind is Kind.TOKEN:
            return next((hold for hold in self.holds if hold.lost is None), None)
        return None if call.watch is None else call.watch.hold

    async def _token(self, call: Call[T]) -> Secret:
        if self._tokens.current is not None:
            return self._tokens.current
        call.waits_for = "a token"
        begun = self.clock.monotonic()
        token = await self._tokens.get()
        self._tell(Waited, call, what="token", seconds=self.clock.monotonic() - begun)
        return token

    async def _fetch_token(self) -> Secret:
        request = requests.token(self._client_id, self._client_secret)
        return await self.call(request, answers.read_token)

    def _not_admitted(self, call: Call[T], error: DooError) -> Exception:
        """Return what to raise for a call that got no token or no slot.

        A call without a deadline does not take over that of the token request. A call that was to be tried
        again ends with what its last try ended with.
        """
        if not isinstance(error, (DeadlineExceeded, RateLimited)):
            return call.ends(error)
        if call.give_up_at is None:
            return TryAgain(getattr(error, "retry_after", None) or LONGEST_WAIT)
        return call.ends(call.error or error)

    async def _send(self, call: Call[T], token: Secret | None, slot: Slot) -> T:
        """Send one wire request, end its slot and read the answer."""
        request = call.request
        # From its grant on: this task may have woken late, after a machine that slept.
        trip = Trip(slot.sent_at, slot.sent)
        try:
            self._departs(call)
            headers = requests.headers(request, self._api_key, token)
            answer = await self._transport.send(request, headers, trip)
        except BaseException as error:
            self._unanswered(call, error, trip, slot)
            raise
        try:
            secrets = self._secrets if token is None else (*self._secrets, token)
            answer = without_echoes(answer, request, secrets)
            self._answered(call, answer, trip)
            answers.refuse(answer, request, hide=secrets)
            return call.read(answer)
        except DooError as error:
            # Before the slot ends, or the next request would leave meanwhile.
            self._slow_down(call, error, slot)
            raise
        finally:
            slot.answered(trip.round_trip, refused=answer.status == 429)
            self._note_change(call)

    def _note_change(self, call: Call[T]) -> None:
        request = call.request
        if request.kind.changes and request.team_id is not None:
            self.changed_at[request.team_id] = self.clock.monotonic()

    def _departs(self, call: Call[T]) -> None:
        if (hold := self._hold(call)) is not None:
            hold.check()
        call.sends += 1
        self._note_change(call)
        call.waits_for = "doo's answer"
        if call.watch is not None:
            call.watch.leaves(call.request)
        if call.request.kind.changes:
            call.sent_at = self.clock.now()
        self.stats.requests[call.request.kind] += 1
        self._tell(RequestSent, call)

    def _unanswered(self, call: Call[T], error: BaseException, trip: Trip, slot: Slot) -> None:
        """End the slot of a request without an answer; a change that was cancelled on the wire is in doubt."""
        if trip.sent is None:
            slot.give_back()
            if call.watch is not None:
                call.watch.never_left(call.request)
        elif trip.first_byte is None:
            slot.lost()
        else:
            slot.answered(trip.round_trip)
        if trip.sent is not None and not isinstance(error, DooError):
            call.doubt = call.sent_at
        self.stats.failures += 1
        self._tell(
            RequestFailed,
            call,
            reason=type(error).__name__,
            sent=trip.sent is not None,
            seconds=self.clock.monotonic() - trip.started,
        )

    def _answered(self, call: Call[T], answer: Answer, trip: Trip) -> None:
        self.stats.answers[f"{answer.status // 100}xx"] += 1
        if self._listeners.listening():
            seconds = self.clock.monotonic() - trip.started
            self._tell(Answered, call, status=answer.status, seconds=seconds, request_id=answer.request_id)

    def _slow_down(self, call: Call[T], error: DooError, slot: Slot) -> None:
        """Let the whole key wait if doo asked for it."""
        if isinstance(error, RateLimited):
            self.stats.rate_limited += 1
            if error.day_spent:
                self.account.day_spent()
            else:
                self.account.pause(error.retry_after, slot=slot)
            self._tell(RateLimitHit, call, retry_after=error.retry_after, day_spent=error.day_spent)
        elif isinstance(error, ServerError) and error.retry_after is not None:
            self.account.pause(error.retry_after, refused=False, slot=slot)

    def _after(self, call: Call[T], error: DooError, token: Secret | None) -> float:
        """Return the seconds after which a failed request is tried again, or raise what the call ends with."""
        kind = call.request.kind
        unknown = kind.changes and outcome(kind, error) is not Outcome.NOT_APPLIED
        if unknown:
            call.doubt = call.sent_at
        call.error = error
        wait = 0.0
        if isinstance(error, RateLimited):
            again = self._rate_limited(call, error)
        elif token is not None and self._token_refused(error):
            again = self._renew(call, token)
        else:
            if token is not None and isinstance(error, ApiError) and (error.status or 0) < 500:
                self._tokens.accepted(token)
            call.tries += 1
            again = may_repeat(kind, error, call.tries) and not call.is_taken_back(error)
            wait = self._wait(call, error)
        if not again or (unknown and kind is not Kind.DELETE) or self._too_long(call, wait):
            raise call.ends(error) from None
        call.waits_for = f"the next try after {type(error).__name__}"
        if call.watch is not None and call.doubt is None:
            call.watch.comes_back()
        self.stats.retries += 1
        self._tell(Retrying, call, reason=type(error).__name__, seconds=wait)
        return wait

    def _rate_limited(self, call: Call[T], error: RateLimited) -> bool:
        """Return whether a call goes on after a 429; not if the day is spent."""
        call.rate_limits += 1
        if not error.day_spent:
            return call.rate_limits < RATE_LIMIT_TRIES
        resume_at = self.account.resume_at(call.lane)
        when = "" if resume_at is None else f" Try again from {resume_at:%Y-%m-%d %H:%M:%S} UTC."
        words = f"doo says that the day's requests are spent; {answers.describe(call.request)} was not done.{when}"
        raise call.ends(QuotaExhausted(words, resume_at=resume_at)) from None

    def _token_refused(self, error: DooError) -> bool:
        """Return whether it is the token that doo refused; a 403 "Forbidden" is about the API key."""
        if not isinstance(error, ApiError) or error.status not in self.facts.token_refused:
            return False
        return not (error.status == 403 and isinstance(error, AuthenticationError))

    def _renew(self, call: Call[T], token: Secret) -> bool:
        """Give up a refused token; return whether the call goes on with a new one."""
        call.error = None
        worth_it = self._tokens.refused(token) and not call.renewed
        call.renewed = True
        return worth_it

    def _wait(self, call: Call[T], error: DooError) -> float:
        """Return the seconds before the next try; one that doo asked for is waited for in the quota."""
        if isinstance(error, ServerError) and error.retry_after is not None:
            return 0.0
        return self.clock.uniform(0.0, longest_wait(call.tries))

    def _too_long(self, call: Call[T], wait: float) -> bool:
        return call.give_up_at is not None and self.clock.monotonic() + wait >= call.give_up_at

    def _tell(self, event: Callable[..., Event], call: Call[T], **facts: object) -> None:
        if event is RateLimitHit or self._listeners.listening():
            request = call.request
            self._listeners.tell(
                event(kind=request.kind, team_id=request.team_id, attempt=call.sends, **facts)
            )
