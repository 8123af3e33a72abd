"""The operations of the jobs that people have, made of webhook configurations that were read. Pure."""

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
    """A webhook configuration of which no copy can be made.

    Attributes:
        webhook: as it was listed.
        error: why; it names the webhook configuration and its team.
    """

    webhook: WebhookConfiguration
    error: NotCopyable


@attrs.frozen(kw_only=True)
class Copies:
    """What copies webhook configurations into other teams.

    Attributes:
        operations: for `bulk.run` of the account that gets them, in the order in which the originals were read.
        left: those that cannot be copied.
        scope_unknown: the operations whose copies may have a wider scope than the original, because doo's list may not show
            what it is bound to.
    """

    operations: tuple[Ensure, ...]
    left: tuple[NotCopied, ...]
    scope_unknown: tuple[Ensure, ...]


def move_hosts(webhooks: Iterable[WebhookConfiguration], hosts: Mapping[str, str]) -> list[Update]:
    """Return the updates that move every endpoint at some hosts to others; nothing is sent.

    Endpoints of hooks and of authentications move, the rest of each URL stays. A webhook configuration that calls none of
    these hosts gets no update.

    Args:
        webhooks: as they were listed.
        hosts: `{"old": "new"}`; a host with a port means that port only.

    Raises:
        ConfigError: a host cannot be one.
    """
    checked = check_hosts(hosts)
    return [
        Update(webhook.team_id, webhook.id, hosts=checked)
        for webhook in webhooks
        if any(move(url, checked) != url for url in _endpoints(webhook))
    ]


def _endpoints(webhook: WebhookConfiguration) -> list[str]:
    login = webhook.authentication
    return [hook.endpoint for hook in webhook.hooks] + ([] if login is None else [login.endpoint])


def rotate_secret(
    webhooks: Iterable[WebhookConfiguration], secret: str | Secret, *, token_url: str | None = None
) -> list[Update]:
    """Return the updates that give every webhook configuration with an authentication a new client secret; nothing is sent.

    Those that have this secret already get no update.

    Args:
        webhooks: as they were listed.
        secret: the new one. With `Secret.from_env` or `Secret.from_file` a run can be resumed by its journal alone.
        token_url: only those that log in at a URL like this; * and ? stand for any characters.

    Raises:
        ConfigError: the secret is not at hand, is blank or is shown in part only.
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
    """Return the operations that copy webhook configurations into other teams, also of another account; nothing is sent.

    Each is an `Ensure`: what is there already, exactly so, is not made twice, and nothing is deleted.

    Args:
        webhooks: as they were listed; those of teams that `teams` does not name are left out.
        teams: the ids of the teams that get the copies, by the ids of those that have the originals.

    Raises:
        ConfigError: a team id cannot be one.
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
