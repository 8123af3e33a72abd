"""A session of aiodoo on a sandbox, for those who try things out.

The only room of the sandbox that knows the SDK: it is loaded when somebody asks for a session, and judges nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from aiodoo.sandbox.gateway import Plan
    from aiodoo.session import Options, Session

__all__ = ["Options", "Session", "connect"]


def connect(
    plan: Plan | None, *, url: str, api_key: str, client_id: str, client_secret: str, options: Options
) -> Session:
    """Return a session with a sandbox's URL and credentials, and the limits of its plan unless others are given."""
    if not url and "base_url" not in options:
        raise RuntimeError("the sandbox has no URL before it is opened with `async with`")
    from aiodoo.quota import Limits  # noqa: PLC0415  # a sandbox alone needs nothing of it
    from aiodoo.session import Session  # noqa: PLC0415

    if options.get("limits") is None:
        options["limits"] = (
            Limits.none() if plan is None else Limits(per_second=plan.per_second, per_day=plan.per_day)
        )
    options.setdefault("base_url", url)
    return Session(api_key=api_key, client_id=client_id, client_secret=client_secret, **options)
