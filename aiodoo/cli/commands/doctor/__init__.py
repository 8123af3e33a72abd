"""`aiodoo doctor`: check the configuration and the connection, and show the account's undocumented facts."""

from __future__ import annotations

from pathlib import Path

from aiodoo.cli.context import Given


async def doctor(*, report: Path | None = None, settings: Given) -> int:
    """Check configuration, clock, DNS, TLS, keys, rights and limits, and show undocumented facts about the account.

    Only reads; costs a token request and about three others. The exit code is 1 if a check fails.

    Parameters
    ----------
    report
        Write the findings to this file, for a support ticket; it contains no secrets and no content of webhooks.
    """
    from aiodoo.cli.commands.doctor.examination import examine  # noqa: PLC0415  # loads aiohttp, which --help can do without

    return await examine(settings, report)
