"""Writes each step of a run to its journal before its request is sent, and each result afterwards."""

from __future__ import annotations

import base64
from typing import Any

import attrs

from aiodoo.bulk.journal import Baseline, Journal, OperationEnd
from aiodoo.bulk.kept_webhooks import kept_of, secrets_to_keep
from aiodoo.bulk.options import RunSettings
from aiodoo.bulk.run_progress import RunProgress
from aiodoo.clock import Clock
from aiodoo.errors import JournalWriteFailed, SchemaMismatch
from aiodoo.models import WebhookConfiguration
from aiodoo.offload import Offload
from aiodoo.operations.actions import Scan, SendCreate, SendDelete
from aiodoo.operations.encoding import guarded
from aiodoo.operations.team_steps import TeamSteps
from aiodoo.operations.tracked import TrackedOperation
from aiodoo.quota.hold import Hold

_SHORT = 4
"""The length up to which a secret may be in an encrypted text by chance, in bytes."""


class NotKept(Exception):
    """Stops a delete whose webhook the journal cannot store."""

    def __init__(self, change: TrackedOperation, why: SchemaMismatch) -> None:
        super().__init__("the journal cannot store its content, so it was not deleted")
        self.change = change
        self.why = why


@attrs.frozen
class RunRecords:
    """Writes a run's journal; does nothing without one."""

    _clock: Clock
    _worker: Offload
    _settings: RunSettings
    _progress: RunProgress
    _journal: Journal | None
    _hold: Hold | None = None

    async def keep(self, steps: TeamSteps, action: Scan | SendCreate | SendDelete | None = None) -> None:
        """Write the states of a team's operations, and before a delete the webhook's content without its secrets."""
        if self._journal is None:
            return
        deleted = sealed = None
        if isinstance(action, SendDelete):
            # The latest list may lack it: only a stable one shows all.
            webhook = steps.listing.get(action.webhook_id) or action.change.copied
            if webhook is not None:
                deleted = (webhook.id, _content(webhook, action.change))
                sealed = await self._sealed(webhook)
        await self._journal.record(
            steps.take_moved(),
            self._progress.counted,
            baseline=None if self._journal.has_baseline(steps.team_id) else self._baseline(steps),
            deleted=deleted,
            sealed=sealed,
            soon=action is not None,
        )
        if self._hold is not None:
            # The next request for a slot reports it to the ledger, which then recognizes an old copy of the journal.
            self._hold.note_journal(self._journal.number)

    async def leave(self) -> None:
        """Write how the run has ended; one that is complete releases its claims."""
        if self._journal is None:
            return
        progress = self._progress
        if not progress.complete:
            await self._journal.leave(
                OperationEnd(resume_at=progress.resume_at, stopped_because=progress.stopped_because)
            )
            return
        await self._journal.finish()
        if self._hold is not None:
            await self._hold.close(finished=True, at=self._clock.now())

    def _baseline(self, steps: TeamSteps) -> Baseline | None:
        if steps.known is None or not steps.looked:
            return None
        forecast = self._progress.forecast_of(steps)
        return Baseline(team_id=steps.team_id, kept=steps.to_keep, forecast=forecast, changes=steps.changes)

    async def _sealed(self, webhook: WebhookConfiguration) -> tuple[str, str] | None:
        """Return a webhook's id and its encrypted secrets; None if it has none or they are not kept."""
        keep = self._settings.keep_secrets
        plain, each = (b"", []) if keep is None else secrets_to_keep(webhook)
        if keep is None or not plain:
            return None
        sealed, failed = await self._worker.do(lambda: guarded(keep, plain))
        if failed is not None:
            raise _secret_not_kept(webhook, f"raised {failed}")
        if plain in sealed or any(len(secret) > _SHORT and secret in sealed for secret in each):
            raise _secret_not_kept(webhook, "returned it in clear")
        return webhook.id, base64.b64encode(sealed).decode()


def _content(webhook: WebhookConfiguration, change: TrackedOperation) -> dict[str, Any]:
    try:
        return kept_of(webhook)
    except SchemaMismatch as error:
        raise NotKept(change, error) from None


def _secret_not_kept(webhook: WebhookConfiguration, why: str) -> JournalWriteFailed:
    return JournalWriteFailed(
        f"keep_secrets was to encrypt the secret of webhook configuration {webhook.id} and {why}; that was not deleted, "
        "and nothing more was sent. Correct the function, then run again with the same journal"
    )
