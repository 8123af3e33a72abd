"""Registers the commands and their common options; prints help, version and usage errors."""

from __future__ import annotations

from collections.abc import Sequence
from inspect import iscoroutine
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any, cast

import attrs
from cyclopts import App, CycloptsError, Group, Parameter, UnknownCommandError

import aiodoo
from aiodoo.cli import help_texts
from aiodoo.cli.commands.completion import completion_of
from aiodoo.cli.completers import profile_names
from aiodoo.cli.context import Context
from aiodoo.cli.options import Switch
from aiodoo.cli.records.printed import wrong_field
from aiodoo.cli.terminal.exit_codes import DONE, USAGE
from aiodoo.cli.terminal.messages import LogFormat, Messages
from aiodoo.cli.terminal.output import Form

app = App(
    name="aiodoo",
    help="Change many of doo's webhook configurations, safely, within a tiny quota.",
    help_epilogue=(
        "`aiodoo help COMMAND` shows one command, with examples.\n\n"
        "Exit codes: 0 done; 1 failed; 2 wrong usage, or not agreed; 3 parked until the quota has room; 4 changes are pending, with plan --exit-code; "
        "130 stopped by Ctrl-C, 143 by SIGTERM, 129 by SIGHUP. "
        "After the first Ctrl-C a command waits for the answers to requests in flight; "
        "a second one ends it immediately. "
        "Costs are requests besides one for a token if none is kept."
    ),
    version=aiodoo.__version__,
    version_flags=["--version", "-V"],
    version_format="plaintext",
    help_format="plaintext",
)


def _commands(_: object) -> list[str]:
    return [name for name in app if not name.startswith("-")]


def help_(*command: Annotated[str, Parameter(completer=_commands)]) -> int:
    """Show the help of a command, as `aiodoo COMMAND --help` does.

    Parameters
    ----------
    command
        The command, such as webhooks create; all commands by default.

    Raises:
        UnknownCommandError: there is no such command.
    """
    found, groups, rest = app.parse_commands(command)
    if rest:
        raise UnknownCommandError(
            unused_tokens=list(rest), command_chain=found, app=groups[-1], verbose=False
        )
    return run([*command, "--help"])


_MODULE = "aiodoo.cli.commands."
GROUPS = {
    "Account": (
        "account:login",
        "profiles:profiles",
        "account:whoami",
        "account:quota",
        "organizations:organizations",
        "doctor:doctor",
    ),
    "Webhook configurations": ("webhooks:webhooks", "export:export", "audit:audit"),
    "Many changes": (
        "recipes:copy",
        "recipes:move_host",
        "recipes:rotate_secret",
        "desired:validate",
        "desired:plan",
        "desired:apply",
        "runs:runs",
        "worker:worker",
    ),
    "Sandbox and deliveries": ("demo:demo", "sandbox:sandbox", "listen:listen", "trigger:trigger"),
    "This program": (help_, "schema:schema", completion_of(app)),
}
"""The commands by group, as `module:name`, which is imported when it is called or its help is shown."""

for place, (title, commands) in enumerate(GROUPS.items()):
    group = Group(title, sort_key=place)
    for command in commands:
        if isinstance(command, str):
            app.command(_MODULE + command, group=group)
        else:
            app.command(command, group=group, name="help" if command is help_ else None)

app.meta.group_parameters = Group(help_texts.COMMON)
app["--help"].group = app["--version"].group = "This program"


@app.meta.default
def _with_settings(
    *tokens: Annotated[str, Parameter(show=False, allow_leading_hyphen=True)],
    profile: Annotated[list[str] | None, Parameter(alias="-p", negative="", completer=profile_names)] = None,
    all_profiles: Switch = False,
    config: Path | None = None,
    sandbox: Switch = False,
    output: Annotated[Form, Parameter(alias="-o")] = "table",
    fields: str | None = None,
    yes: Annotated[bool, Parameter(alias="-y", negative="", show_default=False)] = False,
    dry_run: Switch = False,
    allow_unknown_type: Switch = False,
    log_format: LogFormat = "text",
    no_record: Switch = False,
    verbose: Annotated[bool, Parameter(alias="-v", negative="", show_default=False)] = False,
) -> Any:
    """Run a command with the options of every command.

    They are documented here and not in `Context`, because parsing a class's docstring takes cyclopts a tenth of the time
    of `--help`.

    Parameters
    ----------
    profile
        The profile to use, or several; by default that in AIODOO_PROFILE, the DOO_API_KEY variables, or the file's default.
    all_profiles
        Use all profiles of the file concurrently, for commands that allow it.
    config
        The file with the profiles, instead of ~/.config/aiodoo/config.toml.
    sandbox
        Use a sandbox, started for this call: 3 organizations, 20 requests a second, always the same webhooks.
    output
        The format of standard output.
    fields
        The fields to print, in this order, such as name,hooks.endpoint; `aiodoo schema` describes them.
    yes
        Agree to all questions, except deletes of a plan or an undo and copies that may widen, which have their own options.
    dry_run
        Show what would be done and what it would cost, and change nothing.
    allow_unknown_type
        Accept hook types that doo's pages do not list; doo may have new ones.
    log_format
        The format of standard error: text or JSON lines.
    no_record
        Keep no record of a change, which then cannot be resumed, verified or undone.
    verbose
        Print each request with its round trip, and each wait, to standard error; no secret is among them.
    """
    command, bound, ignored = app.parse_args(tokens, exit_on_error=False, print_error=False)
    for name, value in bound.arguments.items():
        bound.arguments[name] = in_utf8(name, value)
    chosen = _fields(tokens, fields, dry_run=dry_run)
    if "settings" not in ignored:
        return command(*bound.args, **bound.kwargs)
    named = tuple(dict.fromkeys(in_utf8("profile", profile or [])))
    several = len(named) > 1 and not all_profiles
    settings = Context(
        profile=named[0] if named and not several else None,
        all_profiles=all_profiles or several,
        named=named if several else (),
        config=config,
        sandbox=sandbox,
        output=output,
        fields=chosen,
        yes=yes,
        dry_run=dry_run,
        allow_unknown_type=allow_unknown_type,
        log_format=log_format,
        no_record=no_record,
        verbose=verbose,
    )
    ended = command(*bound.args, **bound.kwargs, settings=settings)
    return settings.run(ended) if iscoroutine(ended) else ended


def _fields(tokens: Sequence[str], given: str | None, *, dry_run: bool) -> tuple[str, ...]:
    """Return the fields that --fields names.

    Raises:
        CycloptsError: the command prints no such field.
    """
    if given is None:
        return ()
    command = app.parse_commands(tokens)[0]
    fields = tuple(dict.fromkeys(field.strip() for field in given.split(",")))
    if (wrong := wrong_field(" ".join(command), fields, dry_run=dry_run)) is not None:
        raise CycloptsError(msg=wrong, command_chain=command)
    return fields


def in_utf8(name: str, value: Any) -> Any:
    """Return the value of an argument with its texts decoded from UTF-8, which Python does only in some locales.

    Raises:
        CycloptsError: a text is not UTF-8; it is not shown, as it may be a secret.
    """
    if isinstance(value, list):
        return [in_utf8(name, each) for each in value]
    if attrs.has(type(value)):
        # Options that belong together; `Context` is not among them.
        fields = attrs.fields_dict(type(value))
        return attrs.evolve(value, **{field: in_utf8(field, getattr(value, field)) for field in fields})
    if not isinstance(value, str):
        return value
    try:
        return value if value.isascii() else value.encode("utf-8", "surrogateescape").decode()
    except UnicodeError:
        shown = name.replace("_", "-")
        raise CycloptsError(
            msg=f"{shown} is not UTF-8. Nothing was sent; call the command from a terminal in UTF-8."
        ) from None


def _after(option: str, arguments: Sequence[str]) -> list[str]:
    """Return the values of an option in arguments that have not been parsed."""
    whole = [word.partition("=") for word in arguments]
    pairs = pairwise(arguments)
    return [after for name, after in pairs if name == option] + [
        after for name, _, after in whole if name == option
    ]


def run(arguments: Sequence[str]) -> int:
    """Run one command and return its exit code."""
    if {"--help", "-h"}.intersection(arguments) and help_texts.print_help(app, arguments):
        return DONE
    try:
        code = app.meta(arguments, exit_on_error=False, print_error=False, result_action="return_value")
    except CycloptsError as error:
        form: LogFormat = "json" if "json" in _after("--log-format", arguments) else "text"
        Messages(form).say(help_texts.said_of(error, app), level="error")
        return USAGE
    return cast("int", code or 0)
