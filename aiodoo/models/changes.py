"""The changes that an update, or a copy, can make to a webhook configuration."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, TypedDict

import attrs

from aiodoo.errors import ConfigError
from aiodoo.models.authentication import Authentication
from aiodoo.models.checks import is_text
from aiodoo.models.endpoints import check_hosts, move
from aiodoo.models.hook import Hook
from aiodoo.secret import Secret

if TYPE_CHECKING:
    from aiodoo.models.add_webhook import AddWebhook


class Changes(TypedDict, total=False):
    """What can be changed; what is not named stays."""

    name: str
    description: str | None
    event_id: str | None
    event_guide_id: str | None
    client_secret: str | Secret
    hosts: Mapping[str, str]
    hooks: Iterable[Hook]
    authentication: Authentication | None


ALLOWED = tuple(Changes.__annotations__)


def _check_names(changes: Mapping[str, Any]) -> None:
    """Raise ConfigError if a change is none that can be made."""
    unknown = sorted(set(changes) - set(ALLOWED))
    if unknown:
        raise ConfigError(
            f"cannot change {', '.join(unknown)}; the changes are {', '.join(ALLOWED)}. Nothing was sent."
        )


def check_changes(changes: Changes) -> Changes:
    """Return the changes, their hooks as a tuple, or raise ConfigError if they cannot be made."""
    _check_names(changes)
    made = changes.copy()
    if "hooks" in made:
        hooks = made["hooks"]
        if not isinstance(hooks, Iterable) or isinstance(hooks, str | Mapping):
            raise ConfigError("hooks must be a list of aiodoo.Hook; nothing was sent.")
        made["hooks"] = tuple(hooks)
        if not all(isinstance(hook, Hook) for hook in made["hooks"]):
            raise ConfigError("hooks must be a list of aiodoo.Hook; nothing was sent.")
    if not isinstance(made.get("authentication"), Authentication | None):
        raise ConfigError("authentication must be an aiodoo.Authentication, or None; nothing was sent.")
    _check_texts(made)
    if "hosts" in made:
        check_hosts(made["hosts"])
    if "client_secret" in made:
        _check_secret(made["client_secret"])
    return made


def _check_texts(changes: Mapping[str, Any]) -> None:
    name = changes.get("name", "-")
    if not is_text(name) or not name.strip():
        raise ConfigError("name must be a text that is not empty; nothing was sent.")
    for field in ("description", "event_id", "event_guide_id"):
        if changes.get(field) is not None and not is_text(changes[field]):
            raise ConfigError(f"{field} must be text, or None; nothing was sent.")


def _check_secret(secret: object) -> None:
    if not isinstance(secret, str | Secret) or not secret:
        raise ConfigError("client_secret must be a text that is not empty, or a Secret; nothing was sent.")


def changed(config: AddWebhook, changes: Changes) -> AddWebhook:
    """Return the configuration with these changes; hosts move what the other changes leave.

    Raises:
        ConfigError: a change has another name, or cannot be made.
    """
    changes = check_changes(changes)
    plain: dict[str, Any] = {
        name: value for name, value in changes.items() if name not in {"hosts", "client_secret"}
    }
    config = attrs.evolve(config, **plain)
    if "client_secret" in changes:
        config = _with_secret(config, changes["client_secret"])
    if "hosts" in changes:
        config = _moved(config, check_hosts(changes["hosts"]))
    return config


def _with_secret(config: AddWebhook, secret: str | Secret) -> AddWebhook:
    login = config.authentication
    if login is None:
        raise ConfigError(
            "there is no authentication that a client_secret could go into; give authentication= instead. "
            "Nothing was sent."
        )
    credentials = attrs.evolve(login.credentials, client_secret=secret)
    return attrs.evolve(config, authentication=attrs.evolve(login, credentials=credentials))


def _moved(config: AddWebhook, hosts: Mapping[str, str]) -> AddWebhook:
    login = config.authentication
    return attrs.evolve(
        config,
        hooks=tuple(attrs.evolve(hook, endpoint=move(hook.endpoint, hosts)) for hook in config.hooks),
        authentication=login and attrs.evolve(login, endpoint=move(login.endpoint, hosts)),
    )
