"""Lists, creates, replaces and deletes webhook configurations, and initializes their deliveries."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Literal, Unpack

import attrs

from aiodoo.checks import check_id
from aiodoo.client.client import Client
from aiodoo.deadline import GRACE, DeadlineOption
from aiodoo.doo_warnings import Line
from aiodoo.errors import NotFound
from aiodoo.facts import Facts
from aiodoo.models import HOOK_TYPES, AddWebhook, Changes, Page, WebhookConfiguration
from aiodoo.models.filtering import names_type
from aiodoo.organizations import Organizations
from aiodoo.protocol import answers, requests
from aiodoo.quota import Lane
from aiodoo.walk import ListOptions, ListReader, TeamIds, Walk

if TYPE_CHECKING:
    from aiodoo.driver.driver import Driver
    from aiodoo.operations import Operation, Replace, Update


@attrs.frozen
class Webhooks:
    """Reads and changes the webhook configurations of all teams that the account can access."""

    _client: Client
    _organizations: Organizations
    _lists: ListReader
    _facts: Facts
    _driver: Callable[[], Driver]
    """Loads it when it is first used."""
    _lane: Lane

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
        """Return a walk over the webhook configurations of one or many teams.

        Iterate over the walk for webhooks or over `.pages()` for pages, or await `.collect()` for a list; inside
        `async with` several teams are read concurrently. Costs one request per page ("List webhook configurations").

        Args:
            teams: team ids, or iterables or async iterables of them; repeated ids are read once.
            prefetch: the number of teams read concurrently inside `async with` and by `collect()`; 1,000 at most.
            ordered: whether webhooks are yielded in the order of the teams; False yields each page as soon as it is read.
            on_error: "collect" stores errors of teams in `walk.errors` and continues with the others.
            stable: read each team until two readings agree, which takes at least twice the requests if a team has several
                pages. Without it a walk can miss webhooks of a team that is changed meanwhile.
            cursor: the position of an earlier walk (`walk.cursor`).
            name: a pattern for the name: * matches any characters, ? any single one; case-sensitive. doo cannot filter, so
                patterns save no requests.
            endpoint: a pattern for the endpoint of at least one hook, such as `https://crm.example/*`.
            type: a pattern for the type of at least one hook, such as `order_*`, without the suffix of listed types.
            limit: the maximum of webhooks to yield; no further page is requested then. With a limit, teams are read one
                after the other.
            deadline: seconds for each page with all its waits and retries; "session" for the session's, None for none.

        Raises:
            ConfigError: there is no team, or an argument is invalid.
        """
        return self._walk(teams, ListOptions.of(locals()))

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
        """Return a walk over the webhook configurations of all teams that doo names for this account.

        The teams come from "Get all organizations and teams", whose answer is documented only for the active team.
        Costs one request for the teams, and one per page. All arguments are as for `list`.

        Args:
            prefetch: the number of teams read concurrently inside `async with` and by `collect()`.
            ordered: whether webhooks are yielded in the order of the teams.
            on_error: "collect" stores errors of teams in `walk.errors` and continues with the others.
            stable: read each team until two readings agree.
            cursor: the position of an earlier walk (`walk.cursor`).
            name: a pattern for the name.
            endpoint: a pattern for the endpoint of at least one hook.
            type: a pattern for the type of at least one hook.
            limit: the maximum of webhooks to yield.
            deadline: seconds for each page with all its waits and retries; "session" for the session's, None for none.
        """
        return self._walk(None, ListOptions.of(locals()))

    async def page(
        self, team_id: str | int, number: int = 1, *, deadline: DeadlineOption = "session"
    ) -> Page:
        """Return one page of a team's list ("List webhook configurations"); costs one request.

        For paginated views: `page.next_number` is the number of the next page, None on the last one, and
        `page.page_count` the number of pages, if doo names it.

        Args:
            team_id: the team.
            number: the page number, from 1. A page beyond the last is empty, unless doo answers 404.
            deadline: seconds for the call with all its waits and retries; "session" for the session's, None for none.

        Raises:
            ConfigError: the id or the number is invalid; nothing was sent.
            NotFound: doo knows no such team or page.
        """
        return await self._lists.page(team_id, number, lane=self._lane, deadline=deadline)

    async def get(
        self, team_id: str | int, webhook_id: str | int, *, deadline: DeadlineOption = "session"
    ) -> WebhookConfiguration:
        """Return one webhook configuration of a team.

        doo has no request for a single one, so the team's list is read: costs one request for each page up to the one
        that contains it. If it does not exist, a stable list is read: one request if the list has one page, at least
        twice the number of pages if it has more.

        Args:
            team_id: the team of the webhook configuration.
            webhook_id: the id as listed or as returned by `create`.
            deadline: seconds for the whole call; "session" for the session's, None for none.

        Raises:
            ConfigError: an id is invalid; nothing was sent.
            NotFound: the webhook configuration is not in the list, or doo knows no such team.
            UnstableListing: the list kept changing.
        """
        return await self._lists.find(team_id, webhook_id, lane=self._lane, deadline=deadline)

    async def find(
        self, webhook_id: str | int, *, deadline: DeadlineOption = "session"
    ) -> WebhookConfiguration:
        """Return one webhook configuration of any team that doo names for this account.

        Costs one request for the teams, and one for each page until it is found; `get` costs less if the team is known.

        Args:
            webhook_id: the id as listed or as returned by `create`.
            deadline: seconds for each page with all its waits and retries; "session" for the session's, None for none.

        Raises:
            ConfigError: the id is invalid; nothing was sent.
            NotFound: no list of these teams has shown it.
        """
        webhook_id = check_id(webhook_id, "webhook configuration id")
        async for webhook in self.list_all(deadline=deadline):
            if webhook.id == webhook_id:
                return webhook
        raise NotFound(f"no team that doo names has a webhook configuration {webhook_id}")

    async def ensure(
        self, team_id: str | int, config: AddWebhook, *, deadline: DeadlineOption = "session"
    ) -> str:
        """Return the id of a webhook configuration equal to `config`; create it if there is none.

        Everything that doo's list shows is compared, as for `bulk.run([Ensure(...)])`; secrets and scope that the list
        hides are not. Costs a stable list (one request if the list has one page, at least twice the number of pages if
        it has more), and one request for a create.

        Calls of one session for the same team are executed one after the other; one that cannot start before its
        deadline raises QueueFull at once. Several processes can still create duplicates at the same time. Changes of
        this session that the list does not show yet are waited for: up to 33 seconds, or up to 163 after a create of
        the same content whose answer was lost.

        Args:
            team_id: the team.
            config: the wanted content, checked before anything is sent.
            deadline: seconds for the whole call; "session" for the session's, None for none.

        Raises:
            ConfigError: the configuration is invalid; nothing was sent.
            DeadlineExceeded: the deadline passed before it was known whether it exists; nothing was created.
            OutcomeUnknown: this create or an earlier one may have been carried out. Call `ensure` again after the time
                that the message names.
        """
        from aiodoo.driver.single_ensure import ensure_one  # noqa: PLC0415
        from aiodoo.operations import Ensure  # noqa: PLC0415

        operation = Ensure(team_id, config)
        self._check(operation)
        return await ensure_one(
            self._driver(), operation.team_id, operation.config, lane=self._lane, deadline=deadline
        )

    async def create(
        self, team_id: str | int, config: AddWebhook, *, deadline: DeadlineOption = "session"
    ) -> str:
        """Create a webhook configuration and return its id ("Create webhook configuration").

        Costs one request. It is retried only if it is certain that nothing was created, as doo has no idempotency key.

        Args:
            team_id: the team.
            config: the content, checked before anything is sent.
            deadline: seconds for the call with all its waits and retries; "session" for the session's, None for none.

        Raises:
            ConfigError: the configuration is invalid; nothing was sent.
            OutcomeUnknown: it may have been created; `ensure` or `bulk.run([Ensure(...)])` finds out.
        """
        from aiodoo.operations import Create  # noqa: PLC0415

        operation = Create(team_id, config)
        self._check(operation)
        request = requests.create(operation.team_id, operation.config, self._facts, is_checked=True)
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
        """Change fields of a webhook configuration and return its new id.

        doo has no update ("Webhook management": create the changed one, delete the old one). This method creates a
        lossless copy with the changes, confirms it in the list, deletes the old webhook and confirms the deletion. The
        old webhook is deleted only after a list has shown the new one. Costs 5 requests if the team's list has one page,
        at most 4 p + 6 if it has p pages, or 5 p + 2 if doo lists new ones on any page.

        A copy must not widen. doo's list may not show `event_id` and `event_guide_id`, so the copy of a webhook that is
        limited to one event may reach all events. Pass them again if the original has one.

        Cancelled before the create is sent, the call stops at once. Later it continues for `grace` seconds before the
        cancellation is raised, with a note: the new id if it has finished, else both ids and what to do. A second
        cancellation ends the grace. The deadline includes as much time for finishing (at most half of it): a create that
        would be sent later is not sent.

        Args:
            team_id: the team of the webhook configuration.
            webhook_id: the id as listed; it is invalid afterwards.
            deadline: seconds for the whole call; "session" for the session's, None for none.
            grace: seconds for finishing if the call is cancelled after its create was sent; 10 unless given.
            changes: `name description event_id event_guide_id client_secret hosts endpoints hooks
                authentication`, as for `WebhookConfiguration.copy`.

        Raises:
            NotFound: the webhook configuration is not in the list; nothing was changed.
            NotCopyable: a copy would lose something, such as a secret that doo masks; nothing was changed.
            OutcomeUnknown: the outcome is in doubt, see `.old_id` and `.new_id`; nothing in doubt was deleted.
        """
        from aiodoo.operations import Update  # noqa: PLC0415

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
        """Replace the whole content of a webhook configuration and return its new id; otherwise as `update`.

        Args:
            team_id: the team of the webhook configuration.
            webhook_id: the id as listed; it is invalid afterwards.
            config: the whole new content, checked before anything is sent. A mask such as `***` in the place of a secret
                means the listed secret.
            deadline: seconds for the whole call; "session" for the session's, None for none.
            grace: seconds for finishing if the call is cancelled after its create was sent; 10 unless given.

        Raises:
            NotFound: the webhook configuration is not in the list; nothing was changed.
            OutcomeUnknown: the outcome is in doubt, see `.old_id` and `.new_id`; nothing in doubt was deleted.
        """
        from aiodoo.operations import Replace  # noqa: PLC0415

        return await self._swap(Replace(team_id, webhook_id, config), deadline, grace)

    async def delete(
        self,
        webhook_id: str | int,
        *,
        confirm_in: str | int | None = None,
        deadline: DeadlineOption = "session",
    ) -> None:
        """Delete a webhook configuration ("Remove webhook configuration").

        doo answers 204 in any case, even for an unknown id, so the answer alone proves nothing. Costs one request, and
        with `confirm_in` those of the team's list (twice if it has more than one page).

        Args:
            webhook_id: the id as listed or as returned by `create`.
            confirm_in: the team in whose list the deletion is confirmed.
            deadline: seconds for the call with all its waits and retries; "session" for the session's, None for none.

        Raises:
            ApiError: doo refused the request; nothing was deleted.
            OutcomeUnknown: two requests got no answer, the list still has the webhook after two deletes, or the list
                cannot be read.
        """
        if confirm_in is not None:
            from aiodoo.driver.single_change import change_one  # noqa: PLC0415
            from aiodoo.operations import Delete  # noqa: PLC0415

            operation = Delete(confirm_in, webhook_id)
            await change_one(self._driver(), operation, lane=self._lane, deadline=deadline)
            return
        request = requests.delete(webhook_id, self._facts)
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
        """Make doo send one webhook for each existing item, and return how many it will send.

        Costs one request ("Webhook initialization"). doo sends the webhooks later, at its own rate; they cannot be listed
        or cancelled, so a request whose answer is lost is not retried.

        Args:
            resource: "events", "orders", "attendees", "contacts" or "invitees".
            organization_id: required for events and contacts.
            event_id: required for orders, attendees and invitees.
            last_updated_after: only items changed after this time; must be timezone-aware, as it is sent in CET
                (`Facts.time_zone`).
            last_updated_before: only items changed before this time; must be timezone-aware.
            webhook_types: only these types; all of the resource if not given.
            webhook_configuration_id: only this webhook configuration; all if not given.
            max_rate_per_min: the maximum of webhooks that doo sends in a minute.
            deadline: seconds for the call with all its waits and retries; "session" for the session's, None for none.

        Raises:
            ConfigError: an argument is missing or invalid; nothing was sent.
            OutcomeUnknown: doo may have started to send.
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
            facts=self._facts,
        )
        # doo's page writes these types with `on_` and without.
        _warn_of_types([each for each in webhook_types or () if each.removeprefix("on_") not in HOOK_TYPES])
        return await self._client.call(request, answers.read_initialized, lane=self._lane, deadline=deadline)

    def _walk(self, teams: Sequence[TeamIds] | None, options: ListOptions) -> Walk:
        if (name := options.wanted.type) is not None and not names_type(name):
            _warn_of_types([name], then="only hooks with it are found")
        if teams is None:
            teams = (self._organizations.team_ids(deadline=options.deadline),)
        return Walk(self._lists, teams, options, lane=self._lane)

    def _check(self, operation: Operation) -> None:
        from aiodoo.operations.operations import check_operation  # noqa: PLC0415

        _warn_of_types(check_operation(operation, self._facts))

    async def _swap(self, operation: Update | Replace, deadline: DeadlineOption, grace: float) -> str:
        from aiodoo.driver.single_change import change_one  # noqa: PLC0415

        self._check(operation)
        change = await change_one(self._driver(), operation, lane=self._lane, deadline=deadline, grace=grace)
        assert change.new_id is not None  # noqa: S101  # an applied or unchanged operation has one
        return change.new_id


def _warn_of_types(types: Sequence[str], *, then: str = "") -> None:
    if types:
        from aiodoo.operations.operations import warn_of_types  # noqa: PLC0415  # a list does without

        warn_of_types(types, Line.of_caller(), then=then)
