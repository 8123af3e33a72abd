"""The content of a webhook configuration that is sent to doo, with its changes and checks."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any, Unpack

import attrs

from aiodoo.errors import ConfigError
from aiodoo.models import from_plain, rules, to_plain, validation
from aiodoo.models.authentication import Authentication
from aiodoo.models.changes import Changes, check_changes
from aiodoo.models.hook import Hook
from aiodoo.models.moving import moved
from aiodoo.models.secret_fields import guard_extra, is_kept, map_secrets
from aiodoo.models.texts import Listed, id_text, some_text, text
from aiodoo.models.to_plain import Secrets
from aiodoo.models.validation import SERVER_OWNED
from aiodoo.secret import Secret

_SAMPLE_SECRET = Secret("stands in for a secret")
_SAMPLE_HOOK = Hook(type="event_created", endpoint="https://stands-in.example")


def _name(config: AddWebhook) -> str | None:
    return config.name


def _hooks(hooks: Any) -> tuple[Hook, ...]:
    if not isinstance(hooks, Iterable):
        raise ConfigError(
            f"hooks must be a list of aiodoo.Hook, not {type(hooks).__name__}. Nothing was sent."
        )
    return tuple(hooks)


@attrs.frozen(kw_only=True)
class AddWebhook:
    """The content of a webhook configuration: doo's "AddWebhook" object ("Webhook configuration object").

    >>> hook = Hook(type="event_created", endpoint="https://example.org/doo")
    >>> AddWebhook(name="CRM", hooks=[hook]).to_dict()["description"]
    'CRM'

    Attributes:
        name: the name, 1 to 255 characters.
        hooks: the triggers, at least one.
        description: the name if not given, as doo once required one; None leaves the key out.
        event_id: the event that it is limited to; an int becomes text.
        event_guide_id: the event guide whose events it is limited to. With neither id it belongs to the whole
            organization.
        authentication: None if the endpoints require no token.
        extra: fields that aiodoo does not know; kept and sent. A value that looks like a credential becomes a Secret,
            at any depth: passwords, tokens, headers with a fixed value, everything under `credentials`.
    """

    name: str = attrs.field(converter=text)
    description: str | None = attrs.field(default=attrs.Factory(_name, takes_self=True), converter=some_text)
    event_id: str | None = attrs.field(default=None, converter=id_text)
    event_guide_id: str | None = attrs.field(default=None, converter=id_text)
    hooks: tuple[Hook, ...] = attrs.field(converter=_hooks)
    authentication: Authentication | None = None
    extra: Mapping[str, Any] = attrs.field(factory=dict, converter=guard_extra, repr=False, hash=False)
    _listed: Listed = attrs.field(default=(), alias="_listed", eq=False, repr=False)

    def copy(self, **changes: Unpack[Changes]) -> AddWebhook:
        """Return a copy with changes.

        Args:
            **changes: any of `name description event_id event_guide_id client_secret hosts endpoints hooks
                authentication`. `hosts={"old": "new"}` changes the host of hook endpoints and of
                `authentication.endpoint`, never of `origin.endpoint`; the other bytes of each URL are unchanged.
                `endpoints={"old": "new"}` replaces whole URLs that equal the old one, in the same fields.
                `hosts` is applied last.

        Raises:
            ConfigError: a change has an unknown name, or an invalid value.
        """
        return changed(self, changes)

    def check(self) -> None:
        """Check the configuration as `create` does before it sends anything.

        Texts copied from a list pass unchanged, provided that JSON can hold them.

        Raises:
            ConfigError: doo would refuse the configuration or misunderstand it.
        """
        check_all(self)

    @property
    def has_unknown_fields(self) -> bool:
        """Whether there are fields that aiodoo does not know, at any depth."""
        login = self.authentication
        if self.extra or (login is not None and (login.extra or login.credentials.extra)):
            return True
        return any(hook.extra or (hook.origin is not None and hook.origin.extra) for hook in self.hooks)

    def to_dict(self, *, secrets: Secrets = "refuse") -> dict[str, Any]:
        """Return the configuration as doo's JSON object.

        Args:
            secrets: what to write for the client secret and for every other credential: `"refuse"` raises, `"omit"`
                leaves them out, `"reveal"` writes them in clear; a function receives each Secret and returns the
                value to write.

        Raises:
            ConfigError: there is a secret, and `secrets` is `"refuse"`.
        """
        return to_plain.plain(self, secrets)

    @staticmethod
    def from_dict(mapping: Mapping[str, Any]) -> AddWebhook:
        """Read doo's JSON object, such as `to_dict` returns.

        No type is converted, except for an int as `event_id` or `event_guide_id`. Fields that aiodoo does not know are
        kept in `extra`.

        Args:
            mapping: the object, as `json.load` returns it.

        Raises:
            ConfigError: a field is missing or has the wrong type. The message names the path and shows no value.
        """
        if isinstance(mapping, Mapping):
            owned = [name for name in SERVER_OWNED if name in mapping]
            if owned:
                raise ConfigError(
                    f"a webhook configuration to be sent holds {' and '.join(owned)}, which only doo decides; "
                    "remove it. Nothing was sent."
                )
        try:
            return read_add_webhook(mapping)
        except from_plain.Unreadable as error:
            raise ConfigError(f"a webhook configuration cannot be read: {error}. Nothing was sent.") from None


def check_config(config: AddWebhook) -> AddWebhook:
    """Return the configuration; raise ConfigError if it is no `AddWebhook`."""
    if not isinstance(config, AddWebhook):
        raise ConfigError(
            f"a configuration must be an aiodoo.AddWebhook and not {_article(type(config).__name__)}; "
            "AddWebhook.from_dict() reads plain data, and copy() makes one of a listed webhook. Nothing was sent."
        )
    return config


def check_all(config: AddWebhook, type_suffix: re.Pattern[str] = rules.TYPE_SUFFIX) -> None:
    """Check as `AddWebhook.check` does, with another suffix of listed types."""
    validation.check(config)  # pyright: ignore[reportArgumentType]  # takes a field with a converter for a descriptor
    rules.check_written(config, type_suffix)  # pyright: ignore[reportArgumentType]  # takes a field with a converter for a descriptor


def check_replacement(config: AddWebhook, type_suffix: re.Pattern[str] = rules.TYPE_SUFFIX) -> None:
    """Check as `AddWebhook.check` does, but accept a mask such as `***`, which means the listed secret."""
    check_all(
        map_secrets(config, lambda _, secret: _SAMPLE_SECRET if is_kept(secret) else secret), type_suffix
    )


def check_new_parts(changes: Changes, type_suffix: re.Pattern[str] = rules.TYPE_SUFFIX) -> None:
    """Raise ConfigError if doo would refuse the values of a change in any webhook configuration."""
    parts: dict[str, Any] = {
        name: value for name, value in changes.items() if name not in {"client_secret", "endpoints", "hosts"}
    }
    if new := dict.fromkeys(changes.get("endpoints", {}).values()):
        rules.check_hooks([Hook(type=_SAMPLE_HOOK.type, endpoint=endpoint) for endpoint in new])
    check_replacement(
        AddWebhook(**{"name": "-", "description": None, "hooks": [_SAMPLE_HOOK]} | parts), type_suffix
    )


def _article(name: str) -> str:
    return f"an {name}" if name[:1].lower() in "aeiou" else f"a {name}"


def read_add_webhook(data: object) -> AddWebhook:
    """Read an `AddWebhook` from plain data; a missing description becomes None."""
    if isinstance(data, Mapping):
        data = {"description": None} | from_plain.numbers_as_text(data, "event_id", "event_guide_id")
    return from_plain.read(data, AddWebhook)


def changed(config: AddWebhook, changes: Changes) -> AddWebhook:
    """Return the configuration with the changes applied: `endpoints` and then `hosts` after all others.

    Raises:
        ConfigError: a change has an unknown name or an invalid value, or would make two hooks equal.
    """
    changes = check_changes(changes)
    plain: dict[str, Any] = {
        name: value for name, value in changes.items() if name not in {"hosts", "endpoints", "client_secret"}
    }
    config = attrs.evolve(config, **plain)
    if "client_secret" in changes:
        config = _with_secret(config, changes["client_secret"])
    if "endpoints" in changes or "hosts" in changes:
        hooks, login = moved(
            config.hooks,
            config.authentication,
            endpoints=changes.get("endpoints", {}),
            hosts=changes.get("hosts", {}),
        )
        config = attrs.evolve(config, hooks=hooks, authentication=login)
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
