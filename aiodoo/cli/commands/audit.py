"""`aiodoo audit`: what an account has gathered over the years, read only."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, TypeAlias, get_args

from cyclopts import Parameter

from aiodoo.cli.chosen_teams import chosen_teams
from aiodoo.cli.completers import team_ids
from aiodoo.cli.context import Context, Given
from aiodoo.cli.options import OfOrganizations, Page, Several, Switch
from aiodoo.cli.terminal.exit_codes import DONE, FAILED
from aiodoo.cli.terminal.progress import Screen
from aiodoo.cli.terminal.table import Column

if TYPE_CHECKING:
    from aiodoo.audit import AuditReport
    from aiodoo.session import Session

FailOn: TypeAlias = Literal["error", "warning", "info", "never"]


async def audit(
    *,
    team: Annotated[Several, Parameter(completer=team_ids)] = None,
    organization: OfOrganizations = None,
    file: Path | None = None,
    ask_hosts: Switch = False,
    fail_on: FailOn = "error",
    report: Page = None,
    settings: Given,
) -> int:
    """Report webhook configurations that are doubled, unsafe, misspelt, or managed by nobody, and what mends each.

    Only reads: a request for a team of one page, two a page for a larger one. Found are twins and unknown types (errors);
    endpoints without TLS, hosts that do not answer, missing authentication, and secrets that several hosts or ten and more
    webhook configurations share (warnings); what is bound to no event, and what a file does not manage (info).
    The exit code is 1 if there is a finding as bad as --fail-on says.

    Parameters
    ----------
    team
        Only this team; may be given several times.
    file
        A file of desired state; what it does not manage is reported.
    ask_hosts
        Connect once to each host of an endpoint, without a request.
    fail_on
        The least bad finding that makes the command fail.
    """
    async with settings.tenants() as tenants:
        chosen, failed = await chosen_teams(settings, tenants, team, organization)
        with Screen(settings.talk) as screen:

            async def look(name: str, doo: Session) -> AuditReport:
                return await doo.audit(
                    *chosen[name],
                    file=file,
                    ask_hosts=ask_hosts,
                    on_page=lambda page: screen.count(name, len(page.items)),
                )

            found, code = settings.sorted_out(await tenants.each(look, only=chosen))
    code = failed or code
    _show(settings, found)
    if report is not None:
        from aiodoo.cli.pages import write_audit  # noqa: PLC0415  # not for most

        write_audit(settings, report, found)
    return code or (FAILED if any(_is_bad(each, fail_on) for each in found.values()) else DONE)


def _is_bad(found: AuditReport, fail_on: FailOn) -> bool:
    from aiodoo.audit import Severity  # noqa: PLC0415  # loads what --help can do without

    order = get_args(Severity)
    return fail_on != "never" and found.worst is not None and order.index(found.worst) <= order.index(fail_on)


def _show(settings: Context, found: dict[str, AuditReport]) -> None:
    columns = (
        Column("SEVERITY", whole=True),
        Column("TEAM", lambda record: record["team_id"], whole=True),
        Column("NAME"),
        Column("FOUND", lambda record: record["about"]),
        Column("MENDED BY", lambda record: record["command"]),
    )
    with settings.sheet("finding", *columns) as sheet:
        for profile, each in found.items():
            for finding in each.findings:
                record = finding.to_dict()
                record["command"] = settings.again(finding.command, profile)
                sheet.add({"profile": profile, "check": record.pop("kind"), **record})
    for profile, each in found.items():
        begin = f"{profile}: " if settings.all_profiles else ""
        counts = ", ".join(f"{many} {severity}" for severity, many in each.counts().items())
        total = sum(each.teams.values())
        settings.talk.say(
            f"{begin}webhook configurations: {total}, teams: {len(each.teams)}, hosts: {len(each.hosts)}; findings: {counts}."
        )
        for note in each.notes:
            settings.talk.say(f"{begin}{note}.")
