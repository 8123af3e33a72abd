"""The commands and what is common to them: options, help, version and usage errors."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, cast

from cyclopts import App, CycloptsError, Group, Parameter

import aiodoo
from aiodoo.cli.account import login, quota, whoami
from aiodoo.cli.completion import completion
from aiodoo.cli.demo import demo
from aiodoo.cli.desired import apply, plan
from aiodoo.cli.doctor import doctor
from aiodoo.cli.export import export
from aiodoo.cli.moving import copy, move_host, rotate_secret
from aiodoo.cli.organizations import organizations
from aiodoo.cli.running import USAGE
from aiodoo.cli.runs import runs
from aiodoo.cli.sandbox import sandbox
from aiodoo.cli.settings import Settings
from aiodoo.cli.webhooks import webhooks

app = App(
    name="aiodoo",
    help="Change many of doo's webhook configurations, safely, within a tiny quota.",
    help_epilogue=(
        "Exit codes: 0 done; 1 failed; 2 wrong usage; 3 parked until the quota has room; 4 changes are pending; "
        "130 stopped by Ctrl-C, 143 by SIGTERM. "
        "After the first Ctrl-C a command still learns what became of the requests on their way; "
        "a second one ends it at once."
    ),
    version=aiodoo.__version__,
    version_format="plaintext",
    help_format="plaintext",
)
COMMANDS = (
    demo,
    sandbox,
    login,
    whoami,
    quota,
    organizations,
    webhooks,
    export,
    copy,
    move_host,
    rotate_secret,
    plan,
    apply,
    runs,
    doctor,
    completion,
)
for command in COMMANDS:
    app.command(command)

app.meta.group_parameters = Group("Options of every command")


@app.meta.default
def _with_settings(
    *tokens: Annotated[str, Parameter(show=False, allow_leading_hyphen=True)],
    settings: Annotated[Settings | None, Parameter(name="*")] = None,
) -> Any:
    command, bound, ignored = app.parse_args(tokens, exit_on_error=False, print_error=True)
    given = {"settings": settings or Settings()} if "settings" in ignored else {}
    return command(*bound.args, **bound.kwargs, **given)


def run(arguments: Sequence[str]) -> int:
    """Run one command and return its exit code."""
    try:
        code = app.meta(arguments, exit_on_error=False, result_action="return_value")
    except CycloptsError:
        return USAGE
    return cast("int", code or 0)
