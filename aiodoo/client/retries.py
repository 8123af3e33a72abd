"""What happens after a failed attempt of a call: a retry, a new token, a pause of the API key, or the final exception.

This is where a 429 is handled: it pauses the whole key, and the same call is sent again after the pause, up to ten
times; if doo says that the day's requests are spent the call ends.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import attrs

from aiodoo.client.call import Call
from aiodoo.client.retry_limits import RATE_LIMIT_TRIES, may_repeat, wait_between
from aiodoo.client.tokens import Tokens
from aiodoo.clock import Clock
from aiodoo.error_meaning import UNREACHABLE, meaning
from aiodoo.errors import ApiError, AuthenticationError, DooError, QuotaExhausted, RateLimited, ServerError
from aiodoo.events import RateLimitHit, Retrying, Stats
from aiodoo.facts import Facts
from aiodoo.protocol.answers import describe
from aiodoo.protocol.outcome import RequestOutcome, outcome
from aiodoo.protocol.wire import Kind
from aiodoo.quota import Account, Slot
from aiodoo.secret import Secret

T = TypeVar("T")


@attrs.define(eq=False, kw_only=True, repr=False)
class Failures:
    """Decides after each failed attempt of a client's calls."""

    tokens: Tokens
    account: Account
    facts: Facts
    clock: Clock
    stats: Stats
    tell: Callable[..., None]

    def pause_account(self, call: Call[T], error: DooError, slot: Slot) -> None:
        """Pause the whole API key if the answer asks for it."""
        if isinstance(error, RateLimited):
            self.stats.rate_limited += 1
            if error.day_spent:
                self.account.day_spent()
            else:
                self.account.pause(error.retry_after, slot=slot)
            self.tell(RateLimitHit, call, retry_after=error.retry_after, day_spent=error.day_spent)
        elif isinstance(error, ServerError) and error.retry_after is not None:
            self.account.pause(error.retry_after, refused=False, slot=slot)

    def after(self, call: Call[T], error: DooError, token: Secret | None) -> float:
        """Return the seconds to wait before the retry of a failed request, or raise the final exception."""
        kind = call.request.kind
        unknown = kind.is_write and outcome(kind, error) is not RequestOutcome.NOT_APPLIED
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
                self.tokens.accepted(token)
            call.tries += 1
            again = may_repeat(kind, error, call.tries) and not call.is_taken_back(error)
            wait = self._wait(call, error)
        if not again or (unknown and kind is not Kind.DELETE) or self._too_long(call, wait):
            raise call.ends(error) from None
        call.waits_for = f"the next try after {type(error).__name__}"
        if call.watch is not None and call.doubt is None:
            call.watch.comes_back()
        self.stats.retries += 1
        self.tell(Retrying, call, reason=type(error).__name__, seconds=wait)
        return wait

    def _rate_limited(self, call: Call[T], error: RateLimited) -> bool:
        """Return whether to retry after a 429; raise QuotaExhausted if the daily quota is spent."""
        call.rate_limits += 1
        if not error.day_spent:
            return call.rate_limits < RATE_LIMIT_TRIES
        resume_at = self.account.resume_at(call.lane)
        when = "" if resume_at is None else f" Try again from {resume_at:%Y-%m-%d %H:%M:%S} UTC."
        words = f"doo says that the day's requests are spent; {describe(call.request)} was not done.{when}"
        raise call.ends(QuotaExhausted(words, resume_at=resume_at)) from None

    def _token_refused(self, error: DooError) -> bool:
        """Return whether doo refused the token; a 403 "Forbidden" is about the API key."""
        if not isinstance(error, ApiError) or error.status not in self.facts.token_refused:
            return False
        return not (error.status == 403 and isinstance(error, AuthenticationError))

    def _renew(self, call: Call[T], token: Secret) -> bool:
        """Discard a refused token; return whether to retry with a new one."""
        call.error = None
        again = self.tokens.refused(token) and call.renewals < self.tokens.renewals
        call.renewals += 1
        return again

    def _wait(self, call: Call[T], error: DooError) -> float:
        """Return the seconds before the retry; 0 after a Retry-After, which the quota waits for."""
        if isinstance(error, ServerError) and error.retry_after is not None:
            return 0.0
        outage = meaning(error) is UNREACHABLE and self.stats.answers.total() > 0
        return self.clock.uniform(*wait_between(call.tries, outage=outage))

    def _too_long(self, call: Call[T], wait: float) -> bool:
        return call.until.is_over(self.clock.monotonic() + wait)
