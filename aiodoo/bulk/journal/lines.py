"""The lines of a journal file: one a commit, numbered, each with a checksum and a keyed hash over the line before.

    aiodoo journal 3 <run id>
    <crc32> <time> <keyed hash> <number> <rows as JSON>

The checksum tells of damage, also without the key. The keyed hash tells of lines that another program wrote, and
of lines put together from two files. A last piece without its end is what a killed process leaves behind.

Both are made of the rows first and of the rest afterwards. What takes long is done by then, and the time in a line is
that of its writing, also where other threads keep a processor busy.
"""

from __future__ import annotations

import hashlib
import re
import zlib
from collections.abc import Callable, Iterator, Sequence
from typing import Any, BinaryIO

import attrs
import msgspec

from aiodoo.bulk.journal.store import Row

VERSION = 3
"""The version of this form; 1 and 2 were SQLite databases."""

BLOCK = 4096
"""Bytes that a disk gives to a file at once."""

NOTHING = b"[]"
"""The rows of a line that only says when the file was last changed."""

STAMP = 96
"""Bytes that such a line takes at most."""

LONGEST = 1 << 28
"""Bytes of the longest line that is read."""

_HEAD = re.compile(rb"aiodoo journal ([0-9]{1,9}) ([0-9a-f]{16})\n")
_LINE = re.compile(rb"([0-9a-f]{8}) ([0-9]{10}\.[0-9]{6}) ([0-9a-f]{32}) ([0-9]{1,18}) ")


class Unsound(Exception):
    """What was read is no sound journal; says why."""


class Newer(Exception):
    """What was read is in a form that a newer version writes; says which."""


def encoded(rows: Sequence[Row]) -> bytes:
    """Return rows as a line holds them."""
    return msgspec.json.encode(rows)


def head(run_id: str) -> bytes:
    """Return the first line."""
    return f"aiodoo journal {VERSION} {run_id}\n".encode()


@attrs.define
class Chain:
    """The end of a journal, to which the next line is to be fastened.

    Attributes:
        key: what the keyed hash is made with; None to check none.
        mac: the last line's keyed hash, or the whole first line.
        number: the last line's number.
    """

    key: bytes | None
    mac: bytes
    number: int = 0

    def line(
        self, rows: bytes, now: Callable[[], float], *, size: int, roomy: bool = True
    ) -> tuple[bytes, Chain, float]:
        """Return the next line, the chain with it, and its time.

        Args:
            rows: what it keeps, as `encoded`.
            now: tells what time it is; asked as late as can be, as the line is to be written at that time.
            size: how long the file is.
            roomy: whether to leave room in the last block for a line without rows, so that one can be written when the
                disk is full, and so that a line which is torn at a block's end shows when it was written, and is not a
                line without its last character.
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
        """Check a line; return the chain with it, its time, whether its keyed hash is right, and its rows.

        Raises:
            Unsound: it is damaged, or not the next one.
        """
        found = _LINE.match(line)
        if found is None or not _is_whole(line[:-1], found.end()):
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
    """What was read of a journal.

    Attributes:
        chain: its end.
        size: how long its whole lines are.
        torn: how long the last piece without its end is.
        time: when its last line, or that piece, was written.
    """

    run_id: str
    rows: dict[str, dict[str, Any]]
    chain: Chain
    size: int
    torn: int
    time: float
    forged_at: int | None


def read(file: BinaryIO, key: bytes | None) -> Reading:
    """Read a journal from its first line to its last.

    Raises:
        Unsound: it is no sound journal.
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
    rows: dict[str, dict[str, Any]] = {}
    for line in _lines(file):
        if not line.endswith(b"\n"):
            if _is_whole_but_for_its_end(line):
                raise Unsound(f"line {chain.number + 1} is without its end")
            torn = len(line)
            time = _torn_time(line) or time
            break
        chain, time, genuine, kept = chain.follow(line)
        if not genuine and forged_at is None:
            forged_at = chain.number
        size += len(line)
        for kind, name, value in kept:
            rows.setdefault(kind, {})[name] = value
    return Reading(
        run_id=found[2].decode(), rows=rows, chain=chain, size=size, torn=torn, time=time, forged_at=forged_at
    )


def _lines(file: BinaryIO) -> Iterator[bytes]:
    while line := file.readline(LONGEST):
        if len(line) == LONGEST and not line.endswith(b"\n"):
            raise Unsound("it has a line without an end")
        yield line


def _torn_time(piece: bytes) -> float | None:
    """Return when a line was written whose end is missing, if so much of it is there."""
    found = re.match(rb"[0-9a-f]{8} ([0-9]{10}\.[0-9]{6}) ", piece)
    return None if found is None else float(found[1])


def _digest(rows: bytes) -> bytes:
    return hashlib.blake2b(rows, digest_size=32).digest()


def _is_whole(line: bytes, begin: int) -> bool:
    """Tell whether a line without its end is as it was written; its rows begin at `begin`."""
    return int(line[:8], 16) == zlib.crc32(line[9:begin], zlib.crc32(line[begin:]))


def _is_whole_but_for_its_end(piece: bytes) -> bool:
    """Tell whether only the end of a line is missing, or changed. No process that was killed leaves that behind."""
    found = _LINE.match(piece)
    return found is not None and any(_is_whole(each, found.end()) for each in (piece, piece[:-1]))
