"""`aiodoo demo`: what aiodoo does, shown on a sandbox."""

from __future__ import annotations

from typing import Annotated

from cyclopts import Parameter
from cyclopts.validators import Number

from aiodoo.cli.options import Rate
from aiodoo.cli.terminal.process import run


def demo(
    *,
    organizations: Annotated[int, Parameter(validator=Number(gte=1, lte=1000))] = 12,
    per_second: Rate = 20,
    seed: int = 0,
) -> int:
    """Watch aiodoo list, create, move, delete and verify webhook configurations, in about 20 seconds.

    Nothing leaves this machine: doo in a box answers on a free port of 127.0.0.1, with an API key for so many
    requests a second. Progress goes to standard error, the closing table to standard output. The exit code is 0 if
    doo's list and the box's own state are what they should be in the end, and 1 if not.

    Parameters
    ----------
    organizations
        How many organizations there are, each with one team of 10 webhook configurations.
    per_second
        Requests that the API key may send in a second. doo's own limit is 1.
    seed
        Decides everything left to chance, but for the credentials.
    """
    from aiodoo.cli.commands.demo.tour import show  # noqa: PLC0415  # loads aiohttp, which --help can do without

    return run(show(organizations=organizations, per_second=per_second, seed=seed))
