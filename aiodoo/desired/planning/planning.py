"""Plans one team: computes its changes and their cost from its list and its wanted webhook configurations."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Literal, TypeAlias

import attrs

from aiodoo.desired.file.building import WantedWebhook
from aiodoo.desired.file.wanted_state import Ownership
from aiodoo.desired.planning.diff import changes_of, contents_of, field_changes, unknown_changes
from aiodoo.desired.planning.matching import Pair, match
from aiodoo.desired.planning.plan import Named, PlannedChange, PlannedTeam, Problem
from aiodoo.errors import ConfigError, SchemaMismatch
from aiodoo.facts import Facts
from aiodoo.models import (
    AddWebhook,
    Authentication,
    Hook,
    Organization,
    WebhookConfiguration,
    check_replacement,
)
from aiodoo.models.copying import content_of, copy_of, with_listed, without_marks
from aiodoo.models.endpoints import host_of
from aiodoo.operations import Create, Delete, Operation, Replace, Update, cost, encoding
from aiodoo.operations.compare import bounds, fingerprint, may_widen
from aiodoo.operations.forecast import Forecast, Requests, forecast_team
from aiodoo.walk import Listing

_Planned: TypeAlias = tuple[PlannedChange, Operation]


@attrs.frozen
class Drafted:
    """The plan of a team, with its problems, what is listed there, and the hosts that are to be sent.

    Attributes:
        forecast: what applying it costs.
        saved: what applying it right now costs less, with the list that was read.
    """

    team: PlannedTeam
    problems: tuple[Problem, ...]
    forecast: Forecast
    saved: Requests
    listed: Sequence[WebhookConfiguration] = attrs.field(repr=False)
    sent_hosts: frozenset[str] = frozenset()


@attrs.frozen
class TeamPlanner:
    """Plans the teams of one file.

    Attributes:
        ownership: decides which webhook configurations the file manages.
        prune: whether managed webhook configurations that are not declared are deleted.
        key: the key for fingerprints.
        facts: settings for what doo does not document.
        interval: seconds per request at the rate limit; 0 without one.
    """

    ownership: Ownership
    prune: bool
    key: bytes
    facts: Facts
    interval: float = 0.0

    def draft(
        self, listing: Listing, organization: Organization | None, targets: Sequence[WantedWebhook]
    ) -> Drafted:
        """Return the plan of one team."""
        owned = [webhook for webhook in listing.webhooks if self.ownership.owns(webhook)]
        others = [webhook for webhook in listing.webhooks if not self.ownership.owns(webhook)]
        problems: list[Problem] = []
        try:
            matches = match(targets, owned, self.facts)
        except SchemaMismatch as error:
            return self._unplanned(listing, organization, Problem(listing.team_id, str(error)))
        planned = [
            *self._creates(matches.wanting, listing.team_id, others, problems),
            *self._replacements(matches.pairs, problems),
        ]
        # With problems nothing is deleted, as a declaration that cannot be made may be meant for a listed one.
        deletes = self.prune and not problems
        planned += self._deletes(matches.left) if deletes else ()
        equal = [pair for pair in matches.pairs if pair.equal]
        team = PlannedTeam(
            id=listing.team_id,
            organization=None if organization is None else organization.name,
            changes=tuple(change for change, _ in planned),
            unchanged=len(equal),
            undeclared=() if deletes else tuple(Named(each.id, each.name) for each in matches.left),
            unseen=tuple(
                Named(pair.listed.id, pair.listed.name) for pair in equal if _is_unseen(pair, self.facts)
            ),
            listing=fingerprint(listing.team_id, listing.webhooks, self.key, self.facts),
        )
        sent = [*matches.wanting, *(pair.target for pair in matches.pairs if not pair.equal)]
        return Drafted(
            team,
            tuple(problems),
            *self._cost(listing, [operation for _, operation in planned]),
            listing.webhooks,
            _hosts(target.config for target in sent),
        )

    def _unplanned(self, listing: Listing, organization: Organization | None, problem: Problem) -> Drafted:
        name = None if organization is None else organization.name
        team = PlannedTeam(
            id=listing.team_id,
            organization=name,
            listing=fingerprint(listing.team_id, listing.webhooks, self.key, self.facts),
        )
        return Drafted(team, (problem,), *self._cost(listing, ()), listing.webhooks)

    def _creates(
        self,
        targets: Iterable[WantedWebhook],
        team_id: str,
        others: Sequence[WebhookConfiguration],
        problems: list[Problem],
    ) -> Iterator[_Planned]:
        for target in targets:
            name = target.config.name
            if target.keeps_secret:
                reason = (
                    f"{name!r} (line {target.line}) cannot be created: its secret is to be the listed one, and none is listed "
                    "under this name, nor one that differs in the name alone. Write where it comes from, such as "
                    "client_secret: ${secret:env:NAME} or ${secret:file:PATH}"
                )
                problems.append(Problem(team_id, reason, target.line))
                continue
            if target.as_listed and (refused := _refused(target)) is not None:
                problems.append(Problem(team_id, f"{name!r} (line {target.line}): {refused}", target.line))
                continue
            foreign = [webhook.id for webhook in others if webhook.name == name]
            why = f"{', '.join(foreign)} has this name, but does not belong to the file and is left alone"
            yield self._planned(
                "create",
                Create(team_id, target.config),
                target.config.name,
                target=target,
                why=why if foreign else None,
                fields=contents_of(target, self.facts),
            )

    def _replacements(self, pairs: Iterable[Pair], problems: list[Problem]) -> Iterator[_Planned]:
        for pair in pairs:
            if pair.equal:
                continue
            target, listed = pair.target, pair.listed
            try:
                operation = self._replacement(target, listed)
            except ConfigError as error:
                reason = f"{listed.name!r} (line {target.line}): {error}"
                problems.append(Problem(listed.team_id, reason, target.line))
                continue
            yield self._planned(
                "replace",
                operation,
                listed.name,
                target=target,
                why=_why(pair),
                fields=field_changes(target, listed, self.facts),
                may_widen=may_widen(target.config, listed, self.facts),
            )

    def _replacement(self, target: WantedWebhook, listed: WebhookConfiguration) -> Operation:
        """Return the operation that makes a listed webhook configuration equal to the wanted one.

        Raises:
            ConfigError: the listed one cannot be copied, or the wanted one cannot be sent.
        """
        if not unknown_changes(target, listed, self.facts):
            changes = changes_of(target, listed, self.facts)
            copy_of(listed, changes, type_suffix=self.facts.type_suffix)
            return Update(listed.team_id, listed.id, **changes)
        known = content_of(listed, type_suffix=self.facts.type_suffix).extra
        wanted = attrs.evolve(target.config, extra={**known, **target.config.extra})
        check_replacement(with_listed(wanted, listed), self.facts.type_suffix)
        return Replace(listed.team_id, listed.id, wanted)

    def _deletes(self, left: Iterable[WebhookConfiguration]) -> Iterator[_Planned]:
        for webhook in left:
            yield self._planned("delete", Delete(webhook.team_id, webhook.id), webhook.name)

    def _planned(
        self,
        kind: Literal["create", "replace", "delete"],
        operation: Operation,
        name: str,
        *,
        target: WantedWebhook | None = None,
        **known: Any,
    ) -> _Planned:
        change = PlannedChange(
            kind=kind,
            team_id=operation.team_id,
            name=name,
            webhook_id=operation.webhook_id if isinstance(operation, Update | Replace | Delete) else None,
            line=None if target is None else target.line,
            operation=encoding.encode_operation(operation, self.key),
            as_listed=target is not None and target.as_listed,
            **known,
        )
        return change, operation

    def _cost(self, listing: Listing, operations: Sequence[Operation]) -> tuple[Forecast, Requests]:
        """Return the cost of a run for this team with the list that is read first, and what it costs less right now."""
        if not operations:
            return Forecast(requests=Requests(), counts={}), Requests()
        forecast = forecast_team(
            listing.team_id,
            operations,
            listing.webhooks,
            page_size=listing.page_size,
            facts=self.facts,
            interval=self.interval,
        )
        first = cost.stable(listing.pages)
        whole = attrs.evolve(forecast, requests=forecast.requests + Requests(lists=first))
        # Neither what is compared with the plan nor the run's first list is read again.
        return whole, Requests(lists=-2 * first)


def new_hosts(drafts: Sequence[Drafted]) -> tuple[str, ...]:
    """Return the hosts of what is sent that no listed webhook configuration has; none if none is listed at all."""
    new, some = {host for draft in drafts for host in draft.sent_hosts}, False
    for webhook in (webhook for draft in drafts for webhook in draft.listed):
        if not new:
            # Hooks are parsed when they are asked for, and most of what is listed need not be asked.
            break
        hosts = _hosts([webhook])
        new, some = new - hosts, some or bool(hosts)
    return tuple(sorted(new)) if some else ()


def _hosts(webhooks: Iterable[AddWebhook | WebhookConfiguration]) -> frozenset[str]:
    """Return the hosts of all endpoints and token URLs."""
    urls = {hook.endpoint for webhook in webhooks for hook in _called(webhook)}
    return frozenset(host for url in urls if (host := host_of(url)) is not None)


def _called(webhook: AddWebhook | WebhookConfiguration) -> Iterator[Hook | Authentication]:
    yield from webhook.hooks
    if webhook.authentication is not None:
        yield webhook.authentication


def _refused(target: WantedWebhook) -> str | None:
    """Return why a webhook configuration that breaks rules cannot be created; None if it can."""
    try:
        without_marks(target.config).check()
    except (ConfigError, TypeError) as error:
        return str(error)
    return None


def _why(pair: Pair) -> str | None:
    if pair.renamed:
        return "it was renamed: the declared one is to keep its secret, and differs in nothing else"
    declared, listed = pair.twins
    if declared == listed == 1:
        return None
    return f"{listed} listed and {declared} declared ones have this name; of those left, these are the most alike"


def _is_unseen(pair: Pair, facts: Facts) -> bool:
    """Return whether a pair counts as equal although the list does not show its scope."""
    return not facts.list_echoes_scope and bounds(pair.target.config) != bounds(pair.listed)
