"""Derives undocumented facts about an account from doo's answers."""

from __future__ import annotations

import json
import re
import uuid
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from http import HTTPStatus
from typing import Any
from urllib.parse import urlsplit

from aiodoo.cli.commands.doctor.finding import Finding
from aiodoo.facts import Facts
from aiodoo.models import is_masked

_RATE = re.compile(r"(?i)retry-after|ratelimit|rate-limit|quota|x-amzn-")


def of_token(body: bytes, status: int) -> Iterator[Finding]:
    """Yield what the answer to a token request contains beside the token."""
    document = _document(body)
    data = document.get("data")
    extra = sorted(set(data) - {"access_token", "refresh_token"}) if isinstance(data, dict) else []
    found = f"status {status}, with {', '.join(extra)}" if extra else f"status {status}, without a lifetime"
    yield Finding("fact", "token answer", found, "a token is used until doo refuses it; nothing to set")


def of_organizations(body: bytes, *, named: int, teams: int) -> Iterator[Finding]:
    """Yield the shape of the answer to an organizations request."""
    document = _document(body)
    shape = ", ".join(sorted(document)) or "a list"
    if named > 1 or teams > 1:
        advice = f"`list_all` finds {teams} teams in {named} organizations; nothing to set"
    else:
        advice = "only the active team is named; if there are others, set teams = [...] in the profile"
    yield Finding("fact", "organizations", f"holds {shape}", advice)
    if document:
        ids = Counter(type(value).__name__ for value in _ids(document))
        kinds = ", ".join({"int": "numbers", "str": "texts"}.get(kind, kind) for kind in ids) or "none"
        yield Finding("fact", "team ids", f"are {kinds}", "both are read as texts; nothing to set")


def of_list(pages: Sequence[bytes], base_url: str, known: Facts) -> Iterator[Finding]:
    """Yield facts about a team's list."""
    documents = [_document(page) for page in pages]
    items = [item for document in documents for item in _items(document)]
    first = documents[0]
    size, count = first.get("page_size"), first.get("page_count")
    yield Finding(
        "fact",
        "page size",
        f"{size} in the answer, {len(_items(first))} on the first of {count} pages",
        "nothing to set; pages are counted, never assumed",
    )
    yield from _links(documents, items, base_url)
    if not items:
        yield Finding(
            "look", "list", "the active team has no webhooks", "more facts can be found once it has some"
        )
        return
    yield from _about_ids([item.get("id") for item in items])
    yield from _about_secrets(items)
    yield from _about_scope(items)
    yield from _about_types(items, known.type_suffix)


def of_limits(answers: Sequence[tuple[int, Mapping[str, str]]]) -> Iterator[Finding]:
    """Yield the headers about limits, and whether refusals have Retry-After."""
    names = sorted({name.lower() for _, headers in answers for name in headers if _RATE.search(name)})
    limits = [name for name in names if not name.startswith("x-amzn-")]
    found = ", ".join(names) or "none"
    advice = (
        "compare them with the profile's limits"
        if limits
        else "doo sends no limits; set those of your contract under limits in the profile"
    )
    yield Finding("fact", "rate headers", found, advice)
    refusals = [
        {name.lower() for name in headers}
        for status, headers in answers
        if status == HTTPStatus.TOO_MANY_REQUESTS
    ]
    if refusals:
        saying = sum("retry-after" in names for names in refusals)
        yield Finding(
            "look",
            "Retry-After",
            f"in {saying} of {len(refusals)} refusals (429)",
            "doo allows less than the profile's limits, or others use the key too; set limits in the profile",
        )
    else:
        yield Finding(
            "fact",
            "Retry-After",
            "not known, as no request was refused",
            "aiodoo waits as long as doo says; nothing to set",
        )


def _about_ids(ids: Sequence[Any]) -> Iterator[Finding]:
    kinds = Counter(_kind_of_id(each) for each in ids)
    yield Finding("fact", "webhook ids", "are " + ", ".join(kinds), "they are read as texts; nothing to set")
    times = [_creation_time(each) for each in ids]
    known = [time for time in times if time is not None]
    if len(known) != len(times) or len(known) < 2:
        order = "not known from these ids"
    elif known == sorted(known, reverse=True):
        order = "newest first"
    else:
        order = "oldest first" if known == sorted(known) else "neither newest nor oldest first"
    yield Finding("fact", "list order", order, "runs read long lists twice in any case; nothing to set")


def _about_secrets(items: Sequence[Mapping[str, Any]]) -> Iterator[Finding]:
    logins = [item["authentication"] for item in items if isinstance(item.get("authentication"), dict)]
    secrets = [(login.get("credentials") or {}).get("client_secret") for login in logins]
    if not secrets:
        yield Finding("fact", "listed secrets", "no webhook has one", "not known")
    elif any(is_masked(secret) for secret in secrets):
        advice = "webhooks with a masked secret can only be changed together with a new client_secret"
        yield Finding("fact", "listed secrets", "are masked or missing", advice)
    else:
        advice = "copies keep them; so treat every list, log and export of doo's as secret"
        yield Finding("fact", "listed secrets", "are shown in clear", advice)


def _about_scope(items: Sequence[Mapping[str, Any]]) -> Iterator[Finding]:
    if any("event_id" in item or "event_guide_id" in item for item in items):
        advice = "set facts = { list_echoes_scope = true } in the profile; copies then keep what limits them"
        yield Finding("fact", "listed event_id", "is shown", advice)
    else:
        advice = (
            "not known, unless one of these is limited to an event: then lists do not show it, and --event-id must be "
            "given with every change of such a webhook"
        )
        yield Finding("fact", "listed event_id", "no webhook shows one", advice)


def _about_types(items: Sequence[Mapping[str, Any]], suffix: re.Pattern[str]) -> Iterator[Finding]:
    hooks = [hook for item in items for hook in item.get("hooks") or () if isinstance(hook, dict)]
    with_origin = [hook for hook in hooks if hook.get("origin")]
    if with_origin:
        known = sum(suffix.search(str(hook.get("type"))) is not None for hook in with_origin)
        found = f"{known} of {len(with_origin)} hooks with a query have the known suffix"
        advice = (
            "nothing to set"
            if known == len(with_origin)
            else "if types look odd in copies, set facts.type_suffix"
        )
        yield Finding("fact", "hook types", found, advice)
    plain = len(hooks) - len(with_origin)
    yield Finding("fact", "plain hooks", f"{plain} of {len(hooks)}", "both kinds are kept; nothing to set")


def _links(
    documents: Sequence[Mapping[str, Any]], items: Sequence[Mapping[str, Any]], base_url: str
) -> Iterator[Finding]:
    hrefs = [
        link["href"]
        for holder in (*documents, *items)
        for link in (holder.get("_links") or {}).values()
        if isinstance(link, dict) and isinstance(link.get("href"), str)
    ]
    hosts = {urlsplit(href).hostname for href in hrefs} - {None}
    other = hosts - {urlsplit(base_url).hostname}
    found = f"lead to {', '.join(sorted(str(host) for host in hosts)) or 'nowhere'}"
    if other:
        advice = "no link is followed, and no other host ever gets your keys; nothing to set"
    else:
        advice = "no link is followed; nothing to set"
    yield Finding("fact", "links", found, advice)


def _document(body: bytes) -> dict[str, Any]:
    try:
        found = json.loads(body)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _items(document: Mapping[str, Any]) -> list[dict[str, Any]]:
    embedded = document.get("_embedded")
    items = embedded.get("webhooks") if isinstance(embedded, dict) else None
    return [item for item in items if isinstance(item, dict)] if isinstance(items, list) else []


def _ids(value: Any) -> Iterator[Any]:
    if isinstance(value, dict):
        for name, item in value.items():
            if name == "id" or name.endswith("_id"):
                yield item
            else:
                yield from _ids(item)
    elif isinstance(value, list):
        for item in value:
            yield from _ids(item)


def _kind_of_id(value: Any) -> str:
    if isinstance(value, int):
        return "numbers"
    try:
        return f"UUIDs of version {uuid.UUID(str(value)).version}"
    except ValueError:
        return "counters" if str(value).isdigit() else "other texts"


def _creation_time(value: Any) -> int | None:
    """Return a number that grows with the creation time of an id, or None."""
    if str(value).isdigit():
        return int(value)
    try:
        known = uuid.UUID(str(value))
    except ValueError:
        return None
    return known.time if known.version == 1 else None
