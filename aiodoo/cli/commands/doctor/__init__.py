"""`aiodoo doctor`: whether everything is in order, and which undocumented facts hold for this account."""

from __future__ import annotations

from pathlib import Path

from aiodoo.cli.context import Given


def doctor(*, report: Path | None = None, settings: Given) -> int:
    """Check configuration, clock, DNS, TLS, keys, rights and limits, and tell what doo does for this account.

    Reads only; costs a token request and about three others. The exit code is 1 if anything is not in order.

    Parameters
    ----------
    report
        Write what was found into this file, for a support ticket; it holds no secrets and nothing of your webhooks'
        contents.
    """
    from aiodoo.cli.commands.doctor.examination import examine  # noqa: PLC0415  # loads aiohttp, which --help can do without

    return settings.run(examine(settings, report))
