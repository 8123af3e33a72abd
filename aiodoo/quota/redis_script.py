"""The script of an exchange on a Redis or Valkey server: the rules of `slots`, `day_window`, `account_state` and `turns`.

Those modules state the rules; this is their translation, in the same order, held against them with random steps by
`tests/quota/test_redis_rules.py`. All that counts is one value, packed, and a list of the day beside it.
"""

from __future__ import annotations

from typing import Final

from aiodoo.quota import account_state, day_window, margin, slots, turns
from aiodoo.quota.redis_server import Script

UNUSED = 2 * 86_400.0
"""Seconds after which the server forgets an account that nobody uses; nothing counts for longer, except a pause."""
ASKED = 60.0
"""Seconds for which a grant is known to the request that it answers, so that this may be sent twice."""

RULES: Final = (account_state, day_window, margin, slots, turns)
"""The modules whose rules the script carries out."""

NUMBERS: Final = {"ASKED": ASKED, "UNUSED": UNUSED} | {
    name: value
    for rules in RULES
    for name, value in vars(rules).items()
    if name.isupper() and isinstance(value, int | float)
}

LOADED = """
local inf = math.huge
local said = cmsgpack.unpack(ARGV[1])
local kept = redis.call('GET', KEYS[1])
local s = kept and cmsgpack.unpack(kept) or {limits = said.limits, number = said.seed, asked_at = -inf, last = -inf,
    first = 0, after = 0, newest = -inf, distrust = 0, margin = 0, time = 0, ahead = 0, paused_until = -inf, refused = false,
    began = -inf, next = 1, away = {}, settled = {}, trips = {}, turns = {}, kept = {}}
if not kept then redis.call('DEL', KEYS[2]) end
local time = redis.call('TIME')
local now = time[1] + time[2] / 1000000 + s.ahead
if now < s.time then
    s.ahead = s.ahead + s.time - now
    now = s.time
end
s.time = now
local origin = now - said.at
local count, window, per_day = said.slots or inf, said.window, said.per_day
-- Who asks knows requests that this server does not: it has come back empty, and some may still be on their way.
if not kept and said.known > 0 and said.slots then s.paused_until = now + AHEAD + PATIENCE + window end
local function packed(number) return struct.pack('<d', number) end
local function whole(number) return string.format('%.0f', number) end
local function find(list, place, value)
    for at, entry in ipairs(list) do
        if entry[place] == value then return at, entry end
    end
end
"""
"""The value, or a new one; the time of the server, which never decreases.

Entries of `away` are number, due, followed, sent_at, held_until and probe; of `turns` holder, lane, number, back_at and
kept_until; of `kept` run, requests and at.
"""

SLOTS = """
local function rounds()
    local total, least, few, lag, credit = #s.trips, inf, 0, 0, 0
    for _, trip in ipairs(s.trips) do least = math.min(least, trip) end
    for _, trip in ipairs(s.trips) do
        lag = lag + trip
        if trip <= STEADY * least then few = few + 1 end
    end
    if total >= TELLING and few <= math.floor((19 * total - 1) / 20) then return 0, lag / total end
    if total >= NEEDED and s.distrust == 0 then credit = SHARE * least end
    return credit, 0
end
local function spacing()
    local _, lag = rounds()
    return window / count * (1 + s.margin) + lag * (count > 1 and 1 / count or 0)
end
local function after(spaced, in_use)
    local excess = #in_use - count
    if excess < 0 then return spaced end
    table.sort(in_use)
    return math.max(spaced, in_use[excess + 1])
end
local function ends(of)
    local in_use = {}
    for _, free in ipairs(s.settled) do
        if free > now then in_use[#in_use + 1] = free end
    end
    for _, grant in ipairs(s.away) do
        if grant[5] > now then in_use[#in_use + 1] = of(grant) end
    end
    return in_use
end
local function settle(free)
    local at = #s.settled
    while at > 0 and s.settled[at] > free do at = at - 1 end
    table.insert(s.settled, at + 1, free)
end
local function spaced(due, at)
    return s.margin > 0 and math.max(due, at - s.margin * (window / count) / 2) or due
end
local function sent(grant, at)
    if s.last == grant[2] then
        s.last = spaced(grant[2], at)
        grant[2] = s.last
    end
    grant[4] = at
    grant[5] = at + PATIENCE + window
end
local function answered(grant, at, round_trip, refused)
    if count == inf then return end
    local credit = 0
    if round_trip then
        if #s.trips == REMEMBERED then table.remove(s.trips, 1) end
        table.insert(s.trips, round_trip)
        if s.distrust > 0 then s.distrust = s.distrust - 1 end
        credit = rounds()
    end
    if refused then
        s.distrust = REMEMBERED
        credit = 0
    end
    settle(math.min(math.max(at - credit, grant[4]) + window, grant[5]))
end
"""
"""`Slots` and `RoundTrips`."""

WINDOW = """
local function passed()
    local oldest = redis.call('LINDEX', KEYS[2], 0)
    while oldest and struct.unpack('<d', oldest) <= now do
        redis.call('LPOP', KEYS[2])
        oldest = redis.call('LINDEX', KEYS[2], 0)
    end
    s.first = s.after - redis.call('LLEN', KEYS[2])
end
local function used() return s.after - s.first + #s.away end
local function ended(reached)
    if not per_day then return end
    s.newest = math.max(reached + DAY, s.newest)
    redis.call('RPUSH', KEYS[2], packed(s.newest))
    s.after = s.after + 1
    passed()
end
local function probing()
    for _, grant in ipairs(s.away) do
        if grant[6] then return true end
    end
    return false
end
local function probed(at, refused) s.shut = refused and at + PROBE_EVERY or nil end
local function kept_for(run)
    local _, entry = find(s.kept, 1, run)
    return entry and entry[2] or 0
end
local function room(lane, run)
    if not per_day then return inf end
    local others = -kept_for(run)
    for _, entry in ipairs(s.kept) do others = others + entry[2] end
    return math.max(0, (lane == 'bulk' and said.per_day_for_bulk or per_day) - used() - others)
end
local function left(lane, run, at)
    local free = room(lane, run)
    if not s.shut then return free end
    if probing() or at < s.shut then return 0 end
    return math.min(1, free)
end
local function exhausted(lane, run)
    if s.shut and now < s.shut and not probing() then return true end
    if not per_day then return false end
    if run and find(s.kept, 1, run) then return used() >= per_day end
    return room(lane, run) == 0
end
local function keep(run, requests, at, all)
    local most = math.max(kept_for(run), left('bulk', run, at))
    if most == inf or (requests > most and all) then return end
    local place = find(s.kept, 1, run)
    if place then table.remove(s.kept, place) end
    local number = math.min(requests, most)
    if number > 0 then table.insert(s.kept, {run, number, at}) end
end
"""
"""`DayWindow`."""

UPDATES = """
local function pause(at, u)
    local left_at = u.sent_at and u.sent_at + origin
    local same = at < s.paused_until or (left_at and left_at <= s.began)
    local seconds = u.seconds
    if u.unreadable or (seconds and not (seconds >= 0 and seconds < inf)) then
        seconds = LONGEST
    elseif not seconds then
        if same then return end
        seconds = s.next
        s.next = math.min(2 * seconds, LONGEST)
    end
    if not same then
        s.began = at
        local asked = u.seconds
        local short = not u.unreadable and (not asked or (asked >= 0 and asked <= window))
        if short and u.refused and u.sent_at then
            s.margin = math.min(math.max(s.margin + STEP, s.margin * GROWTH), MOST)
        end
    end
    if at + seconds > s.paused_until then
        s.paused_until = at + seconds
        s.refused = u.refused
    end
end
local function over(u, place, grant)
    table.remove(s.away, place)
    local at, sent_at, refused = u.at + origin, u.sent_at + origin, true
    if sent_at ~= grant[4] then sent(grant, sent_at) end
    if u.type == 'Answered' then
        refused = u.refused
        answered(grant, at, u.round_trip, refused)
        ended(math.min(at, sent_at + PATIENCE))
        if not refused then
            if sent_at > s.began then
                s.next = s.margin > 0 and count < inf and math.min(1, SPACINGS * (window / count)) or 1
            end
            s.margin = s.margin > LEAST and s.margin * FADE or 0
        end
    else
        if count ~= inf then settle(grant[5]) end
        ended(sent_at + PATIENCE)
    end
    if grant[6] then probed(at, refused) end
end
local carry_out = {
    Answered = over,
    Lost = over,
    Sent = function(u, _, grant) sent(grant, u.at + origin) end,
    GaveBack = function(_, place, grant)
        table.remove(s.away, place)
        if s.last == grant[2] then s.last = grant[3] end
    end,
    Paused = function(u) pause(u.at + origin, u) end,
    DaySpent = function(u)
        for _, grant in ipairs(s.away) do grant[6] = false end
        probed(u.at + origin, true)
    end,
    Left = function(u)
        for at = #s.turns, 1, -1 do
            if s.turns[at][1] == u.holder then table.remove(s.turns, at) end
        end
    end,
    Committed = function(u) keep(u.run, u.requests, u.at + origin, u.whole) end,
    Lapsed = function(u)
        local place, entry = find(s.kept, 1, u.run)
        if not place or entry[3] ~= u.at then return end
        if u.alive then entry[3] = now else table.remove(s.kept, place) end
    end,
}
local function apply(u)
    if not u.number then return carry_out[u.type](u) end
    local place, grant = find(s.away, 1, u.number)
    if place then carry_out[u.type](u, place, grant) end
end
local function forget()
    for at = #s.turns, 1, -1 do
        if s.turns[at][5] + FORGOTTEN <= now then table.remove(s.turns, at) end
    end
    local away = s.away
    s.away = {}
    for _, grant in ipairs(away) do
        local patience = grant[4] + PATIENCE
        if grant[6] and patience <= now then
            grant[6] = false
            probed(patience, true)
        end
        if patience + FORGOTTEN <= now and grant[5] <= now then
            ended(patience)
        else
            table.insert(s.away, grant)
        end
    end
end
"""
"""`Pause`, and the updates of `AccountState`; `Lapsed` is only here, as who is alive is known outside."""

TURNS = """
local function opens()
    if probing() then return inf end
    if count == inf then return math.max(s.last, s.paused_until) end
    return math.max(after(s.last + spacing(), ends(function(grant) return grant[5] end)), s.paused_until)
end
local function earliest()
    if probing() then return now + PROBE_LOOK end
    local credit = rounds()
    local in_use = ends(function(grant)
        return math.min(grant[5], math.max(now - credit, grant[4]) + window)
    end)
    local free = after(math.max(s.last + spacing(), s.paused_until), in_use)
    return free > now and free or now + LOOK_AGAIN
end
local function own_turn(holder, lane)
    local mine, at
    for place, turn in ipairs(s.turns) do
        if turn[1] == holder then
            if turn[2] == lane then mine, at = turn, place else turn[5] = now end
        end
    end
    if not mine then
        s.number = s.number + 1
        mine = {holder, lane, s.number, now, now}
        table.insert(s.turns, mine)
        at = #s.turns
    end
    return mine, at
end
local function before(turn)
    local others, awaited, each = 0, {}, spacing()
    for _, other in ipairs(s.turns) do
        local first = other[3] < turn[3]
        if other[2] ~= turn[2] then first = other[2] == 'front' end
        if first and other[5] > now then
            others = others + 1
            if other[4] <= now and each > 0 then table.insert(awaited, other[5]) end
        end
    end
    return others, awaited, each
end
local function ask(holder, lane, run)
    s.asked_at = now
    forget()
    if exhausted(lane, run) then
        for at = #s.turns, 1, -1 do
            if s.turns[at][1] == holder and s.turns[at][2] == lane then table.remove(s.turns, at) end
        end
        return
    end
    local turn, place = own_turn(holder, lane)
    local others, awaited, each = before(turn)
    local free, ahead, lead, soonest = opens(), AHEAD, LEAD, LOOK_AGAIN
    if s.margin > 0 then
        ahead, lead, soonest = math.min(ahead, AHEAD_PART * each), math.min(lead, LEAD_PART * each), math.min(soonest, LOOK_AGAIN_PART * each)
    end
    if (free <= now and #awaited == 0) or (free <= now + ahead and others == 0) then
        table.remove(s.turns, place)
        local sent_at = math.max(now, free)
        local due = math.max(free, turn[5] >= now and math.min(turn[4], now) or now, now - LATE)
        due = spaced(due, sent_at)
        s.number = s.number + 1
        table.insert(s.away, {s.number, due, s.last, sent_at, sent_at + PATIENCE + window, s.shut ~= nil})
        s.last = due
        return s.number, sent_at
    end
    local rank = others * each
    if free <= now then
        turn[4] = math.max(now + 0.001, math.min(now + rank, unpack(awaited)))
    else
        local longest = math.max(CROWD_TURNS * each, CROWD)
        local later = rank <= longest and rank or longest + SPREAD * others
        turn[4] = math.max(now + soonest, earliest() + later - lead)
    end
    turn[5] = turn[4] + math.min(math.max(each, GRACE / 10), GRACE)
    return nil, turn[4]
end
"""
"""`turns`, where slots are granted ahead."""

EXCHANGED = """
local waiting = s.asked_at + QUIET > now
for _, turn in ipairs(s.turns) do waiting = waiting or turn[5] > now end
if s.limits ~= said.limits and waiting then return {'limits', s.limits} end
s.limits = said.limits
passed()
for _, update in ipairs(said.updates) do apply(update) end
local number, instant
if said.ask then
    local before = redis.call('HMGET', KEYS[3], 'ask', 'number', 'at')
    if before[1] == said.ask.id then
        number, instant = tonumber(before[2]), struct.unpack('<d', before[3])
    else
        number, instant = ask(said.ask.holder, said.ask.lane, said.ask.run)
        if number then
            redis.call('HSET', KEYS[3], 'ask', said.ask.id, 'number', whole(number), 'at', packed(instant))
            redis.call('EXPIRE', KEYS[3], ASKED)
        end
    end
end
while s.settled[1] and s.settled[1] <= now do table.remove(s.settled, 1) end
local forgotten = whole(1000 * math.min(math.max(UNUSED, s.paused_until - now + UNUSED), 1e9))
local content = cmsgpack.pack(s)
redis.call('SET', KEYS[1], content, 'PX', forgotten)
redis.call('PEXPIRE', KEYS[2], forgotten)
local known = math.max(0, said.known - s.first)
local since = redis.call('LRANGE', KEYS[2], whole(known), -1)
return {'done', content, number and whole(number) or '', instant and packed(instant) or '', table.concat(since)}
"""
"""An exchange; a request for a slot that is known is answered as before."""

_LOCALS = "".join(f"local {name} = {value!r}\n" for name, value in NUMBERS.items())
EXCHANGE: Final = Script(_LOCALS + LOADED + SLOTS + WINDOW + UPDATES + TURNS + EXCHANGED)
"""Carries out updates, then grants a slot or says when to ask again.

Keys: the account, its day, what the asker was granted last. Value: a `redis_account.Said`. Answers 'limits' and those in
use, or 'done', a `redis_account.Kept`, the number of the granted request, its time or that to ask again, and ends of the
day from `known` on.
"""
