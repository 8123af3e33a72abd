"""`aiodoo export`: every webhook configuration, to keep or to plan with."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from os.path import commonprefix
from typing import TYPE_CHECKING, Any, Literal

from aiodoo.cli.context import Context, Given
from aiodoo.cli.options import Several, Switch
from aiodoo.cli.terminal.output import as_json, print_yaml
from aiodoo.cli.terminal.process import FAILED, WrongUsage, code_of, line
from aiodoo.cli.terminal.progress import Screen
from aiodoo.cli.webhook_files import HIDDEN
from aiodoo.errors import NotCopyable

if TYPE_CHECKING:
    from aiodoo import AddWebhook, Tenants, WebhookConfiguration

LISTED = "${secret:listed}"  # says where one is
"""What stands for a secret in YAML: the one that doo has."""


def export(
    *,
    team: Several = None,
    format: Literal["yaml", "jsonl"] = "yaml",  # noqa: A002  # what people call it
    with_secrets: Switch = False,
    settings: Given,
) -> int:
    """Print all webhook configurations: as a file of desired state (YAML), or as they were listed (JSON lines).

    Costs a request for each page. JSON lines keep every field, also those that aiodoo does not know.

    Parameters
    ----------
    team
        Only this team's; may be given several times.
    format
        yaml or jsonl.
    with_secrets
        JSON lines with the client secrets in clear; without it they are left out, and YAML refers to those that doo has.
    """
    return settings.run(_export(settings, tuple(team or ()), format, with_secrets=with_secrets))


async def _export(settings: Context, teams: tuple[str, ...], form: str, *, with_secrets: bool) -> int:
    if with_secrets and form == "yaml":
        raise WrongUsage("a file of desired state holds no secrets; say --format jsonl to keep them.")
    if form == "yaml" and settings.all_profiles:
        raise WrongUsage("a file of desired state is for one profile; say --format jsonl for all of them.")
    async with settings.tenants() as tenants:
        found, code = await _read(settings, tenants, teams)
    if form == "jsonl":
        for name, webhook in found:
            item = webhook.to_dict(secrets="reveal" if with_secrets else lambda _: HIDDEN)
            item.pop("_links", None)
            named = {"profile": name} if settings.all_profiles else {}
            print(as_json({**named, "team_id": webhook.team_id, **item}, indent=None))
        return code
    declared: list[tuple[str, AddWebhook]] = []
    for _, webhook in found:
        try:
            declared.append((webhook.team_id, webhook.copy(**_with_any_secret(webhook))))
        except NotCopyable as error:
            settings.talk.say(str(error), level="warning")
            code = code or FAILED
    print_yaml(desired_state(declared))
    return code


async def _read(
    settings: Context, tenants: Tenants, teams: tuple[str, ...]
) -> tuple[list[tuple[str, WebhookConfiguration]], int]:
    code = 0
    walk = tenants.webhooks(teams=dict.fromkeys(tenants, teams) if teams else None, on_error="collect")
    found = []
    with Screen(settings.talk) as screen:
        async for name, webhook in walk:
            screen.count(name)
            found.append((name, webhook))
    for failed in walk.errors:
        team = "" if failed.team_id is None else f"team {failed.team_id}: "
        settings.talk.say(
            f"{failed.tenant}: {team}{line(failed.error)}", level="error", team_id=failed.team_id
        )
        code = FAILED if code == FAILED else code_of(failed.error)
    return found, code


def _with_any_secret(webhook: WebhookConfiguration) -> Any:
    """A masked secret is no hindrance: the file refers to the one that doo has."""
    return {} if webhook.authentication is None else {"client_secret": LISTED}


def desired_state(declared: Sequence[tuple[str, AddWebhook]]) -> dict[str, Any]:
    """Return a file of desired state that declares webhook configurations as they are; equal ones of several teams once."""
    teams: dict[tuple[int, str], list[str]] = {}
    contents: dict[tuple[int, str], dict[str, Any]] = {}
    twins = Counter[tuple[str, str]]()
    for team_id, config in declared:
        # Left out, a description would be the name.
        content = {"name": config.name, "description": None} | config.to_dict(secrets=lambda _: None)
        content = _literal(content)
        text = as_json(content, indent=None)
        twins[team_id, text] += 1
        key = twins[team_id, text], text
        contents.setdefault(key, content)
        teams.setdefault(key, []).append(team_id)
    for content in contents.values():
        if "authentication" in content:
            content["authentication"]["credentials"]["client_secret"] = LISTED
    prefix = commonprefix([config.name for _, config in declared])  # noqa: RUF071  # of names, not of paths
    return {
        "aiodoo": 1,
        "manage": {"name_prefix": _literal(prefix)},
        "teams": list(dict.fromkeys(team_id for team_id, _ in declared)),
        "webhooks": [{**content, "teams": teams[key]} for key, content in contents.items()],
    }


def _literal(value: Any) -> Any:
    """Write what would be taken for a variable so that it is not."""
    match value:
        case str():
            return value.replace("${", "$${")
        case dict():
            return {name: _literal(item) for name, item in value.items()}
        case list():
            return [_literal(item) for item in value]
    return value
