"""The queue of the processes that share an account: they take turns, the front lane first, and do not all ask at once.

Pure functions of the time that is passed. No process is notified of what another one does, so each is told when to ask
again. Where a call of the ledger costs a round trip, a slot is granted a little before it is free, for the time at which
it will be: the asker waits until then without a further call. `redis_script` carries out the same rules on a server.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from aiodoo.quota.account_state import AccountState, Turn
from aiodoo.quota.claims import Overtaken
from aiodoo.quota.exchange import Ask, Reply
from aiodoo.quota.ledger import Lane
from aiodoo.quota.slots import Slots
from aiodoo.quota.updates import LedgerUpdate

QUIET = 600.0
"""Seconds after the last request after which other limits are accepted."""
LATE = 0.05
"""Seconds by which a process may wake up late without delaying the grants after it."""
GRACE = 0.1
"""Maximum seconds that the others wait for a process whose turn it is."""
LOOK_AGAIN = 0.05
"""Seconds after which to ask again if a slot may become free at any time, such as by a late answer."""
PROBE_LOOK = 0.5
"""Seconds after which to ask again while a probe is in flight."""
CROWD = 0.5
"""Maximum seconds until a process far back in the queue asks again, as others before it may have left."""
CROWD_TURNS = 4
"""The same in turns, for a ledger that grants slots ahead, as a call costs more there than a slot that nobody takes."""
SPREAD = 0.01
"""Seconds by which those far back ask after each other, as they would be in each other's way."""
AHEAD = 0.5
"""Maximum seconds by which a slot is granted before it is free, where that is done."""
LEAD = 0.1
"""Seconds before a slot is free at which to ask for it then."""
AHEAD_PART, LEAD_PART, LOOK_AGAIN_PART = 0.75, 0.5, 0.25
"""The parts of the spacing that limit `AHEAD`, `LEAD` and `LOOK_AGAIN` with a margin: so a slot is granted only after the
request before it was sent, and counts from that if it was late."""
SENDING = 0.01
"""Maximum seconds until who sends a request asks for the next slot, with a margin."""
TICK = 1e-6
"""Minimum seconds until a process asks again, despite rounding."""


def exchange(
    state: AccountState,
    updates: Sequence[LedgerUpdate],
    ask_for: Ask | None,
    now: float,
    origin: float,
    *,
    overtaken: Overtaken | None,
    ahead: float = 0.0,
) -> Reply:
    """Carry out updates in the state of a shared account, then grant a slot or say when to ask again.

    Args:
        state: the state, in the time of the ledger.
        updates: the updates.
        ask_for: a request for a slot, if any.
        now: the time of the ledger.
        origin: the difference to the monotonic clock of the asker.
        overtaken: set if the run that asks must not send anything more, so that it is not granted a slot.
        ahead: the maximum seconds by which a slot is granted before it is free.
    """
    for update in updates:
        state.apply(update, origin)
    number = turn = None
    if ask_for is not None and overtaken is None:
        run = None if ask_for.mark is None else ask_for.mark.run
        number = ask(state, ask_for.holder, ask_for.lane, now, run, ahead=ahead)
        turn = state.turns.get((ask_for.holder, ask_for.lane))
    return Reply(
        state=state,
        origin=origin,
        number=number,
        granted_at=(now if number is None else state.away[number].sent_at) - origin,
        back_at=None if turn is None else turn.back_at - origin,
        overtaken=overtaken,
    )


def ask(
    state: AccountState, holder: str, lane: Lane, now: float, run: str | None = None, *, ahead: float = 0.0
) -> int | None:
    """Grant a slot and return the number of the request; else put the holder into `turns` and return None.

    If the day is spent for the lane, and the run has no commitment, the holder is removed from `turns`. A slot is granted
    ahead only to the first one in the queue.
    """
    state.asked_at = now
    state.forget(now)
    if state.day.exhausted(lane, now, run):
        state.turns.pop((holder, lane), None)
        return None
    turn = _turn(state, holder, lane, now)
    before = [other for other in state.turns.values() if other.rank < turn.rank and other.kept_until > now]
    spacing = state.slots.spacing
    lead, soonest = (LEAD, LOOK_AGAIN) if ahead else (0.0, TICK)
    if ahead and state.slots.margin.part:
        ahead, lead, soonest = (
            min(ahead, AHEAD_PART * spacing),
            min(lead, LEAD_PART * spacing),
            min(soonest, LOOK_AGAIN_PART * spacing),
        )
    opens = state.opens(now)
    awaited = [other.kept_until for other in before if other.back_at <= now] if spacing else []
    if (opens <= now and not awaited) or (opens <= now + ahead and not before):
        del state.turns[holder, lane]
        # Who comes back too late has not been kept waiting by a timer.
        back_at = turn.back_at if turn.kept_until >= now else now
        return state.take(max(now, opens), max(opens, min(back_at, now), now - LATE))
    rank = len(before) * spacing
    if opens <= now:
        turn.back_at = max(now + 0.001, min(now + rank, *awaited))
    else:
        longest = max(CROWD_TURNS * spacing if ahead else spacing, CROWD)
        after = rank if rank <= longest else longest + SPREAD * len(before)
        turn.back_at = max(now + soonest, _earliest(state, now) + after - lead)
    turn.kept_until = turn.back_at + min(max(spacing, GRACE / 10), GRACE)
    return None


def ask_after_sending(slots: Slots, now: float) -> float | None:
    """Return when to ask for the next slot, for who sends now; None for at once.

    With a margin, an exchange must not delay the sending.
    """
    return now + min(SENDING, LOOK_AGAIN_PART * slots.spacing) if slots.margin.part else None


def in_use(state: AccountState, now: float) -> bool:
    """Return whether the current limits are in use."""
    return now < state.asked_at + QUIET or any(turn.kept_until > now for turn in state.turns.values())


def _turn(state: AccountState, holder: str, lane: Lane, now: float) -> Turn:
    """Return the holder's place in a lane, a new last one if it has none; its place in the other lane does not count."""
    for other in Lane:
        if other is not lane and (holder, other) in state.turns:
            state.turns[holder, other].kept_until = now
    turn = state.turns.get((holder, lane))
    if turn is None:
        state.number += 1
        turn = state.turns[holder, lane] = Turn(lane, state.number, now, now)
    return turn


def _earliest(state: AccountState, now: float) -> float:
    """Return from when a request may be sent if all answers arrive now."""
    if state.day.probing:
        return now + PROBE_LOOK
    window, credit = state.limits.window, state.slots.trips.credit
    in_use = state.slots.settled + [
        min(grant.held_until, max(now - credit, grant.sent_at) + window)
        for grant in state.away.values()
        if grant.held_until > now
    ]
    earliest = max(state.slots.last + state.slots.spacing, state.pause.until)
    excess = len(in_use) - (state.limits.slots or math.inf)
    if excess >= 0:
        earliest = max(earliest, sorted(in_use)[int(excess)])
    return earliest if earliest > now else now + LOOK_AGAIN
