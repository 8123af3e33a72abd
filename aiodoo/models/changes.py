"""The changes that an update or a copy can make to a webhook configuration, and their checks."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, TypedDict, TypeVar

from aiodoo.checks import is_text, plain_text
from aiodoo.errors import ConfigError
from aiodoo.models.authentication import ACCESS_TOKEN, Authentication
from aiodoo.models.endpoints import check_endpoints, check_hosts
from aiodoo.models.hook import Hook
from aiodoo.models.mask_detection import is_part
from aiodoo.models.secret_fields import is_kept, is_mask, map_secrets
from aiodoo.models.texts import id_text
from aiodoo.secret import ListedSecret, Secret

T = TypeVar("T")


class Changes(TypedDict, total=False):
    """The fields that a copy can change; the others keep their values."""

    name: str
    description: str | None
    event_id: str | int | None
    event_guide_id: str | int | None
    client_secret: str | Secret
    hosts: Mapping[str, str]
    endpoints: Mapping[str, str]
    hooks: Iterable[Hook]
    authentication: Authentication | None


ALLOWED = tuple(Changes.__annotations__)


def _check_names(changes: Mapping[str, Any]) -> None:
    """Raise ConfigError if a change has an unknown name."""
    unknown = sorted(set(changes) - set(ALLOWED))
    if unknown:
        raise ConfigError(
            f"cannot change {', '.join(unknown)}; the changes are {', '.join(ALLOWED)}. Nothing was sent."
        )


def check_changes(changes: Changes) -> Changes:
    """Return a checked copy of the changes, with `hooks` as a tuple; raise ConfigError if one is invalid."""
    _check_names(changes)
    made = changes.copy()
    _make_plain(made)
    if "hooks" in made:
        made["hooks"] = _checked_hooks(made["hooks"])
    if "authentication" in made:
        made["authentication"] = _checked_login(made["authentication"])
    _check_texts(made)
    if "hosts" in made:
        check_hosts(made["hosts"])
        made["hosts"] = {plain_text(old): plain_text(new) for old, new in made["hosts"].items()}
    if "endpoints" in made:
        made["endpoints"] = check_endpoints(made["endpoints"])
    if "client_secret" in made:
        secret = _checked_secret(made["client_secret"])
        made["client_secret"] = plain_text(made["client_secret"])
        if made.get("authentication", secret) is None:
            raise ConfigError(
                "client_secret is given, and authentication=None takes away what it would go into; leave one of them out. "
                "Nothing was sent."
            )
        if is_mask(secret):
            # A mask in the place of a secret means that the listed secret is kept.
            del made["client_secret"]
    return made


def _make_plain(made: Changes) -> None:
    """Convert subclasses of str, and ids that are ints, to plain str."""
    if "name" in made:
        made["name"] = plain_text(made["name"])
    if "description" in made:
        made["description"] = plain_text(made["description"])
    if "event_id" in made:
        made["event_id"] = id_text(made["event_id"])
    if "event_guide_id" in made:
        made["event_guide_id"] = id_text(made["event_guide_id"])


def _checked_hooks(hooks: object) -> tuple[Hook, ...]:
    if isinstance(hooks, Iterable) and not isinstance(hooks, str | Mapping):
        given = tuple(hooks)
        if all(isinstance(hook, Hook) for hook in given):
            return keep_listed(given)
    raise ConfigError("hooks must be a list of aiodoo.Hook; nothing was sent.")


def _checked_login(login: object) -> Authentication | None:
    if not isinstance(login, Authentication | None):
        raise ConfigError("authentication must be an aiodoo.Authentication, or None; nothing was sent.")
    if login is not None and ACCESS_TOKEN not in str(login.header_value_format):
        raise ConfigError(
            f"authentication.header_value_format must hold {ACCESS_TOKEN} where doo is to put the token; nothing was "
            "sent."
        )
    return keep_listed(login)


def keep_listed(value: T) -> T:
    """Return a model, or a tuple of models, with a `ListedSecret` for each mask such as `***`."""
    return map_secrets(
        value,
        lambda _, secret: ListedSecret(is_number=secret.is_number) if is_kept(secret) else secret,
    )


def _check_texts(changes: Mapping[str, Any]) -> None:
    name = changes.get("name", "-")
    if not is_text(name) or not name.strip():
        raise ConfigError("name must be a text that is not empty; nothing was sent.")
    for field in ("description", "event_id", "event_guide_id"):
        if changes.get(field) is not None and not is_text(changes[field]):
            raise ConfigError(f"{field} must be text, or None; nothing was sent.")


def _checked_secret(given: object) -> Secret:
    """Return a new client secret; refuse a partly masked one, which may mean the listed secret or a new one."""
    secret = Secret.of(given) if isinstance(given, str | Secret) else Secret("")
    text = secret.reveal() if secret.is_available else "-"
    if not is_text(text) or not text.strip():
        raise ConfigError("client_secret must be a text that is not empty, or a Secret; nothing was sent.")
    if is_part(text):
        raise ConfigError(
            "client_secret looks like a secret that is shown in part, such as abc***xyz; give the whole of it, or leave "
            "it out to keep the listed one. Nothing was sent."
        )
    return secret
