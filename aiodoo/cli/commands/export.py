"""`aiodoo export`: print all webhook configurations as YAML or JSON."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Literal

import attrs
from cyclopts import Parameter

from aiodoo.cli.chosen_teams import chosen_teams, walk_over
from aiodoo.cli.completers import team_ids
from aiodoo.cli.configurations import as_record
from aiodoo.cli.context import Context, Given
from aiodoo.cli.options import OfOrganizations, Page, Several, Switch
from aiodoo.cli.terminal.exit_codes import DONE, FAILED, WrongUsage, code_of
from aiodoo.cli.terminal.output import print_yaml
from aiodoo.cli.terminal.process import line
from aiodoo.cli.terminal.progress import Screen

if TYPE_CHECKING:
    from aiodoo import Tenants, WebhookConfiguration


async def export(
    *,
    team: Annotated[Several, Parameter(completer=team_ids)] = None,
    organization: OfOrganizations = None,
    format: Literal["yaml", "jsonl"] | None = None,  # noqa: A002  # what people call it
    with_secrets: Switch = False,
    report: Page = None,
    settings: Given,
) -> int:
    """Print all webhook configurations: as desired state (YAML), or with -o json or jsonl as listed.

    What YAML declares, `aiodoo plan` finds unchanged. With --with-secrets it can be applied where nothing is listed: to
    restore an account, or to another one with --team FROM=TO.

    Costs a request for a team of one page, and two a page for a larger one, which is read until two readings agree: what
    others change meanwhile is not missed.

    Parameters
    ----------
    team
        Only this team, or FROM=TO to write the team TO in its place; may be given several times.
    format
        jsonl is -o jsonl; yaml is what is printed without -o.
    with_secrets
        Include secrets in clear. By default they are masked in JSON, and YAML refers to those that doo lists.
    """
    from aiodoo import desired  # noqa: PLC0415  # loads what --help can do without

    teams = team or ()
    names = {each.partition("=")[0]: each.partition("=")[2] or each for each in teams}
    if format == "jsonl":
        settings = attrs.evolve(settings, output="jsonl")
    as_listed = settings.output in {"json", "jsonl"} and format != "yaml"
    _check(settings, teams, as_listed=as_listed)
    async with settings.tenants() as tenants:
        chosen, failed = await chosen_teams(settings, tenants, tuple(names), organization)
        found, code, whole = await _read(settings, tenants, chosen)
        code = failed or code
    if not (whole or as_listed):
        # A file that lacks teams looks like one of an account that has no more.
        settings.talk.say("nothing was printed, as the file would not be whole.", level="error")
        return code
    if report is not None:
        from aiodoo.cli.pages import write_export  # noqa: PLC0415  # not for most

        write_export(settings, report, found)
    if as_listed:
        with settings.sheet("webhook") as sheet:
            for name, webhook in found:
                sheet.add(as_record(name, webhook, reveal=with_secrets))
        return code
    exported = desired.export((webhook for _, webhook in found), with_secrets=with_secrets, teams=names)
    if "secrets" in exported.document:
        settings.talk.say("this holds client secrets in clear; keep it to yourself.", level="warning")
    for left in exported.left:
        settings.talk.say(str(left.error), level="warning")
    print_yaml(exported.document)
    return code or (FAILED if exported.left else DONE)


def _check(settings: Context, teams: Sequence[str], *, as_listed: bool) -> None:
    """Refuse options that do not go together."""
    if settings.fields and not as_listed:
        raise WrongUsage("--fields is for -o json and -o jsonl; a file of desired state is whole.")
    if as_listed and any("=" in each for each in teams):
        raise WrongUsage("--team FROM=TO is for YAML; JSON is as doo lists them.")
    if settings.all_profiles and not as_listed:
        raise WrongUsage("a file of desired state is for one profile; use -o jsonl for all of them.")


async def _read(
    settings: Context, tenants: Tenants, teams: Mapping[str, tuple[str, ...]]
) -> tuple[list[tuple[str, WebhookConfiguration]], int, bool]:
    """Return what was read, the exit code, and whether all teams were tried."""
    code = 0
    walk = walk_over(tenants, teams, stable=True)
    found = []
    with Screen(settings.talk) as screen:
        async for name, webhook in walk:
            screen.count(name)
            found.append((name, webhook))
    settings.remember_teams((webhook.team_id, name) for name, webhook in found)
    for failed in walk.errors:
        team = "" if failed.team_id is None else f"team {failed.team_id}: "
        settings.talk.say(
            f"{failed.tenant}: {team}{line(failed.error)}", level="error", team_id=failed.team_id
        )
        code = FAILED if code == FAILED else code_of(failed.error)
    return found, code, all(failed.team_id is not None for failed in walk.errors)
