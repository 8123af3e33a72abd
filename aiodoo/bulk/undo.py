"""Finds the operations that restore everything as it was before a run, for another run to carry out."""

from __future__ import annotations

import base64
import logging
import math
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from datetime import timedelta
from functools import partial
from typing import Any, TypeAlias

import attrs

from aiodoo.bulk.context import RunContext
from aiodoo.bulk.journal import JournaledRun
from aiodoo.bulk.kept_webhooks import KeptWebhook, given_secrets, kept_secrets
from aiodoo.bulk.report import Outcome
from aiodoo.bulk.run_teams import by_team
from aiodoo.errors import DooError, SecretsNeeded
from aiodoo.facts import Facts
from aiodoo.models import AddWebhook, Changes, WebhookConfiguration
from aiodoo.models.copying import content_of, copy_of
from aiodoo.models.run_marker import marked
from aiodoo.models.secret_fields import CLIENT_SECRET, Path, field_of, map_secrets
from aiodoo.operations import Create, Delete, Operation, Replace, Update
from aiodoo.operations.doubtful_creates import find_made
from aiodoo.operations.encoding import guarded
from aiodoo.operations.tracked import Stage, Status, TrackedOperation
from aiodoo.quota import Lane
from aiodoo.secret import ListedSecret, Secret
from aiodoo.settling import settled_after

_log = logging.getLogger("aiodoo.bulk")

GivenById: TypeAlias = Mapping[str, str | Secret | Mapping[str, str | Secret] | None]
"""Secrets by a webhook's id before the run: its client secret, or several by field; None to leave it as it is."""

KnownSecrets: TypeAlias = dict[Path | str, Any]
"""Secrets by path or field name."""

_MASK = "***"
_CREATE_IN_DOUBT = frozenset({Stage.CREATE_INTENT, Stage.MAYBE})
_DELETE_IN_DOUBT = frozenset({Stage.DELETE_INTENT, Stage.DELETED})


@attrs.frozen(kw_only=True)
class NotUndone:
    """An operation that cannot be undone completely.

    Attributes:
        outcome: its outcome in the run.
        reason: why.
    """

    outcome: Outcome
    reason: str


@attrs.frozen(kw_only=True)
class Undo:
    """The operations that restore everything as it was before a run.

    Attributes:
        operations: pass them to `bulk.run`. They delete what the run created, create again what it deleted, with new
            ids, and give back the old content of what it updated.
        left: the operations that cannot be undone, each with its reason.
        scope_unknown: the operations that may widen the scope of what they restore, because doo's list may not have
            shown `event_id` and `event_guide_id`.
    """

    operations: tuple[Operation, ...]
    left: tuple[NotUndone, ...]
    scope_unknown: tuple[Operation, ...]


async def undo(
    context: RunContext,
    past: JournaledRun,
    *,
    decrypt: Callable[[bytes], bytes] | None,
    secrets: GivenById,
    settle: float,
    on_wait: Callable[[float], object] | None = None,
) -> Undo:
    """Return what undoes a run; see `Bulk.undo`. Costs a stable list of each team with an operation in doubt."""
    teams = by_team(past.changes)
    in_doubt = [team_id for team_id, changes in teams.items() if any(map(_is_in_doubt, changes))]
    if in_doubt:
        await _settled(context, past, settle, on_wait)
    known = await context.worker.do(lambda: _known_secrets(past, decrypt, secrets))
    found = _Found(past=past, facts=context.facts, secrets=known)
    for team_id, changes in teams.items():
        there: dict[str, WebhookConfiguration] = {}
        if team_id in in_doubt:
            listing = await context.lists.read(team_id, stable=True, lane=Lane.BULK, deadline="session")
            there = {webhook.id: webhook for webhook in listing.webhooks}
        # In a thread, as a team may have thousands of operations.
        await context.worker.do(partial(found.add_team, team_id, changes, there))
    return found.undo()


async def _settled(
    context: RunContext, past: JournaledRun, settle: float, on_wait: Callable[[float], object] | None
) -> None:
    """Wait until no request that the run had in flight can land any more."""
    seconds = most = settled_after(settle)
    if past.written_at is not None:
        seconds = (past.written_at + timedelta(seconds=most) - context.clock.now()).total_seconds()
    if seconds > 0:
        seconds = min(seconds, most)
        _log.info(
            "waiting %d s until no request that the run had in flight can land any more; settle= sets this time",
            math.ceil(seconds),
        )
        if on_wait is not None:
            try:
                on_wait(seconds)
            except Exception as error:  # noqa: BLE001  # a callback may raise anything
                _log.warning("on_wait raised %s; the wait continues", type(error).__name__)
        await context.clock.sleep(seconds)


def _known_secrets(
    past: JournaledRun,
    decrypt: Callable[[bytes], bytes] | None,
    secrets: GivenById,
) -> dict[str, KnownSecrets | None]:
    """Return the given and the kept secrets by id; None for a webhook that is to stay as it is.

    Raises:
        SecretsNeeded: `decrypt` has failed.
    """
    known: dict[str, KnownSecrets | None] = {}
    if decrypt is not None:
        for webhook_id, sealed in past.sealed.items():
            plain, failed = guarded(decrypt, base64.b64decode(sealed))
            if failed is not None:
                raise SecretsNeeded(
                    f"decrypt raised {failed} for the secret of webhook configuration {webhook_id}; nothing was sent. "
                    "Give the function that belongs to the run's keep_secrets"
                )
            known[webhook_id] = kept_secrets(plain)
    for webhook_id, value in secrets.items():
        # A given client secret replaces a kept one, and leaves the webhook's other secrets.
        known[webhook_id] = None if value is None else (known.get(webhook_id) or {}) | given_secrets(value)
    return known


def _chains(changes: list[TrackedOperation]) -> Iterator[list[TrackedOperation]]:
    """Yield the operations grouped by the webhook configuration that they name, in order."""
    chains: dict[str | int, list[TrackedOperation]] = defaultdict(list)
    for change in changes:
        chains[change.number if change.target_id is None else change.target_id].append(change)
    yield from chains.values()


def _is_in_doubt(change: TrackedOperation) -> bool:
    return change.stage in _CREATE_IN_DOUBT or _is_delete_in_doubt(change)


def _is_delete_in_doubt(change: TrackedOperation) -> bool:
    """Return whether a delete was sent and no list has confirmed it; a list that showed the old one may have lagged."""
    return change.stage in _DELETE_IN_DOUBT or (
        change.deletes_sent > 0 and change.stage is not Stage.CONFIRMED
    )


class _LeftError(Exception):
    """An operation cannot be undone."""


class _SecretError(Exception):
    """A secret that is needed to undo an operation is missing."""


@attrs.frozen(kw_only=True)
class _Found:
    """Collects the operations that undo a run."""

    past: JournaledRun
    facts: Facts
    secrets: Mapping[str, KnownSecrets | None]
    operations: list[Operation] = attrs.field(factory=list)
    left: list[NotUndone] = attrs.field(factory=list)
    scope_unknown: list[Operation] = attrs.field(factory=list)
    needed: list[str] = attrs.field(factory=list)

    def add_team(
        self, team_id: str, changes: list[TrackedOperation], there: Mapping[str, WebhookConfiguration]
    ) -> None:
        for chain in _chains(changes):
            self.add(_Chain(team_id, chain, changes, there, self))

    def add(self, chain: _Chain) -> None:
        try:
            self.operations.extend(chain.undone())
        except _LeftError as why:
            self.left.extend(
                NotUndone(outcome=Outcome.of(change), reason=str(why))
                for change in chain.changes
                if change.stage is not Stage.PLANNED
            )
        except _SecretError as which:
            self.needed.append(str(which))

    def undo(self) -> Undo:
        if self.needed:
            raise SecretsNeeded(
                f"undoing needs client secrets that were not kept, of {', '.join(self.needed)}; nothing was sent. Give "
                "them as secrets={id: secret}, as {id: {field: secret}} where there are several, or None for an id to "
                "leave that one as it is"
            )
        return Undo(
            operations=tuple(self.operations),
            left=tuple(self.left),
            scope_unknown=tuple(self.scope_unknown),
        )


@attrs.frozen
class _Chain:
    """The operations of a run on one webhook configuration."""

    team_id: str
    changes: list[TrackedOperation]
    of_team: list[TrackedOperation]
    there: Mapping[str, WebhookConfiguration]
    found: _Found

    def undone(self) -> list[Operation]:
        """Return the operations that undo them."""
        original, live = self._original_and_live()
        others = [webhook_id for webhook_id in live if webhook_id != original]
        operations: list[Operation] = [Delete(self.team_id, webhook_id) for webhook_id in others]
        if original is None or original in live:
            return operations
        # The last one is replaced and not deleted, so that one webhook is live at all times.
        replaced = others[-1] if others else None
        restored = self._restored(original, replaced)
        return [*operations[:-1], restored]

    def _original_and_live(self) -> tuple[str | None, list[str]]:
        """Return the id before the run, and the ids that are live now of it and its replacements."""
        original: str | None = None
        live: list[str] = []
        for change in self.changes:
            if original is None and change.old_id is not None:
                original = change.old_id
                live.append(original)
            if change.adopted and change.marker is None:
                raise _LeftError(
                    f"{change.new_id} was found by its content after an answer was lost, so it may be somebody else's"
                )
            made = self._made(change)
            if made is not None:
                live.append(made)
            if change.old_id in live and self._is_gone(change):
                live.remove(change.old_id)
        return original, live

    def _made(self, change: TrackedOperation) -> str | None:
        if change.stage in _CREATE_IN_DOUBT:
            return self._found_made(change)
        return None if change.status is Status.UNCHANGED else change.new_id

    def _is_gone(self, change: TrackedOperation) -> bool:
        return change.stage is Stage.CONFIRMED or (
            _is_delete_in_doubt(change) and change.old_id not in self.there
        )

    def _found_made(self, change: TrackedOperation) -> str | None:
        """Return the id that a create in doubt has made, if its marker proves it."""
        known = self.found.past.baselines.get(self.team_id, set())
        accounted = known | {other.new_id for other in self.of_team if other.new_id is not None}
        try:
            wanted = self._wanted(change)
            made = wanted and find_made(
                wanted,
                self.there.values(),
                self.found.facts,
                marker=change.marker,
                apart_from=accounted,
            )
        except DooError:
            raise _LeftError(
                "whether it was created is in doubt, and what was wanted cannot be compared"
            ) from None
        if made and change.marker is None:
            raise _LeftError(f"whether it was created is in doubt; {made.id} may be it, or somebody else's")
        return made.id if made else None

    def _wanted(self, change: TrackedOperation) -> AddWebhook | None:
        operation = change.operation
        if not isinstance(operation, Update):
            wanted: AddWebhook | None = getattr(operation, "config", None)
        else:
            old = self.there.get(change.old_id or "")
            if old is None:
                raise _LeftError("whether it was created is in doubt, and what it was to replace is gone")
            wanted = copy_of(old, operation.changes, type_suffix=self.found.facts.type_suffix)
        if wanted is None or change.marker is None:
            return wanted
        description = marked(wanted.description, change.marker)
        return wanted if description is None else attrs.evolve(wanted, description=description)

    def _restored(self, original: str, replaced: str | None) -> Operation:
        """Return the operation that restores the old content, replacing `replaced` if it is live."""
        plain = self.found.past.deleted.get(original)
        if plain is None:
            raise _LeftError(f"what {original} was is not in the journal")
        kept = KeptWebhook.read(plain)
        operation: Operation
        if replaced is not None and self._kept_its_secret():
            # The live webhook has the secrets, and a mask stands for them.
            config = self._content(original, kept.with_secrets(dict.fromkeys(kept.omitted, _MASK)))
            try:
                operation = Update(self.team_id, replaced, **_back(config))
            except DooError as error:
                raise _LeftError(f"{original} cannot be made again: {error}") from None
        else:
            config = self._content(original, kept.with_secrets(self._secrets(original, kept)))
            operation = (
                Create(self.team_id, config) if replaced is None else Replace(self.team_id, replaced, config)
            )
        if (
            config.event_id is None
            and config.event_guide_id is None
            and not self.found.facts.list_echoes_scope
        ):
            self.found.scope_unknown.append(operation)
        return operation

    def _kept_its_secret(self) -> bool:
        """Return whether the live webhook has the secrets and unknown fields of the original."""
        for change in self.changes:
            if change.stage is Stage.PLANNED or change.status is Status.UNCHANGED:
                continue
            if not isinstance(change.operation, Update) or "client_secret" in change.operation.changes:
                return False
            if "authentication" in change.operation.changes:
                login = change.operation.changes["authentication"]
                if login is None or not isinstance(login.credentials.client_secret, ListedSecret):
                    return False
        return True

    def _content(self, original: str, item: dict[str, Any]) -> AddWebhook:
        try:
            old = WebhookConfiguration.from_dict(item, team_id=self.team_id)
            config = content_of(old, type_suffix=self.found.facts.type_suffix)
        except DooError as error:
            raise _LeftError(f"{original} cannot be made again: {error}") from None
        # The source of a listed secret would be the old webhook, which is gone.
        return map_secrets(config, lambda _, secret: Secret(secret.reveal(), is_number=secret.is_number))

    def _secrets(self, original: str, kept: KeptWebhook) -> dict[Path, Any]:
        """Return all secrets of the original by path."""
        places = [*kept.omitted, *([CLIENT_SECRET] if kept.item.get("authentication") is not None else ())]
        known = self.found.secrets.get(original, {})
        if places and known is None:
            raise _LeftError(f"the client secret of {original} is not known")
        values = {path: known.get(path, known.get(field_of(path))) for path in places} if known else {}
        lacking = [path for path in places if values.get(path) is None]
        if lacking:
            fields = "" if lacking == [CLIENT_SECRET] else f" ({', '.join(map(field_of, lacking))})"
            raise _SecretError(f"{original} {kept.item.get('name')!r} in team {self.team_id}{fields}")
        return values


def _back(config: AddWebhook) -> Changes:
    """Return the changes of an update that restores a content and keeps the secret."""
    login: Any = config.authentication
    if login is not None:
        credentials = attrs.evolve(login.credentials, client_secret=ListedSecret())
        login = attrs.evolve(login, credentials=credentials)
    return {
        "name": config.name,
        "description": config.description,
        "event_id": config.event_id,
        "event_guide_id": config.event_guide_id,
        "hooks": config.hooks,
        "authentication": login,
    }
