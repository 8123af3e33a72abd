"""Names that have better ones: they work as before, and warn at the line of whoever uses them."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from aiodoo import Limits, Session
from aiodoo.quota import Lane
from aiodoo.sandbox import Fault, Sandbox, run


def session(box: Sandbox) -> Session:
    """Return a session on a box."""
    return Session(
        base_url=box.url,
        api_key=box.api_key,
        client_id=box.client_id,
        client_secret=box.client_secret,
        limits=Limits(per_second=None, per_day=100, reserve=0.1),
    )


async def by_close(doo: Session) -> Any:
    """Close a session."""
    await doo.close()
    return (await doo.quota.usage()).used


async def by_used(doo: Session) -> Any:
    """Ask what is used."""
    return doo.quota.used


async def by_left(doo: Session) -> Any:
    """Ask what is left."""
    return doo.quota.left(Lane.BULK)


async def by_resume_at(doo: Session) -> Any:
    """Ask when there is room."""
    return doo.quota.resume_at(Lane.FRONT)


async def by_run(_: Session) -> Any:
    """Serve a sandbox until it is cancelled."""
    heard = asyncio.get_running_loop().create_future()
    serving = asyncio.create_task(run(announce=lambda box: heard.set_result(box.url)))
    url = await heard
    serving.cancel()
    await asyncio.wait([serving])
    return url.startswith("http://127.0.0.1:")


async def by_what(_: Session) -> Any:
    """Make a fault, and look at it."""
    return Fault(what="late").what


@pytest.mark.parametrize(
    ("use", "told", "result"),
    [
        (by_close, ["Session.close() is deprecated; use aclose()"], 2),
        (by_used, ["quota.used is deprecated"], 2),
        (by_left, ["quota.left() is deprecated"], 88),
        (by_resume_at, ["quota.resume_at() is deprecated"], None),
        (by_run, ["sandbox.run() is deprecated; use serve_forever()"], True),
        (by_what, ["Fault(what=...) is deprecated; use Fault(kind=...)", "Fault.what is deprecated"], "late"),
    ],
    ids=lambda value: value.__name__ if callable(value) else None,
)
def test_an_old_name_warns_at_the_callers_line(
    use: Callable[[Session], Awaitable[Any]], told: list[str], result: Any
) -> None:
    """Once for each use, and does what it did."""

    async def main() -> Any:
        async with Sandbox(organizations=1, plan=None) as box, session(box) as doo:
            assert await doo.webhooks.list("111").collect() == []
            return await use(doo)

    with pytest.warns(DeprecationWarning, match="is deprecated") as caught:
        found = asyncio.run(main())
    assert [warning.filename for warning in caught] == [__file__] * len(told)
    for warning, words in zip(caught, told, strict=True):
        assert words in str(warning.message)
    assert found == result


def test_a_fault_has_a_kind() -> None:
    """And no other than the known ones."""
    assert Fault("late") == Fault(kind="late")
    with pytest.raises(ValueError, match="the kind of a fault is one of"):
        Fault("explode")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="the kind of a fault is one of"):
        Fault()
