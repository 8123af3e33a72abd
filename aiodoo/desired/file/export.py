"""A file of desired state that declares webhook configurations as they are listed."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from os.path import commonprefix
from typing import Any

import attrs

from aiodoo.errors import NotCopyable
from aiodoo.models import AddWebhook, WebhookConfiguration
from aiodoo.operations import NotCopied

LISTED = "${secret:listed}"
"""What stands for a client secret in the file: the one that doo lists."""


@attrs.frozen(kw_only=True)
class Export:
    """A file of desired state that was made of webhook configurations.

    Attributes:
        document: the file as plain data; written as YAML, or as JSON, which is YAML, `desired.plan` takes it. There is no
            secret in it.
        left: those that it does not declare, as there is something in them that cannot be sent back.
    """

    document: dict[str, Any]
    left: tuple[NotCopied, ...]


def export(webhooks: Iterable[WebhookConfiguration]) -> Export:
    """Return a file of desired state that declares webhook configurations as they are; nothing is sent.

    A plan of it finds nothing to do. Equal ones of several teams are declared once, client secrets are those that doo
    lists, and what the names have in common at their beginning tells those of the file from others. Fields that aiodoo
    does not know are in the file too, without their secrets; the format has no place for them, and a plan says so.

    Args:
        webhooks: as they were listed.
    """
    declared: list[tuple[str, AddWebhook]] = []
    left = []
    for webhook in webhooks:
        # A masked secret is no hindrance: the file refers to the one that doo has.
        secret = {} if webhook.authentication is None else {"client_secret": LISTED}
        try:
            declared.append((webhook.team_id, webhook.copy(**secret)))  # type: ignore[arg-type]  # one of Changes
        except NotCopyable as error:
            left.append(NotCopied(webhook, error))
    return Export(document=_document(declared), left=tuple(left))


def _document(declared: Sequence[tuple[str, AddWebhook]]) -> dict[str, Any]:
    teams: dict[tuple[int, str], list[str]] = {}
    contents: dict[tuple[int, str], dict[str, Any]] = {}
    twins = Counter[tuple[str, str]]()
    for team_id, config in declared:
        # Left out, a description would be the name.
        content = {"name": config.name, "description": None} | config.to_dict(secrets=lambda _: None)
        content = _literal(content)
        text = json.dumps(content)
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
