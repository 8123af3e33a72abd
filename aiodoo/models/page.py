"""One page of a team's list of webhook configurations."""

from __future__ import annotations

import attrs

from aiodoo.errors import SchemaMismatch
from aiodoo.models.webhook_configuration import WebhookConfiguration


@attrs.frozen(kw_only=True)
class Page:
    """One page of a team's list ("List webhook configurations").

    Attributes:
        team_id: the team whose list it is.
        number: the number of the requested page, from 1.
        items: the webhook configurations that could be read.
        faults: one error for each item that could not be read.
        page_count: the number of pages according to doo, a hint; None if the answer has none.
        page_size: the items per page according to doo, a hint; None if the answer has none.
        total_items: the items of the whole list according to doo, a hint; None if the answer has none.
        has_next_link: whether the answer has `_links.next`. Its target is never used.
        answered_number: the number that doo gives this page; None if the answer has none.
        next_number: the page to request next, derived from all of these hints; None after the last page. That page
            may turn out to be empty.
    """

    team_id: str
    number: int
    items: tuple[WebhookConfiguration, ...]
    faults: tuple[SchemaMismatch, ...] = ()
    page_count: int | None = None
    page_size: int | None = None
    total_items: int | None = None
    has_next_link: bool = False
    answered_number: int | None = None
    next_number: int | None = attrs.field(default=None, eq=False)
