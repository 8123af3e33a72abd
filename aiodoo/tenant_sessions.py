"""Makes the sessions of tenants from profiles, which share a ledger and are read from one file."""

from __future__ import annotations

import os
from collections.abc import Iterable
from functools import partial

import attrs

from aiodoo.errors import DooError
from aiodoo.offload import in_thread
from aiodoo.profiles import Profile, load, shared_ledger
from aiodoo.profiles.profile import opened
from aiodoo.profiles.tables import Table
from aiodoo.quota import Ledger
from aiodoo.session import Options, Session


@attrs.define(eq=False)
class SessionsMade:
    """Makes sessions, with the same options for all."""

    _config: str | os.PathLike[str] | None
    _options: Options
    _ledger: Ledger | None = attrs.field(default=None, init=False)

    async def file(self, tenants: Iterable[Session | Profile | str]) -> Table | DooError | None:
        """Return the file with the profiles, read once for all tenants; None if no profile is named."""
        if not any(isinstance(given, str) for given in tenants):
            return None
        try:
            return await in_thread(partial(opened, self._config))
        except DooError as error:
            return error

    async def loaded(
        self, given: Session | Profile | str, file: Table | DooError | None
    ) -> Session | Profile:
        """Return a session, or a profile, which is loaded if its name was given.

        Raises:
            DooError: the file, or the profile in it, cannot be loaded.
        """
        if not isinstance(given, str):
            return given
        if isinstance(file, DooError):
            raise file.again()
        # In a thread, as a secret may come from a command.
        return await in_thread(partial(load, given, config=self._config, environment=False, file=file))

    def session(self, found: Session | Profile) -> Session:
        """Return a session for a profile."""
        if isinstance(found, Session):
            return found
        self._ledger = self._ledger or shared_ledger()
        return Session(**{"quota": self._ledger, **found.options(), **self._options})
