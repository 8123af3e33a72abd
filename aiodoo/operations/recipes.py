"""Operations for common tasks, from listed webhook configurations: move hosts, rotate a secret, copy to teams. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import attrs

from aiodoo.checks import check_kind
from aiodoo.errors import ConfigError, NotCopyable
from aiodoo.models import WebhookConfiguration, check_id, is_like, is_masked
from aiodoo.models.endpoints import check_hosts, move
from aiodoo.operations.compare import may_widen
from aiodoo.operations.operations import Ensure, Update
from aiodoo.secret import Secret


@attrs.frozen
class NotCopied:
    """A webhook configuration that cannot be copied.

    Attributes:
        webhook: the listed webhook configuration.
        error: the reason, with its id and team.
    """

    webhook: WebhookConfiguration
    error: NotCopyable


@attrs.frozen(kw_only=True)
class Copies:
    """The operations that copy webhook configurations to other teams.

    Attributes:
        operations: pass them to `bulk.run` of the account of these teams; in the order of the originals.
        left: the webhook configurations that cannot be copied.
        scope_unknown: the operations whose copies may have a wider scope than the original, because doo's list may not
            show `event_id` and `event_guide_id`.
    """

    operations: tuple[Ensure, ...]
    left: tuple[NotCopied, ...]
    scope_unknown: tuple[Ensure, ...]


def move_hosts(webhooks: Iterable[WebhookConfiguration], hosts: Mapping[str, str]) -> list[Update]:
    """Return the updates that replace hosts in the endpoints of hooks and authentications; nothing is sent.

    Webhook configurations with none of these hosts get no update.

        await doo.bulk.run(move_hosts(listed, {"old.example": "new.example"}))

    Args:
        webhooks: listed webhook configurations.
        hosts: `{"old": "new"}`; a host with a port means that port only.

    Raises:
        ConfigError: a host is invalid.
    """
    checked = check_hosts(hosts)
    return [
        Update(webhook.team_id, webhook.id, hosts=checked)
        for webhook in webhooks
        if any(move(url, checked) != url for url in called_urls(webhook))
    ]


def called_urls(webhook: WebhookConfiguration) -> list[str]:
    """Return the URLs that doo calls for a webhook configuration: those of its hooks, and the one of its token requests."""
    login = webhook.authentication
    return [hook.endpoint for hook in webhook.hooks] + ([] if login is None else [login.endpoint])


def rotate_secret(
    webhooks: Iterable[WebhookConfiguration], secret: str | Secret, *, token_url: str | None = None
) -> list[Update]:
    """Return the updates that give webhook configurations with an authentication a new client secret; nothing is sent.

    Those that have this secret already get no update.

    Args:
        webhooks: listed webhook configurations.
        secret: the new secret. With `Secret.from_env` or `Secret.from_file` a run can be resumed from its journal alone.
        token_url: the pattern of the authentication endpoints to update, with * and ?; None for all.

    Raises:
        ConfigError: the secret has no value, is blank or is a mask.
    """
    secret = Secret.of(secret)
    check_kind(token_url, "token_url", (str, type(None)), "text in which * and ? stand for any characters")
    if is_masked(secret.reveal()):
        raise ConfigError(
            "the new secret is blank, or looks like a mask such as ***, so nothing would be rotated; nothing was sent. "
            "Look at where it comes from"
        )
    return [
        Update(webhook.team_id, webhook.id, client_secret=secret)
        for webhook in webhooks
        if (login := webhook.authentication) is not None
        and login.credentials.client_secret != secret
        and (token_url is None or is_like(login.endpoint, token_url))
    ]


def copy_to_teams(webhooks: Iterable[WebhookConfiguration], teams: Mapping[str, str]) -> Copies:
    """Return the operations that copy webhook configurations to other teams, also of another account; nothing is sent.

    Each is an `Ensure`: a copy that exists already is not made again, and nothing is deleted.

    Args:
        webhooks: listed webhook configurations; those of teams that `teams` does not name are ignored.
        teams: `{"team id of the originals": "team id of the copies"}`.

    Raises:
        ConfigError: a team id is invalid.
    """
    check_kind(teams, "teams", Mapping, "a mapping of team ids to team ids")
    table = {check_id(old, "team id"): check_id(new, "team id") for old, new in teams.items()}
    operations, left, wide = [], [], []
    for webhook in webhooks:
        if webhook.team_id not in table:
            continue
        try:
            operation = Ensure(table[webhook.team_id], webhook.copy())
        except NotCopyable as error:
            left.append(NotCopied(webhook, error))
            continue
        operations.append(operation)
        if may_widen(webhook, webhook):
            wide.append(operation)
    return Copies(operations=tuple(operations), left=tuple(left), scope_unknown=tuple(wide))
