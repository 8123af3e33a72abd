"""`aiodoo profiles`: list, choose, show and remove profiles."""

from __future__ import annotations

from typing import Any

from cyclopts import App

from aiodoo.cli.context import Context, Given
from aiodoo.cli.options import ProfileName
from aiodoo.cli.terminal.exit_codes import DONE, WrongUsage
from aiodoo.cli.terminal.table import Column

profiles = App(
    name="profiles",
    help="Profiles: the accounts that `aiodoo login` has saved.",
    help_format="plaintext",
)


@profiles.command(name="list")
async def list_(*, settings: Given) -> int:
    """List the profiles, and which one is used if none is named. Reads no secret and costs no request."""
    tables, default = _read(settings)
    columns = (
        Column("PROFILE", whole=True),
        Column("DEFAULT", lambda record: "*" if record["default"] else ""),
    )
    with settings.sheet("profile", *columns, Column("BASE URL")) as sheet:
        for name, table in tables.items():
            sheet.add(_record(name, table, default))
    if sheet.shows_nothing:
        settings.talk.say("there are no profiles; make one with: aiodoo login")
    return DONE


@profiles.command
async def show(name: ProfileName | None = None, *, settings: Given) -> int:
    """Show a profile without its secrets; of these, where each comes from. Costs no request.

    Parameters
    ----------
    name
        The profile; by default the one that is used.
    """
    tables, default = _read(settings)
    name = name or settings.profile or default
    record = _record(name, _known(tables, name), default)
    inside = record["settings"]
    settings.show("profile", record, cells={**record, "settings": None, **inside})
    return DONE


def _record(name: str | None, table: dict[str, Any], default: str | None) -> dict[str, Any]:
    """Return the record of a profile, without its secrets."""
    from aiodoo.profiles.profile import KEYS, SECRETS  # noqa: PLC0415  # loads what --help can do without

    # A misspelt key may hold a secret too.
    shown = {
        key: "***" if key not in KEYS or (key in SECRETS and not isinstance(value, dict)) else value
        for key, value in table.items()
    }
    return {
        "profile": name,
        "default": name == default,
        "base_url": shown.pop("base_url", None),
        "settings": shown,
    }


@profiles.command
async def use(name: ProfileName, *, settings: Given) -> int:
    """Make a profile the default: the one that is used if none is named. Costs no request.

    Parameters
    ----------
    name
        The profile.
    """
    from aiodoo import profiles as kept  # noqa: PLC0415  # loads what --help can do without

    _known(_read(settings)[0], name)
    if settings.dry_run:
        settings.talk.say(f"{name} would be the default; nothing was changed.")
        return DONE
    path = kept.set_default(name, config=settings.config)
    settings.talk.say(f"{name} is the default now, in {path}.", level="success", profile=name)
    return DONE


@profiles.command
async def remove(name: ProfileName, *, settings: Given) -> int:
    """Remove a profile. Its runs stay, and secrets that are kept elsewhere. Costs no request.

    Parameters
    ----------
    name
        The profile.
    """
    from aiodoo import profiles as kept  # noqa: PLC0415  # loads what --help can do without

    table = _known(_read(settings)[0], name)
    if not await settings.agreed(f"Remove the profile {name}?"):
        return DONE
    path = kept.remove(name, config=settings.config)
    settings.talk.say(f"{name} was removed from {path}.", level="success", profile=name)
    rings = [value for value in table.values() if isinstance(value, dict) and "keyring" in value]
    for ring in rings:
        settings.talk.say(
            f"the keyring still holds {ring['keyring']}, {ring.get('user')}; remove it there.",
            level="warning",
        )
    return DONE


def _read(settings: Context) -> tuple[dict[str, dict[str, Any]], str | None]:
    """Return the tables of all profiles, and the name of the one that is used if none is named."""
    from aiodoo.errors import ConfigError  # noqa: PLC0415  # loads what --help can do without
    from aiodoo.profiles.profile import chosen_of, opened  # noqa: PLC0415

    if settings.all_profiles or settings.sandbox:
        raise WrongUsage("this command is for the file with the profiles.")
    file = opened(settings.config)
    if file is None:
        return {}, None
    try:
        default: str | None = chosen_of(file)
    except ConfigError:
        default = None
    tables = file.table("profiles").content
    return {name: table if isinstance(table, dict) else {} for name, table in tables.items()}, default


def _known(tables: dict[str, dict[str, Any]], name: str | None) -> dict[str, Any]:
    if name is None or name not in tables:
        known = ", ".join(tables) or "none; make one with: aiodoo login"
        raise WrongUsage(
            f"there is no profile {name!r}; there are {known}." if name else f"name one: {known}."
        )
    return tables[name]
