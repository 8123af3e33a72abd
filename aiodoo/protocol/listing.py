"""Parses a page of a team's list: as a whole if it is as documented, else item by item."""

from __future__ import annotations

import re
from collections.abc import Mapping
from contextlib import suppress
from operator import attrgetter
from typing import Any, Final

import msgspec

from aiodoo.checks import ID
from aiodoo.errors import SchemaMismatch
from aiodoo.facts import Facts
from aiodoo.models import Page, WebhookConfiguration
from aiodoo.models.list_item import KnownItem, ListBody, ListedItem, read_item
from aiodoo.protocol.decoding import checked, decode, has_next, mismatch, read_counter
from aiodoo.protocol.wire import Answer

_IDS = re.compile(rf"(?:{ID.pattern}\n)*+{ID.pattern}")
_FACTS = Facts()
_id, _team_id = attrgetter("id"), attrgetter("team_id")
_COUNTERS = ("page", "page_count", "page_size", "total_items")


MOST_FAULTS: Final = 100
"""Faults of one page that are reported singly, as an error takes far more memory than an item."""


class _Embedded(msgspec.Struct, gc=False):
    webhooks: list[ListedItem]


class _KnownEmbedded(msgspec.Struct, gc=False):
    webhooks: list[KnownItem]


class _Page(msgspec.Struct, gc=False):
    embedded: _Embedded = msgspec.field(name="_embedded")
    links: Any = msgspec.field(name="_links", default=None)
    page: int | str | None = None
    page_count: int | str | None = None
    page_size: int | str | None = None
    total_items: int | str | None = None


class _KnownPage(_Page, gc=False):
    """A page whose items have known fields only. Most pages are such, and decoding shows it at no extra cost."""

    embedded: _KnownEmbedded = msgspec.field(name="_embedded")  # type: ignore[assignment]


def read_page(answer: Answer, team_id: str, number: int, facts: Facts = _FACTS) -> Page:
    """Return one page of a team's list ("List webhook configurations").

    An item that cannot be read becomes one of the page's faults.

    Args:
        answer: the answer to the list request.
        team_id: the team whose list it is.
        number: the number of the requested page.
        facts: the `Facts` that the webhook configurations keep.

    Raises:
        ProtocolError: the answer is not a page of a list.
    """
    body = checked(answer)
    for is_known in (True, False):
        try:
            return _read_at_once(ListBody(body, facts, is_known=is_known), body, team_id, number)
        except (ValueError, RecursionError):
            continue
    return read_item_by_item(answer, team_id, number, facts)


def _read_at_once(shared: ListBody, body: bytes, team_id: str, number: int) -> Page:
    """Parse a page in one step; raise ValueError for any fault, and for an unknown field if `shared.is_known`."""
    page = (_KNOWN if shared.is_known else _ANY).decode(body)
    items = page.embedded.webhooks
    _check_all(items, team_id)
    webhooks = WebhookConfiguration.listed(enumerate(items), team_id=team_id, body=shared)
    count, size, total, answered = page.page_count, page.page_size, page.total_items, page.page
    if (
        isinstance(count, int)
        and isinstance(size, int)
        and isinstance(total, int)
        and isinstance(answered, int)
        and min(count, size, total, answered) >= 0
    ):
        return Page(
            team_id=team_id,
            number=number,
            items=tuple(webhooks),
            page_count=count,
            page_size=size,
            total_items=total,
            answered_number=answered,
            has_next_link=has_next(page.links),
        )
    counters = {name: getattr(page, name) for name in _COUNTERS}
    return _page(counters, page.links, team_id=team_id, number=number, items=tuple(webhooks))


def read_item_by_item(answer: Answer, team_id: str, number: int, facts: Facts = _FACTS) -> Page:
    """Parse a page item by item, with the path of every fault."""
    document = decode(answer)
    if not isinstance(document, dict):
        raise mismatch(answer, "$", "must be an object")
    shared = ListBody(checked(answer), facts)
    items: list[WebhookConfiguration] = []
    faults: list[SchemaMismatch] = []
    left_out = 0
    for index, item in enumerate(_items(answer, document)):
        try:
            listed = read_item(item)
            _check(listed, team_id)
        except ValueError as error:
            left_out += len(faults) >= MOST_FAULTS
            if len(faults) < MOST_FAULTS:
                faults.append(_fault(answer, f"$._embedded.webhooks[{index}]", error))
        else:
            items += WebhookConfiguration.listed([(index, listed)], team_id=team_id, body=shared)
    if left_out:
        faults.append(mismatch(answer, "$._embedded.webhooks", f"holds {left_out} more that cannot be read"))
    try:
        return _page(
            document,
            document.get("_links"),
            team_id=team_id,
            number=number,
            items=tuple(items),
            faults=tuple(faults),
        )
    except ValueError as error:
        fault = _fault(answer, "$", error)
    raise fault


def _check_all(items: list[ListedItem], team_id: str) -> None:
    """Check the items of a page, all ids in one match: single matches take half as long as the decoding."""
    ids = list(map(_id, items))
    with suppress(TypeError):  # an id is a number
        text = "\n".join(ids)
        named = set(map(_team_id, items))
        if named == {None} and len(ids) == text.count("\n") + 1 and _IDS.fullmatch(text) is not None:
            return
    for item in items:
        _check(item, team_id)


def _check(item: ListedItem, team_id: str) -> None:
    if ID.fullmatch(str(item.id)) is None:
        raise ValueError("must be 1 to 64 of A-Z a-z 0-9 - _ - at `$.id`")
    if item.team_id is not None and str(item.team_id) != team_id:
        raise ValueError("names another team - at `$.team_id`")


def _page(counters: Mapping[str, Any], links: Any, **fields: Any) -> Page:
    read: dict[str, int | None] = {}
    for name in _COUNTERS:
        value = counters.get(name)
        try:
            read[name] = value if type(value) is int and value >= 0 else read_counter(value)
        except ValueError as error:
            raise ValueError(f"{error} - at `$.{name}`") from None
    return Page(
        page_count=read["page_count"],
        page_size=read["page_size"],
        total_items=read["total_items"],
        answered_number=read["page"],
        has_next_link=has_next(links),
        **fields,
    )


def _items(answer: Answer, document: dict[str, Any]) -> list[Any]:
    """Return the items of a page; they may be missing only if a counter is 0."""
    embedded = document.get("_embedded", {})
    if not isinstance(embedded, dict):
        raise mismatch(answer, "$._embedded", "must be an object")
    if "webhooks" not in embedded and any(
        _is_zero(document.get(name)) for name in ("page_count", "total_items")
    ):
        return []
    items = embedded.get("webhooks")
    if not isinstance(items, list):
        raise mismatch(answer, "$._embedded.webhooks", "must be a list")
    return items


def _is_zero(counter: Any) -> bool:
    with suppress(ValueError):
        return read_counter(counter) == 0
    return False


def _fault(answer: Answer, place: str, error: ValueError) -> SchemaMismatch:
    """Return the fault for an error of msgspec, or of a check in the same format; neither quotes a value."""
    reason, _, path = str(error).partition(" - at ")
    return mismatch(answer, place + path.strip("`").removeprefix("$"), reason)


_KNOWN: msgspec.json.Decoder[_Page] = msgspec.json.Decoder(_KnownPage)
_ANY: msgspec.json.Decoder[_Page] = msgspec.json.Decoder(_Page)
