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
    Sequence,
)
from typing import TypeAlias, cast

from aiodoo.errors import ConfigError, UnsafePlan
from aiodoo.loop import running_loop
from aiodoo.models import check_replacement
from aiodoo.operations import Create, Delete, Ensure, Operation, Replace, Update

Some: TypeAlias = Iterable[Operation] | AsyncIterable[Operation]
"""Operations, one after the other."""

Operations: TypeAlias = Some | Callable[[], Some | Awaitable[Some]]
"""Operations, or a function that finds them out: it returns them, or is async, a generator or an async generator.

A run that goes on from its journal does not call the function: the journal has the operations.
"""

AT_ONCE = 200
"""Operations that are read and checked before the event loop has its turn."""


def is_function(operations: Operations) -> bool:
    """Tell whether operations are to be found out by a function, which a run that goes on does not call."""
    return callable(operations) and not isinstance(operations, Iterable | AsyncIterable)


async def checked(operations: Operations, allow_net_deletes: int | None = None) -> Sequence[Operation]:
    """Read and check every operation before anything is sent.

    Raises:
        ConfigError: one of them cannot be right, or they come from an iterator that was used up before; or there is no
            event loop of asyncio's.
        UnsafePlan: there are more or fewer deletes than allowed.
    """
    running_loop()
    found = await _read(await _iterable(operations))
    if not found and isinstance(operations, Iterator | AsyncIterator) and not _is_generator(operations):
        raise _used_up(operations, "yields nothing, so that it was probably used up before")
    deletes = 0
    for number, operation in enumerate(found):
        _check(number, operation)
        deletes += isinstance(operation, Delete)
        await _turn(number)
    if allow_net_deletes is not None and deletes != allow_net_deletes:
        raise UnsafePlan(f"{deletes} deletes were given and {allow_net_deletes} allowed; nothing was sent")
    return found


def _check(number: int, operation: object) -> None:
    if not isinstance(operation, Create | Ensure | Update | Replace | Delete):
        raise ConfigError(f"operation {number} is a {type(operation).__name__}; nothing was sent")
    if isinstance(operation, Create | Ensure):
        operation.config.check()
    elif isinstance(operation, Replace):
        check_replacement(operation.config)


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


async def _read(some: Some) -> list[Operation]:
    found: list[Operation] = []
    if isinstance(some, AsyncIterable):
        async for operation in some:
            found.append(operation)
            await _turn(len(found))
    else:
        for operation in some:
            found.append(operation)
            await _turn(len(found))
    return found


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
