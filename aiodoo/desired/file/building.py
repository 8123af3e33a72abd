"""Builds the webhook configurations to send from declared ones."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import attrs

from aiodoo.desired.file.document import Declared, DeclaredAuthentication, DeclaredHook, DeclaredOrigin
from aiodoo.desired.file.secret_references import BadReference, check_reference, secret_of
from aiodoo.desired.file.variables import Reference
from aiodoo.desired.file.yaml_reading import Fault, Place, Source
from aiodoo.errors import ConfigError
from aiodoo.facts import Facts
from aiodoo.models import (
    AddWebhook,
    Authentication,
    ClientCredentials,
    Hook,
    Origin,
    WebhookConfiguration,
    copying,
)
from aiodoo.models.copying import keeps_secrets
from aiodoo.models.secret_fields import map_secrets
from aiodoo.secret import ListedSecret, Secret

_SAMPLE_SECRET = Secret("stands in for a secret")


def with_some_secrets(config: AddWebhook) -> AddWebhook:
    """Return a configuration with any secret in place of each `ListedSecret`, so that it can be checked."""
    return map_secrets(
        config, lambda _, secret: _SAMPLE_SECRET if isinstance(secret, ListedSecret) else secret
    )


@attrs.frozen
class WantedWebhook:
    """A webhook configuration that a team should have.

    Attributes:
        config: the whole content; its client secret may be a `ListedSecret`.
        line: the line of its declaration in the file.
        as_listed: whether it is declared as one that breaks the rules for new ones.
    """

    config: AddWebhook
    line: int
    as_listed: bool = False

    @property
    def keeps_secret(self) -> bool:
        """Whether a secret of it is a `ListedSecret`."""
        return keeps_secrets(self.config)

    def with_secret_of(self, listed: WebhookConfiguration) -> AddWebhook:
        """Return the content with the listed client secret in place of a `ListedSecret`; empty if there is none."""
        mine, theirs = self.config.authentication, listed.authentication
        if mine is None or not isinstance(mine.credentials.client_secret, ListedSecret):
            return self.config
        secret = Secret("") if theirs is None else theirs.credentials.client_secret
        credentials = attrs.evolve(mine.credentials, client_secret=secret)
        return attrs.evolve(self.config, authentication=attrs.evolve(mine, credentials=credentials))


@attrs.frozen
class Builder:
    """Builds `AddWebhook` objects from declarations whose variables are substituted.

    Attributes:
        source: the file.
        facts: has the suffix of listed types.
        secrets: a cache of secrets by reference; None to build without secrets.
        faults: the faults found so far; methods append to it.
        outside_files: whether secrets may be in files outside of the file's folder.
    """

    source: Source
    facts: Facts
    secrets: dict[str, Secret] | None
    faults: list[Fault]
    outside_files: bool

    def config(self, declared: Declared, place: Place) -> AddWebhook | None:
        """Return the configuration for a declaration; None if it has a fault."""
        before = len(self.faults)
        hooks = [
            self._hook(hook, (*place, "hooks", number), as_listed=declared.as_listed)
            for number, hook in enumerate(declared.hooks)
        ]
        login = self._authentication(declared.authentication, (*place, "authentication"))
        if len(self.faults) > before:
            return None
        config = AddWebhook(
            name=declared.name,
            description=declared.description,
            event_id=declared.event_id or None,
            event_guide_id=declared.event_guide_id or None,
            hooks=[hook for hook in hooks if hook is not None],
            authentication=login,
            extra=self._unknown(declared.unknown, (*place, "unknown")),
        )
        if len(self.faults) > before:
            return None
        if declared.as_listed:
            return copying.marked_as_listed(config)
        try:
            with_some_secrets(config).check()
        except ConfigError as error:
            self.faults.append(self.source.refused(error, place))
            return None
        return config

    def _hook(self, declared: DeclaredHook, place: Place, *, as_listed: bool) -> Hook | None:
        plain = self.facts.type_suffix.sub("", declared.type.removeprefix("on_"))
        if plain != declared.type and not as_listed:
            self._fault((*place, "type"), f"has more than the type's name; write {plain}")
        if declared.query is not None and declared.origin is not None:
            self._fault((*place, "query"), "and origin say the same thing twice; give one of them")
        if declared.query is None:
            for name in ("variables", "operation_name"):
                if getattr(declared, name) is not None:
                    self._fault(
                        (*place, name), "belongs to a query, and there is none; add it or remove this"
                    )
            return Hook(
                type=declared.type,
                endpoint=declared.endpoint,
                method=declared.method,
                origin=self._origin(declared.origin, (*place, "origin")),
                extra=self._unknown(declared.unknown, (*place, "unknown")),
            )
        try:
            hook = Hook.graphql(
                declared.type,
                endpoint=declared.endpoint,
                query=declared.query,
                variables=declared.variables,
                operation_name=declared.operation_name,
            )
        except ConfigError as error:
            self.faults.append(self.source.refused(error, place))
            return None
        return attrs.evolve(
            hook,
            type=declared.type,
            method=declared.method,
            extra=self._unknown(declared.unknown, (*place, "unknown")),
        )

    def _origin(self, declared: DeclaredOrigin | None, place: Place) -> Origin | None:
        if declared is None:
            return None
        return Origin(
            body=declared.body,
            endpoint=declared.endpoint,
            method=declared.method,
            extra=self._unknown(declared.unknown, (*place, "unknown")),
        )

    def _unknown(self, value: Mapping[str, Any], place: Place) -> dict[str, Any]:
        """Return unknown fields with a secret for each reference to one."""
        return {name: self._item(item, (*place, name)) for name, item in value.items()}

    def _item(self, value: Any, place: Place) -> Any:
        match value:
            case Reference():
                return self._secret(value, place)
            case Mapping():
                return self._unknown(value, place)
            case list() | tuple():
                return [self._item(item, (*place, number)) for number, item in enumerate(value)]
        return value

    def _secret(self, reference: str, place: Place) -> Secret:
        try:
            if self.secrets is not None:
                return secret_of(reference, self.source.folder, self.secrets, outside=self.outside_files)
            check_reference(reference, self.source.folder, outside=self.outside_files)
        except BadReference as error:
            self._fault(place, str(error))
        return _SAMPLE_SECRET

    def _authentication(self, declared: DeclaredAuthentication | None, place: Place) -> Authentication | None:
        if declared is None:
            return None
        credentials, inside = declared.credentials, (*place, "credentials")
        return Authentication(
            endpoint=declared.endpoint,
            credentials=ClientCredentials(
                client_secret=self._secret(credentials.client_secret, (*inside, "client_secret")),
                client_id=credentials.client_id,
                extra=self._unknown(credentials.unknown, (*inside, "unknown")),
            ),
            grant_type=declared.grant_type,
            header_format=declared.header_format,
            header_value_format=self._header(declared.header_value_format, (*place, "header_value_format")),
            extra=self._unknown(declared.unknown, (*place, "unknown")),
        )

    def _header(self, value: str, place: Place) -> Any:
        """Return the value of a header, in which a listed secret is still unknown."""
        header = self._item(value, place)
        is_known = isinstance(header, Secret) and not isinstance(header, ListedSecret)
        return header.reveal() if is_known else header

    def _fault(self, place: Place, message: str) -> None:
        self.faults.append(self.source.fault(place, message))
