"""`aiodoo organizations`: list organizations and teams."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cyclopts import App

from aiodoo.cli.context import Given
from aiodoo.cli.terminal.table import Column

if TYPE_CHECKING:
    from aiodoo import Organization, Session

organizations = App(name="organizations", help="Organizations and their teams.", help_format="plaintext")


@organizations.command(name="list")
async def list_(*, settings: Given) -> int:
    """List the account's organizations and their team ids. Costs one request."""

    async def read(_: str, doo: Session) -> list[Organization]:
        return [organization async for organization in doo.organizations.list()]

    async with settings.tenants() as tenants:
        found, code = settings.sorted_out(await tenants.each(read))
    columns = (
        Column("ID", lambda record: record["organization_id"], whole=True),
        Column("NAME"),
        Column("TEAMS", lambda record: " ".join(record["team_ids"])),
    )
    settings.remember_teams(
        (team, name) for name, all_ in found.items() for each in all_ for team in each.team_ids
    )
    with settings.sheet("organization", *columns) as sheet:
        for profile, organizations_ in found.items():
            for organization in organizations_:
                sheet.add(
                    {
                        "profile": profile,
                        "organization_id": organization.id,
                        "name": organization.name,
                        "team_ids": list(organization.team_ids),
                    }
                )
    if sheet.shows_nothing and not code:
        settings.talk.say("doo names no organization.")
    return code
