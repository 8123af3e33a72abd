"""Reads the operations of a run from any form in which callers pass them, and checks them before anything is sent."""

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

Source: TypeAlias = Iterable[Operation] | AsyncIterable[Operation]
"""What yields operations."""

Operations: TypeAlias = Source | Callable[[], Source | Awaitable[Source]]
"""Operations, or a function that returns them: plain, async, a generator function or an async generator function.

A run that is resumed from its journal does not call the function: the journal has the operations.
"""

_NAMED = 5
"""Invalid operations that one error names."""

CHUNK = 50
"""Operations that are read and checked before other tasks run."""


def is_function(operations: Operations) -> bool:
    """Return whether operations are given as a function, which a resumed run does not call."""
    return callable(operations) and not isinstance(operations, Iterable | AsyncIterable)


def waits(operations: Operations) -> bool:
    """Return whether reading operations may wait for something, such as a list of doo's."""
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
        facts: what doo does not document.
        line: the caller's line, for warnings of unknown hook types.
        allow_net_deletes: if given, exactly how many deletes there must be.
        into: the list that they are appended to as they are read, for a caller that may cancel.

    Raises:
        ConfigError: some are invalid, each named; or they are an exhausted iterator; or no asyncio event loop runs.
        UnsafePlan: there are more or fewer deletes than allowed.
    """
    found, wrong = await read_and_check(operations, facts, line, into=into)
    if wrong:
        raise _all_of(wrong, len(found))
    deletes = sum(isinstance(operation, Delete) for operation in found)
    if allow_net_deletes is not None and deletes != allow_net_deletes:
        raise UnsafePlan(f"{deletes} deletes were given and {allow_net_deletes} allowed; nothing was sent")
    return found


async def read_and_check(
    operations: Operations, facts: Facts, line: Line, *, into: list[Operation] | None = None
) -> tuple[Sequence[Operation], dict[int, ConfigError]]:
    """Read and check every operation; return all, and the errors of the invalid ones by their numbers.

    Raises:
        ConfigError: something is not an operation, or the operations are an exhausted iterator.
    """
    running_loop()
    found: list[Operation] = [] if into is None else into
    await _read(await _iterable(operations), found)
    if not found and isinstance(operations, Iterator | AsyncIterator) and not _is_generator(operations):
        raise _exhausted(operations, "yields nothing, so it was probably exhausted before")
    wrong: dict[int, ConfigError] = {}
    unknown: dict[str, None] = {}
    before: object = None
    for number, operation in enumerate(found):
        if not isinstance(operation, Create | Ensure | Update | Replace | Delete):
            raise ConfigError(f"operation {number} is a {type(operation).__name__}; nothing was sent")
        changes = operation.changes if isinstance(operation, Update) else None
        try:
            # Thousands of updates often have the same changes.
            if changes is None or not changes.keys() <= _TEXTS or changes != before:
                unknown |= dict.fromkeys(check_operation(operation, facts))
                before = changes
        except ConfigError as error:
            wrong[number] = ConfigError(f"operation {number}, {error}")
        await _yield_to_loop(number)
    warn_of_types(unknown, line)
    return found, wrong


_TEXTS = frozenset({"name", "description", "event_id", "event_guide_id", "hosts", "endpoints"})
"""Changes that hold no secret, so that they can be compared."""


def _all_of(wrong: Mapping[int, ConfigError], count: int) -> ConfigError:
    """Return one error for all invalid operations of a run."""
    if len(wrong) == 1:
        return next(iter(wrong.values()))
    named = [str(error).removesuffix(" Nothing was sent.") for error in islice(wrong.values(), _NAMED)]
    more = f" {len(wrong) - _NAMED} more are invalid." if len(wrong) > _NAMED else ""
    return ConfigError(
        f"{len(wrong)} of {count} operations are invalid: {' '.join(named)}{more} Nothing was sent."
    )


async def _iterable(operations: Operations) -> Source:
    """Return what yields the operations, which may be the result of a function."""
    source: object = operations
    if is_function(operations):
        source = cast("Callable[[], object]", operations)()
        if isinstance(source, Awaitable):
            source = await source
    if isinstance(source, Coroutine):
        source.close()
        raise ConfigError(
            "operations are a coroutine; pass the async function itself, without calling it, or await it first. "
            "Nothing was sent"
        )
    if not isinstance(source, Iterable | AsyncIterable):
        raise ConfigError(
            "operations must be an iterable or async iterable of operations, such as a list, and not a "
            f"{type(source).__name__}; or a function that returns one, which is called only for a new run, and "
            "not for one that is resumed from its journal. Nothing was sent"
        )
    if _is_generator(source) and _frame(source) is None:
        raise _exhausted(source, "was exhausted before")
    return source


async def _read(source: Source, found: list[Operation]) -> None:
    if isinstance(source, AsyncIterable):
        async for operation in source:
            found.append(operation)
            await _yield_to_loop(len(found))
    else:
        for operation in source:
            found.append(operation)
            await _yield_to_loop(len(found))


async def _yield_to_loop(number: int) -> None:
    """Let other tasks run after each `CHUNK`."""
    if number % CHUNK == 0:
        await asyncio.sleep(0)


def _is_generator(source: object) -> bool:
    """Return whether it is a generator, which shows whether it is exhausted."""
    return hasattr(source, "gi_frame") or hasattr(source, "ag_frame")


def _frame(source: object) -> object:
    return getattr(source, "gi_frame", None) or getattr(source, "ag_frame", None)


def _exhausted(source: object, how: str) -> ConfigError:
    return ConfigError(
        f"operations are a {type(source).__name__} that {how}, for instance by a forecast; nothing was sent. Pass a list, "
        "or a function that makes a new one each time"
    )


def given(operations: Operations | None) -> Operations:
    """Return the operations that a run was given.

    Raises:
        ConfigError: it was given none.
    """
    if operations is None:
        raise ConfigError(
            "there are no operations; nothing was sent. To resume a run without them call bulk.resume(journal)"
        )
    return operations
