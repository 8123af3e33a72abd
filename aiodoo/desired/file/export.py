"""Exports listed webhook configurations as a file of desired state."""

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
"""The reference to the listed secret, which the file has for every client secret."""


@attrs.frozen(kw_only=True)
class Export:
    """A file of desired state that declares listed webhook configurations.

    Attributes:
        document: the file as plain data without secrets. `desired.plan` reads it if it is written as YAML or JSON.
        left: the webhook configurations that cannot be declared, as a field of them cannot be sent back.
    """

    document: dict[str, Any]
    left: tuple[NotCopied, ...]


def export(webhooks: Iterable[WebhookConfiguration]) -> Export:
    """Return a file of desired state that declares webhook configurations as listed; costs no request.

    A plan of the file has no changes. Equal webhook configurations of several teams are declared once, client secrets
    refer to the listed ones, and the common prefix of the names becomes `manage.name_prefix`. Fields that aiodoo does
    not know are included without their secrets, but `desired.plan` refuses them, as the format has none.

    Args:
        webhooks: listed webhook configurations.
    """
    declared: list[tuple[str, AddWebhook]] = []
    left = []
    for webhook in webhooks:
        # A reference to the listed secret, so that a masked one can be exported, too.
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
        # An omitted description means the name.
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
    """Escape each `${`, so that it is not read as a variable."""
    match value:
        case str():
            return value.replace("${", "$${")
        case dict():
            return {name: _literal(item) for name, item in value.items()}
        case list():
            return [_literal(item) for item in value]
    return value
