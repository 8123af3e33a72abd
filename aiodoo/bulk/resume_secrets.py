"""Finds the secrets that a resumed run needs: given by the caller, read from their sources, or from doo's lists."""

from __future__ import annotations

import inspect
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import attrs

from aiodoo.bulk.context import RunContext
from aiodoo.bulk.journal import JournaledRun
from aiodoo.bulk.options import GivenSecrets
from aiodoo.errors import (
    ConfigError,
    DooError,
    InvalidRequest,
    Missing,
    NotFound,
    PermissionDenied,
    SecretsNeeded,
)
from aiodoo.models import WebhookConfiguration
from aiodoo.models.secret_fields import field_of, find_secrets, is_mask
from aiodoo.offload import Offload
from aiodoo.operations import Delete, Operation, Update
from aiodoo.operations.encoding import secrets_of
from aiodoo.operations.secret_encoding import (
    LaterSecret,
    SourcedSecret,
    UnknownSecret,
    fingerprint,
    is_listed,
)
from aiodoo.protocol.wire import Request
from aiodoo.quota import Lane
from aiodoo.quota.hold import Hold
from aiodoo.secret import Secret
from aiodoo.walk import ListReader

_NAMED = 3
"""Rows that a message names."""


@attrs.frozen
class _Needed:
    """A secret of an operation that has not ended, and its place."""

    missing: Missing
    secret: LaterSecret

    @property
    def fingerprint(self) -> str | None:
        """The fingerprint of its value, if it is known."""
        return self.secret.fingerprint if isinstance(self.secret, UnknownSecret) else None


async def resolve_secrets(
    context: RunContext, past: JournaledRun, given: GivenSecrets | None, hold: Hold | None
) -> None:
    """Set the value of every secret of the operations that have not ended.

    A given value serves every row that had the same secret. A secret that came from doo's list is read again from the
    list of its team: one request a page, and as many again if it is not found. For those that are still missing `given`
    is called, if it is a function.

    Args:
        context: what it needs of its session.
        past: the run that is resumed.
        given: secrets of the caller.
        hold: the run's entry in the ledger, which the lists are counted for.

    Raises:
        ConfigError: a given secret differs from the run's, or a source has no value any more; nothing was sent.
        SecretsNeeded: a secret is missing; teams may have been read to find it, and nothing was changed.
    """
    needed = await context.worker.do(lambda: _needed(past))
    if isinstance(given, Mapping):
        await context.worker.do(lambda: _apply_given(given, needed, past, context.owner.key))
    await context.worker.do(lambda: _read_sources(needed))
    await _read_lists(context, past, needed, hold)
    if callable(given):
        await _ask(given, needed, context.worker, context.owner.key)
    if missing := [each.missing for each in needed if not each.secret.is_available]:
        raise _secrets_needed(missing)


def read_sources(operations: Iterable[Operation]) -> None:
    """Read the secrets of operations that were read from JSON, so that a run without them is refused before it starts.

    Raises:
        ConfigError: the source of one has no value on this machine; nothing was sent.
        SecretsNeeded: the value of one is not in the JSON; nothing was sent.
    """
    missing: list[Missing] = []
    for index, operation in enumerate(operations):
        for path, secret in find_secrets(operation).items():
            if isinstance(secret, SourcedSecret):
                secret.reveal()
            elif isinstance(secret, UnknownSecret) and not secret.is_available:
                # The first step of the path is `config` or `changes`.
                webhook_id = getattr(operation, "webhook_id", None)
                missing.append(
                    Missing(
                        index=index,
                        team_id=operation.team_id,
                        webhook_id=webhook_id,
                        field=field_of(path[1:]),
                        name=_name_of(operation),
                    )
                )
    if missing:
        raise SecretsNeeded(
            f"{len(missing)} secrets of the operations are unknown, as their JSON was written without them, or doo lists "
            f"them: {_named(missing)}. Nothing was sent. Give them a source, such as Secret.from_env, where the JSON is "
            "written",
            missing=tuple(missing),
        )


def _name_of(operation: Operation) -> str | None:
    if isinstance(operation, Delete):
        return None
    return operation.changes.get("name") if isinstance(operation, Update) else operation.config.name


def _needed(past: JournaledRun) -> list[_Needed]:
    return [
        _Needed(
            Missing(
                index=change.number,
                team_id=change.operation.team_id,
                webhook_id=change.target_id,
                field=field,
                name=_name_of(change.operation),
                **_source_of(secret),
            ),
            secret,
        )
        for change in past.changes
        if change.status is None
        for field, secret in secrets_of(change.operation).items()
        if isinstance(secret, LaterSecret)
    ]


def _source_of(secret: Secret) -> dict[str, str]:
    if not is_listed(secret.source):
        return {}
    assert secret.source is not None  # noqa: S101  # it is listed somewhere
    where = secret.source["listed"]
    return {"source_team_id": where["team"], "source_webhook_id": where["webhook"]}


def _apply_given(
    given: Mapping[Any, str | Secret], needed: list[_Needed], past: JournaledRun, key: bytes
) -> None:
    wrong: list[Missing] = []
    for name, value in given.items():
        secret = _checked(value)
        for each in _selected(name, needed, past):
            if _fits(each, secret, key):
                each.secret.give(secret.reveal())
            else:
                wrong.append(each.missing)
    if wrong:
        raise ConfigError(
            f"secrets were given that are not those with which the run was started: {_named(wrong)}. Nothing was sent"
        )
    _share(needed)


def _selected(name: object, needed: list[_Needed], past: JournaledRun) -> list[_Needed]:
    """Return the secrets that a key of `secrets` names; none if its rows have ended.

    Raises:
        ConfigError: the key is ambiguous, or names nothing in the run.
    """
    match name:
        case (int(index), str(field)) if 0 <= index < len(past.changes):
            of_row = [each for each in needed if each.missing.index == index]
            exact = [each for each in of_row if each.missing.field == field]
            # The last part of a path is enough if it is unique.
            found = exact or [each for each in of_row if each.missing.field.endswith(f".{field}")]
            if len(found) == 1 or past.changes[index].status is not None:
                return found
            fields = ", ".join(each.missing.field for each in of_row) or "none that is missing"
            raise ConfigError(f"row {index} has no single secret {field}; it has {fields}. Nothing was sent")
        case str(webhook_id) if any(change.target_id == webhook_id for change in past.changes):
            found = [each for each in needed if each.missing.webhook_id == webhook_id]
            if len({each.fingerprint or each.missing for each in found}) > 1:
                raise ConfigError(
                    f"more than one secret is needed for webhook configuration {webhook_id}; name each by row and "
                    f"field: {_named([each.missing for each in found])}. Nothing was sent"
                )
            return found
    what = "row" if isinstance(name, tuple) else "webhook configuration"
    raise ConfigError(
        f"secrets names a {what} that the run does not have; a key is (row, field) or the id of a webhook configuration. "
        "Nothing was sent"
    )


def _checked(value: object) -> Secret:
    if not isinstance(value, str | Secret) or not value:
        raise ConfigError("each of secrets must be a text that is not empty, or a Secret; nothing was sent")
    return Secret.of(value)


def _fits(each: _Needed, secret: Secret, key: bytes) -> bool:
    return each.fingerprint is None or each.fingerprint == fingerprint(secret, key)


def _share(needed: Iterable[_Needed]) -> None:
    """Set the value of each secret whose fingerprint is that of a known one."""
    values = {each.fingerprint: each.secret for each in needed if each.secret.is_available}
    for each in needed:
        if each.fingerprint is not None and each.fingerprint in values and not each.secret.is_available:
            each.secret.give(values[each.fingerprint].reveal())


def _read_sources(needed: Iterable[_Needed]) -> None:
    for each in needed:
        if isinstance(each.secret, SourcedSecret):
            each.secret.reveal()


async def _read_lists(
    context: RunContext, past: JournaledRun, needed: list[_Needed], hold: Hold | None
) -> None:
    """Read the secrets that came from doo's lists again, by the present ids of their webhook configurations."""
    successors = {change.old_id: change.new_id for change in past.changes if change.old_id and change.new_id}
    for stable in (False, True):
        teams: dict[str, list[_Needed]] = defaultdict(list)
        for each in needed:
            if is_listed(each.secret.source) and not each.secret.is_available:
                assert each.secret.source is not None  # noqa: S101  # it is listed somewhere
                teams[each.secret.source["listed"]["team"]].append(each)
        for team_id, of_team in teams.items():
            there = await _listed(context.lists, past, team_id, hold, stable=stable)
            for each in of_team:
                _find_in(there, each, successors, context.owner.key)
        _share(needed)


def _find_in(
    there: Mapping[str, WebhookConfiguration],
    each: _Needed,
    successors: Mapping[str, str],
    key: bytes,
) -> None:
    """Set a secret from the webhook that had it, or from its replacement, if the fingerprint is the same."""
    assert each.secret.source is not None  # noqa: S101  # it is listed somewhere
    where = each.secret.source["listed"]
    webhook_id, seen = where["webhook"], set[str]()
    while webhook_id is not None and webhook_id not in seen:
        seen.add(webhook_id)
        shown = there.get(webhook_id)
        found = {} if shown is None else find_secrets(shown.guarded())
        secret = next((found[path] for path in found if field_of(path) == where["field"]), None)
        if secret is not None and not is_mask(secret) and _fits(each, secret, key):
            each.secret.give(secret.reveal())
            return
        webhook_id = successors.get(webhook_id)


async def _listed(
    lists: ListReader, past: JournaledRun, team_id: str, hold: Hold | None, *, stable: bool
) -> dict[str, WebhookConfiguration]:
    try:
        listing = await lists.read(
            team_id,
            stable=stable,
            lane=Lane.BULK,
            deadline="session",
            watch=_Counted(past.sent, hold),
        )
    except (NotFound, PermissionDenied, InvalidRequest):
        # A team of another account.
        return {}
    return {webhook.id: webhook for webhook in listing.webhooks}


@attrs.frozen
class _Counted:
    """Counts the lists among the requests of the run."""

    _sent: dict[str, int]
    hold: Hold | None
    admitted: bool = attrs.field(default=True, init=False)
    call_id: str = attrs.field(default="", init=False)

    def leaves(self, request: Request) -> None:
        self._sent[request.kind.value] = self._sent.get(request.kind.value, 0) + 1

    def never_left(self, request: Request) -> None:
        self._sent[request.kind.value] -= 1

    def comes_back(self) -> None:
        pass

    def takes_back(self, error: DooError) -> bool:  # noqa: ARG002  # the run has not started, so it cannot wait
        return False


async def _ask(given: Callable[[Missing], Any], needed: list[_Needed], worker: Offload, key: bytes) -> None:
    """Call the function for each missing secret, once for equal ones."""
    for each in needed:
        if each.secret.is_available:
            continue
        missing = each.missing
        value = await worker.do(lambda missing=missing: given(missing))  # type: ignore[misc]
        if inspect.isawaitable(value):
            value = await value
        if value is None:
            continue
        secret = _checked(value)
        if not _fits(each, secret, key):
            changed = (
                ""
                if missing.source_webhook_id is None
                else f". If it was read from webhook configuration {missing.source_webhook_id} of team "
                f"{missing.source_team_id}, it has changed there since: give the earlier one, or abandon the run and begin "
                "a new one"
            )
            raise ConfigError(
                f"the secret given is not the one with which the run was started: {_named([missing])}. Nothing was "
                f"changed{changed}"
            )
        each.secret.give(secret.reveal())
        _share(needed)


def _named(rows: list[Missing]) -> str:
    first = "; ".join(map(str, rows[:_NAMED]))
    return first + (f"; and {len(rows) - _NAMED} more" if len(rows) > _NAMED else "")


def _secrets_needed(missing: list[Missing]) -> SecretsNeeded:
    one = missing[0]
    return SecretsNeeded(
        f"the run needs {len(missing)} secrets that are stored nowhere, as they were given as bare values, or doo "
        f"does not list them any more: {_named(missing)}. Nothing was changed. Pass the same operations again, or give them: "
        f"bulk.resume(journal, secrets={{({one.index}, {one.field!r}): ...}}); one value serves all rows that had the same",
        missing=tuple(missing),
    )
