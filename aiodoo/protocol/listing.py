"""Reading a page of a team's list: fast if it is as documented, and item by item if it is not."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any

import attrs
import msgspec

from aiodoo.errors import SchemaMismatch
from aiodoo.models import Authentication, Hook, Page, WebhookConfiguration
from aiodoo.models.checks import ID
from aiodoo.models.list_body import ListBody
from aiodoo.models.reading import Unreadable, numbers_as_text, read
from aiodoo.protocol.counters import has_next, read_counter
from aiodoo.protocol.decoding import checked, decode, mismatch
from aiodoo.protocol.wire import Answer
from aiodoo.secret import Secret

_COUNTERS = ("page", "page_count", "page_size", "total_items")


class _Item(msgspec.Struct, gc=False):
    id: str | int
    name: str
    hooks: tuple[Hook, ...] | None = None
    description: str | None = None
    authentication: Authentication | None = None
    event_id: str | int | None = None
    event_guide_id: str | int | None = None
    team_id: str | int | None = None


class _Embedded(msgspec.Struct, gc=False):
    webhooks: list[_Item]


class _Page(msgspec.Struct, gc=False):
    embedded: _Embedded = msgspec.field(name="_embedded")
    links: Any = msgspec.field(name="_links", default=None)
    page: int | str | None = None
    page_count: int | str | None = None
    page_size: int | str | None = None
    total_items: int | str | None = None


@attrs.frozen(kw_only=True)
class _Listed:
    """An item as it is read when the fast way does not fit."""

    id: str
    name: str
    description: str | None = None
    hooks: tuple[Hook, ...] = ()
    authentication: Authentication | None = None
    event_id: str | None = None
    event_guide_id: str | None = None
    team_id: str | None = None


def read_page(answer: Answer, team_id: str, number: int) -> Page:
    """Read one page of a team's list ("List webhook configurations").

    An item that does not fit becomes one of the page's faults; the others are read.

    Args:
        answer: what came back.
        team_id: whose list it is.
        number: the page that was asked for.

    Raises:
        ProtocolError: it is not a page of a list.
    """
    body = checked(answer)
    try:
        return _read_typed(body, team_id, number)
    except (ValueError, RecursionError):
        return read_page_item_by_item(answer, team_id, number)


def _read_typed(body: bytes, team_id: str, number: int) -> Page:
    """Read a page as documented; anything else raises ValueError."""
    page = _decoder().decode(body)
    shared = ListBody(body)
    return _page(
        {name: getattr(page, name) for name in _COUNTERS},
        page.links,
        team_id=team_id,
        number=number,
        items=tuple(
            [_webhook(item, team_id, (shared, index)) for index, item in enumerate(page.embedded.webhooks)]
        ),
    )


def _webhook(item: _Item | _Listed, team_id: str, source: tuple[ListBody, int]) -> WebhookConfiguration:
    webhook_id, event_id, event_guide_id = str(item.id), item.event_id, item.event_guide_id
    if ID.fullmatch(webhook_id) is None:
        raise ValueError("$.id must be 1 to 64 of the characters A-Z a-z 0-9 _ -")
    if item.team_id is not None and str(item.team_id) != team_id:
        raise ValueError("$.team_id names another team")
    webhook = WebhookConfiguration(
        team_id=team_id,
        id=webhook_id,
        name=item.name,
        description=item.description,
        hooks=item.hooks or (),
        authentication=item.authentication,
        event_id=None if event_id is None else str(event_id),
        event_guide_id=None if event_guide_id is None else str(event_guide_id),
    )
    object.__setattr__(webhook, "_item", source)
    return webhook


def read_page_item_by_item(answer: Answer, team_id: str, number: int) -> Page:
    """Read a page the slow way: every fault with its path, and what can be read nevertheless."""
    document = decode(answer)
    if not isinstance(document, dict):
        raise mismatch(answer, "$", "must be an object")
    shared = ListBody(checked(answer))
    items: list[WebhookConfiguration] = []
    faults: list[SchemaMismatch] = []
    for index, item in enumerate(_items(answer, document)):
        try:
            items.append(_webhook(_listed(item), team_id, (shared, index)))
        except (Unreadable, ValueError) as error:
            faults.append(_fault(answer, index, error))
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
        wrong = error
    path, _, reason = str(wrong).partition(" ")
    raise mismatch(answer, path, reason)


def _page(counters: Mapping[str, Any], links: Any, **fields: Any) -> Page:
    read: dict[str, int | None] = {}
    for name in _COUNTERS:
        try:
            read[name] = read_counter(counters.get(name))
        except ValueError as error:
            raise ValueError(f"$.{name} {error}") from None
    return Page(
        page_count=read["page_count"],
        page_size=read["page_size"],
        total_items=read["total_items"],
        answered_number=read["page"],
        has_next_link=has_next(links),
        **fields,
    )


def _items(answer: Answer, document: dict[str, Any]) -> list[Any]:
    """Return the items of a page; none only if the counters say so, too."""
    if "_embedded" not in document and 0 in (document.get("page_count"), document.get("total_items")):
        return []
    embedded = document.get("_embedded")
    if not isinstance(embedded, dict):
        raise mismatch(answer, "$._embedded", "must be an object")
    items = embedded.get("webhooks")
    if not isinstance(items, list):
        raise mismatch(answer, "$._embedded.webhooks", "must be a list")
    return items


def _listed(item: object) -> _Listed:
    """Read an item; hooks in a form that nobody documents are read as none, a secret not shown as empty."""
    if isinstance(item, dict):
        item = numbers_as_text(item, "id", "event_id", "event_guide_id", "team_id")
        if item.get("hooks") is None or isinstance(item["hooks"], dict):
            item["hooks"] = []
        item["authentication"] = _with_secret(item.get("authentication"))
    return read(item, _Listed, collect=False)


def _with_secret(login: Any) -> Any:
    if not isinstance(login, dict):
        return login
    credentials = login.get("credentials")
    if credentials is None:
        credentials = {}
    if isinstance(credentials, dict) and credentials.get("client_secret") is None:
        credentials = {**credentials, "client_secret": ""}
    return {**login, "credentials": credentials}


def _fault(answer: Answer, index: int, error: Unreadable | ValueError) -> SchemaMismatch:
    path, reason = error.faults[0] if isinstance(error, Unreadable) else str(error).split(" ", 1)
    return mismatch(answer, f"$._embedded.webhooks[{index}]{path.removeprefix('$')}", reason)


def _secret(_type: type, value: Any) -> Secret:
    if not isinstance(value, str):
        raise NotImplementedError
    return Secret(value)


@cache
def _decoder() -> msgspec.json.Decoder[_Page]:
    return msgspec.json.Decoder(_Page, dec_hook=_secret)
