"""`aiodoo demo`: a demonstration on a sandbox."""

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
    """List, create, move, delete and verify webhook configurations of a sandbox, in about 20 seconds.

    Nothing is sent to doo: the sandbox listens on a free port of 127.0.0.1. Progress goes to standard error, the final
    table to standard output. The exit code is 0 if the list, the sandbox's state and its log are as expected, and 1 if
    not.

    Parameters
    ----------
    organizations
        The number of organizations, each with one team of 10 webhook configurations.
    per_second
        Requests that the API key may send per second. doo's own limit is 1.
    seed
        Seed of all random numbers; the credentials are not derived from it.
    """
    from aiodoo.cli.commands.demo.tour import show  # noqa: PLC0415  # loads aiohttp, which --help can do without

    return run(show(organizations=organizations, per_second=per_second, seed=seed))
