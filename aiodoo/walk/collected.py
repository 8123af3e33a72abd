"""What `collect()` returns: a list that remembers how each team in it was read."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta

import attrs

from aiodoo.client.client import Client
from aiodoo.models import WebhookConfiguration
from aiodoo.walk.team_list import Listing


@attrs.frozen
class PageRead:
    """What one page of a team's list showed, and when.

    Attributes:
        number: the page.
        asked: when the request for it left (monotonic seconds).
        webhook_ids: what it showed.
    """

    number: int
    asked: float
    webhook_ids: tuple[str, ...]


@attrs.frozen(kw_only=True)
class TeamRead:
    """How a whole team was read.

    Attributes:
        team_id: the team.
        read_at: when the first request of its last reading was made (UTC).
        stable: whether it was read until its readings agreed.
        pages: how many pages it has.
        page_size: webhook configurations a page, as the list says.
        webhooks: its list, independent of the one that it was collected in.
    """

    team_id: str
    read_at: datetime
    stable: bool
    pages: int
    page_size: int | None
    webhooks: tuple[WebhookConfiguration, ...] = attrs.field(repr=False)
    account: str = attrs.field(repr=False)
    base_url: str = attrs.field(repr=False)
    reader: str = attrs.field(repr=False, eq=False)
    began: float = attrs.field(repr=False, eq=False)
    shown: tuple[PageRead, ...] = attrs.field(repr=False, eq=False)

    @classmethod
    def of(cls, listing: Listing, client: Client) -> TeamRead:
        """Note how a listing was read until its readings agreed, by whom and when."""
        ago = client.clock.monotonic() - listing.began
        return cls(
            team_id=listing.team_id,
            read_at=client.clock.now() - timedelta(seconds=ago),
            stable=True,
            pages=listing.pages,
            page_size=listing.page_size,
            webhooks=listing.webhooks,
            account=client.account_name,
            base_url=client.base_url,
            reader=client.reader,
            began=listing.began,
            shown=tuple(
                PageRead(page.number, asked, tuple(webhook.id for webhook in page.items))
                for page, asked in zip(listing.read, listing.asked, strict=True)
            ),
        )


class Lists(dict[str, list[WebhookConfiguration]]):
    """What teams' lists were, by team id, for a run of this process: pickled or copied deeply, it is empty."""

    def __reduce__(self) -> tuple[type[Lists], tuple[()]]:
        return (Lists, ())


class Collected(list[WebhookConfiguration]):
    """Webhook configurations in a list, with how each team was read; what `collect()` returns.

    It is a list and equal to any with the same members; what is made of it, such as a slice, is a plain one. It is
    pickled as its members are.

    Attributes:
        reads: how each team was read whole, by team id; only with `stable=True`, and not of a team of which something
            was shown before.
    """

    @classmethod
    def of(cls, listing: Listing, client: Client) -> Collected:
        """Return a team's list that was read until its readings agreed, or is of one page."""
        return cls(listing.webhooks, reads=[TeamRead.of(listing, client)])

    def __init__(
        self, webhooks: Iterable[WebhookConfiguration] = (), *, reads: Iterable[TeamRead] = ()
    ) -> None:
        super().__init__(webhooks)
        self.reads = {read.team_id: read for read in reads}

    @property
    def read_at(self) -> datetime | None:
        """When the first of its teams was read (UTC); None if none was read whole."""
        return min((read.read_at for read in self.reads.values()), default=None)

    @property
    def stable(self) -> bool:
        """Whether every team of which it shows something was read whole, until its readings agreed."""
        return bool(self.reads) and all(webhook.team_id in self.reads for webhook in self)

    @property
    def pages(self) -> int:
        """How many pages those teams have."""
        return sum(read.pages for read in self.reads.values())
