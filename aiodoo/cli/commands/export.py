"""`aiodoo export`: print all webhook configurations as YAML or JSON lines."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import Parameter

from aiodoo.cli.completers import team_ids
from aiodoo.cli.context import Context, Given
from aiodoo.cli.editing import HIDDEN
from aiodoo.cli.options import Page, Several, Switch
from aiodoo.cli.terminal.output import as_json, print_yaml
from aiodoo.cli.terminal.process import DONE, FAILED, WrongUsage, code_of, line
from aiodoo.cli.terminal.progress import Screen

if TYPE_CHECKING:
    from aiodoo import Tenants, WebhookConfiguration


async def export(
    *,
    team: Annotated[Several, Parameter(completer=team_ids)] = None,
    format: Literal["yaml", "jsonl"] = "yaml",  # noqa: A002  # what people call it
    with_secrets: Switch = False,
    report: Page = None,
    settings: Given,
) -> int:
    """Print all webhook configurations: as desired state (YAML), or as listed (JSON lines).

    What YAML declares, `aiodoo plan` finds unchanged. With --with-secrets it can be applied where nothing is listed: to
    restore an account, or to another one with --team FROM=TO.

    Costs a request for a team of one page, and two a page for a larger one, which is read until two readings agree: what
    others change meanwhile is not missed.

    Parameters
    ----------
    team
        Only this team, or FROM=TO to write the team TO in its place; may be given several times.
    format
        yaml or jsonl.
    with_secrets
        Include secrets in clear. By default they are masked in JSON lines, and YAML refers to those that doo lists.
    """
    from aiodoo import desired  # noqa: PLC0415  # loads what --help can do without

    teams = team or ()
    names = {each.partition("=")[0]: each.partition("=")[2] or each for each in teams}
    if format == "jsonl" and any("=" in each for each in teams):
        raise WrongUsage("--team FROM=TO is for YAML; JSON lines are as doo lists them.")
    if format == "yaml" and settings.all_profiles:
        raise WrongUsage("a file of desired state is for one profile; use --format jsonl for all of them.")
    async with settings.tenants() as tenants:
        found, code = await _read(settings, tenants, tuple(names))
    if report is not None:
        from aiodoo.cli.pages import write_export  # noqa: PLC0415  # not for most

        write_export(settings, report, found)
    if format == "jsonl":
        for name, webhook in found:
            item = webhook.to_dict(secrets="reveal" if with_secrets else lambda _: HIDDEN)
            item.pop("_links", None)
            named = {"profile": name} if settings.all_profiles else {}
            print(as_json({**named, "team_id": webhook.team_id, **item}, indent=None))
        return code
    exported = desired.export((webhook for _, webhook in found), with_secrets=with_secrets, teams=names)
    if "secrets" in exported.document:
        settings.talk.say("this holds client secrets in clear; keep it to yourself.", level="warning")
    for left in exported.left:
        settings.talk.say(str(left.error), level="warning")
    print_yaml(exported.document)
    return code or (FAILED if exported.left else DONE)


async def _read(
    settings: Context, tenants: Tenants, teams: tuple[str, ...]
) -> tuple[list[tuple[str, WebhookConfiguration]], int]:
    code = 0
    chosen = dict.fromkeys(tenants, teams) if teams else None
    walk = tenants.webhooks(teams=chosen, on_error="collect", stable=True)
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
    return found, code
