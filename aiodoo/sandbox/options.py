"""Typed keyword options of `Box` and `Sandbox`."""

from __future__ import annotations

from collections.abc import Callable, Collection
from random import Random
from typing import Any, TypedDict

from aiodoo.sandbox.faults import FaultRates
from aiodoo.sandbox.gateway import Plan
from aiodoo.sandbox.keys import Credentials
from aiodoo.sandbox.settings import (
    BeyondLast,
    BothScopes,
    ClientIds,
    IdStyle,
    InitIds,
    InitTypes,
    ItemLinks,
    ListLinks,
    NextLink,
    Order,
    OrganizationsShape,
    Refusals,
    Secrets,
    Settings,
    StatusStyle,
    SuffixedTypes,
    WebhookIds,
)
from aiodoo.sandbox.start import PerTeam


class SettingOptions(TypedDict, total=False):
    """The members of `Settings`."""

    token_status: int
    token_lifetime: float | None
    newest_token_only: bool
    token_refused_status: int
    response_status: StatusStyle
    refusals: Refusals
    error_type: str
    organizations_shape: OrganizationsShape
    organizations_page_size: int | None
    ids: IdStyle
    create_status: int
    description_required: bool
    description_empty: bool
    origin_required: bool
    both_scopes: BothScopes
    client_ids: ClientIds
    hook_types: Collection[str] | None
    unique_names: bool
    webhooks_at_most: int | None
    suffixed_types: SuffixedTypes
    webhook_ids: WebhookIds
    reuse_ids: bool
    unknown_team_status: int
    delete_needs_bearer: bool
    delete_refuses_bearer: bool
    page_size: int
    order: Order
    beyond_last: BeyondLast
    page_count: Callable[[int], Any]
    total_items: Callable[[int], Any]
    list_links: ListLinks
    item_links: ItemLinks
    next_link: NextLink
    type_suffix: bool | Callable[[str, int], str]
    echo_scope: bool
    secrets: Secrets
    replica_lag: float | Callable[[Random], float]
    existing_items: int
    init_types: InitTypes
    init_ids: InitIds
    rate_at_most: int | None
    unknown_configuration_status: int
    delivers_to: Collection[str]
    delivery_attempts: int
    delivery_pause: float | Callable[[int], float]
    latency: float | Callable[[Random], float]
    epoch: float
    public_host: str
    backend_host: str


class BoxOptions(SettingOptions, total=False):
    """The options of `Box`."""

    organizations: int
    teams_per_organization: int
    webhooks_per_team: PerTeam
    seed: int
    plan: Plan | None
    rates: FaultRates | None
    keep_log: bool
    credentials: Credentials | None
    entropy: bytes | None
    settings: Settings | None


class SandboxOptions(BoxOptions, total=False):
    """The options of `Sandbox`, which include those of its box."""

    port: int
    clock: Callable[[], float] | None
    keepalive_timeout: float
    control: bool | str
