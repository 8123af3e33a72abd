"""Validates the bodies of requests by the rules of doo's pages and of its Swagger of 2017."""

from __future__ import annotations

import math
import re
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

from aiodoo.sandbox.answers import Data
from aiodoo.sandbox.jsontext import loads
from aiodoo.sandbox.settings import Settings
from aiodoo.sandbox.wire import Request

RESOURCES = {
    "events": "organization_id",
    "contacts": "organization_id",
    "orders": "event_id",
    "attendees": "event_id",
    "invitees": "event_id",
}
_SUFFIXED = re.compile(r"_[0-9a-f]{32}$")
_PLACEHOLDER = re.compile(r"%[A-Z_]+%")
_HEADER = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_HOST_AND_PORT = re.compile(r"(?:\[[^\[\]]+\]|[^\[\]:]+)(?::[0-9]*)?")
_UNPRINTED = re.compile(r"[\x00-\x20\x7f]")
METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")
_TIME = "%Y-%m-%d %H:%M:%S"


class Refused(Exception):
    """A body is invalid; the message names the member and the rule, never a value."""


def read_object(request: Request) -> Data:
    """Decode a body that must be a JSON object, sent as `application/json`."""
    kind = (request.header("content-type") or "").partition(";")[0].strip().lower()
    if kind != "application/json":
        raise Refused("Content-Type must be application/json")
    try:
        content = loads(request.body)
    except ValueError:
        raise Refused("The body is not JSON") from None
    return _object(content, "The body")


def check_token_request(content: Data) -> None:
    """Check the body of a token request (page "Authorization")."""
    for name in ("client_id", "client_secret", "grant_type"):
        _text(content.get(name), name, 1, 1000)
    if content["grant_type"] != "client_credentials":
        raise Refused("grant_type must be client_credentials")


def check_webhook(content: Data, settings: Settings) -> None:
    """Check an AddWebhook object (page "Webhook configuration object"); unknown members are accepted."""
    _words(content.get("name"), "name", 255)
    if settings.description_required or "description" in content:
        _text(content.get("description"), "description", 0, 255)
    if content.get("description") == "" and not settings.description_empty:
        raise Refused("description must be a string of 1 to 255 characters")
    for name in ("event_id", "event_guide_id"):
        if content.get(name) is not None and not _is_printed_id(content[name]):
            raise Refused(f"{name} must be a string")
    if settings.both_scopes == "refused" and content.get("event_id") and content.get("event_guide_id"):
        raise Refused("event_id and event_guide_id exclude each other")
    hooks = content.get("hooks")
    if not isinstance(hooks, list) or not hooks:
        raise Refused("hooks must be a list with at least one hook")
    for position, hook in enumerate(hooks):
        _check_hook(_object(hook, f"hooks[{position}]"), f"hooks[{position}]", settings)
    if "authentication" in content:
        _check_authentication(_object(content["authentication"], "authentication"), settings)


def _check_hook(hook: Data, where: str, settings: Settings) -> None:
    type_ = _words(hook.get("type"), f"{where}.type", 255)
    if not type_.isprintable() or any(character.isspace() for character in type_) or type_.startswith("on_"):
        raise Refused(f"{where}.type is not a type of webhook")
    if "origin" not in hook and _SUFFIXED.search(type_):
        raise Refused(f"{where}.type is not a type of webhook")
    if settings.suffixed_types == "refused" and _SUFFIXED.search(type_):
        raise Refused(f"{where}.type is not a type of webhook")
    if settings.hook_types is not None and _SUFFIXED.sub("", type_) not in settings.hook_types:
        raise Refused(f"{where}.type is not a type of webhook")
    if settings.origin_required and "origin" not in hook:
        raise Refused(f"{where}.origin is needed")
    _url(hook.get("endpoint"), f"{where}.endpoint")
    if hook.get("method", "POST") not in METHODS:
        raise Refused(f"{where}.method must be one of {', '.join(METHODS)}")
    if "origin" not in hook:
        return
    origin = _object(hook["origin"], f"{where}.origin")
    _url(origin.get("endpoint"), f"{where}.origin.endpoint")
    if origin.get("method", "POST") != "POST":
        raise Refused(f"{where}.origin.method must be POST")
    body = _words(origin.get("body"), f"{where}.origin.body")
    try:
        # doo replaces placeholders by values, so the body need not be JSON before.
        _object(loads(_PLACEHOLDER.sub("0", body).encode()), f"{where}.origin.body")
    except ValueError:
        raise Refused(f"{where}.origin.body must be a JSON object, written as a string") from None


def _check_authentication(authentication: Data, settings: Settings) -> None:
    _url(authentication.get("endpoint"), "authentication.endpoint")
    credentials = _object(authentication.get("credentials"), "authentication.credentials")
    _words(credentials.get("client_secret"), "authentication.credentials.client_secret")
    if "client_id" in credentials:
        _words(credentials["client_id"], "authentication.credentials.client_id")
    if settings.client_ids == "doo" and credentials.get("client_id") != "doo":
        raise Refused("authentication.credentials.client_id must be doo")
    if authentication.get("grant_type", "client_credentials") != "client_credentials":
        raise Refused("authentication.grant_type must be client_credentials")
    name = authentication.get("header_format", "Authorization")
    if not isinstance(name, str) or len(name) > 100 or _HEADER.fullmatch(name) is None:
        raise Refused("authentication.header_format must be the name of a header, of 1 to 100 characters")
    form = _words(
        authentication.get("header_value_format", "%ACCESS_TOKEN%"), "authentication.header_value_format", 100
    )
    if "%ACCESS_TOKEN%" not in form or not form.isprintable():
        raise Refused("authentication.header_value_format must contain %ACCESS_TOKEN%, and no line break")


def check_initialization(resource: str, content: Data, settings: Settings) -> None:
    """Check the body of an initialization (page "Webhook initialization")."""
    scope = RESOURCES[resource]
    if scope not in content:
        raise Refused(f"{scope} is needed for {resource}")
    _check_init_ids(content, settings)
    for name in ("last_updated_after", "last_updated_before"):
        if name in content and not _is_time(content[name]):
            raise Refused(f"{name} must be written as Y-m-d H:i:s")
    _check_init_types(content, settings)
    if "webhook_configuration_id" in content:
        _text(content["webhook_configuration_id"], "webhook_configuration_id", 1, 36)
    rate = content.get("max_rate_per_min", 1)
    if not isinstance(rate, int) or isinstance(rate, bool) or rate < 1:
        raise Refused("max_rate_per_min must be a number of at least 1")
    if settings.rate_at_most is not None and rate > settings.rate_at_most:
        raise Refused(f"max_rate_per_min must be a number of at most {settings.rate_at_most}")


def _check_init_ids(content: Data, settings: Settings) -> None:
    for name in ("event_id", "organization_id"):
        if name in content and not _is_id(content[name]):
            raise Refused(f"{name} must be a number")
        wanted = {"any": int | str, "number": int, "string": str}[settings.init_ids]
        if name in content and not isinstance(content[name], wanted):
            raise Refused(f"{name} must be a {settings.init_ids}")


def _check_init_types(content: Data, settings: Settings) -> None:
    types = content.get("webhook_type", [])
    if not isinstance(types, list) or not all(isinstance(each, str) for each in types):
        raise Refused("webhook_type must be a list of strings")
    if settings.init_types != "any":
        prefixed = settings.init_types == "with_on"
        if any(each.startswith("on_") is not prefixed for each in types):
            raise Refused(f"webhook_type takes types {'with' if prefixed else 'without'} their on_")


def _is_id(value: Any) -> bool:
    if isinstance(value, str):
        return value.isascii() and value.isdecimal()
    return isinstance(value, int) and not isinstance(value, bool)


def _is_printed_id(value: Any) -> bool:
    if isinstance(value, str):
        return bool(value.strip()) and value.isprintable()
    return isinstance(value, int) and not isinstance(value, bool)


def _is_time(value: Any) -> bool:
    if not isinstance(value, str):
        return False
    try:
        return datetime.strptime(value, _TIME).strftime(_TIME) == value  # noqa: DTZ007  # doo's has no zone
    except ValueError:
        return False


def _object(value: Any, where: str) -> Data:
    if not isinstance(value, dict):
        raise Refused(f"{where} must be an object")
    return value


def _words(value: Any, where: str, longest: float = math.inf) -> str:
    """Return a text that is not blank."""
    if not isinstance(value, str) or not value.strip() or len(value) > longest:
        most = "" if longest == math.inf else f", of {longest} characters at most"
        raise Refused(f"{where} must be a string that is not empty{most}")
    return value


def _text(value: Any, where: str, shortest: int, longest: int) -> str:
    if not isinstance(value, str) or not shortest <= len(value) <= longest:
        raise Refused(f"{where} must be a string of {shortest} to {longest} characters")
    return value


def _url(value: Any, where: str) -> str:
    text = _text(value, where, 1, 1000)
    try:
        parts = urlsplit(text)
        valid = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
        valid = valid and _HOST_AND_PORT.fullmatch(parts.netloc.rpartition("@")[2]) is not None
        valid = valid and _UNPRINTED.search(text) is None
    except ValueError:
        valid = False
    if not valid:
        raise Refused(f"{where} must be a URL")
    return text
