"""The options of every command, and the tenants and sessions that they select."""

from __future__ import annotations

import re
import shlex
import warnings
from collections.abc import AsyncIterator, Coroutine, Iterable, Mapping
from contextlib import ExitStack, asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeAlias, TypeVar

import attrs
from cyclopts import Parameter

from aiodoo.cli import seen_teams
from aiodoo.cli.state import Ledger, check_recordable, session_options
from aiodoo.cli.terminal.exit_codes import FAILED, Declined, WrongUsage, code_of
from aiodoo.cli.terminal.messages import LogFormat, Messages
from aiodoo.cli.terminal.output import Form, Sheet, show_one
from aiodoo.cli.terminal.process import line, run
from aiodoo.cli.terminal.prompt import confirm
from aiodoo.cli.terminal.table import Column, Record
from aiodoo.doo_warnings import Line, UnknownHookType
from aiodoo.errors import ConfigError, DooError

if TYPE_CHECKING:
    from aiodoo import Hook, Session, Tenants

T = TypeVar("T")

SANDBOX = "sandbox"
"""The name of the only tenant with --sandbox."""

ENVIRONMENT = "environment"
"""The name of the only tenant with the credentials of the environment."""


@attrs.frozen(kw_only=True)
class Context:
    """The options of every command; they are documented in `aiodoo.cli.app`."""

    profile: str | None = None
    all_profiles: bool = False
    named: tuple[str, ...] = ()
    """The names of several profiles, to which `all_profiles` is restricted."""
    config: Path | None = None
    sandbox: bool = False
    output: Form = "table"
    fields: tuple[str, ...] = ()
    yes: bool = False
    dry_run: bool = False
    allow_unknown_type: bool = False
    log_format: LogFormat = "text"
    no_record: bool = False
    verbose: bool = False
    said: set[str] = attrs.field(factory=set, eq=False)
    """The topics of what `say_once` has said."""

    @property
    def keeps_records(self) -> bool:
        """Whether the runs of the command can be resumed: not those of a sandbox, and not with --no-record."""
        return not (self.sandbox or self.no_record)

    def chooses(self, profile: str | None) -> bool:
        """Return whether -p names this profile, or none at all."""
        return not self._typed_profiles or profile in self._typed_profiles

    @property
    def _typed_profiles(self) -> tuple[str, ...]:
        return self.named if self.profile is None else (self.profile,)

    def again(self, command: str, profile: str) -> str:
        """Return a command for the user to give next, with the profile and the file of profiles that this one names."""
        if not self.sandbox and (self.profile is not None or self.all_profiles):
            command += f" -p {profile}"
        return command if self.config is None else f"{command} --config {shlex.quote(str(self.config))}"

    def remember_teams(self, teams: Iterable[tuple[str, str]]) -> None:
        """Keep ids of teams with the names of their profiles for completion, but not those of a sandbox."""
        if not self.sandbox:
            seen_teams.remember(teams)

    @property
    def talk(self) -> Messages:
        """The writer of messages to standard error."""
        return Messages(self.log_format)

    def say_once(self, topic: str, message: str, *, level: str) -> None:
        """Write a message, unless the command has said something on this topic before."""
        if topic not in self.said:
            self.said.add(topic)
            self.talk.say(message, level=level)

    def run(self, command: Coroutine[Any, Any, int]) -> int:
        """Run a command; see `aiodoo.cli.terminal.process.run`."""
        with warnings.catch_warnings():
            warnings.filterwarnings(
                "ignore" if self.allow_unknown_type else "error", category=UnknownHookType
            )
            return run(command, log_format=self.log_format, verbose=self.verbose)

    def check_profiles(self, *more: str | None) -> None:
        """Refuse a profile that was named on the command line and that there is not.

        Args:
            *more: further names that count as profiles, such as those of runs.

        Raises:
            WrongUsage: there is none of this name.
        """
        from aiodoo import profiles  # noqa: PLC0415  # loads what --help can do without

        missing = [name for name in self._typed_profiles if name not in more]
        if not missing:
            return
        known = profiles.names(self.config)
        for name in missing:
            if name not in known:
                there = f"it has {', '.join(known)}" if known else "it has none; aiodoo login makes one"
                raise WrongUsage(
                    f"{self.config or profiles.config_path()} has no profile {name!r}; {there}. Nothing was sent."
                )

    def check_types(
        self, hooks: Iterable[Hook], type_suffix: re.Pattern[str] | None = None, *, file: Path | None = None
    ) -> None:
        """Refuse unknown hook types before anything is sent, unless --allow-unknown-type was given.

        Args:
            hooks: the hooks to check.
            type_suffix: the suffix that lists append to types, if it is not the usual one.
            file: the file that they come from, if they do not come from arguments.

        Raises:
            UnknownHookType: a type is unknown.
        """
        from aiodoo.models.rules import TYPE_SUFFIX, unknown_types  # noqa: PLC0415  # loads what --help can do without
        from aiodoo.operations.operations import warn_of_types  # noqa: PLC0415

        unknown = unknown_types(hooks, type_suffix or TYPE_SUFFIX)
        place = None
        if unknown and file is not None and str(file) != "-":
            from aiodoo.desired.file.yaml_reading import read_source  # noqa: PLC0415  # likewise

            place = read_source(file).place_of_type
        warn_of_types(unknown, Line.of_caller(), place)

    def check_type_names(self, types: Iterable[str]) -> None:
        """Refuse typed hook types, or patterns for them, that match none that doo's pages name; as `check_types`.

        Raises:
            UnknownHookType: a type is unknown, or a pattern matches none that is known.
        """
        from aiodoo.models.filtering import names_type  # noqa: PLC0415

        unknown = [name for name in types if not names_type(name)]
        if unknown:
            from aiodoo.operations.operations import warn_of_types  # noqa: PLC0415  # a list does without

            warn_of_types(unknown, Line.of_caller())

    @property
    def is_table(self) -> bool:
        """Whether standard output is for people, and not for programs."""
        return self.output in {"table", "markdown"}

    def sheet(self, kind: str, *columns: Column) -> Sheet:
        """Return a sheet for standard output; with --all-profiles its first column is the profile."""
        named = (Column("PROFILE", lambda record: record["profile"]), *columns)
        return Sheet(self.output, kind, named if self.all_profiles else columns, self.fields)

    def show(self, kind: str, record: Record, *, cells: Mapping[str, object] | None = None) -> None:
        """Print one record; a table shows `cells`, if given, in its place."""
        show_one(self.output, kind, record, fields=self.fields, cells=cells)

    async def agreed(self, question: str) -> bool:
        """Ask for confirmation; return False in a dry run, and True if the user agrees.

        Raises:
            Declined: the user does not agree.
            WrongUsage: there is no terminal to ask on, and no --yes.
        """
        if self.dry_run:
            self.talk.say("this was a dry run; nothing was changed.")
            return False
        if self.yes:
            return True
        if not await confirm(question):
            raise Declined
        return True

    @asynccontextmanager
    async def tenants(
        self, *, only_one: bool = False, changes: bool = False, ledger: Ledger = "any"
    ) -> AsyncIterator[Tenants]:
        """Open the tenants of the command: one profile, all profiles, or a sandbox.

        Args:
            only_one: refuse `--all-profiles`.
            changes: refuse a change of which no record could be kept.
            ledger: what of the ledger the command needs, see `session_options`.

        Raises:
            WrongUsage: the options exclude each other, or --all-profiles is not allowed.
            ConfigError: there is no profile, or no record can be kept.
        """
        from aiodoo import Session, Tenants, profiles  # noqa: PLC0415  # load aiohttp, which --help can do without

        if self.sandbox + self.all_profiles + (self.profile is not None) > 1:
            raise WrongUsage("--profile, --all-profiles and --sandbox exclude each other.")
        if self.all_profiles and only_one:
            raise WrongUsage("this command is for one profile; name one with --profile.")
        if self.sandbox:
            async with sandbox_options() as options, Tenants({SANDBOX: Session(**options)}) as tenants:
                yield tenants
            return
        self.check_profiles()
        if changes and self.keeps_records and not self.dry_run:
            check_recordable()
        with ExitStack() as stack:
            options = session_options(self.talk, stack, ledger=ledger)
            if self.all_profiles:
                names = self.named or profiles.names(self.config)
                if not names:
                    raise ConfigError(
                        f"{self.config or profiles.config_path()} has no profiles; make one with `aiodoo login`"
                    )
                async with Tenants({name: name for name in names}, config=self.config, **options) as tenants:
                    yield tenants
                return
            profile = profiles.load(self.profile, config=self.config)
            async with Tenants({profile.name or ENVIRONMENT: profile}, **options) as tenants:
                yield tenants

    @asynccontextmanager
    async def session(self) -> AsyncIterator[Session]:
        """Open the session of a command for one profile."""
        async with self.tenants(only_one=True) as tenants:
            (name,) = tenants
            yield tenants[name]

    def sorted_out(self, results: Mapping[str, T | DooError]) -> tuple[dict[str, T], int]:
        """Print the errors among the results of several tenants; return the other results and the exit code.

        Raises:
            DooError: the only result is an error.
        """
        fine: dict[str, T] = {}
        codes: set[int] = set()
        for name, result in results.items():
            if isinstance(result, DooError):
                if len(results) == 1:
                    raise result
                self.talk.say(
                    f"{name}: {line(result)}", level="error", profile=name, error=type(result).__name__
                )
                codes.add(code_of(result))
            else:
                fine[name] = result
        return fine, FAILED if FAILED in codes else max(codes, default=0)


Given: TypeAlias = Annotated[Context, Parameter(parse=False)]
"""The type of the parameter that receives the options of every command."""


@asynccontextmanager
async def sandbox_options(*, webhooks_per_team: int = 2) -> AsyncIterator[dict[str, Any]]:
    """Start a sandbox and yield the options of a `Session` for it."""
    from aiodoo import Facts, Limits  # noqa: PLC0415
    from aiodoo.sandbox import Plan, Sandbox  # noqa: PLC0415

    async with Sandbox(
        organizations=3,
        webhooks_per_team=webhooks_per_team,
        plan=Plan(per_second=20, per_day=1000, counting="sliding_log"),
        webhook_ids="counter",
        echo_scope=True,
    ) as box:
        yield {
            "base_url": box.url,
            "api_key": box.api_key,
            "client_id": box.client_id,
            "client_secret": box.client_secret,
            "limits": Limits(per_second=20, per_day=1000),
            "facts": Facts(list_echoes_scope=True),
        }
