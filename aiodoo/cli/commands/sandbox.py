"""`aiodoo sandbox`: serve a sandbox."""

from __future__ import annotations

import os
import sys
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter
from cyclopts.validators import Number

from aiodoo.cli.options import OptionalCount, OptionalRate, Organizations, Switch
from aiodoo.cli.terminal.exit_codes import FAILED, USAGE
from aiodoo.cli.terminal.messages import tell
from aiodoo.cli.terminal.process import run

if TYPE_CHECKING:
    from aiodoo.sandbox import Sandbox

_CREDENTIALS = ("api_key", "client_id", "client_secret")


def sandbox(
    *,
    port: Annotated[int, Parameter(validator=Number(gte=0, lte=65_535))] = 0,
    organizations: Organizations = 12,
    webhooks: Annotated[int, Parameter(validator=Number(gte=0, lte=100_000))] = 2,
    seed: int = 0,
    per_second: OptionalRate = 1,
    per_day: OptionalCount = 1000,
    control: Switch = False,
    given_credentials: Switch = False,
) -> int:
    """Serve a sandbox on this machine until Ctrl-C, and print its URL and credentials.

    It answers as doo does and keeps its state in memory only. Standard output gets its URL, its temporary credentials,
    and the environment variables that `aiodoo.Session.from_env()` reads.

    Parameters
    ----------
    port
        The port on 127.0.0.1; 0 selects a free one.
    organizations
        The number of organizations, each with one team.
    webhooks
        The number of webhook configurations of each team.
    seed
        Seed of all random numbers; the credentials are not derived from it.
    per_second
        Requests that the API key may send per second; --no-per-second means no limit.
    per_day
        Requests that the API key may send per day; --no-per-day means no limit.
    control
        Let other processes script faults and read the log, on a second port and with a token.
    given_credentials
        Use the credentials in DOO_API_KEY, DOO_CLIENT_ID and DOO_CLIENT_SECRET; none are printed.
    """
    given = {name: os.environ.get(f"DOO_{name.upper()}", "") for name in _CREDENTIALS}
    if given_credentials and not all(given.values()):
        missing = ", ".join(f"DOO_{name.upper()}" for name, value in given.items() if not value)
        tell(f"--given-credentials needs {missing} in the environment. Nothing was started.", level="error")
        return USAGE
    return run(
        _serve(
            given if given_credentials else None,
            per_second=per_second,
            per_day=per_day,
            port=port,
            organizations=organizations,
            webhooks_per_team=webhooks,
            seed=seed,
            control=control,
        )
    )


async def _serve(
    given: dict[str, str] | None, *, per_second: float | None, per_day: int | None, port: int, **options: Any
) -> int:
    from aiodoo.sandbox import Credentials, Plan, serve_forever  # noqa: PLC0415  # loads aiohttp, which --help can do without

    try:
        await serve_forever(
            port=port,
            plan=Plan(per_second=per_second, per_day=per_day),
            credentials=None if given is None else Credentials(**given),
            **options,
            announce=partial(_announce if given is None else _announce_given, limits=(per_second, per_day)),
        )
    except BrokenPipeError:
        raise
    except OSError as error:
        reason = os.strerror(error.errno or 0)
        tell(
            f"cannot listen on 127.0.0.1, port {port}: {reason}. Without --port a free one is used.",
            level="error",
        )
    return FAILED


def _announce(box: Sandbox, limits: tuple[float | None, int | None]) -> None:
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
    _announce_limits(*limits)
    _announce_control(box)


def _announce_given(box: Sandbox, limits: tuple[float | None, int | None]) -> None:
    # Credentials from the environment are known to the caller, and may be real ones.
    print(f"{'URL':<14} {box.url}")
    print("\n# To let aiodoo.Session.from_env() find it, with the credentials that are there:")
    print(f"export DOO_BASE_URL={box.url}")
    _announce_limits(*limits)
    _announce_control(box)


def _announce_limits(*limits: float | None) -> None:
    from aiodoo.quota.limits import ENVIRONMENT, NO_LIMIT  # noqa: PLC0415  # --help does without

    for variable, limit in zip(ENVIRONMENT.values(), limits, strict=True):
        print(
            f"export {variable}={NO_LIMIT if limit is None else int(limit) if limit == int(limit) else limit}"
        )


def _announce_control(box: Sandbox) -> None:
    if box.control_url:
        print("\n# To let another process script faults and read the log:")
        print(f"export DOO_SANDBOX_CONTROL_URL={box.control_url}")
        print(f"export DOO_SANDBOX_CONTROL_TOKEN={box.control_token}")
    sys.stdout.flush()
    print(
        f"\nServing until Ctrl-C; {box.url.removesuffix('v1')} in a browser shows what happens.",
        file=sys.stderr,
    )
