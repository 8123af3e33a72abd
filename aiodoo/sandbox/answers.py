"""Builds the answers of doo and of the gateway in front of it."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from typing import Any

from aiodoo.sandbox.jsontext import dumps
from aiodoo.sandbox.settings import Settings
from aiodoo.sandbox.wire import Answer

Data = dict[str, Any]

_MESSAGES = {
    401: "Unauthorized",
    403: "Access denied",
    404: "Not found",
    429: "Too Many Requests",
    500: "Internal server error",
}
_GATEWAY_MESSAGES = {
    502: "Internal server error",
    503: "Service Unavailable",
    504: "Endpoint request timed out",
}
_SHOWN_FIRST = ("name", "description", "event_id", "event_guide_id", "hooks", "authentication")
_SCOPE = ("event_id", "event_guide_id")


def json_answer(status: int, content: Any) -> Answer:
    """Return an answer with a JSON body."""
    return Answer(status, {"Content-Type": "application/json"}, dumps(content))


def success(settings: Settings, status: int, href: str, **members: Any) -> Answer:
    """Return doo's envelope for a success, with `members` in it."""
    links = {"_links": {"self": {"href": href}}}
    return json_answer(status, envelope(settings, status, "Success") | members | links)


def envelope(settings: Settings, status: int, message: str) -> Data:
    """Return the three members that every envelope begins with."""
    repeated = status if settings.response_status == "number" else str(status)
    return {"response_status": repeated, "developer_message": message, "user_message": message}


def error(settings: Settings, status: int, message: str | None = None, **members: Any) -> Answer:
    """Return doo's envelope for an error."""
    content = envelope(settings, status, message or _MESSAGES.get(status, "Error")) | members
    answer = json_answer(status, content)
    answer.headers["Content-Type"] = settings.error_type
    return answer


def refusal(settings: Settings, reason: str) -> Answer:
    """Return the answer to an invalid body."""
    if settings.refusals == "message":
        return error(settings, 400, reason)
    return error(settings, 400, "Validation failed", data=reason)


def gateway_error(status: int, message: str, error_type: str) -> Answer:
    """Return an error of the API Gateway, which has refused a request or got no answer from doo."""
    answer = json_answer(status, {"message": message})
    answer.headers["x-amzn-ErrorType"] = error_type
    return answer


def failure(settings: Settings, status: int) -> Answer:
    """Return a server error: 502 to 504 in the gateway's form, others in doo's envelope."""
    if status in _GATEWAY_MESSAGES:
        return gateway_error(status, _GATEWAY_MESSAGES[status], "InternalServerErrorException")
    return error(settings, status)


def list_item(settings: Settings, team: str, webhook_id: str, content: Data) -> Data:
    """Return a webhook as a list shows it: with id, links and suffixes, and without what the settings hide."""
    item: Data = {"id": webhook_id}
    item |= {key: content[key] for key in _SHOWN_FIRST if key in content}
    item |= {key: value for key, value in content.items() if key not in item}
    if not settings.echo_scope:
        for key in _SCOPE:
            item.pop(key, None)
    if isinstance(item.get("hooks"), list):
        item["hooks"] = [
            _list_hook(settings, webhook_id, position, hook) for position, hook in enumerate(item["hooks"])
        ]
    if settings.secrets != "clear" and isinstance(item.get("authentication"), dict):
        item["authentication"] = _without_secret(settings, item["authentication"])
    item["_links"] = {"self": {"href": _item_link(settings, team, webhook_id)}}
    return item


def _list_hook(settings: Settings, webhook_id: str, position: int, hook: Any) -> Any:
    if not settings.type_suffix or not isinstance(hook, dict) or "origin" not in hook:
        return hook
    if callable(settings.type_suffix):
        suffix = settings.type_suffix(webhook_id, position)
    else:
        suffix = hashlib.blake2b(f"{webhook_id}/{position}".encode(), digest_size=16).hexdigest()
    return hook | {"type": f"{hook.get('type')}_{suffix}"}


def _without_secret(settings: Settings, authentication: Data) -> Data:
    credentials = authentication.get("credentials")
    if not isinstance(credentials, dict) or "client_secret" not in credentials:
        return authentication
    shown = {name: value for name, value in credentials.items() if name != "client_secret"}
    if settings.secrets != "missing":
        shown["client_secret"] = "****" if settings.secrets == "masked" else None
    return authentication | {"credentials": shown}


def _item_link(settings: Settings, team: str, webhook_id: str) -> str:
    match settings.item_links:
        case "collection":
            return f"{settings.backend_host}/v1/team/{team}/webhooks"
        case "correct":
            return f"{settings.public_host}/v1/webhooks/{webhook_id}"
        case _:
            return f"{settings.backend_host}/v1/webhooks/{webhook_id}"


def list_page(settings: Settings, team: str, page: int, total: int, items: Sequence[Data]) -> Data:
    """Return one page of a team's webhooks, with links and counters."""
    match settings.list_links:
        case "correct":
            href = f"{settings.public_host}/v1/team/{team}/webhooks"
        case "other_host":
            href = f"{settings.backend_host}/v1/team/{team}/webhooks"
        case _:
            href = f"{settings.public_host}/team/{team}/webhooks"
    return hal_page(settings, href, "webhooks", items, size=settings.page_size, page=page, total=total)


def hal_page(
    settings: Settings, href: str, name: str, items: Sequence[Data], *, size: int, page: int, total: int
) -> Data:
    """Return one page of a HAL collection: links, items, and four counters at the top level."""
    pages = math.ceil(total / size)
    links = {"self": f"{href}?page={page}", "first": href, "last": f"{href}?page={max(pages, 1)}"}
    if settings.next_link == "present" and page < pages:
        links["next"] = f"{href}?page={page + 1}"
    if settings.next_link == "present" and page > 1:
        links["prev"] = f"{href}?page={page - 1}"
    counters = {
        "page_count": settings.page_count(pages),
        "page_size": size,
        "total_items": settings.total_items(total),
        "page": page,
    }
    return {
        "_links": {relation: {"href": link} for relation, link in links.items()},
        "_embedded": {name: items},
    } | {key: value for key, value in counters.items() if value is not None}
