"""Builds the webhook configurations to send from declared ones."""

from __future__ import annotations

import attrs

from aiodoo.desired.file.document import Declared, DeclaredAuthentication, DeclaredHook
from aiodoo.desired.file.secret_references import BadReference, secret_of
from aiodoo.desired.file.source import Fault, Place, Source
from aiodoo.errors import ConfigError
from aiodoo.facts import Facts
from aiodoo.models import (
    AddWebhook,
    Authentication,
    ClientCredentials,
    Hook,
    Origin,
    WebhookConfiguration,
)
from aiodoo.secret import ListedSecret, Secret

_SAMPLE_SECRET = Secret("stands in for a secret")


@attrs.frozen
class WantedWebhook:
    """A webhook configuration that a team should have.

    Attributes:
        config: the whole content; its client secret may be a `ListedSecret`.
        line: the line of its declaration in the file.
    """

    config: AddWebhook
    line: int

    @property
    def keeps_secret(self) -> bool:
        """Whether its client secret is a `ListedSecret`."""
        login = self.config.authentication
        return login is not None and isinstance(login.credentials.client_secret, ListedSecret)

    def with_secret_of(self, listed: WebhookConfiguration) -> AddWebhook:
        """Return the content with the listed client secret in place of a `ListedSecret`; empty if there is none."""
        if not self.keeps_secret:
            return self.config
        mine, theirs = self.config.authentication, listed.authentication
        assert mine is not None  # noqa: S101  # it has a secret
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
    """

    source: Source
    facts: Facts
    secrets: dict[str, Secret] | None
    faults: list[Fault]

    def config(self, declared: Declared, place: Place) -> AddWebhook | None:
        """Return the configuration for a declaration; None if it has a fault."""
        before = len(self.faults)
        hooks = [self._hook(hook, (*place, "hooks", number)) for number, hook in enumerate(declared.hooks)]
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
        )
        try:
            self._with_some_secret(config).check()
        except ConfigError as error:
            self.faults.append(self.source.refused(error, place))
            return None
        return config

    def _hook(self, declared: DeclaredHook, place: Place) -> Hook | None:
        plain = self.facts.type_suffix.sub("", declared.type.removeprefix("on_"))
        if plain != declared.type:
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
                origin=None if declared.origin is None else Origin(**attrs.asdict(declared.origin)),
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
        return attrs.evolve(hook, method=declared.method)

    def _authentication(self, declared: DeclaredAuthentication | None, place: Place) -> Authentication | None:
        if declared is None:
            return None
        credentials = declared.credentials
        secret = _SAMPLE_SECRET
        try:
            if self.secrets is not None:
                secret = secret_of(credentials.client_secret, self.source.folder, self.secrets)
        except BadReference as error:
            self._fault((*place, "credentials", "client_secret"), str(error))
        return Authentication(
            endpoint=declared.endpoint,
            credentials=ClientCredentials(client_secret=secret, client_id=credentials.client_id),
            grant_type=declared.grant_type,
            header_format=declared.header_format,
            header_value_format=declared.header_value_format,
        )

    def _with_some_secret(self, config: AddWebhook) -> AddWebhook:
        """Return the configuration with any secret in place of a `ListedSecret`, so that it can be checked."""
        target = WantedWebhook(config, 0)
        return config.copy(client_secret=_SAMPLE_SECRET) if target.keeps_secret else config

    def _fault(self, place: Place, message: str) -> None:
        self.faults.append(self.source.fault(place, message))
