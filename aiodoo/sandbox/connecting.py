"""Creates a session for a sandbox.

The only module of the sandbox that imports the SDK; it is loaded by `Sandbox.session` alone, so that the sandbox shares
no code with what it tests.
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
    """Return a session with a sandbox's URL, credentials and limits; `options` take precedence.

    Raises:
        RuntimeError: the sandbox is not open.
    """
    if not url and "base_url" not in options:
        raise RuntimeError("the sandbox has no URL before it is opened with `async with`")
    from aiodoo.quota import Limits  # noqa: PLC0415  # a sandbox without a session does not need it
    from aiodoo.session import Session  # noqa: PLC0415

    if options.get("limits") is None:
        options["limits"] = (
            Limits.none() if plan is None else Limits(per_second=plan.per_second, per_day=plan.per_day)
        )
    options.setdefault("base_url", url)
    return Session(api_key=api_key, client_id=client_id, client_secret=client_secret, **options)
