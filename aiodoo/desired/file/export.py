"""Exports listed webhook configurations as a file of desired state."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, TypeAlias

import attrs

from aiodoo.desired.file.block_style import Quoted
from aiodoo.errors import ConfigError, NotCopyable
from aiodoo.models import AddWebhook, Hook, Origin, WebhookConfiguration
from aiodoo.models.copying import content_of, without_marks
from aiodoo.models.rules import unknown_types
from aiodoo.models.secret_fields import is_fixed, is_mask, map_secrets
from aiodoo.models.texts import INTERNAL_FIELDS
from aiodoo.operations import NotCopied
from aiodoo.secret import Secret

LISTED = "${secret:listed}"
"""The reference to the listed secret."""

_SOME_SECRET = Secret("stands in for a secret")

_Content: TypeAlias = dict[str, Any]


@attrs.frozen(kw_only=True)
class Export:
    """A file of desired state that declares listed webhook configurations.

    Attributes:
        document: the file as plain data. `desired.plan` reads it if it is written as YAML or JSON.
        left: the webhook configurations that cannot be declared, as a field of them cannot be sent back.
    """

    document: dict[str, Any] = attrs.field(repr=False)
    left: tuple[NotCopied, ...]


def export(
    webhooks: Iterable[WebhookConfiguration],
    *,
    with_secrets: bool = False,
    teams: Mapping[str, str] | None = None,
) -> Export:
    """Return a file of desired state that declares webhook configurations as listed; costs no request.

    A plan of the file has no changes. Equal webhook configurations of several teams are declared once. The file manages
    all webhook configurations of its teams (`manage.all`): write a `name_prefix` there if it declares a part of them, as
    what it lacks is deleted with `prune=True`. Fields that aiodoo does not know stand under `unknown`, and those that break
    the rules for new ones have `as_listed`. What cannot be declared is left out and stands under `manage.ignore`.

    Args:
        webhooks: listed webhook configurations.
        with_secrets: whether the file holds the secrets, under `secrets`; without, it refers to the listed ones. With
            them it can be applied where nothing is listed: after a loss, or in another account.
        teams: the team that the file names in place of a listed one, for another account.
    """
    names = teams or {}
    secrets = _Secrets() if with_secrets else None
    declared: list[tuple[str, _Content]] = []
    left = []
    for webhook in webhooks:
        try:
            config = content_of(webhook)
        except NotCopyable as error:
            left.append(NotCopied(webhook, error))
            continue
        declared.append((names.get(webhook.team_id, webhook.team_id), _declared(config, secrets)))
    document = _document(declared, [each.webhook.id for each in left])
    if secrets is not None and secrets.names:
        document = {**document, "secrets": secrets.values(), "webhooks": document.pop("webhooks")}
    return Export(document=document, left=tuple(left))


@attrs.define
class _Secrets:
    """The secrets of an export, each with a name."""

    names: dict[tuple[str, bool], str] = attrs.field(factory=dict, repr=False)

    def reference(self, secret: Secret) -> str:
        """Return the reference to a secret, which is kept; one that doo does not show is the listed one."""
        if not secret or is_mask(secret):
            return LISTED
        key = secret.reveal(), secret.is_number
        name = self.names.setdefault(key, f"s{len(self.names) + 1}")
        return f"${{secret:here:{name}}}"

    def values(self) -> dict[str, Any]:
        """Return the secrets by name, as `Secret.from_section` reads them."""
        return {
            name: json.loads(text) if number else Quoted(text) for (text, number), name in self.names.items()
        }


def _declared(config: AddWebhook, secrets: _Secrets | None) -> _Content:
    """Return the declaration of a webhook configuration, but for its teams."""
    content: _Content = {"name": config.name, "description": None, **_plain(config, secrets)}
    if _breaks_rules(config):
        content["as_listed"] = True
    return content


def _breaks_rules(config: AddWebhook) -> bool:
    """Return whether a new webhook configuration with this content is refused, or warned of."""
    new = without_marks(config)
    if new.has_unknown_fields:
        new = map_secrets(new, lambda *_: _SOME_SECRET)
    elif new.authentication is not None:
        new = new.copy(client_secret=_SOME_SECRET)
    try:
        new.check()
    except (ConfigError, TypeError):
        return True
    return bool(unknown_types(new.hooks)) or any(hook.type.startswith("on_") for hook in new.hooks)


def _plain(model: Any, secrets: _Secrets | None) -> _Content:
    """Return a model as the format declares it: without None, with its unknown fields under `unknown`."""
    found: _Content = {}
    for field in attrs.fields(type(model)):
        value = getattr(model, field.name)
        if value is None or (field.name in INTERNAL_FIELDS and (field.name != "extra" or not value)):
            continue
        if field.name == "header_value_format" and is_fixed(value):
            value = Secret(value)
        if isinstance(value, Origin) and (query := _query_of(value)) is not None:
            found |= query
        else:
            found["unknown" if field.name == "extra" else field.name] = _value(value, secrets)
    return found


def _query_of(origin: Origin) -> _Content | None:
    """Return a GraphQL request as the query that makes exactly this origin; None if none does."""
    try:
        request = json.loads(origin.body)
        query, variables, name = request["query"], request["variables"], request["operationName"]
        made = Hook.graphql("-", endpoint="-", query=query, variables=variables, operation_name=name)
    except (ValueError, TypeError, KeyError, RecursionError):
        return None
    if made.origin != origin:
        return None
    plain = {"query": query, "variables": variables or None, "operation_name": name}
    return {key: _value(item, None) for key, item in plain.items() if item is not None}


def _value(value: Any, secrets: _Secrets | None) -> Any:
    """Return a value with each `${` escaped, so that it is not read as a variable, and a reference for each secret."""
    match value:
        case Secret():
            return LISTED if secrets is None else secrets.reference(value)
        case str():
            return _literal(value)
        case Mapping():
            return {name: _value(item, secrets) for name, item in value.items()}
        case list() | tuple():
            return [_value(item, secrets) for item in value]
    return _plain(value, secrets) if attrs.has(type(value)) else value


def _literal(text: str) -> str:
    return text.replace("${", "$${")


def _document(declared: Sequence[tuple[str, _Content]], left: Sequence[str]) -> _Content:
    contents: dict[tuple[int, str], _Content] = {}
    teams: dict[tuple[int, str], list[str]] = {}
    for key, team_id, content in _keyed(declared):
        contents.setdefault(key, content)
        teams.setdefault(key, []).append(team_id)
    return {
        "aiodoo": 1,
        "manage": {"all": True} | ({"ignore": list(left)} if left else {}),
        "teams": list(dict.fromkeys(team_id for team_id, _ in declared)) or "all",
        "webhooks": [{**content, "teams": teams[key]} for key, content in contents.items()],
    }


def _keyed(declared: Iterable[tuple[str, _Content]]) -> Iterator[tuple[tuple[int, str], str, _Content]]:
    """Yield each content with a key that is the same for equal ones of several teams, and differs within a team."""
    twins = Counter[tuple[str, str]]()
    for team_id, content in declared:
        text = json.dumps(content)
        twins[team_id, text] += 1
        yield (twins[team_id, text], text), team_id, content
