"""The interface of a session with its default lane and deadline; a Session is a View, and creates others."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import attrs

from aiodoo.client.client import Client
from aiodoo.client.recent_changes import RecentChanges
from aiodoo.clock import Clock
from aiodoo.credentials import Owner
from aiodoo.deadline import DeadlineOption
from aiodoo.events import Listeners, Stats
from aiodoo.facts import Facts
from aiodoo.models import Page
from aiodoo.offload import Offload
from aiodoo.organizations import Organizations
from aiodoo.protocol import answers
from aiodoo.quota import Account, Lane, Limits
from aiodoo.quota.hold import Claims, Hold
from aiodoo.walk import ListReader, TeamIds
from aiodoo.webhooks import Webhooks

if TYPE_CHECKING:
    from aiodoo.audit import AuditReport
    from aiodoo.bulk import Bulk
    from aiodoo.bulk.context import RunContext
    from aiodoo.desired import Desired, Export
    from aiodoo.driver.driver import Driver
    from aiodoo.quota import Quota


@attrs.define(eq=False, kw_only=True, repr=False)
class SharedParts:
    """What all views of a session share, and the parts that are loaded when they are first used: few programs use all.

    Attributes:
        account: the account in the quota's ledger.
        claims: the same, with claims of runs.
        holds: the holds of the runs in progress.
        owner: whose data the session reads and writes.
        limits: the limits of the account.
        facts: settings for what doo does not document.
        clock: time and randomness.
        worker: reads and writes files.
        changes: what the session has changed.
        stats: its counters.
        listeners: receive events.
    """

    account: Account
    claims: Claims
    holds: list[Hold]
    owner: Owner
    limits: Limits
    facts: Facts
    clock: Clock
    worker: Offload
    changes: RecentChanges
    stats: Stats
    listeners: Listeners
    _client: Client = attrs.field(alias="client")
    _reader: ListReader = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self._reader = ListReader(
            client=self._client,
            clock=self.clock,
            facts=self.facts,
            owner=self.owner,
            changes=self.changes,
            account=self.account,
            limits=self.limits,
        )

    def lists(self, client: Client) -> ListReader:
        """Return the reader of lists for a view's client."""
        return attrs.evolve(self._reader, client=client)

    def driver(self, lists: ListReader) -> Driver:
        """Return the driver of single changes for a view's client."""
        from aiodoo.driver.driver import Driver  # noqa: PLC0415

        return Driver(
            client=lists.client,
            lists=lists,
            clock=self.clock,
            facts=self.facts,
            limits=self.limits,
            changes=self.changes,
            listeners=self.listeners,
        )

    @cached_property
    def bulk(self) -> Bulk:
        """Runs many operations, with a journal."""
        from aiodoo.bulk import Bulk  # noqa: PLC0415

        return Bulk(self._run_context)

    @cached_property
    def desired(self) -> Desired:
        """Plans and applies a desired state."""
        from aiodoo.desired import Desired  # noqa: PLC0415

        return Desired(self._run_context, Organizations(self._client, Lane.BULK))

    @cached_property
    def _run_context(self) -> RunContext:
        from aiodoo.bulk.context import RunContext  # noqa: PLC0415

        return RunContext(
            driver=self.driver(self._reader),
            lists=self._reader,
            claims=self.claims,
            holds=self.holds,
            owner=self.owner,
            limits=self.limits,
            facts=self.facts,
            clock=self.clock,
            worker=self.worker,
            changes=self.changes,
            stats=self.stats,
            listeners=self.listeners,
        )


class View:
    """A session with other defaults; all views of a session share its client and quota, and are closed with it.

    Attributes:
        organizations: reads organizations and teams.
        webhooks: reads and changes webhook configurations.
    """

    def __init__(self, client: Client, parts: SharedParts, lane: Lane) -> None:
        self._client = client
        self._lane = lane
        self.organizations = Organizations(client, lane)
        lists = parts.lists(client)
        self.webhooks = Webhooks(
            client, self.organizations, lists, parts.facts, partial(parts.driver, lists), lane
        )
        self._parts = parts

    @property
    def bulk(self) -> Bulk:
        """Runs many operations, with a journal."""
        return self._parts.bulk

    @property
    def desired(self) -> Desired:
        """Plans and applies a desired state."""
        return self._parts.desired

    @property
    def stats(self) -> Stats:
        """Counters of the session's requests, answers and waits."""
        return self._parts.stats

    @property
    def quota(self) -> Quota:
        """The quota of the API key: what is used and left, and when the next request can be sent."""
        from aiodoo.quota import Quota  # noqa: PLC0415  # most programs do not use it

        return Quota(self._parts.account, self._parts.limits)

    def background(self) -> View:
        """Return a view whose calls use the lane of runs, so that they do not delay single calls."""
        return View(self._client, self._parts, Lane.BULK)

    def with_options(
        self,
        *,
        deadline: DeadlineOption = "session",
        max_waiting: int | Literal["session"] | None = "session",
    ) -> View:
        """Return a view with other defaults; it need not be closed.

        Args:
            deadline: seconds for each call with all its waits and retries, above 0; None for no deadline.
            max_waiting: the number of calls that may wait in the quota's queue; None for no limit.

        Raises:
            ConfigError: an option is invalid.
        """
        client = self._client.with_defaults(deadline=deadline, max_waiting=max_waiting)
        return View(client, self._parts, self._lane)

    async def export(
        self,
        *teams: TeamIds,
        stable: bool = True,
        name: str | None = None,
        with_secrets: bool = False,
        on_page: Callable[[Page], object] | None = None,
        deadline: DeadlineOption = "session",
    ) -> Export:
        """Read webhook configurations and return a file of desired state that declares them.

        Costs one request for a team of one page, two per page for a larger one, and one for the teams if none is given.
        For webhook configurations that were read already use `aiodoo.desired.export`.

        Args:
            teams: team ids, or iterables of them; without any, all teams that doo names.
            stable: read each team until two readings agree; see `webhooks.list`. With False a team costs one request per
                page, and what others add or delete meanwhile can make a webhook configuration be missing.
            name: a pattern for the name; see `webhooks.list`.
            with_secrets: whether the file holds the secrets, so that it can be applied where nothing is listed.
            on_page: called with each page.
            deadline: seconds for each page with all its waits and retries; "session" for the session's, None for none.

        Raises:
            ConfigError: an argument is invalid; nothing was sent.
            DooError: a team could not be read.
        """
        from aiodoo.desired import export  # noqa: PLC0415

        listed = partial(self.webhooks.list, *teams) if teams else self.webhooks.list_all
        walk = listed(stable=stable, name=name, deadline=deadline)
        found = await walk.collect(on_page=on_page)
        # In a thread, as it reads and checks every field.
        return await self._parts.worker.do(lambda: export(found, with_secrets=with_secrets))

    async def audit(
        self,
        *teams: TeamIds,
        file: str | os.PathLike[str] | None = None,
        ask_hosts: bool = False,
        on_page: Callable[[Page], object] | None = None,
        deadline: DeadlineOption = "session",
    ) -> AuditReport:
        """Read webhook configurations, and report those that are doubled, unsafe, misspelt or managed by nobody.

        Changes nothing. Costs what `export` costs; hosts are asked without requests. For webhook configurations that were
        read already use `aiodoo.audit.audit`.

        Args:
            teams: team ids, or iterables of them; without any, all teams that doo names.
            file: a file of desired state; what it does not manage is a finding.
            ask_hosts: whether to connect to the hosts of all endpoints; see `aiodoo.audit.ask_hosts`.
            on_page: called with each page.
            deadline: seconds for each page with all its waits and retries; "session" for the session's, None for none.

        Raises:
            ConfigError: an argument or the file is invalid; nothing was sent.
            DooError: a team could not be read.
        """
        from aiodoo import audit as audits  # noqa: PLC0415  # most programs do not use it
        from aiodoo.desired.file.wanted_state import read_wanted_state  # noqa: PLC0415

        facts = self._parts.facts
        owns = None
        if file is not None:
            path = Path(file)
            state = await self._parts.worker.do(
                lambda: read_wanted_state(path, {}, facts, read_secrets=False)
            )
            owns = state.ownership.owns
        listed = partial(self.webhooks.list, *teams) if teams else self.webhooks.list_all
        found = await listed(stable=True, deadline=deadline).collect(on_page=on_page)
        silent = await audits.ask_hosts(found) if ask_hosts else None
        return await self._parts.worker.do(lambda: audits.audit(found, facts=facts, owns=owns, silent=silent))

    async def request(
        self,
        method: str,
        path: str,
        *,
        json: Any = None,
        params: Mapping[str, str | int] | None = None,
        deadline: DeadlineOption = "session",
    ) -> Any:
        """Send a request for which there is no method, and return the parsed answer; None if it has no body.

        Uses the host, the token and the quota of the session. Costs one request per attempt. A GET is retried as a list
        is; other methods only if it is certain that nothing happened, such as after a 429 or a failed connection.

        Args:
            method: GET, POST, PUT, PATCH or DELETE.
            path: the path below the base URL, such as `/organizers/current`; without `..`, `//` and `?`.
            json: the body as plain data, such as a model's `to_dict()`. A `Secret` in it is sent in clear.
            params: the query parameters.
            deadline: seconds for the call with all its waits and retries; "session" for the session's, None for none.

        Raises:
            ConfigError: the request is invalid or not allowed, such as a DELETE of webhooks; nothing was sent.
            OutcomeUnknown: a request other than a GET may have been carried out; it was not retried.
            ApiError: doo refused the request.
            ProtocolError: the answer is not JSON.
        """
        from aiodoo.protocol.own_requests import own_request  # noqa: PLC0415  # most programs do not use it

        request = own_request(method, path, json=json, params=params)
        return await self._client.call(request, answers.read_json, lane=self._lane, deadline=deadline)
