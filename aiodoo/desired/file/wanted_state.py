"""Computes the wanted webhook configurations of each team from the declarations of a file."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from functools import cached_property
from pathlib import Path

import attrs

from aiodoo.desired.file.building import Builder, WantedWebhook
from aiodoo.desired.file.document import Declared, Document
from aiodoo.desired.file.document_structure import read_document
from aiodoo.desired.file.team_selection import Known, TeamSelection, asks_doo
from aiodoo.desired.file.variables import SECRET, Variables
from aiodoo.desired.file.yaml_reading import Fault, Place, Source, read_source
from aiodoo.errors import ConfigError
from aiodoo.facts import Facts
from aiodoo.models import AddWebhook, Hook, Organization, WebhookConfiguration
from aiodoo.secret import Secret


@attrs.frozen
class Ownership:
    """Decides which webhook configurations a file manages."""

    all: bool
    name_prefix: str | None
    marker: str | None
    ignored: frozenset[str] = frozenset()

    def owns(self, webhook: WebhookConfiguration) -> bool:
        """Return whether the file manages a listed webhook configuration, so that it may be changed and deleted."""
        if webhook.id in self.ignored:
            return False
        if self.all:
            return True
        if self.name_prefix is not None:
            return webhook.name.startswith(self.name_prefix)
        return self.marker is not None and self.marker in (webhook.description or "")


def read_wanted_state(
    file: Path,
    variables: Mapping[str, str],
    facts: Facts,
    *,
    outside_files: bool = False,
    read_secrets: bool = True,
) -> WantedState:
    """Read a file and the secrets that it refers to.

    Args:
        file: the path.
        variables: values that override those of the file.
        facts: settings for what doo does not document.
        outside_files: whether secrets may be in files outside of the file's folder.
        read_secrets: False to check the references only.

    Raises:
        ConfigError: the file is invalid for every team. The message has file, line, column and remedy.
    """
    source = read_source(file)
    document = read_document(source)
    return WantedState(
        source, document, variables, facts, outside_files=outside_files, read_secrets=read_secrets
    )


class WantedState:
    """The desired state that a file declares, before its teams are known.

    Args:
        source: the file.
        document: its content.
        variables: values that override those of the file.
        facts: settings for what doo does not document.
        outside_files: whether secrets may be in files outside of the file's folder.
        read_secrets: whether to read secrets, and not only to check the references.

    Raises:
        ConfigError: the file is invalid for every team. The message has file, line, column and remedy.
    """

    def __init__(
        self,
        source: Source,
        document: Document,
        variables: Mapping[str, str],
        facts: Facts,
        *,
        outside_files: bool,
        read_secrets: bool,
    ) -> None:
        self.source = source
        self._outside_files = outside_files
        self._read_secrets = read_secrets
        self._facts = facts
        self._secrets: dict[str, Secret] = {}
        self._same: dict[int, WantedWebhook] = {}
        self._tried: list[WantedWebhook] = []
        if not all(isinstance(value, str) for value in variables.values()):
            raise ConfigError("the values of variables must be texts; nothing was sent")
        unknown = sorted(set(variables) - set(document.variables))
        if unknown:
            raise ConfigError(
                f"{source.name} declares no variable {', '.join(unknown)}, so it cannot be set; nothing was sent. "
                "Declare it under variables"
            )
        self._variables: dict[str, str] = {**document.variables, **variables}
        filling = Variables(source, self._variables, {})
        filling.check_names()
        self._manage = filling.whole(document.manage, ("manage",))
        self._teams = filling.whole(document.teams, ("teams",))
        self._declared = document.webhooks
        self._selections = [
            filling.whole(each.teams, ("webhooks", number, "teams"))
            for number, each in enumerate(document.webhooks)
        ]
        self._raise([*filling.faults, *self._ownership_faults(), *self._secret_faults(document)])
        self._try()

    @cached_property
    def ownership(self) -> Ownership:
        """Decides which webhook configurations the file manages."""
        manage = self._manage
        return Ownership(manage.all, manage.name_prefix, manage.marker, frozenset(manage.ignore))

    @property
    def asks_doo(self) -> bool:
        """Whether doo's organizations are needed."""
        named = asks_doo(self._teams, within=False) or any(
            asks_doo(each, within=True) for each in self._selections
        )
        return named or any("${organization." in text for text in _texts([self.source.data, self._variables]))

    def by_team(self, known: Known) -> dict[str, list[WantedWebhook]]:
        """Return the wanted webhook configurations by team id.

        Args:
            known: the teams that doo names.

        Raises:
            ConfigError: a selection finds no team, or the file is invalid for a team.
        """
        selecting = TeamSelection(self.source, known, within=False)
        domain = selecting.select(self._teams, ("teams",))
        self._raise(selecting.faults)
        within = TeamSelection(self.source, domain, within=True)
        chosen = [
            within.select(each, ("webhooks", number, "teams")) for number, each in enumerate(self._selections)
        ]
        self._raise(within.faults)
        targets: dict[str, list[WantedWebhook]] = {}
        for team_id, organization in domain.items():
            numbers = [number for number, teams in enumerate(chosen) if team_id in teams]
            targets[team_id] = self._of_team(numbers, team_id, organization)
        return targets

    @property
    def hooks(self) -> list[Hook]:
        """The hooks of all declarations, as for a sample team, without those that are declared as listed."""
        return [hook for each in self._tried if not each.as_listed for hook in each.config.hooks]

    def _try(self) -> None:
        """Build everything for a sample team, so that most faults are found before anything is sent."""
        filling = self._anybody("0")
        for number, declared in enumerate(self._declared):
            # A secret that differs from team to team cannot be read yet.
            same = self._read_secrets and self._has_same_secrets(declared, number)
            if (target := self._target(number, filling, secrets_at_hand=same)) is not None:
                self._tried.append(target)
        self._raise(filling.faults)

    def _has_same_secrets(self, declared: Declared, number: int) -> bool:
        """Return whether a declaration refers to the same secrets in all teams."""
        place, one, other = ("webhooks", number), self._anybody("0"), self._anybody("1")
        parts = [
            ("authentication", declared.authentication),
            ("hooks", declared.hooks),
            ("unknown", declared.unknown),
        ]
        return all(
            one.whole(part, (*place, name)) == other.whole(part, (*place, name))
            for name, part in parts
            if name == "authentication" or SECRET in str(part)
        )

    def _anybody(self, name: str) -> Variables:
        return self._filling(name, Organization(id=name, name=name))

    def _of_team(
        self, numbers: Iterable[int], team_id: str, organization: Organization | None
    ) -> list[WantedWebhook]:
        filling = self._filling(team_id, organization)
        targets = [target for number in numbers if (target := self._target(number, filling)) is not None]
        suffix = f" (team {team_id})"
        self._raise([attrs.evolve(fault, message=fault.message + suffix) for fault in filling.faults])
        return targets

    def _filling(self, team_id: str, organization: Organization | None) -> Variables:
        given: dict[str, str | None] = {
            "team.id": team_id,
            "organization.id": None if organization is None else organization.id,
            "organization.name": None if organization is None else organization.name,
        }
        return Variables(self.source, self._variables, given)

    def _target(
        self, number: int, filling: Variables, *, secrets_at_hand: bool = True
    ) -> WantedWebhook | None:
        if number in self._same:
            return self._same[number]
        place: Place = ("webhooks", number)
        before, filling.varies = len(filling.faults), False
        declared = self._filled(number, filling)
        building = Builder(
            self.source,
            self._facts,
            self._secrets if secrets_at_hand else None,
            filling.faults,
            self._outside_files,
        )
        config = building.config(declared, place) if len(filling.faults) == before else None
        if config is None:
            return None
        config = self._owned(config, place, filling.faults)
        target = WantedWebhook(config, self.source.line(place), declared.as_listed)
        if len(filling.faults) == before and not filling.varies and secrets_at_hand:
            self._same[number] = target
        return target

    def _filled(self, number: int, filling: Variables) -> Declared:
        place, declared = ("webhooks", number), self._declared[number]
        if self.source.has((*place, "description")):
            return filling.whole(declared, place)
        # The description is the name, whose faults are reported once.
        filled = filling.whole(attrs.evolve(declared, description=None), place)
        return attrs.evolve(filled, description=filled.name)

    def _owned(self, config: AddWebhook, place: Place, faults: list[Fault]) -> AddWebhook:
        """Return the configuration so that `ownership` recognizes it; add a fault if that is impossible."""
        prefix, marker = self.ownership.name_prefix, self.ownership.marker
        if prefix is not None and not config.name.startswith(prefix):
            message = f"must begin with {prefix!r}, which manage.name_prefix says tells this file's webhooks from others"
            faults.append(self.source.fault((*place, "name"), message))
        if marker is not None and marker not in (config.description or ""):
            return attrs.evolve(config, description=f"{config.description or ''} {marker}".strip())
        return config

    def _ownership_faults(self) -> Iterator[Fault]:
        given = {
            name: value
            for name, value in (("name_prefix", self._manage.name_prefix), ("marker", self._manage.marker))
            if value is not None
        }
        if len(given) + self._manage.all != 1:
            yield self.source.fault(
                ("manage",),
                "takes one of name_prefix, marker and all: true; it tells this file's webhooks from others",
            )
        for name, value in given.items():
            if not value.strip():
                yield self.source.fault(
                    ("manage", name), "is empty; write something, or all: true if every webhook is meant"
                )
            if name == "marker" and "[aiodoo:" in value:
                message = (
                    "looks like what runs add to descriptions, and each run adds another; take another text"
                )
                yield self.source.fault(("manage", name), message)

    def _secret_faults(self, document: Document) -> Iterator[Fault]:
        """Read the secrets that the file holds, so that references find them; yield a fault for each that is none."""
        for name in document.secrets:
            try:
                secret = Secret.from_section(self.source.folder / Path(self.source.name).name, name)
            except ConfigError:
                yield self.source.fault(
                    ("secrets", name), "must be a text in double quotes, or a number, on the line of its name"
                )
            else:
                self._secrets[f"{SECRET}here:{name}}}"] = secret

    def _raise(self, faults: Iterable[Fault]) -> None:
        found = list(faults)
        if found:
            raise self.source.error(found)


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
