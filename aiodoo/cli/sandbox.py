"""`aiodoo sandbox`: doo in a box, for trying things out."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter
from cyclopts.validators import Number

from aiodoo.cli.options import OptionalCount, OptionalRate, Organizations
from aiodoo.cli.running import FAILED, run, tell

if TYPE_CHECKING:
    from aiodoo.sandbox import Sandbox


def sandbox(
    *,
    port: Annotated[int, Parameter(validator=Number(gte=0, lte=65_535))] = 0,
    organizations: Organizations = 12,
    webhooks: Annotated[int, Parameter(validator=Number(gte=0, lte=100_000))] = 2,
    seed: int = 0,
    per_second: OptionalRate = 1,
    per_day: OptionalCount = 1000,
) -> int:
    """Serve doo in a box on this machine until Ctrl-C, and say how to reach it.

    It answers as doo does, holds its state in memory, and forgets everything when it ends. Standard output gets its
    URL, its throw-away credentials, and the lines that let `aiodoo.Session.from_env()` find it.

    Parameters
    ----------
    port
        Where to listen on 127.0.0.1; 0 takes a free port.
    organizations
        How many organizations there are, each with one team.
    webhooks
        How many webhook configurations each team has.
    seed
        Decides everything left to chance, but for the credentials.
    per_second
        Requests that the API key may send in a second; --no-per-second lifts the limit.
    per_day
        Requests that the API key may send in a day; --no-per-day lifts the limit.
    """
    return run(
        _serve(
            port=port,
            organizations=organizations,
            webhooks=webhooks,
            seed=seed,
            per_second=per_second,
            per_day=per_day,
        )
    )


async def _serve(
    *, port: int, organizations: int, webhooks: int, seed: int, per_second: float | None, per_day: int | None
) -> int:
    from aiodoo.sandbox import Plan, run  # noqa: PLC0415  # loads aiohttp, which --help can do without

    try:
        await run(
            port=port,
            organizations=organizations,
            webhooks_per_team=webhooks,
            seed=seed,
            plan=Plan(per_second=per_second, per_day=per_day),
            announce=_announce,
        )
    except BrokenPipeError:
        raise
    except OSError as error:
        reason = os.strerror(error.errno or 0)
        tell(f"cannot listen on 127.0.0.1, port {port}: {reason}. Without --port it takes a free one.")
    return FAILED


def _announce(box: Sandbox) -> None:
    named = {
        "DOO_BASE_URL": ("URL", box.url),
        "DOO_API_KEY": ("API key", box.api_key),
        "DOO_CLIENT_ID": ("Client id", box.client_id),
        "DOO_CLIENT_SECRET": ("Client secret", box.client_secret),
    }
    for name, value in named.values():
        print(f"{name:<14} {value}")
    print("\n# To let aiodoo.Session.from_env() find it:")
    for variable, (_, value) in named.items():
        print(f"export {variable}={value}")
    sys.stdout.flush()
    print("\nServing until Ctrl-C.", file=sys.stderr)
