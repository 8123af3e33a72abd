"""What each team is to have: a file's declarations, filled in for one team after the other."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from functools import cached_property

import attrs

from aiodoo.desired.document import Declared, DeclaredAuthentication, DeclaredHook, Document, Selection
from aiodoo.desired.filling import Filling
from aiodoo.desired.references import BadReference, secret_of
from aiodoo.desired.selecting import Known, Selecting, asks_doo
from aiodoo.desired.source import Fault, Place, Source
from aiodoo.errors import ConfigError
from aiodoo.facts import Facts
from aiodoo.models import (
    AddWebhook,
    Authentication,
    ClientCredentials,
    Hook,
    Organization,
    Origin,
    WebhookConfiguration,
)
from aiodoo.secret import ListedSecret, Secret

_PATH = re.compile(r"([a-z_]+(?:\[\d+\])?(?:\.[a-z_]+(?:\[\d+\])?)*) (.*)", re.DOTALL)


@attrs.frozen
class Wish:
    """One webhook configuration that a team is to have.

    Attributes:
        config: its whole content; its secret may stand for the listed one.
        line: where the file declares it.
    """

    config: AddWebhook
    line: int

    @property
    def keeps_secret(self) -> bool:
        """Whether its secret is to be the one that doo lists already."""
        login = self.config.authentication
        return login is not None and isinstance(login.credentials.client_secret, ListedSecret)

    def beside(self, listed: WebhookConfiguration) -> AddWebhook:
        """Return the content with the listed secret in it, if that is what is wanted; empty if there is none."""
        if not self.keeps_secret:
            return self.config
        mine, theirs = self.config.authentication, listed.authentication
        assert mine is not None  # noqa: S101  # it has a secret
        secret = Secret("") if theirs is None else theirs.credentials.client_secret
        credentials = attrs.evolve(mine.credentials, client_secret=secret)
        return attrs.evolve(self.config, authentication=attrs.evolve(mine, credentials=credentials))


@attrs.frozen
class Ownership:
    """Tells which webhook configurations belong to a file."""

    name_prefix: str | None
    marker: str | None

    def owns(self, webhook: WebhookConfiguration) -> bool:
        """Whether a listed one may be changed and deleted."""
        if self.name_prefix is not None:
            return webhook.name.startswith(self.name_prefix)
        return self.marker is not None and self.marker in (webhook.description or "")


class Wishes:
    """Everything that a file declares.

    Args:
        source: the file.
        document: what it says.
        variables: values that win over those of the file.
        facts: what doo does not document.

    Raises:
        ConfigError: something in it cannot be right for any team; names file, line, column and remedy.
    """

    def __init__(
        self, source: Source, document: Document, variables: Mapping[str, str], facts: Facts
    ) -> None:
        self.source = source
        self._facts = facts
        self._secrets: dict[str, Secret] = {}
        unknown = sorted(set(variables) - set(document.variables))
        if unknown:
            raise ConfigError(
                f"{source.name} declares no variable {', '.join(unknown)}, so it cannot be set; nothing was sent. "
                "Declare it under variables"
            )
        self._variables: dict[str, str] = {**document.variables, **variables}
        filling = Filling(source, self._variables, {})
        filling.check_names()
        self._manage = filling.whole(document.manage, ("manage",))
        self._teams = filling.whole(document.teams, ("teams",))
        self._declared = document.webhooks
        self._selections: list[Selection | None] = [
            filling.whole(each.teams, ("webhooks", number, "teams"))
            for number, each in enumerate(document.webhooks)
        ]
        self._raise([*filling.faults, *self._ownership_faults()])
        self._try()

    @cached_property
    def ownership(self) -> Ownership:
        """What tells the file's webhook configurations from others."""
        return Ownership(self._manage.name_prefix, self._manage.marker)

    @property
    def asks_doo(self) -> bool:
        """Whether doo's organizations have to be known."""
        selections = [self._teams, *(each for each in self._selections if each is not None)]
        named = any(asks_doo(selection) for selection in selections)
        return named or any("${organization." in text for text in _texts(self.source.data))

    def by_team(self, known: Known) -> dict[str, list[Wish]]:
        """Return what each of the file's teams is to have, given the teams that doo names.

        Raises:
            ConfigError: a selection finds no team, or something cannot be right for one of them.
        """
        selecting = Selecting(self.source, known, within=False)
        domain = selecting.select(self._teams, ("teams",))
        self._raise(selecting.faults)
        within = Selecting(self.source, domain, within=True)
        chosen = [
            domain if each is None else within.select(each, ("webhooks", number, "teams"))
            for number, each in enumerate(self._selections)
        ]
        self._raise(within.faults)
        wishes: dict[str, list[Wish]] = {}
        for team_id, organization in domain.items():
            numbers = [number for number, teams in enumerate(chosen) if team_id in teams]
            wishes[team_id] = self._of_team(numbers, team_id, organization)
        return wishes

    def _try(self) -> None:
        """Fill everything in for a team that stands for any, so that most faults come before anything is sent."""
        first, second = (self._filling(team_id, Organization(id=team_id, name=team_id)) for team_id in "01")
        for number, declared in enumerate(self._declared):
            login, place = declared.authentication, ("webhooks", number, "authentication")
            differs = first.whole(login, place) != second.whole(login, place)
            first.faults.clear()
            # A secret that is another for each team cannot be looked for yet.
            self._wish(number, first, secrets_at_hand=not differs)
            self._raise(first.faults)

    def _of_team(self, numbers: Iterable[int], team_id: str, organization: Organization | None) -> list[Wish]:
        filling = self._filling(team_id, organization)
        wishes = [wish for number in numbers if (wish := self._wish(number, filling)) is not None]
        told = f" (team {team_id})"
        self._raise([attrs.evolve(fault, says=fault.says + told) for fault in filling.faults])
        return wishes

    def _filling(self, team_id: str, organization: Organization | None) -> Filling:
        given: dict[str, str | None] = {
            "team.id": team_id,
            "organization.id": None if organization is None else organization.id,
            "organization.name": None if organization is None else organization.name,
        }
        return Filling(self.source, self._variables, given)

    def _wish(self, number: int, filling: Filling, *, secrets_at_hand: bool = True) -> Wish | None:
        place: Place = ("webhooks", number)
        before = len(filling.faults)
        declared = filling.whole(attrs.evolve(self._declared[number], teams=None), place)
        building = _Building(
            self.source, self._facts, self._secrets if secrets_at_hand else None, filling.faults
        )
        config = building.config(declared, place) if len(filling.faults) == before else None
        if config is None:
            return None
        config = self._owned(config, place, filling.faults)
        return Wish(config, self.source.line(place))

    def _owned(self, config: AddWebhook, place: Place, faults: list[Fault]) -> AddWebhook:
        """Return it so that it will be recognized as the file's own."""
        prefix, marker = self.ownership.name_prefix, self.ownership.marker
        if prefix is not None and not config.name.startswith(prefix):
            says = f"must begin with {prefix!r}, which manage.name_prefix says tells this file's webhooks from others"
            faults.append(self.source.fault((*place, "name"), says))
        if marker is not None and marker not in (config.description or ""):
            return attrs.evolve(config, description=f"{config.description or ''} {marker}".strip())
        return config

    def _ownership_faults(self) -> Iterator[Fault]:
        given = {
            name: value
            for name, value in (("name_prefix", self._manage.name_prefix), ("marker", self._manage.marker))
            if value is not None
        }
        if len(given) != 1:
            yield self.source.fault(
                ("manage",), "takes one of name_prefix and marker; it tells this file's webhooks from others"
            )
        for name, value in given.items():
            if not value.strip():
                yield self.source.fault(
                    ("manage", name), "is empty, so it would mean every webhook; write something"
                )

    def _raise(self, faults: Iterable[Fault]) -> None:
        found = list(faults)
        if found:
            raise self.source.error(found)


@attrs.frozen
class _Building:
    """Makes what is sent of what is declared."""

    source: Source
    facts: Facts
    secrets: dict[str, Secret] | None
    faults: list[Fault]

    def config(self, declared: Declared, place: Place) -> AddWebhook | None:
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
            self._refused(str(error), place)
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
        except ConfigError:
            self._fault(
                (*place, "query"), "is empty, or its variables are nothing that JSON can say; correct it"
            )
            return None
        return attrs.evolve(hook, method=declared.method)

    def _authentication(self, declared: DeclaredAuthentication | None, place: Place) -> Authentication | None:
        if declared is None:
            return None
        credentials = declared.credentials
        secret = Secret("-")
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
        """Return it with something in the place of a secret that doo lists, so that all else can be checked."""
        wish = Wish(config, 0)
        return config.copy(client_secret="-") if wish.keeps_secret else config  # noqa: S106  # stands for one

    def _refused(self, told: str, place: Place) -> None:
        """Take down what a check says, such as `hooks[0].endpoint must be ...`, where that is written."""
        told = told.removesuffix(" Nothing was sent.").removesuffix(".")
        match = _PATH.fullmatch(told)
        if match is None:
            self._fault(place, told)
            return
        steps = [int(step) if step.isdigit() else step for step in re.findall(r"[a-z_]+|\d+", match[1])]
        says = match[2].replace(
            "Hook.graphql() writes it for you", "give query instead, which writes it for you"
        )
        self._fault((*place, *steps), says if ";" in says else f"{says}; correct it")

    def _fault(self, place: Place, says: str) -> None:
        self.faults.append(self.source.fault(place, says))


def _texts(data: object) -> Iterator[str]:
    match data:
        case str():
            yield data
        case list():
            for item in data:
                yield from _texts(item)
        case dict():
            for item in data.values():
                yield from _texts(item)
