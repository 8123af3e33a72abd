"""Items of a list page as decoded by msgspec: known fields are type-checked, the models are built on first access."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, Final, Self

import attrs
import msgspec

from aiodoo.facts import Facts
from aiodoo.models.authentication import Authentication, ClientCredentials
from aiodoo.models.hook import GRAPHQL, Hook, Origin
from aiodoo.models.secret_fields import CLIENT_SECRET, field_of
from aiodoo.models.texts import INTERNAL_FIELDS
from aiodoo.secret import Secret

_FACTS = Facts()
_TYPE_SUFFIX = _FACTS.type_suffix
_SECRET_FIELD = field_of(CLIENT_SECRET)


class _Listed(msgspec.Struct, gc=False):
    """Base of the decoded structs; its repr shows no values."""

    def __repr__(self) -> str:
        return f"{type(self).__name__}(...)"


class ListedOrigin(_Listed):
    """A decoded `Origin`."""

    body: str
    endpoint: str = GRAPHQL
    method: str = "POST"


class ListedHook(_Listed):
    """A decoded `Hook`."""

    type: str
    endpoint: str
    method: str = "POST"
    origin: ListedOrigin | None = None


class ListedCredentials(_Listed):
    """Decoded `ClientCredentials`; the secret is None if the list does not show it."""

    client_secret: str | None = None
    client_id: str = "doo"


_NO_CREDENTIALS = ListedCredentials()


class ListedAuthentication(_Listed):
    """A decoded `Authentication`."""

    endpoint: str
    credentials: ListedCredentials | None = None
    grant_type: str = "client_credentials"
    header_format: str = "Authorization"
    header_value_format: str = "Bearer %ACCESS_TOKEN%"


class ListedItem(_Listed):
    """A decoded item of the list; ids may be numbers, hooks may be missing."""

    id: str | int
    name: str
    hooks: list[ListedHook] | None = None
    description: str | None = None
    authentication: ListedAuthentication | None = None
    event_id: str | int | None = None
    event_guide_id: str | int | None = None
    team_id: str | int | None = None


class _KnownOrigin(ListedOrigin, forbid_unknown_fields=True):
    pass


class _KnownHook(ListedHook, forbid_unknown_fields=True):
    origin: _KnownOrigin | None = None  # pyright: ignore[reportIncompatibleVariableOverride]  # only ever decoded


class _KnownCredentials(ListedCredentials, forbid_unknown_fields=True):
    pass


class _KnownAuthentication(ListedAuthentication, forbid_unknown_fields=True):
    credentials: _KnownCredentials | None = None  # pyright: ignore[reportIncompatibleVariableOverride]  # only ever decoded


class KnownItem(ListedItem, forbid_unknown_fields=True):
    """An item whose fields are all known, at any depth, except for `_links`."""

    hooks: list[_KnownHook] | None = None  # type: ignore[assignment]
    authentication: _KnownAuthentication | None = None  # pyright: ignore[reportIncompatibleVariableOverride]  # only ever decoded
    links: msgspec.Raw = msgspec.field(name="_links", default=msgspec.Raw())


_KNOWN = msgspec.json.Decoder(KnownItem)


def _optional(part: type[msgspec.Struct]) -> frozenset[str]:
    return frozenset(field.name for field in msgspec.structs.fields(part) if not field.required)


_HOOK, _ORIGIN = _optional(ListedHook), _optional(ListedOrigin)
_LOGIN, _CREDENTIALS = _optional(ListedAuthentication), _optional(ListedCredentials)


def without_nulls(item: Mapping[str, Any]) -> dict[str, Any]:
    """Return an item whose hooks and authentication lack the optional fields that are null, as null means not set."""
    whole = dict(item)
    if isinstance(hooks := whole.get("hooks"), list):
        whole["hooks"] = [_set_only(hook, _HOOK, {"origin": _ORIGIN}) for hook in hooks]
    if "authentication" in whole:
        whole["authentication"] = _set_only(whole["authentication"], _LOGIN, {"credentials": _CREDENTIALS})
    return whole


def read_item(item: Any) -> ListedItem:
    """Return a decoded item; an object in the place of the hooks counts as no hooks, and null as not set.

    Raises:
        msgspec.ValidationError: it is no item of a list.
    """
    if isinstance(item, Mapping):
        item = without_nulls(item)
        if isinstance(item.get("hooks"), Mapping):
            item["hooks"] = None
    return msgspec.convert(item, ListedItem)


def _set_only(part: Any, optional: frozenset[str], inner: Mapping[str, frozenset[str]] = {}) -> Any:
    if not isinstance(part, Mapping):
        return part
    kept = {name: value for name, value in part.items() if value is not None or name not in optional}
    for name in inner.keys() & kept.keys():
        kept[name] = _set_only(kept[name], inner[name])
    return kept


def has_unknown_fields(text: bytes) -> bool:
    """Tell whether an item has a field that aiodoo does not know, at any depth, except for `_links`."""
    try:
        _KNOWN.decode(text)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return True
    return False


def setters(cls: type, *names: str) -> tuple[Callable[[object, object], None], ...]:
    """Return functions that set these fields of a frozen class with slots, without its constructor."""
    return tuple([vars(cls)[name].__set__ for name in names])


# What msgspec has checked needs no constructor, which would take most of the time.
_new = object.__new__
_type, _endpoint, _method, _origin, _listed = setters(Hook, "type", "endpoint", "method", "origin", "_listed")
_body, _origin_endpoint, _origin_method = setters(Origin, "body", "endpoint", "method")
_login_endpoint, _credentials, _grant_type, _header, _value = setters(
    Authentication, "endpoint", "credentials", "grant_type", "header_format", "header_value_format"
)
_text, _source, _is_number = setters(Secret, "_value", "source", "is_number")
_client_secret, _client_id = setters(ClientCredentials, "client_secret", "client_id")


def hooks_of(item: ListedItem, type_suffix: re.Pattern[str]) -> tuple[Hook, ...]:
    """Return the hooks of an item; each knows its listed texts and the suffix of listed types."""
    made = []
    for hook in item.hooks or ():
        new = _new(Hook)
        _type(new, hook.type)
        _endpoint(new, hook.endpoint)
        _method(new, hook.method)
        origin, shown = None, hook.origin
        if shown is not None:
            origin = _new(Origin)
            _body(origin, shown.body)
            _origin_endpoint(origin, shown.endpoint)
            _origin_method(origin, shown.method)
        _origin(new, origin)
        if type_suffix is not _TYPE_SUFFIX:
            _listed(new, (hook.type, hook.endpoint, hook.method, type_suffix))
        made.append(new)
    return tuple(made)


def listed_source(team_id: str, webhook_id: str, field: str) -> dict[str, dict[str, str]]:
    """Return the reference that a journal or a plan holds in the place of a listed secret."""
    return {"listed": {"team": team_id, "webhook": webhook_id, "field": field}}


def authentication_of(item: ListedItem, team_id: str) -> Authentication | None:
    """Return the authentication of an item; the source of its secret is the listed field."""
    login = item.authentication
    if login is None:
        return None
    shown = login.credentials or _NO_CREDENTIALS
    secret = _new(Secret)
    _text(secret, shown.client_secret or "")
    _source(secret, {"listed": {"team": team_id, "webhook": str(item.id), "field": _SECRET_FIELD}})
    _is_number(secret, False)  # a slot
    credentials = _new(ClientCredentials)
    _client_secret(credentials, secret)
    _client_id(credentials, shown.client_id)
    new = _new(Authentication)
    _login_endpoint(new, login.endpoint)
    _credentials(new, credentials)
    _grant_type(new, login.grant_type)
    _header(new, login.header_format)
    _value(new, login.header_value_format)
    return new


_PARTS: Final = ("origin", "credentials")
"""The fields of hooks and of an authentication that are models themselves."""


def with_unknown_fields(made: Any, raw: Any) -> Any:
    """Return a model, or a tuple of models, with the unknown fields of its item added at any depth.

    Args:
        made: the model with its known fields only.
        raw: the same part of the guarded item.
    """
    if isinstance(made, tuple):
        if not isinstance(raw, list) or len(raw) != len(made):
            return made
        return tuple([with_unknown_fields(each, part) for each, part in zip(made, raw, strict=True)])
    if not isinstance(raw, Mapping):
        return made
    names = {field.name for field in attrs.fields(type(made))} - INTERNAL_FIELDS
    whole: dict[str, Any] = {"extra": {name: item for name, item in raw.items() if name not in names}}
    for name in names.intersection(_PARTS, raw):
        if (part := getattr(made, name)) is not None:
            whole[name] = with_unknown_fields(part, raw[name])
    return attrs.evolve(made, **whole)


class _RawEmbedded(msgspec.Struct):
    webhooks: list[msgspec.Raw]


class _RawPage(msgspec.Struct):
    embedded: _RawEmbedded = msgspec.field(name="_embedded")


@attrs.define(eq=False, repr=False)
class ListBody:
    """The body of a page, shared by its webhook configurations and split into items on first access."""

    _body: bytes = attrs.field(repr=False)
    facts: Facts = attrs.field(default=_FACTS, repr=False)
    """The `Facts` that the page was read with."""
    is_known: bool = attrs.field(default=False, kw_only=True)
    """Whether decoding has shown that no item has an unknown field."""
    _items: list[msgspec.Raw] | None = attrs.field(default=None, init=False, repr=False)

    @classmethod
    def of(cls, item: bytes, facts: Facts = _FACTS) -> Self:
        """Return the body of a page with this one item."""
        return cls(b'{"_embedded":{"webhooks":[%b]}}' % item, facts)

    def item(self, index: int) -> bytes:
        """Return the bytes of one item of `_embedded.webhooks`."""
        if self._items is None:
            self._items = msgspec.json.decode(self._body, type=_RawPage).embedded.webhooks
        return bytes(self._items[index])

    def is_same_text(self, other: ListBody) -> bool:
        """Return whether the two bodies are byte for byte the same."""
        return self._body == other._body

    def __deepcopy__(self, memo: dict[int, object]) -> Self:
        return self

    def __reduce__(self) -> tuple[type[Self], tuple[bytes, Facts]]:
        return type(self), (self._body, self.facts)
