"""Everything about the box that doo does not document, or documents in more than one way, as settings."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection
from random import Random
from typing import Any, Literal, get_args

import attrs

Order = Literal["newest_first", "oldest_first", "arbitrary"]
BeyondLast = Literal["empty", "clamped", "not_found"]
ListLinks = Literal["no_v1", "correct", "other_host"]
ItemLinks = Literal["api_host", "collection", "correct"]
NextLink = Literal["present", "missing"]
IdStyle = Literal["number", "string"]
SuffixedTypes = Literal["refused", "kept"]
WebhookIds = Literal["uuid", "counter"]
Secrets = Literal["clear", "masked", "null", "missing"]
OrganizationsShape = Literal["active_only", "embedded", "list", "data"]
StatusStyle = Literal["number", "text"]
Refusals = Literal["message", "data"]
BothScopes = Literal["kept", "refused"]
ClientIds = Literal["any", "doo"]
InitTypes = Literal["any", "without_on", "with_on"]
InitIds = Literal["any", "number", "string"]

_CHOICES: dict[str, Any] = {
    "organizations_shape": OrganizationsShape,
    "ids": IdStyle,
    "suffixed_types": SuffixedTypes,
    "webhook_ids": WebhookIds,
    "order": Order,
    "beyond_last": BeyondLast,
    "list_links": ListLinks,
    "item_links": ItemLinks,
    "next_link": NextLink,
    "secrets": Secrets,
    "response_status": StatusStyle,
    "refusals": Refusals,
    "both_scopes": BothScopes,
    "client_ids": ClientIds,
    "init_types": InitTypes,
    "init_ids": InitIds,
}


_RANGES: dict[str, tuple[int, float]] = {
    "token_refused_status": (400, 499),
    "unknown_team_status": (400, 499),
    "organizations_page_size": (1, math.inf),
    "webhooks_at_most": (0, math.inf),
    "existing_items": (0, math.inf),
    "rate_at_most": (1, math.inf),
}


def _exact(count: int) -> int:
    return count


@attrs.frozen(kw_only=True)
class Settings:
    """How this doo behaves.

    "Documented" below means: printed on doo's current pages or agreed on by all their versions. "Seen" means: printed in
    some version, or declared in doo's Swagger of 2017. "Unknown" means: nothing says so, the default is a choice.

    Tokens
        token_status: status of a token answer. Documented: 200; seen: 201.
        token_lifetime: seconds a token lives; None is for ever. Unknown.
        newest_token_only: a new token ends the earlier ones of its key. Unknown.
        token_refused_status: status of the answer to a token that is not good, or not any more. Unknown: 401 or 403.

    Answers
        response_status: whether an envelope repeats the status as a number or as a text. Disputed.
        refusals: whether the reason of a 400 stands in the two messages, or in `data`. Unknown.
        error_type: Content-Type of doo's errors. Seen once: "application/problem+json".

    Organizations
        organizations_shape: what follows `active_team`, which stands at the top level in every shape: nothing, a HAL
            collection whose organizations hold `teams`, a plain `organizations` list with a `team_id` each, or the
            same as the collection under `data`. Only `active_team` is seen; the rest is unknown.
        organizations_page_size: organizations a page; None is one page with all of them. Unknown.
        ids: whether organization and team ids are JSON numbers or strings. Unknown.

    Create
        create_status: status of a create answer. Documented: 200; seen: 201.
        description_required: a create without description is refused. Seen once; documented as optional.
        description_empty: whether an empty description is let through. An example shows one, the Swagger wants one
            character.
        origin_required: a hook without `origin` is refused. Present examples all have one, older ones need not.
        both_scopes: what happens to a configuration with `event_id` and `event_guide_id`. Unknown.
        client_ids: whether `credentials.client_id` may be anything, or has to be "doo". Disputed.
        hook_types: the only types of hooks that are let through, without `on_`; None lets any through. The page that
            lists them all was not found.
        unique_names: a second webhook of one name in a team is refused. Unknown.
        webhooks_at_most: how many webhooks a team may have; None is any number. Unknown.
        suffixed_types: what happens to a hook type that still carries a list's suffix of 32 hex digits: the create is
            refused with 400, or it is kept as sent. Unknown.
        webhook_ids: version-1 UUIDs, or short counters such as "12". Both seen.
        reuse_ids: a new webhook gets the id of a deleted one, of the one deleted first. Unknown; a UUID of version 1
            or a counter makes it improbable.
        unknown_team_status: status when the team does not exist or is not the caller's. Unknown: 404 or 403.

    Delete
        delete_needs_bearer: whether a delete without a live token is refused. Documented as False.
        delete_refuses_bearer: whether a delete is refused with 400 because it carries a token. Unknown.

    List
        page_size: webhooks a page. Seen: 25 and 7.
        order: the order of a team's webhooks: new ones first, last, or anywhere ("arbitrary": the seed decides where
            each stands, and it stays there). Unknown.
        beyond_last: what a page after the last shows: no webhooks, the last page, or 404. Unknown.
        page_count: what the page says instead of the number of pages; a function that returns None leaves it out.
        total_items: the same for the number of webhooks. Seen: 5 beside one webhook.
        list_links: how the links of a page lie: `public_host` without /v1, `public_host` with it, or
            `backend_host`. All seen.
        item_links: what a webhook's own link names: itself at `backend_host`, its team's list there, or itself at
            `public_host`. All seen.
        next_link: whether pages say what comes next and what came before. Only declared, as optional.
        type_suffix: whether listed types of hooks with an `origin` carry a suffix; or a function of (webhook id,
            position of the hook) that makes one. Documented that it occurs, not what it is.
        echo_scope: whether a list shows `event_id` and `event_guide_id`. No printed example does.
        secrets: what a list shows as `client_secret`. Documented: in clear.
        replica_lag: how old the state is that a list shows, in seconds (at most an hour); a function of the box's own
            chance draws it for each page. Unknown. `Box.let_lists_lag` changes it.

    Initialization
        existing_items: what `items_processed` says after an initialization; 0 where nothing matches.
        init_types: whether `webhook_type` wants the types with their `on_`, without it, or takes both. Disputed.
        init_ids: whether `event_id` and `organization_id` have to be JSON numbers or strings. Numbers in all examples.
        rate_at_most: the highest `max_rate_per_min`; None is any. Disputed: 50 or 100.
        unknown_configuration_status: status when there is no webhook of that `webhook_configuration_id`. Unknown: 200
            as for any other, or an error.

    Other
        latency: seconds of a round trip, or a function of the box's own chance that draws one.
        epoch: Unix time at which the box's clock shows 0; for Date headers, HTTP dates and UUIDs.
        public_host: where doo says it is in links.
        backend_host: the other host that its links name.
    """

    token_status: int = 200
    token_lifetime: float | None = None
    newest_token_only: bool = False
    token_refused_status: int = 401
    response_status: StatusStyle = "number"
    refusals: Refusals = "message"
    error_type: str = "application/json"
    organizations_shape: OrganizationsShape = "embedded"
    organizations_page_size: int | None = None
    ids: IdStyle = "number"
    create_status: int = 200
    description_required: bool = False
    description_empty: bool = True
    origin_required: bool = False
    both_scopes: BothScopes = "kept"
    client_ids: ClientIds = "any"
    hook_types: Collection[str] | None = None
    unique_names: bool = False
    webhooks_at_most: int | None = None
    suffixed_types: SuffixedTypes = "refused"
    webhook_ids: WebhookIds = "uuid"
    reuse_ids: bool = False
    unknown_team_status: int = 404
    delete_needs_bearer: bool = False
    delete_refuses_bearer: bool = False
    page_size: int = attrs.field(default=25, validator=attrs.validators.ge(1))
    order: Order = "newest_first"
    beyond_last: BeyondLast = "empty"
    page_count: Callable[[int], Any] = _exact
    total_items: Callable[[int], Any] = _exact
    list_links: ListLinks = "no_v1"
    item_links: ItemLinks = "api_host"
    next_link: NextLink = "present"
    type_suffix: bool | Callable[[str, int], str] = True
    echo_scope: bool = False
    secrets: Secrets = "clear"
    replica_lag: float | Callable[[Random], float] = 0.0
    existing_items: int = 123
    init_types: InitTypes = "any"
    init_ids: InitIds = "any"
    rate_at_most: int | None = None
    unknown_configuration_status: int = 200
    latency: float | Callable[[Random], float] = 0.0
    epoch: float = 1_767_225_600.0  # 2026-01-01
    public_host: str = "https://rest.doo.net"
    backend_host: str = "https://api.doo.net"

    def __attrs_post_init__(self) -> None:
        for name, (least, most) in _RANGES.items():
            number = getattr(self, name)
            if number is not None and (type(number) is not int or not least <= number <= most):
                raise ValueError(f"{name} is a number from {least} to {most:g}, not {number!r}")
        if isinstance(self.hook_types, str):
            raise ValueError(f"hook_types is a set of types, not {self.hook_types!r}")  # noqa: TRY004  # a wrong value
        for name, choice in _CHOICES.items():
            if getattr(self, name) not in get_args(choice):
                raise ValueError(f"{name} is one of {get_args(choice)}, not {getattr(self, name)!r}")
