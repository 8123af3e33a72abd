"""The lines of a journal file: one for each commit, numbered, with a checksum and a hash chained to the line before.

    aiodoo journal 3 <run id>
    <crc32> <time> <keyed hash> <number> <rows as JSON>

The checksum shows damage, also without the key. The keyed hash shows lines that another program wrote, and lines of
another file. An incomplete last line is what a killed process leaves behind.

Both are computed over the rows first and over the rest afterwards, so that little is left to do between reading the
time of a line and writing it.
"""

from __future__ import annotations

import hashlib
import re
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from typing import Any, BinaryIO

import attrs
import msgspec

from aiodoo.bulk.journal.store import Row

VERSION = 3
"""The version of this format; 1 and 2 were SQLite databases."""

BLOCK = 4096
"""The size of a file system's blocks in bytes."""

NOTHING = b"[]"
"""The rows of a stamp: a line that only has the time of the file's last change."""

STAMP = 96
"""The largest size of a stamp in bytes."""

LONGEST = 1 << 28
"""The largest size of a line in bytes."""

_HEAD = re.compile(rb"aiodoo journal ([0-9]{1,9}) ([0-9a-f]{16})\n")
_LINE = re.compile(rb"([0-9a-f]{8}) ([0-9]{10}\.[0-9]{6}) ([0-9a-f]{32}) ([0-9]{1,18}) ")


class Unsound(Exception):
    """The file is not a valid journal; the message says why."""


class Newer(Exception):
    """A newer version wrote the file; the message is the version of its format."""


def encoded(rows: Sequence[Row]) -> bytes:
    """Return rows as they are in a line."""
    return msgspec.json.encode(rows)


def head(run_id: str) -> bytes:
    """Return the first line."""
    return f"aiodoo journal {VERSION} {run_id}\n".encode()


@attrs.define
class Chain:
    """The last line of a journal, to which the next one is chained.

    Attributes:
        key: the key of the hashes; None to check none.
        mac: the hash of the last line, or the whole first line.
        number: the number of the last line.
    """

    key: bytes | None
    mac: bytes
    number: int = 0

    def line(
        self, rows: bytes, now: Callable[[], float], *, size: int, roomy: bool = True
    ) -> tuple[bytes, Chain, float]:
        """Return the next line, the chain after it, and its time.

        Args:
            rows: its rows, as `encoded`.
            now: returns the time; called as late as possible, as the line is written right afterwards.
            size: the size of the file.
            roomy: whether to pad the line so that the last block has room for a stamp. Then a stamp can be written to a
                full disk, and a line that is cut at the end of a block still has its time and lacks more than its last
                character.
        """
        number = b"%d " % (self.number + 1)
        length = 8 + 1 + 17 + 1 + 32 + 1 + len(number) + len(rows) + 1
        end = (size + length) % BLOCK
        if roomy and not 1 < end <= BLOCK - STAMP:
            rows += b" " * ((2 - end) % BLOCK)
        digest, checksum = _digest(rows), zlib.crc32(rows)
        time = now()
        stated = b"%017.6f " % time
        mac = self._mac(stated + number + digest)
        stated += mac + b" " + number
        line = b"%08x %s%s\n" % (zlib.crc32(stated, checksum), stated, rows)
        return line, Chain(self.key, mac, self.number + 1), time

    def follow(self, line: bytes) -> tuple[Chain, float, bool, Any]:
        """Check a line; return the chain after it, its time, whether its hash is right, and its rows.

        Raises:
            Unsound: it is damaged, or not the next line.
        """
        found = _LINE.match(line)
        if found is None or not _has_right_checksum(line[:-1], found.end()):
            raise Unsound(f"line {self.number + 1} is not as it was written")
        if int(found[4]) != self.number + 1:
            raise Unsound(f"line {self.number + 1} is missing")
        rows = line[found.end() : -1]
        genuine = (
            self.key is None or self._mac(line[9:27] + line[60 : found.end()] + _digest(rows)) == found[3]
        )
        try:
            kept = msgspec.json.decode(rows)
        except msgspec.DecodeError:
            raise Unsound(f"line {self.number + 1} is not as it was written") from None
        return Chain(self.key, found[3], self.number + 1), float(found[2]), genuine, kept

    def _mac(self, stated: bytes) -> bytes:
        if self.key is None:
            return b"0" * 32
        return hashlib.blake2b(self.mac + stated, key=self.key[:64], digest_size=16).hexdigest().encode()


@attrs.frozen(kw_only=True)
class Reading:
    """The content of a journal file.

    Attributes:
        run_id: the id of its run.
        rows: the values by kind and key.
        chain: its last line.
        size: the size of its complete lines in bytes.
        torn: the size of an incomplete last line; 0 if there is none.
        unended: whether the last line is complete but for its line break, as a full disk may leave it. It counts.
        time: when the last line, complete or not, was written.
        forged_at: the number of the first line with a wrong hash; None if there is none.
    """

    run_id: str
    rows: dict[str, dict[str, Any]]
    chain: Chain
    size: int
    torn: int
    unended: bool
    time: float
    forged_at: int | None


def read(file: BinaryIO, key: bytes | None) -> Reading:
    """Read and check a whole journal.

    Raises:
        Unsound: it is not a valid journal.
        Newer: a newer version wrote it.
    """
    first = file.readline(64)
    if not first:
        raise Unsound("it is empty; a journal never is, so it was cut off, or made by something else")
    found = _HEAD.fullmatch(first)
    if found is None:
        raise Unsound("it is no journal")
    if int(found[1]) > VERSION:
        raise Newer(found[1].decode())
    if int(found[1]) != VERSION:
        raise Unsound("it is no journal")
    chain, size, torn, time, forged_at = Chain(key, first), len(first), 0, 0.0, None
    unended = False
    rows: dict[str, dict[str, Any]] = {}
    for line in _lines(file):
        unended = not line.endswith(b"\n")
        if unended and not _is_whole(line):
            if _is_whole(line[:-1]):
                raise Unsound(f"line {chain.number + 1} has another character in place of its line break")
            torn, unended = len(line), False
            time = _torn_time(line) or time
            break
        chain, time, genuine, kept = chain.follow(line + b"\n" if unended else line)
        if not genuine and forged_at is None:
            forged_at = chain.number
        size += len(line)
        for kind, name, value in kept:
            rows.setdefault(kind, {})[name] = value
    return Reading(
        run_id=found[2].decode(),
        rows=rows,
        chain=chain,
        size=size,
        torn=torn,
        unended=unended,
        time=time,
        forged_at=forged_at,
    )


def history(file: BinaryIO) -> Iterator[tuple[float, list[Row]]]:
    """Yield the time and the rows of each line, up to one that is incomplete or damaged; nothing if it is no journal."""
    chain = Chain(None, file.readline(64))
    if _HEAD.fullmatch(chain.mac) is None:
        return
    with suppress(Unsound):
        for line in _lines(file):
            chain, time, _, rows = chain.follow(line)
            yield time, rows


def _lines(file: BinaryIO) -> Iterator[bytes]:
    while line := file.readline(LONGEST):
        if len(line) == LONGEST and not line.endswith(b"\n"):
            raise Unsound("it has a line without an end")
        yield line


def _torn_time(piece: bytes) -> float | None:
    """Return when an incomplete line was written, if it has its time."""
    found = re.match(rb"[0-9a-f]{8} ([0-9]{10}\.[0-9]{6}) ", piece)
    return None if found is None else float(found[1])


def _digest(rows: bytes) -> bytes:
    return hashlib.blake2b(rows, digest_size=32).digest()


def _is_whole(line: bytes) -> bool:
    """Return whether it is a line, without its line break, whose checksum is right."""
    found = _LINE.match(line)
    return found is not None and _has_right_checksum(line, found.end())


def _has_right_checksum(line: bytes, begin: int) -> bool:
    """Return whether the checksum of a line without its line break is right; its rows begin at `begin`."""
    return int(line[:8], 16) == zlib.crc32(line[9:begin], zlib.crc32(line[begin:]))
