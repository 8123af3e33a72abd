"""Carries out one call: a deadline around attempts, each with a token, a quota slot and one wire request."""

from __future__ import annotations

import asyncio
import copy
from collections.abc import Awaitable, Callable, Iterable
from contextlib import AsyncExitStack
from functools import partial
from typing import Literal, TypeVar
from weakref import WeakValueDictionary

from aiodoo.checks import check_seconds
from aiodoo.client.admission import Admission, Line, check_waiting
from aiodoo.client.call import Call, Watch
from aiodoo.client.exchange import Exchange, Transport
from aiodoo.client.lifetime import Lifetime
from aiodoo.client.recent_changes import RecentChanges
from aiodoo.client.retries import Failures
from aiodoo.client.retry_limits import TryAgain, repeated
from aiodoo.client.token_store import TokenStore
from aiodoo.client.tokens import Tokens
from aiodoo.clock import Clock
from aiodoo.credentials import Credentials
from aiodoo.deadline import Deadline, DeadlineOption, check_deadline
from aiodoo.errors import DooError
from aiodoo.events import (
    Answered,
    Event,
    Listeners,
    RateLimitHit,
    RequestFailed,
    RequestSent,
    Stats,
)
from aiodoo.facts import Facts
from aiodoo.protocol import answers, requests
from aiodoo.protocol.sanitizing import without_echoes
from aiodoo.protocol.wire import Answer, Request
from aiodoo.quota import Account, Lane, Permits, Slot
from aiodoo.quota.hold import Claims, Hold
from aiodoo.secret import Secret

T = TypeVar("T")


class Client:
    """Sends requests to doo on one API key, within its quota.

    Args:
        transport: sends the requests; closed with the client.
        account: the account of the API key in the quota's ledger; closed with the client.
        claims: the same, with claims of runs.
        holds: the holds of the runs in progress.
        permits: the permits for requests in flight.
        credentials: the API key, sent with every request, and the client credentials for fetching a token.
        token_name: the name of the token in `token_store`.
        clock: time and randomness.
        facts: settings for what doo does not document.
        deadline: the default seconds for one call with all waits and attempts.
        listeners: receive each `events.Event`.
        stats: counts requests and answers.
        changes: records what was changed.
        max_waiting: how many calls may wait for a slot; None for any number.
        token_store: shares the token with other clients; None to keep it in this one.
    """

    def __init__(
        self,
        *,
        transport: Transport,
        account: Account,
        claims: Claims,
        holds: list[Hold],
        permits: Permits,
        credentials: Credentials,
        token_name: str,
        clock: Clock,
        facts: Facts,
        deadline: float | None,
        listeners: Listeners,
        stats: Stats,
        changes: RecentChanges,
        max_waiting: int | None = None,
        token_store: TokenStore | None = None,
    ) -> None:
        self._ensuring: WeakValueDictionary[str, Line] = WeakValueDictionary()
        self._account = account
        self._clock = clock
        self.deadline = deadline
        self.max_waiting = check_waiting(max_waiting)
        self._stats = stats
        self._changes = changes
        self._transport = transport
        self._ends_in_time = getattr(transport, "ends_in_time", False)
        self._permits = permits
        self._credentials = credentials
        self._listeners = listeners
        self._secrets = (credentials.api_key, credentials.client_secret)
        self._headers_for: Secret | None = None
        self._headers: dict[str, str] = {}
        self._tokens = Tokens(self._fetch_token, clock, account=token_name, store=token_store)
        self._lifetime = Lifetime()
        self._admission = Admission(
            tokens=self._tokens,
            claims=claims,
            holds=holds,
            permits=permits,
            clock=clock,
            stats=stats,
            tell=self._tell,
            account=account,
        )
        self._failures = Failures(
            tokens=self._tokens,
            account=account,
            facts=facts,
            clock=clock,
            stats=stats,
            tell=self._tell,
        )

    async def call(
        self,
        request: Request,
        read: Callable[[Answer], T],
        *,
        lane: Lane = Lane.FRONT,
        deadline: Deadline | DeadlineOption = "session",
        watch: Watch | None = None,
        call_id: str = "",
    ) -> T:
        """Send a request, with retries, and return what `read` returns for the answer.

        Costs one request for each attempt, and one more if a token has to be fetched.

        Args:
            request: the request.
            read: parses an answer that is not an error.
            lane: the queue to wait in for a slot.
            deadline: the seconds for all of it, or a `Deadline` that has started already.
            watch: called when a wire request is sent, and when it has certainly changed nothing.
            call_id: the id of an earlier call that this one continues; if empty, the one of `watch` or a new one.

        Raises:
            OutcomeUnknown: a change may or may not have been carried out.
            DeadlineExceeded: the deadline is reached; nothing is in doubt.
            QuotaExhausted: the daily quota is spent.
            DooError: the error of the last attempt.
        """
        self._lifetime.check()
        until = deadline if isinstance(deadline, Deadline) else self.until(deadline)
        call = Call(request, read, lane, until, watch, self.max_waiting, call_id)
        try:
            if self._ends_in_time and (admitted := self._admission.at_once(call)) is not None:
                # Nothing is waited for but the answer, which the transport does until the deadline.
                try:
                    return await self._attempt(call, *admitted)
                except TryAgain as again:
                    call.again = again
            async with asyncio.timeout(until.left(self._clock.monotonic())):
                if call.again is None:
                    try:
                        return await self._try(call)
                    except TryAgain as again:
                        call.again = again
                return await self._further_tries(call)
        except TimeoutError as error:
            if until.ends_at is None or isinstance(error, DooError):
                raise
            raise call.too_late() from None
        except asyncio.CancelledError as error:
            if (cut_off := call.cut_off(error)) is not None:
                self._listeners.tell(cut_off)
            raise
        finally:
            if call.doubt is not None:
                self._changes.lost(request, self._clock.monotonic())

    async def ensuring(self, request: Request, lane: Lane, until: Deadline) -> Line:
        """Acquire the lock for creating in the request's team; the caller has to release the lock of the returned line.

        Raises:
            QueueFull: too many calls wait already, or the call cannot be sent within its deadline.
        """
        line = self._ensuring.setdefault(request.team_id or "", Line())
        call = Call(request, answers.read_created, lane, until, None, self.max_waiting)
        await self._admission.wait_in_line(line, call)
        return line

    def until(self, deadline: Deadline | DeadlineOption) -> Deadline:
        """Return the `Deadline` of something that starts now, for the option that its caller gave."""
        if isinstance(deadline, Deadline):
            return deadline
        seconds = self.deadline
        if deadline != "session":
            seconds = None if deadline is None else check_seconds(deadline, "deadline")
        return Deadline(seconds, None if seconds is None else self._clock.monotonic() + seconds)

    def with_defaults(
        self, *, deadline: DeadlineOption, max_waiting: int | Literal["session"] | None
    ) -> Client:
        """Return a view of the client with other defaults; everything else is shared, and closed together."""
        view = copy.copy(self)
        if deadline != "session":
            view.deadline = check_deadline(deadline)
        if max_waiting != "session":
            view.max_waiting = check_waiting(max_waiting)
        return view

    async def close(self, *others: Callable[[], Awaitable[object]]) -> None:
        """Cancel a token request in flight, close all connections and the account; a cancelled caller still waits.

        Args:
            others: close what else has to be closed, before the account.
        """
        await self._lifetime.end(partial(self._release, others))

    async def _release(self, others: Iterable[Callable[[], Awaitable[object]]]) -> None:
        # In reverse order, each even if another fails: at exit asyncio cancels every task, this one too.
        async with AsyncExitStack() as closing:
            closing.push_async_callback(self._account.close, self._permits)
            for close in others:
                closing.push_async_callback(close)
            closing.push_async_callback(self._transport.close)
            closing.push_async_callback(self._tokens.close)

    async def _try(self, call: Call[T]) -> T:
        """Make one attempt; raise `TryAgain` for another one, or the final exception."""
        try:
            token, slot = await self._admission.admit(call)
        except DooError as error:
            raise self._admission.not_admitted(call, error) from None
        return await self._attempt(call, token, slot)

    @repeated
    async def _further_tries(self, call: Call[T]) -> T:
        """Tell backoff of the first failure, then make as many attempts as it asks for."""
        again, call.again = call.again, None
        if again is not None:
            raise again
        return await self._try(call)

    async def _fetch_token(self) -> Secret:
        request = requests.token(self._credentials.client_id, self._credentials.client_secret)
        return await self.call(request, answers.read_token)

    async def _attempt(self, call: Call[T], token: Secret | None, slot: Slot) -> T:
        """Send one wire request and read the answer; raise `TryAgain` for another attempt, or the final exception."""
        request = call.request
        # Started at the grant: this task may have resumed late, such as after a suspend of the machine.
        trip = Exchange(slot.sent_at, slot.sent, call.until.ends_at)
        answer: Answer | None = None
        try:
            try:
                self._prepare_send(call)
                answer = await self._transport.send(request, self._headers_with(request, token), trip)
            except BaseException as error:  # a cancellation too: the slot has to end
                self._unanswered(call, error, trip, slot)
                raise
            value = self._read(call, answer, trip, token, slot)
        except DooError as error:
            # Its frames hold the request's headers, and this one the whole answer.
            error.__traceback__ = answer = None
            wait = self._failures.after(call, error, token)
            raise TryAgain(wait) from None
        if request.kind.is_write:
            self._changes.done(request, value, self._clock.monotonic())
        if token is not None:
            self._tokens.accepted(token)
        return value

    def _read(self, call: Call[T], answer: Answer, trip: Exchange, token: Secret | None, slot: Slot) -> T:
        """Parse the answer and end the slot."""
        request = call.request
        secrets = self._secrets if token is None else (*self._secrets, token)
        try:
            answer = without_echoes(answer, request, secrets)
            self._stats.answers[f"{answer.status // 100}xx"] += 1
            if call.heard:
                self._answered(call, answer, trip)
            answers.refuse(answer, request, hide=secrets)
            return call.read(answer)
        except DooError as error:
            # Before the slot ends, or another request could be sent in between.
            self._failures.pause_account(call, error, slot)
            raise
        finally:
            slot.answered(trip.round_trip, refused=answer.status == 429)
            if request.kind.is_write:
                self._changes.sent(request, self._clock.monotonic())

    def _headers_with(self, request: Request, token: Secret | None) -> dict[str, str]:
        """Return the headers for this token, the same ones as long as it is the same token."""
        if not request.bearer:
            token = None
        if token is not self._headers_for or not self._headers:
            self._headers_for = token
            self._headers = requests.headers(request, self._credentials.api_key, token)
        return self._headers

    def _prepare_send(self, call: Call[T]) -> None:
        request = call.request
        if call.held and (hold := self._admission.hold(call)) is not None:
            hold.check()
        call.sends += 1
        call.waits_for = "doo's answer"
        if call.watch is not None:
            call.watch.leaves(request)
        if request.kind.is_write:
            self._changes.sent(request, self._clock.monotonic())
            call.sent_at = self._clock.now()
        self._stats.requests[request.kind] += 1
        call.heard = self._listeners.listening()
        if call.heard:
            self._tell(RequestSent, call)

    def _unanswered(self, call: Call[T], error: BaseException, trip: Exchange, slot: Slot) -> None:
        """End the slot of a request without an answer; a change that was cancelled in flight is in doubt."""
        if trip.sent is None:
            slot.give_back()
            call.waits_for = "a connection"
            if call.watch is not None:
                call.watch.never_left(call.request)
        elif trip.first_byte is None:
            slot.lost()
        else:
            slot.answered(trip.round_trip)
        if trip.sent is not None and not isinstance(error, DooError):
            call.doubt = call.sent_at
        self._stats.failures += 1
        self._tell(
            RequestFailed,
            call,
            reason=type(error).__name__,
            sent=trip.sent is not None,
            seconds=self._clock.monotonic() - trip.started,
        )

    def _answered(self, call: Call[T], answer: Answer, trip: Exchange) -> None:
        seconds = self._clock.monotonic() - trip.started
        self._tell(Answered, call, status=answer.status, seconds=seconds, request_id=answer.request_id)

    def _tell(self, event: Callable[..., Event], call: Call[T], **facts: object) -> None:
        if event is RateLimitHit or self._listeners.listening():
            request = call.request
            self._listeners.tell(
                event(
                    kind=request.kind,
                    team_id=request.team_id,
                    attempt=call.sends,
                    call_id=call.call_id,
                    **facts,
                )
            )
