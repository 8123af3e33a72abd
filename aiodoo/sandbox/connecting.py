"""A session of aiodoo on a sandbox, for those who try things out.

The only room of the sandbox that knows the SDK: it is loaded when somebody asks for a session, and judges nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import Unpack

    from aiodoo.sandbox.server import Sandbox
    from aiodoo.session import Options, Session

__all__ = ["Options", "Session", "connect"]


def connect(sandbox: Sandbox, **options: Unpack[Options]) -> Session:
    """Return a session with the sandbox's URL and credentials, and the limits of its plan."""
    from aiodoo.quota import Limits  # noqa: PLC0415  # a sandbox alone needs nothing of it
    from aiodoo.session import Session  # noqa: PLC0415

    plan = sandbox.box.plan
    if options.get("limits") is None:
        options["limits"] = (
            Limits.none() if plan is None else Limits(per_second=plan.per_second, per_day=plan.per_day)
        )
    options.setdefault("base_url", sandbox.url)
    return Session(
        api_key=sandbox.api_key, client_id=sandbox.client_id, client_secret=sandbox.client_secret, **options
    )
