"""doo's webhook configurations: list, create, replace, delete, and send again what exists already."""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncIterator, Sequence
from datetime import datetime
from typing import Literal, Unpack

import attrs

from aiodoo.checks import check_choice
from aiodoo.client.client import Client
from aiodoo.deadline import DeadlineOption
from aiodoo.doo_warnings import Line
from aiodoo.driver.single_change import GRACE, change_one
from aiodoo.driver.single_ensure import ensure_one
from aiodoo.models import AddWebhook, Changes, Filter, Organization, Page, WebhookConfiguration
from aiodoo.operations import Create, Delete, Ensure, Operation, Replace, Update
from aiodoo.operations.operations import check_operation, warn_of_types
from aiodoo.organizations import Organizations
from aiodoo.protocol import answers, requests
from aiodoo.quota import Lane
from aiodoo.walk import TeamIds, Walk, find_webhook, read_page


@attrs.frozen
class Webhooks:
    """The webhook configurations of every team that the account may see."""

    _client: Client
    _organizations: Organizations
    _lane: Lane = Lane.FRONT

    def list(
        self,
        *teams: TeamIds,
        prefetch: int = 4,
        ordered: bool = True,
        on_error: Literal["raise", "collect"] = "raise",
        stable: bool = False,
        cursor: str | None = None,
        name: str | None = None,
        endpoint: str | None = None,
        type: str | None = None,  # noqa: A002  # doo's word
        limit: int | None = None,
        deadline: DeadlineOption = "session",
    ) -> Walk:
        """Walk the webhook configurations of one or many teams, page by page.

        Iterate over it for webhooks, over `.pages()` for pages, await `.collect()` for all at once; inside
        `async with` several teams are read at a time. Costs one request a page ("List webhook configurations").

        Args:
            teams: team ids, or iterables of them; repeated ids are walked once.
            prefetch: how many teams are read at a time inside `async with` and by `collect()`; 1,000 at most.
            ordered: whether webhooks come in the order of the teams; False shows each page as soon as it is there.
            on_error: "collect" notes a team that fails in `walk.errors` and continues with the others.
            stable: read each team until its readings agree, which takes at least twice the requests on several pages;
                without it a webhook can be missed in a team that somebody changes meanwhile.
            cursor: the position of an earlier walk (`walk.cursor`).
            name: only those whose name is like this. In this and the next two * stands for any characters, ? for any one,
                and case counts. doo cannot filter, so they save no request.
            endpoint: only those with a hook to an endpoint like this, such as `https://crm.example/*`.
            type: only those with a hook of a type like this, such as `order_*`, without the suffix that lists append.
            limit: how many are yielded at most; the walk ends there, and requests no further page. With it one team is
                read after the other.
            deadline: seconds for each page with all its waits and retries; "session" for the session's, None for none.

        Raises:
            ConfigError: no team was named, or an argument cannot be right.
        """
        check_choice(on_error, "on_error", ("raise", "collect"))
        return Walk(
            self._client,
            teams,
            prefetch=prefetch,
            ordered=ordered,
            collect_errors=on_error == "collect",
            stable=stable,
            cursor=cursor,
            wanted=Filter(name=name, endpoint=endpoint, type=type),
            limit=limit,
            lane=self._lane,
            deadline=deadline,
        )

    def list_all(
        self,
        *,
        prefetch: int = 4,
        ordered: bool = True,
        on_error: Literal["raise", "collect"] = "raise",
        stable: bool = False,
        cursor: str | None = None,
        name: str | None = None,
        endpoint: str | None = None,
        type: str | None = None,  # noqa: A002  # doo's word
        limit: int | None = None,
        deadline: DeadlineOption = "session",
    ) -> Walk:
        """Walk the webhook configurations of every team that doo names for this account.

        Which teams those are, doo's answer to "Get all organizations and teams" decides; doo documents only the
        active one. Costs one request for that, and one a page.

        Args:
            prefetch: how many teams are read at a time inside `async with` and by `collect()`. All as for `list`.
            ordered: whether webhooks come in the order of the teams.
            on_error: "collect" notes a team that fails in `walk.errors` and continues with the others.
            stable: read each team until its readings agree.
            cursor: the position of an earlier walk (`walk.cursor`).
            name: only those whose name is like this; * stands for any characters, ? for any one.
            endpoint: only those with a hook to an endpoint like this.
            type: only those with a hook of a type like this.
            limit: how many are yielded at most.
            deadline: seconds for each page with all its waits and retries; "session" for the session's, None for none.
        """
        return self.list(
            _EveryTeam(self._organizations, deadline),
            prefetch=prefetch,
            ordered=ordered,
            on_error=on_error,
            stable=stable,
            cursor=cursor,
            name=name,
            endpoint=endpoint,
            type=type,
            limit=limit,
            deadline=deadline,
        )

    async def page(
        self, team_id: str | int, number: int = 1, *, deadline: DeadlineOption = "session"
    ) -> Page:
        """Return one page of a team's list ("List webhook configurations").

        Costs one request. This is what a web page needs that is asked for by number: `page.next_number` is the number to
        ask for next, None on the last page, and `page.page_count` says how many there are if doo does.

        Args:
            team_id: whose list.
            number: from 1. A page beyond the last shows nothing, where doo does not answer 404.
            deadline: seconds for the call with all its waits and retries; "session" for the session's, None for none.

        Raises:
            ConfigError: the id or the number cannot be one; nothing was sent.
            NotFound: doo knows no such team or page.
        """
        return await read_page(self._client, team_id, number, lane=self._lane, deadline=deadline)

    async def get(
        self, team_id: str | int, webhook_id: str | int, *, deadline: DeadlineOption = "session"
    ) -> WebhookConfiguration:
        """Return one webhook configuration of a team.

        doo has no call for one, so the team's list is read up to the page that shows it: costs one request for each
        page up to there. That it is not there takes a stable list to say: one request where the list has one page,
        at least twice its pages where it has more.

        Args:
            team_id: the team that has it.
            webhook_id: the id as listed or as returned by `create`.
            deadline: seconds for all of it; "session" for the session's, None for none.

        Raises:
            ConfigError: an id cannot be one; nothing was sent.
            NotFound: the team's list does not have it; or doo knows no such team.
            UnstableListing: the list kept changing, so that nothing can be said.
        """
        return await find_webhook(self._client, team_id, webhook_id, lane=self._lane, deadline=deadline)

    async def ensure(
        self, team_id: str | int, config: AddWebhook, *, deadline: DeadlineOption = "session"
    ) -> str:
        """Return the id of a webhook configuration that is equal to `config`, and create it if there is none.

        It looks at the team's list first, and compares all that doo's list shows, as `bulk.run([Ensure(...)])` does;
        where the list hides secrets or scope, those are not compared. Costs a stable list (one request where the list
        has one page, at least twice its pages where it has more), and one request if it has to be created.

        Calls of one session for one team come one after the other, and one that cannot come in time raises QueueFull at
        once. Several processes can still create it twice at the same time. What this session has changed in the team, and the list does not show yet, is waited for: up to 33
        seconds, and up to 163 after a create of the same content whose answer was lost.

        Args:
            team_id: the team that has to have it.
            config: what has to be there; it is checked before anything is sent.
            deadline: seconds for all of it; "session" for the session's, None for none.

        Raises:
            ConfigError: the configuration cannot be right; nothing was sent.
            DeadlineExceeded: it was not known in time whether it is there; nothing was created.
            OutcomeUnknown: a create, this one or an earlier one, may or may not have happened; calling `ensure` again
                settles that, from the time on that the message names.
        """
        operation = Ensure(team_id, config)
        self._check(operation)
        return await ensure_one(
            self._client, operation.team_id, operation.config, lane=self._lane, deadline=deadline
        )

    async def create(
        self, team_id: str | int, config: AddWebhook, *, deadline: DeadlineOption = "session"
    ) -> str:
        """Create a webhook configuration and return its id ("Create webhook configuration").

        Costs one request. It is sent again only after it was proven that nothing happened; doo has no
        idempotency key, so a lost answer is not settled here.

        Args:
            team_id: the team that gets it.
            config: what to create; it is checked before anything is sent.
            deadline: seconds for the call with all its waits and retries; "session" for the session's, None for none.

        Raises:
            ConfigError: the configuration cannot be right; nothing was sent.
            OutcomeUnknown: it may or may not have been created; `ensure`, or `bulk.run([Ensure(...)])`, settles that.
        """
        operation = Create(team_id, config)
        self._check(operation)
        request = requests.create(operation.team_id, operation.config, self._client.facts)
        return await self._client.call(request, answers.read_created, lane=self._lane, deadline=deadline)

    async def update(
        self,
        team_id: str | int,
        webhook_id: str | int,
        *,
        deadline: DeadlineOption = "session",
        grace: float = GRACE,
        **changes: Unpack[Changes],
    ) -> str:
        """Change some fields of a webhook configuration and return its new id.

        doo has no update ("Update webhook configuration" says: create the changed one, remove the old one), so
        this creates a lossless copy with the changes, reads it back and compares, deletes the old one and
        confirms that it is gone. The old one stays until the new one was seen. Costs 5 requests where the
        team's list has one page, 5 p + 2 where it has p.

        A copy must not widen: doo's list may not show `event_id` and `event_guide_id`, so that a copy of a
        webhook that was bound to one event may reach every event. Pass them again if the original had one.

        Cancelled before its create is sent, it stops at once. Later it continues for its grace before the cancellation
        is raised, with a note: the new id if it could finish, else both ids and what to do next. A second cancellation
        ends the grace. The deadline includes as much time for finishing (at most half of it), so that a create which
        would leave too late is not sent.

        Args:
            team_id: the team that has it.
            webhook_id: the id as listed; it is no longer valid afterwards.
            deadline: seconds for all of it; "session" for the session's, None for none.
            grace: seconds to finish in when it is cancelled after its create was sent; 10 unless given.
            changes: `name description event_id event_guide_id client_secret hosts endpoints hooks
                authentication`, as for `WebhookConfiguration.copy`.

        Raises:
            NotFound: the team's list does not have it; nothing was changed.
            NotCopyable: a copy would lose something, such as a secret that doo masks; nothing was changed.
            OutcomeUnknown: in doubt, with `.old_id` and `.new_id`; nothing was deleted on a doubt.
        """
        return await self._swap(Update(team_id, webhook_id, **changes), deadline, grace)

    async def replace(
        self,
        team_id: str | int,
        webhook_id: str | int,
        config: AddWebhook,
        *,
        deadline: DeadlineOption = "session",
        grace: float = GRACE,
    ) -> str:
        """Put a whole new configuration in the place of one and return its id; otherwise as `update`.

        Args:
            team_id: the team that has it.
            webhook_id: the id as listed; it is no longer valid afterwards.
            config: the whole new content; it is checked before anything is sent. A mask such as `***` where a secret
                should be means the one that doo lists.
            deadline: seconds for all of it; "session" for the session's, None for none.
            grace: seconds to finish in when it is cancelled after its create was sent; 10 unless given.

        Raises:
            NotFound: the team's list does not have it; nothing was changed.
            OutcomeUnknown: in doubt, with `.old_id` and `.new_id`; nothing was deleted on a doubt.
        """
        return await self._swap(Replace(team_id, webhook_id, config), deadline, grace)

    async def delete(
        self,
        webhook_id: str | int,
        *,
        confirm_in: str | int | None = None,
        deadline: DeadlineOption = "session",
    ) -> None:
        """Delete a webhook configuration ("Remove webhook configuration").

        doo answers 204 whatever happened, even for an id that never was, so that alone proves nothing. Costs one
        request, and with `confirm_in` the team's list besides (twice where it has more than one page).

        Args:
            webhook_id: the id as listed or as returned by `create`.
            confirm_in: the team whose list has to be without it afterwards.
            deadline: seconds for the call with all its waits and retries; "session" for the session's, None for none.

        Raises:
            ApiError: doo refused it; nothing was deleted.
            OutcomeUnknown: no answer came, twice; or the list still shows it after two deletes, or cannot be had.
        """
        if confirm_in is not None:
            await change_one(self._client, Delete(confirm_in, webhook_id), lane=self._lane, deadline=deadline)
            return
        request = requests.delete(webhook_id, self._client.facts)
        await self._client.call(request, answers.read_deleted, lane=self._lane, deadline=deadline)

    async def initialize(
        self,
        resource: str,
        *,
        organization_id: str | int | None = None,
        event_id: str | int | None = None,
        last_updated_after: datetime | None = None,
        last_updated_before: datetime | None = None,
        webhook_types: Sequence[str] | None = None,
        webhook_configuration_id: str | int | None = None,
        max_rate_per_min: int | None = None,
        deadline: DeadlineOption = "session",
    ) -> int:
        """Have doo send one webhook for each item that exists already, and return how many it will send.

        Costs one request ("Webhook initialization"). doo sends them afterwards, at its own rate; they cannot be
        listed or called back, so a lost answer is raised and never repeated.

        Args:
            resource: "events", "orders", "attendees", "contacts" or "invitees".
            organization_id: needed for events and contacts.
            event_id: needed for orders, attendees and invitees.
            last_updated_after: only items changed after that; needs a time zone, as doo gets CET (`Facts.time_zone`).
            last_updated_before: only items changed before that.
            webhook_types: only these types; all of the resource if left out.
            webhook_configuration_id: only this configuration; all if left out.
            max_rate_per_min: the most that doo sends in a minute.
            deadline: seconds for the call with all its waits and retries; "session" for the session's, None for none.

        Raises:
            ConfigError: an argument is missing or cannot be right; nothing was sent.
            OutcomeUnknown: doo may or may not have started to send.
        """
        request = requests.initialize(
            resource,
            organization_id=organization_id,
            event_id=event_id,
            last_updated_after=last_updated_after,
            last_updated_before=last_updated_before,
            webhook_types=webhook_types,
            webhook_configuration_id=webhook_configuration_id,
            max_rate_per_min=max_rate_per_min,
            facts=self._client.facts,
        )
        return await self._client.call(request, answers.read_initialized, lane=self._lane, deadline=deadline)

    def _check(self, operation: Operation) -> None:
        if unknown := check_operation(operation, self._client.facts):
            warn_of_types(unknown, Line.of_caller())

    async def _swap(self, operation: Update | Replace, deadline: DeadlineOption, grace: float) -> str:
        self._check(operation)
        change = await change_one(self._client, operation, lane=self._lane, deadline=deadline, grace=grace)
        assert change.new_id is not None  # noqa: S101  # it was applied, or was so already
        return change.new_id


@attrs.define
class _EveryTeam(AsyncIterator[str]):
    """The ids of the teams that doo names, asked for when they are needed."""

    _organizations: Organizations
    _deadline: DeadlineOption
    _ids: deque[str] = attrs.field(factory=deque)
    _walk: AsyncIterator[Organization] | None = None

    async def __anext__(self) -> str:
        if self._walk is None:
            self._walk = self._organizations.list(deadline=self._deadline)
        while not self._ids:
            self._ids.extend((await anext(self._walk)).team_ids)
        return self._ids.popleft()
