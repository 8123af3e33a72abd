"""Settings for all behaviour that doo does not document, or documents in several ways."""

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
    """How the sandbox behaves.

    "Documented" means printed on doo's current pages, or the same in all their versions. "Seen" means printed in some
    version, or declared in doo's Swagger of 2017. "Unknown" means that no page says so; the default is a choice.

    Tokens
        token_status: status of a token answer. Documented: 200; seen: 201.
        token_lifetime: seconds until a token expires; None means never. Unknown.
        newest_token_only: whether a new token revokes the earlier ones of its key. Unknown.
        token_refused_status: status of the answer to an invalid or expired token. Unknown: 401 or 403.

    Answers
        response_status: whether an envelope has the status as a number or as a text. Disputed.
        refusals: whether the reason of a 400 is in the two messages, or in `data`. Unknown.
        error_type: Content-Type of doo's errors. Seen once: "application/problem+json".

    Organizations
        organizations_shape: what the answer has beside `active_team`, which is at the top level in every shape:
            nothing, a HAL collection whose organizations have `teams`, a plain `organizations` list with a `team_id`
            each, or the content of the collection under `data`. Only `active_team` is seen; the rest is unknown.
        organizations_page_size: organizations per page; None means one page with all of them. Unknown.
        ids: whether organization and team ids are JSON numbers or strings. Unknown.

    Create
        create_status: status of a create answer. Documented: 200; seen: 201.
        description_required: whether a create without description is refused. Seen once; documented as optional.
        description_empty: whether an empty description is accepted. An example has one, the Swagger requires one
            character.
        origin_required: whether a hook without `origin` is refused. All current examples have one, older ones do not.
        both_scopes: whether a configuration with both `event_id` and `event_guide_id` is accepted. Unknown.
        client_ids: whether `credentials.client_id` may be any text, or must be "doo". Disputed.
        hook_types: the hook types that are accepted, without `on_`; None accepts any. The page that lists them all
            was not found.
        unique_names: whether a second webhook with the same name in a team is refused. Unknown.
        webhooks_at_most: the number of webhooks that a team may have; None means any. Unknown.
        suffixed_types: whether a create whose hook type has a list's suffix of 32 hex digits is refused with 400, or
            accepted as sent. Unknown.
        webhook_ids: version-1 UUIDs, or short counters such as "12". Both seen.
        reuse_ids: whether a new webhook gets the id of the webhook that was deleted first. Unknown; improbable with
            version-1 UUIDs and counters.
        unknown_team_status: status if the team does not exist or the caller has no access to it. Unknown: 404 or 403.

    Delete
        delete_needs_bearer: whether a delete without a valid token is refused. Documented as False.
        delete_refuses_bearer: whether a delete with a token is refused with 400. Unknown.

    List
        page_size: webhooks per page. Seen: 25 and 7.
        order: newest first, oldest first, or "arbitrary" (each webhook keeps a position that the seed decides).
            Unknown.
        beyond_last: what a page after the last shows: no webhooks, the last page, or 404. Unknown.
        page_count: function from the number of pages to the one that the page shows; None leaves it out.
        total_items: the same for the number of webhooks. Seen: 5 beside one webhook.
        list_links: where the links of a page point: `public_host` without /v1, `public_host` with it, or
            `backend_host`. All seen.
        item_links: where a webhook's own link points: to itself at `backend_host`, to its team's list there, or to
            itself at `public_host`. All seen.
        next_link: whether pages have links to the next and the previous page. Declared as optional.
        type_suffix: whether listed types of hooks with an `origin` have a suffix; or a function of the webhook id and
            the position of the hook that returns one. Documented that it occurs, not what it is.
        echo_scope: whether a list shows `event_id` and `event_guide_id`. No printed example does.
        secrets: how a list shows `client_secret`. Documented: in clear.
        replica_lag: age of the state that a list shows, in seconds (at most 3600), or a function of the box's random
            generator that is called for each page. Unknown. `Box.let_lists_lag` changes it.

    Initialization
        existing_items: `items_processed` in the answer to an initialization; 0 where nothing matches.
        init_types: whether `webhook_type` must have its types with `on_`, without it, or may have both. Disputed.
        init_ids: whether `event_id` and `organization_id` must be JSON numbers or strings. Numbers in all examples.
        rate_at_most: the highest `max_rate_per_min`; None means any. Disputed: 50 or 100.
        unknown_configuration_status: status if no webhook has the `webhook_configuration_id`. Unknown: 200 as for any
            other, or an error.

    Deliveries
        delivers_to: hosts beside this machine that deliveries are sent to; others are noted as `not_sent`.
        delivery_attempts: failed attempts after which a delivery is dead. Documented as 10.
        delivery_pause: seconds between two attempts, or a function of the number of failed ones. Unknown.

    Other
        latency: seconds of a round trip, or a function of the box's random generator.
        epoch: Unix time at which the box's clock shows 0; used in Date headers, HTTP dates and UUIDs.
        public_host: host of doo's API, as its links show it.
        backend_host: the other host that links show.
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
    delivers_to: Collection[str] = ()
    delivery_attempts: int = attrs.field(default=10, validator=attrs.validators.ge(1))
    delivery_pause: float | Callable[[int], float] = 1.0
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
