"""The operations of a run as callers pass them: read, whatever form they have, and checked before anything is sent."""

from __future__ import annotations

import asyncio
from collections.abc import (
    AsyncIterable,
    AsyncIterator,
    Awaitable,
    Callable,
    Coroutine,
    Iterable,
    Iterator,
    Mapping,
    Sequence,
)
from itertools import islice
from typing import TypeAlias, cast

from aiodoo.doo_warnings import Line
from aiodoo.errors import ConfigError, UnsafePlan
from aiodoo.event_loop import running_loop
from aiodoo.facts import Facts
from aiodoo.operations import Create, Delete, Ensure, Operation, Replace, Update
from aiodoo.operations.operations import check_operation, warn_of_types

Some: TypeAlias = Iterable[Operation] | AsyncIterable[Operation]
"""Operations, one after the other."""

Operations: TypeAlias = Some | Callable[[], Some | Awaitable[Some]]
"""Operations, or a function that finds them out: it returns them, or is async, a generator or an async generator.

A run that goes on from its journal does not call the function: the journal has the operations.
"""

_TOLD = 5
"""Wrong operations that one error names."""

AT_ONCE = 200
"""Operations that are read and checked before the event loop has its turn."""


def is_function(operations: Operations) -> bool:
    """Tell whether operations are to be found out by a function, which a run that goes on does not call."""
    return callable(operations) and not isinstance(operations, Iterable | AsyncIterable)


def waits(operations: Operations) -> bool:
    """Tell whether reading operations may wait for something, such as a list of doo's."""
    return is_function(operations) or isinstance(operations, AsyncIterable)


async def checked(
    operations: Operations,
    facts: Facts,
    line: Line,
    allow_net_deletes: int | None = None,
    *,
    into: list[Operation] | None = None,
) -> Sequence[Operation]:
    """Read and check every operation before anything is sent.

    Args:
        operations: as they were passed.
        facts: what is known of doo.
        line: whose line is warned at of hook types that nobody knows.
        allow_net_deletes: if given, exactly how many deletes there must be.
        into: where they are put as they are read, for whoever breaks the reading off.

    Raises:
        ConfigError: some of them cannot be right, each named; or they come from an iterator that was used up before; or
            there is no event loop of asyncio's.
        UnsafePlan: there are more or fewer deletes than allowed.
    """
    found, wrong = await judged(operations, facts, line, into=into)
    if wrong:
        raise _all_of(wrong, len(found))
    deletes = sum(isinstance(operation, Delete) for operation in found)
    if allow_net_deletes is not None and deletes != allow_net_deletes:
        raise UnsafePlan(f"{deletes} deletes were given and {allow_net_deletes} allowed; nothing was sent")
    return found


async def judged(
    operations: Operations, facts: Facts, line: Line, *, into: list[Operation] | None = None
) -> tuple[Sequence[Operation], dict[int, ConfigError]]:
    """Read and check every operation, and return them with what is wrong with some, by their places.

    Raises:
        ConfigError: something is no operation, or they come from an iterator that was used up before.
    """
    running_loop()
    found: list[Operation] = [] if into is None else into
    await _read(await _iterable(operations), found)
    if not found and isinstance(operations, Iterator | AsyncIterator) and not _is_generator(operations):
        raise _used_up(operations, "yields nothing, so that it was probably used up before")
    wrong: dict[int, ConfigError] = {}
    unknown: dict[str, None] = {}
    for number, operation in enumerate(found):
        if not isinstance(operation, Create | Ensure | Update | Replace | Delete):
            raise ConfigError(f"operation {number} is a {type(operation).__name__}; nothing was sent")
        try:
            unknown |= dict.fromkeys(check_operation(operation, facts))
        except ConfigError as error:
            wrong[number] = ConfigError(f"operation {number}, {error}")
        await _turn(number)
    warn_of_types(unknown, line)
    return found, wrong


def _all_of(wrong: Mapping[int, ConfigError], count: int) -> ConfigError:
    """Return one error for all that is wrong with a run's operations."""
    if len(wrong) == 1:
        return next(iter(wrong.values()))
    told = [str(error).removesuffix(" Nothing was sent.") for error in islice(wrong.values(), _TOLD)]
    more = f" {len(wrong) - _TOLD} more are wrong." if len(wrong) > _TOLD else ""
    return ConfigError(
        f"{len(wrong)} of {count} operations cannot be right: {' '.join(told)}{more} Nothing was sent."
    )


async def _iterable(operations: Operations) -> Some:
    """Return what yields the operations; a function is called for it."""
    some: object = operations
    if is_function(operations):
        some = cast("Callable[[], object]", operations)()
        if isinstance(some, Awaitable):
            some = await some
    if isinstance(some, Coroutine):
        some.close()
        raise ConfigError(
            "operations are a coroutine; pass the async function itself, without calling it, or await it first. "
            "Nothing was sent"
        )
    if not isinstance(some, Iterable | AsyncIterable):
        raise ConfigError(
            "operations must be an iterable or async iterable of operations, such as a list, and not a "
            f"{type(some).__name__}; or a function that returns one, which is called only for a run that begins, and "
            "not for one that goes on from its journal. Nothing was sent"
        )
    if _is_generator(some) and _frame(some) is None:
        raise _used_up(some, "was used up before")
    return some


async def _read(some: Some, found: list[Operation]) -> None:
    if isinstance(some, AsyncIterable):
        async for operation in some:
            found.append(operation)
            await _turn(len(found))
    else:
        for operation in some:
            found.append(operation)
            await _turn(len(found))


async def _turn(number: int) -> None:
    """Let the event loop have its turn now and then."""
    if number % AT_ONCE == 0:
        await asyncio.sleep(0)


def _is_generator(some: object) -> bool:
    """Tell whether it says itself whether it was used up."""
    return hasattr(some, "gi_frame") or hasattr(some, "ag_frame")


def _frame(some: object) -> object:
    return getattr(some, "gi_frame", None) or getattr(some, "ag_frame", None)


def _used_up(some: object, how: str) -> ConfigError:
    return ConfigError(
        f"operations are a {type(some).__name__} that {how}, for instance by a forecast; nothing was sent. Pass a list, "
        "or a function that makes a new one each time"
    )
