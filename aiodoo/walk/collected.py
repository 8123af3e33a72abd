"""The result of `collect()`: a list of webhook configurations with a record of how each team was read."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta

import attrs

from aiodoo.models import WebhookConfiguration
from aiodoo.walk.team_list import Listing, ListReader


@attrs.frozen(repr=False)
class PageRead:
    """The ids on one page of a team's list, and when it was requested.

    Attributes:
        number: the page number.
        asked: when the request was sent (monotonic seconds).
        webhook_ids: the ids on the page.
    """

    number: int
    asked: float
    webhook_ids: tuple[str, ...]


@attrs.frozen(kw_only=True)
class TeamRead:
    """A team's whole list, and how it was read.

    Attributes:
        team_id: the team.
        read_at: when the first request of the last reading was made (UTC).
        stable: whether the list was read until two readings agreed.
        pages: the number of pages.
        page_size: webhook configurations per page, according to the list.
        webhooks: the list, independent of the `Collected` that it is part of.
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
    def of(cls, listing: Listing, reader: ListReader) -> TeamRead:
        """Return the record of a stable listing that a reader has read."""
        ago = reader.clock.monotonic() - listing.began
        return cls(
            team_id=listing.team_id,
            read_at=reader.clock.now() - timedelta(seconds=ago),
            stable=True,
            pages=listing.pages,
            page_size=listing.page_size,
            webhooks=listing.webhooks,
            account=reader.owner.account,
            base_url=reader.owner.base_url,
            reader=reader.name,
            began=listing.began,
            shown=tuple(
                PageRead(page.number, asked, tuple(webhook.id for webhook in page.items))
                for page, asked in zip(listing.read, listing.asked, strict=True)
            ),
        )


class Lists(dict[str, list[WebhookConfiguration]]):
    """The lists of teams by team id, for a run of this process; a pickle or a deep copy of it is empty."""

    def __reduce__(self) -> tuple[type[Lists], tuple[()]]:
        return (Lists, ())


class Collected(list[WebhookConfiguration]):
    """A list of webhook configurations with a record of how each team was read; the result of `collect()`.

    It equals any list with the same items; slices and other results of list operations are plain lists.

    Attributes:
        reads: the records of teams that were read completely, by team id. Empty without `stable=True`; teams of which
            the walk had yielded webhooks before `collect()` have none.
    """

    @classmethod
    def of(cls, listing: Listing, reader: ListReader) -> Collected:
        """Return the webhooks of one stable listing, with its record."""
        return cls(listing.webhooks, reads=[TeamRead.of(listing, reader)])

    def __init__(
        self, webhooks: Iterable[WebhookConfiguration] = (), *, reads: Iterable[TeamRead] = ()
    ) -> None:
        super().__init__(webhooks)
        self.reads = {read.team_id: read for read in reads}

    @property
    def read_at(self) -> datetime | None:
        """When the first team was read (UTC); None if there are no records."""
        return min((read.read_at for read in self.reads.values()), default=None)

    @property
    def stable(self) -> bool:
        """Whether there is a record for the team of every webhook in the list."""
        return bool(self.reads) and all(webhook.team_id in self.reads for webhook in self)

    @property
    def pages(self) -> int:
        """The number of pages of all recorded teams."""
        return sum(read.pages for read in self.reads.values())
