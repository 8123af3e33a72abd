"""Secrets of a copy, read again from the account that it was made from."""

from __future__ import annotations

from contextlib import AsyncExitStack, suppress
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self

from aiodoo.cli.run_folders import RunFolder
from aiodoo.errors import ConfigError, Missing, NotFound, PermissionDenied

if TYPE_CHECKING:
    from aiodoo import Secret, Session, WebhookConfiguration


class OriginSecrets:
    """The secrets that the account shows from which a run copies; reads each team once, when a secret of it is needed.

    Args:
        run: the run that is resumed; if it does not copy from another profile, nothing is found.
        config: the file with the profiles; None for the run's.
    """

    def __init__(self, run: RunFolder, config: Path | None) -> None:
        self._profile = run.origin
        self._config = config or (None if run.config is None else Path(run.config))
        self._teams: dict[str, dict[str, WebhookConfiguration]] = {}
        self._session: Session | None = None
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self._stack.aclose()

    async def find(self, missing: Missing) -> Secret | None:
        """Return a secret that a run needs; None if the account does not show it any more.

        Costs a stable list of each team.

        Raises:
            DooError: the account cannot be read.
        """
        from aiodoo.models.secret_fields import field_of, find_secrets, is_mask  # noqa: PLC0415  # --help does without

        if self._profile is None or missing.source_team_id is None or missing.source_webhook_id is None:
            return None
        webhook = (await self._listed(self._profile, missing.source_team_id)).get(missing.source_webhook_id)
        shown = {} if webhook is None else find_secrets(webhook.guarded())
        found = next((secret for path, secret in shown.items() if field_of(path) == missing.field), None)
        return None if found is None or not found or is_mask(found) else found

    async def _listed(self, profile: str, team_id: str) -> dict[str, WebhookConfiguration]:
        if team_id not in self._teams:
            self._teams[team_id] = {}
            # If the profile or the team is not there any more, a person may have the secrets.
            with suppress(ConfigError, NotFound, PermissionDenied):
                doo = await self._open(profile)
                read = await doo.background().webhooks.list(team_id, stable=True).collect()
                self._teams[team_id] = {webhook.id: webhook for webhook in read}
        return self._teams[team_id]

    async def _open(self, profile: str) -> Session:
        from aiodoo import Tenants, profiles  # noqa: PLC0415  # load aiohttp, which --help can do without

        if self._session is None:
            loaded = profiles.load(profile, config=self._config, environment=False)
            tenants = await self._stack.enter_async_context(Tenants({profile: loaded}, config=self._config))
            self._session = tenants[profile]
        return self._session
