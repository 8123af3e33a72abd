"""What a session offers, with defaults of its own: the session itself is one, and makes others."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Literal

from aiodoo.bulk import Bulk
from aiodoo.client.client import Client
from aiodoo.deadline import DeadlineOption
from aiodoo.desired import Desired, Export, export
from aiodoo.events import Stats
from aiodoo.models import Page
from aiodoo.organizations import Organizations
from aiodoo.protocol import answers
from aiodoo.protocol.own_requests import own_request
from aiodoo.quota import Lane, Quota
from aiodoo.walk import TeamIds
from aiodoo.webhooks import Webhooks


class View:
    """The same session with other defaults: one client, one quota and one end for all of them.

    Attributes:
        organizations, webhooks, bulk, desired: as of the session.
    """

    def __init__(self, client: Client, bulk: Bulk, desired: Desired, lane: Lane = Lane.FRONT) -> None:
        self._client = client
        self._lane = lane
        self.organizations = Organizations(client, lane)
        self.webhooks = Webhooks(client, self.organizations, lane)
        self.bulk = bulk
        self.desired = desired

    @property
    def stats(self) -> Stats:
        """What this session has sent, received and waited for."""
        return self._client.stats

    @property
    def quota(self) -> Quota:
        """The API key's quota: what is used and left, and when more can be sent."""
        return Quota(self._client.account, self._client.limits)

    def background(self) -> View:
        """Return the same session with every call in the lane of runs, so that it does not delay single calls."""
        return View(self._client, self.bulk, self.desired, Lane.BULK)

    def with_options(
        self,
        *,
        deadline: DeadlineOption = "session",
        max_waiting: int | Literal["session"] | None = "session",
    ) -> View:
        """Return the same session with other defaults; what is not given stays. Costs nothing, and needs no close.

        Args:
            deadline: seconds for each call with all its waits and retries; None for none.
            max_waiting: how many calls may wait for their turn in the quota; None for any number.

        Raises:
            ConfigError: an option cannot be right.
        """
        client = self._client.with_defaults(deadline=deadline, max_waiting=max_waiting)
        return View(client, self.bulk, self.desired, self._lane)

    async def export(
        self,
        *teams: TeamIds,
        stable: bool = False,
        name: str | None = None,
        on_page: Callable[[Page], object] | None = None,
        deadline: DeadlineOption = "session",
    ) -> Export:
        """Read webhook configurations, and return a file of desired state that declares them as they are.

        Costs a request for each page, and one for the teams if none is named. `aiodoo.desired.export` makes the file of
        webhook configurations that were read already.

        Args:
            teams: team ids, or iterables of them; none for every team that doo names.
            stable: read each team until its readings agree, at least twice the requests on more than one page; without it
                a webhook can be missed in a team that somebody changes meanwhile.
            name: only those whose name is like this; * and ? stand for any characters.
            on_page: called with each page that was read.
            deadline: seconds for each page with all its waits and retries.

        Raises:
            ConfigError: an argument cannot be right; nothing was sent.
            DooError: a team could not be read.
        """
        webhooks = self.webhooks
        if teams:
            walk = webhooks.list(*teams, stable=stable, name=name, deadline=deadline)
        else:
            walk = webhooks.list_all(stable=stable, name=name, deadline=deadline)
        return export(await walk.collect(on_page=on_page))

    async def request(
        self,
        method: str,
        path: str,
        *,
        json: Any = None,
        params: Mapping[str, str | int] | None = None,
        deadline: DeadlineOption = "session",
    ) -> Any:
        """Ask doo something that has no method here, and return the JSON of its answer; None if it has no body.

        It goes to the session's own host, with its token, within its quota. Costs one request, and one for each time
        that it is repeated: a GET as a list is; anything else only if it is proven that nothing happened, such as after
        a 429 or where no connection came about.

        Args:
            method: GET, POST, PUT, PATCH or DELETE.
            path: below the base URL, such as `/organizers/current`; no host, no `..`, no `//`, no `?`.
            json: the body, plain data such as a model's `to_dict()`. A `Secret` in it is sent in clear.
            params: what follows the question mark.
            deadline: seconds for the call with all its waits and retries; "session" for the session's, None for none.

        Raises:
            ConfigError: it may not be asked like that, such as a DELETE of webhooks; nothing was sent.
            OutcomeUnknown: anything but a GET may or may not have happened; it was not repeated.
            ApiError: doo refused it.
            ProtocolError: what came back is not JSON.
        """
        request = own_request(method, path, json=json, params=params)
        return await self._client.call(request, answers.read_json, lane=self._lane, deadline=deadline)
