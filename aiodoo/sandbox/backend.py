"""Validates and executes requests that have passed the gateway."""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Callable
from functools import partial
from hmac import compare_digest
from typing import Any, Literal

import attrs

from aiodoo.sandbox import checks
from aiodoo.sandbox.answers import (
    Data,
    envelope,
    error,
    hal_page,
    json_answer,
    list_item,
    list_page,
    refusal,
    success,
)
from aiodoo.sandbox.deliveries import Outbox
from aiodoo.sandbox.jsontext import canonical, dumps
from aiodoo.sandbox.keys import Entropy, Key, Tokens
from aiodoo.sandbox.log import Log, LoggedChange
from aiodoo.sandbox.settings import Settings
from aiodoo.sandbox.state import State, Team, Webhook
from aiodoo.sandbox.wire import Answer, Request, Route

_PAGES_KEPT = 1024


@attrs.frozen
class Organization:
    """An organization and its teams."""

    id: str
    name: str
    teams: tuple[str, ...]


@attrs.frozen
class Call:
    """A request that passed the gateway."""

    number: int
    now: float
    key: Key
    route: Route
    request: Request


@attrs.frozen
class Work:
    """A validated request: `carry_out(time)` executes it and returns the answer; a refused one changes nothing."""

    carry_out: Callable[[float], Answer]
    refused: bool = False


class Backend:
    """The service behind the gateway: tokens, organizations and webhook configurations.

    Parameters:
        lag: draws the seconds by which a page of a list is stale.
        outbox: what is to be delivered.
    """

    def __init__(
        self,
        settings: Settings,
        state: State,
        organizations: list[Organization],
        entropy: Entropy,
        log: Log,
        *,
        lag: Callable[[], float],
        outbox: Outbox,
    ) -> None:
        self.settings = settings
        self.outbox = outbox
        self._lag = lag
        self.tokens = Tokens(entropy)
        self.organizations = organizations
        self.state = state
        self._entropy = entropy
        self._log = log
        self._pages: OrderedDict[tuple[str, int, int], bytes] = OrderedDict()

    def judge(self, call: Call) -> Work:
        """Validate a request without carrying it out."""
        needs_token = call.route.operation != "token" and (
            call.route.operation != "delete" or self.settings.delete_needs_bearer
        )
        authorization = call.request.header("authorization")
        if needs_token and not self.tokens.good(authorization, call.key.credentials.key_id, call.now):
            return _refuse(error(self.settings, self.settings.token_refused_status))
        judges: dict[str, Callable[[Call], Work]] = {
            "token": self._judge_token,
            "organizations": self._judge_organizations,
            "list": self._judge_list,
            "create": self._judge_create,
            "delete": self._judge_delete,
            "initialize": self._judge_initialize,
        }
        try:
            return judges[call.route.operation](call)
        except checks.Refused as refused:
            return _refuse(refusal(self.settings, str(refused)))

    def change(
        self,
        what: Literal["created", "deleted", "edited"],
        at: float,
        webhook: Webhook,
        by: int | Literal["actor", "setup"],
    ) -> None:
        """Add a change of state to the log."""
        if self._log.keep:
            digest = self.digest(webhook.content)
            self._log.add_change(LoggedChange(at, what, webhook.team, webhook.id, digest, by))

    def digest(self, content: Any) -> str:
        """Return a keyed digest of content, independent of the order of its members."""
        return self._entropy.digest(canonical(content))

    def _judge_token(self, call: Call) -> Work:
        content = checks.read_object(call.request)
        checks.check_token_request(content)
        own = call.key.credentials
        given = f"{content['client_id']}\n{content['client_secret']}"
        if not compare_digest(given.encode(), f"{own.client_id}\n{own.client_secret}".encode()):
            return _refuse(error(self.settings, 401, "Invalid client credentials"))
        return Work(partial(self._issue, own.key_id))

    def _issue(self, key_id: str, at: float) -> Answer:
        settings = self.settings
        token = self.tokens.issue(key_id, at, settings.token_lifetime, only=settings.newest_token_only)
        data = {"access_token": token, "refresh_token": None}
        return success(settings, settings.token_status, f"{settings.public_host}/v1/oauth", data=data)

    def _judge_organizations(self, call: Call) -> Work:
        page = _page_number(call)
        seen = [each for each in self.organizations if call.key.sees(each.id)]
        return Work(lambda _: json_answer(200, self._organizations(seen, page)))

    def _organizations(self, seen: list[Organization], page: int) -> Data:
        number: Callable[[str], int | str] = int if self.settings.ids == "number" else str
        size = self.settings.organizations_page_size or max(len(seen), 1)
        shown = seen[(page - 1) * size : page * size]
        nested = [
            {"id": number(each.id), "name": each.name, "teams": [{"id": number(team)} for team in each.teams]}
            for each in shown
        ]
        flat = [
            {"id": number(each.id), "name": each.name, "team_id": number(team)}
            for each in shown
            for team in each.teams
        ]
        answer: Data = {}
        if seen:
            active = seen[0]
            answer["active_team"] = {"id": number(active.teams[0]), "organization_id": number(active.id)}
        href = f"{self.settings.public_host}/v1/organizers/current/organizations"
        match self.settings.organizations_shape:
            case "embedded":
                answer |= hal_page(
                    self.settings, href, "organizations", nested, size=size, page=page, total=len(seen)
                )
            case "list":
                answer |= {"organizations": flat}
            case "data":
                answer |= envelope(self.settings, 200, "Success") | {"data": {"organizations": nested}}
            case _:
                pass
        return answer

    def _judge_list(self, call: Call) -> Work:
        team = self._team(call)
        if team is None:
            return _refuse(error(self.settings, self.settings.unknown_team_status))
        return Work(partial(self._list, call.now, team, _page_number(call)))

    def _list(self, now: float, team: Team, wanted: int, at: float) -> Answer:
        seen_at = at - self._lag()
        if seen_at < now:
            text = self._render(team, wanted, seen_at)
        else:
            key = (team.id, wanted, team.version)
            text = self._pages.get(key)
            if text is None:
                text = self._render(team, wanted)
                self._keep(key, text)
        if text is None:
            return error(self.settings, 404)
        return Answer(200, {"Content-Type": "application/json"}, text)

    def _keep(self, key: tuple[str, int, int], text: bytes | None) -> None:
        if text is not None:
            self._pages[key] = text
            if len(self._pages) > _PAGES_KEPT:
                self._pages.popitem(last=False)

    def _render(self, team: Team, wanted: int, at: float | None = None) -> bytes | None:
        settings, page = self.settings, wanted
        size = settings.page_size
        webhooks, total = self.state.page(team, settings.order, (page - 1) * size, size, at)
        last = max(1, math.ceil(total / size))
        if page > last and settings.beyond_last == "not_found":
            return None
        if page > last and settings.beyond_last == "clamped":
            page = last
            webhooks, total = self.state.page(team, settings.order, (page - 1) * size, size, at)
        items = [list_item(settings, team.id, webhook.id, webhook.content) for webhook in webhooks]
        return dumps(list_page(settings, team.id, page, total, items))

    def _judge_create(self, call: Call) -> Work:
        team = self._team(call)
        if team is None:
            return _refuse(error(self.settings, self.settings.unknown_team_status))
        content = checks.read_object(call.request)
        checks.check_webhook(content, self.settings)
        self._check_room(team, content)
        return Work(partial(self._create, call.number, team, dumps(content)))

    def _check_room(self, team: Team, content: Data) -> None:
        """Check the settings `webhooks_at_most` and `unique_names`."""
        settings = self.settings
        if settings.webhooks_at_most is None and not settings.unique_names:
            return
        _, total = self.state.page(team, settings.order, 0, 1)
        if settings.webhooks_at_most is not None and total >= settings.webhooks_at_most:
            raise checks.Refused(f"a team may have {settings.webhooks_at_most} webhook configurations")
        if settings.unique_names:
            webhooks, _ = self.state.page(team, settings.order, 0, total)
            if content["name"] in {webhook.content.get("name") for webhook in webhooks}:
                raise checks.Refused("name is taken by another webhook configuration of this team")

    def _create(self, number: int, team: Team, text: bytes, at: float) -> Answer:
        webhook = self.state.create(team, text, at)
        self.change("created", at, webhook, number)
        href = f"{self.settings.public_host}/v1/team/{team.id}/webhooks"
        return success(self.settings, self.settings.create_status, href, data=webhook.id)

    def _judge_delete(self, call: Call) -> Work:
        if self.settings.delete_refuses_bearer and call.request.header("authorization") is not None:
            raise checks.Refused("Authorization must not be sent")
        return Work(partial(self._delete, call))

    def _delete(self, call: Call, at: float) -> Answer:
        webhook = self.state.find(call.route.webhook_id or "")
        if webhook is not None and self._is_there(call, webhook.id):
            self.state.delete(webhook, at)
            self.change("deleted", at, webhook, call.number)
        return Answer(204)

    def _judge_initialize(self, call: Call) -> Work:
        resource = call.route.resource or ""
        if resource not in checks.RESOURCES:
            return _refuse(error(self.settings, 404))
        content = checks.read_object(call.request)
        checks.check_initialization(resource, content, self.settings)
        named, status = content.get("webhook_configuration_id"), self.settings.unknown_configuration_status
        if status != 200 and named is not None and not self._is_there(call, named):
            return _refuse(error(self.settings, status))
        href = f"{self.settings.public_host}/v1/webhooks/init/{resource}"

        def carry_out(at: float) -> Answer:
            webhooks = [each for team in self._teams_of(call, content) for each in self.state.live(team)]
            processed = self.outbox.initialize(resource, content, webhooks, at=at)
            return success(self.settings, 200, href, items_processed=processed)

        return Work(carry_out)

    def _teams_of(self, call: Call, content: Data) -> list[Team]:
        organization = content.get("organization_id")
        return [
            team
            for team in self.state.teams.values()
            if call.key.sees(team.organization)
            and str(organization or team.organization) == team.organization
        ]

    def _is_there(self, call: Call, webhook_id: str) -> bool:
        webhook = self.state.find(webhook_id)
        return webhook is not None and call.key.sees(self.state.teams[webhook.team].organization)

    def _team(self, call: Call) -> Team | None:
        team = self.state.teams.get(call.route.team or "")
        return team if team is not None and call.key.sees(team.organization) else None


def _refuse(answer: Answer) -> Work:
    return Work(lambda _: answer, refused=True)


def _page_number(call: Call) -> int:
    given = call.request.query.get("page", "1")
    if not (given.isascii() and given.isdecimal() and 0 < len(given) < 10 and int(given) > 0):
        raise checks.Refused("page must be a number of at least 1")
    return int(given)
