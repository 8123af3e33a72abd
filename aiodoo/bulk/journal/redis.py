"""Journals in Redis or Valkey."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

import attrs

from aiodoo.bulk.journal.server import Away, Held, Key, Refused
from aiodoo.bulk.journal.shared import SharedJournal
from aiodoo.quota.redis_server import check_client, is_away, shown_url

if TYPE_CHECKING:
    import redis

ANSWER = 5.0
"""Seconds that one command may take."""

ON_DISK = 2000
"""Milliseconds in which a line must be on the disk; the append-only file is written once a second, unless always."""

_TAKE = """
if redis.call('EXISTS', KEYS[1]) == 0 then return {0, ''} end
local holder = redis.call('GET', KEYS[2])
if holder and holder ~= ARGV[1] then return {-1, holder} end
redis.call('SET', KEYS[2], ARGV[1], 'PX', ARGV[2])
return {redis.call('HINCRBY', KEYS[1], 'fence', 1), ''}
"""
_BEGIN = """
if redis.call('EXISTS', KEYS[1]) == 1 then return redis.call('HGET', KEYS[1], 'run') == ARGV[4] and 1 or 0 end
redis.call('DEL', KEYS[3])
redis.call('HSET', KEYS[1], 'run', ARGV[4], 'fence', 1, 'begun', redis.call('TIME')[1])
redis.call('SET', KEYS[2], ARGV[1], 'PX', ARGV[2])
for place = 5, #ARGV do redis.call('RPUSH', KEYS[3], ARGV[place]) end
return 1
"""
_APPEND = """
if redis.call('HGET', KEYS[1], 'fence') ~= ARGV[3] then return 'taken' end
local written = redis.call('LLEN', KEYS[3])
if written == tonumber(ARGV[4]) then
    redis.call('RPUSH', KEYS[3], ARGV[5])
elseif written ~= ARGV[4] + 1 or redis.call('LINDEX', KEYS[3], -1) ~= ARGV[5] then
    return 'other'
end
redis.call('SET', KEYS[2], ARGV[1], 'PX', ARGV[2])
return 'written'
"""
_RENEW = """
if redis.call('HGET', KEYS[1], 'fence') ~= ARGV[3] then return 0 end
redis.call('SET', KEYS[2], ARGV[1], 'PX', ARGV[2])
return 1
"""
_FREE = "if redis.call('HGET', KEYS[1], 'fence') == ARGV[3] then redis.call('DEL', KEYS[2]) end"
_DELETE = """
if redis.call('EXISTS', KEYS[2]) == 1 then return 0 end
redis.call('DEL', KEYS[1], KEYS[3])
return 1
"""
_HEAD, _END = "aiodoo:journal:{", "}"


@attrs.frozen(str=False)
class Redis(SharedJournal):
    """A journal in Redis or Valkey, which must keep its data in an append-only file.

    `Redis(url) / "move"` is the journal `move`; `Redis(url)` stands for all of them, where a folder would. Each commit
    waits until it is on the server's disk: set `appendfsync always`, as with `everysec` a commit takes up to a second.
    Needs the extra `redis`, and Redis 7.2 or Valkey. Costs no request.

    Args:
        url: the URL of the server.
        name: the name of the journal.
        patience: seconds to wait for a server that is away, before a run stops.
        lease: seconds after which the journal of a killed or frozen process can be opened by another one.

    Raises:
        ConfigError: the URL or the name is invalid, or the package redis is not installed.
    """

    def _shown_url(self) -> str:
        shown = shown_url(self.url, "the journals")
        check_client(self.url, "journals.Redis")
        return shown

    def _server(self) -> _Connection:
        return _Connection(self.url)


def _keys(name: str) -> tuple[str, str, str]:
    """Return the keys of a journal's head, lease and lines; in one slot of a cluster."""
    return tuple(f"{_HEAD}{name}{_END}{part}" for part in ("", ":lease", ":lines"))  # type: ignore[return-value]


@attrs.define(eq=False)
class _Connection:
    """The connections to a server, made when they are needed."""

    _url: str
    _client: redis.Redis | None = None

    def take(self, key: Key) -> int | None:
        number, holder = self._written(_TAKE, key)
        if number < 0:
            raise Held(holder.decode(errors="replace"))
        return int(number) or None

    def begin(self, key: Key, run_id: str, first: Sequence[bytes]) -> bool:
        return bool(self._written(_BEGIN, key, run_id, *first))

    def append(self, key: Key, number: int, line: bytes) -> None:
        match self._written(_APPEND, key, number, line):
            case b"taken":
                raise Refused("another process has taken it up, or it was deleted")
            case b"other":
                raise Refused("somebody else has written to it")

    def renew(self, key: Key) -> bool:
        return bool(self._run(_RENEW, key))

    def free(self, key: Key) -> None:
        self._run(_FREE, key)

    def read(self, name: str) -> bytes | None:
        with self._connected() as client:
            found: Any = client.lrange(_keys(name)[2], 0, -1)
        return b"".join(found) or None

    def holder(self, name: str) -> str | None:
        with self._connected() as client:
            found: Any = client.get(_keys(name)[1])
        return None if found is None else found.decode(errors="replace")

    def begun(self) -> dict[str, float]:
        with self._connected() as client, client.pipeline(transaction=False) as pipe:
            heads = [*client.scan_iter(match=f"{_HEAD}*{_END}", count=1000)]
            for head in heads:
                pipe.hget(head, "begun")
            found = zip(heads, pipe.execute(), strict=True)
            # One that was deleted meanwhile has no time.
            return {head.decode()[len(_HEAD) : -len(_END)]: float(begun) for head, begun in found if begun}

    def delete(self, name: str) -> bool:
        return bool(self._run(_DELETE, Key(name=name, holder="", lease=1)))

    def close(self) -> None:
        client, self._client = self._client, None
        if client is not None:
            with suppress(Exception):  # the server may be gone
                client.close()

    def _run(self, script: str, key: Key) -> Any:
        with self._connected() as client:
            return client.eval(script, 3, *_keys(key.name), *_given(key))

    def _written(self, script: str, key: Key, *values: bytes | str | float) -> Any:
        """Return what a script returns, once what it has written is on the disk."""
        with self._connected() as client, client.pipeline(transaction=False) as pipe:
            pipe.eval(script, 3, *_keys(key.name), *_given(key), *values)
            pipe.execute_command("WAITAOF", 1, 0, ON_DISK)  # type: ignore[no-untyped-call]
            found, (on_disk, _) = pipe.execute()
        if not on_disk:
            raise Away("what was written is not on its disk yet")
        return found

    @contextmanager
    def _connected(self) -> Iterator[redis.Redis]:
        """Yield the client.

        Raises:
            Away, Refused: what the server or the client has raised.
        """
        import redis  # noqa: PLC0415  # an extra, loaded by whoever uses it
        from redis.backoff import NoBackoff  # noqa: PLC0415
        from redis.retry import Retry  # noqa: PLC0415

        try:
            if self._client is None:
                client = redis.Redis.from_url(
                    self._url,
                    socket_timeout=ANSWER,
                    socket_connect_timeout=ANSWER,
                    retry=Retry(NoBackoff(), 0),
                    decode_responses=False,
                )
                _check_durable(client)
                self._client = client
            yield self._client
        except (redis.RedisError, OSError) as error:
            raise (Away if is_away(error) else Refused)(type(error).__name__) from None


def _check_durable(client: redis.Redis) -> None:
    import redis  # noqa: PLC0415  # as above

    try:
        client.execute_command("WAITAOF", 1, 0, ON_DISK)  # type: ignore[no-untyped-call]
    except redis.ResponseError as error:
        if is_away(error) or not any(word in str(error) for word in ("appendonly", "unknown command")):
            raise
        raise Refused(
            "its server keeps nothing in an append-only file, or is older than Redis 7.2; set appendonly yes"
        ) from None


def _given(key: Key) -> tuple[str, int, int]:
    return key.holder, int(key.lease * 1000), key.number
