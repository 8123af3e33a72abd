"""Listed webhook configurations."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from itertools import repeat
from operator import attrgetter
from typing import TYPE_CHECKING, Any, Self, Unpack

import attrs
import msgspec

from aiodoo.checks import check_id
from aiodoo.errors import ConfigError, SchemaMismatch
from aiodoo.facts import Facts
from aiodoo.models import copying, to_plain
from aiodoo.models.add_webhook import AddWebhook
from aiodoo.models.authentication import Authentication
from aiodoo.models.changes import Changes
from aiodoo.models.hook import Hook
from aiodoo.models.list_item import (
    ListBody,
    ListedItem,
    authentication_of,
    has_unknown_fields,
    hooks_of,
    listed_source,
    read_item,
    setters,
    with_unknown_fields,
)
from aiodoo.models.nesting import is_deep
from aiodoo.models.secret_fields import guard
from aiodoo.models.texts import plain_data
from aiodoo.models.to_plain import Secrets

_FACTS = Facts()
_set = object.__setattr__


def _written(item: object) -> tuple[bytes, ListedItem | None, str]:
    """Return an item as JSON and decoded again; None and the reason if that fails."""
    if not isinstance(item, Mapping):
        return b"", None, "it must be an object"
    try:
        written = msgspec.json.encode(plain_data(dict(item)))
        return written, read_item(msgspec.json.decode(written)), ""
    except msgspec.ValidationError as error:
        return b"", None, str(error)
    except (msgspec.MsgspecError, TypeError, ValueError, OverflowError, RecursionError):
        return b"", None, "it holds something that JSON cannot say"


def _inside(source: Callable[[str], dict[str, Any]]) -> Callable[[str], dict[str, Any]]:
    return lambda field: source(f"authentication.{field}")


@attrs.frozen(kw_only=True)
class WebhookConfiguration:
    """One item of a team's list ("List webhook configurations").

    The attributes are a typed view of the item. The item itself, with every field that aiodoo does not know, is kept
    for `copy()` and `raw`. A reference to one webhook keeps its whole page in memory; to keep a few webhooks out of
    many pages, store `copy.copy(webhook)`, which holds only its own item. Change a webhook with `copy(**changes)`;
    `attrs.evolve` loses the unknown fields.

    Attributes:
        team_id: the team whose list contains the webhook.
        id: doo's id of the webhook configuration.
        name: the name.
        description: None if the list shows none.
        hooks: the triggers; empty also if the list shows them in an undocumented form.
        authentication: the server from which doo fetches a token; None if there is none.
        event_id: the event that it is limited to. Lists may not show it.
        event_guide_id: the event guide that it is limited to. Lists may not show it.
    """

    team_id: str
    id: str
    name: str
    description: str | None = None
    hooks: tuple[Hook, ...] = ()
    authentication: Authentication | None = None
    event_id: str | None = None
    event_guide_id: str | None = None
    _source: tuple[ListBody, int, ListedItem] | None = attrs.field(
        default=None, init=False, eq=False, repr=False
    )

    @classmethod
    def listed(cls, items: Iterable[tuple[int, ListedItem]], *, team_id: str, body: ListBody) -> list[Self]:
        """Return the views of items of a list, each given with its index; most fields are computed on first access."""
        sources = [(body, index, item) for index, item in items]
        listed = [source[2] for source in sources]
        # By functions that loop themselves: a page has many items, and each is made four fields.
        webhooks = list(map(object.__new__, repeat(cls, len(sources))))
        for put, values in zip(
            _AT_ONCE,
            (repeat(team_id), map(str, map(_id, listed)), map(_name, listed), sources),
            strict=True,
        ):
            deque(map(put, webhooks, values), maxlen=0)
        return webhooks

    @classmethod
    def showing(cls, config: AddWebhook, *, team_id: str, webhook_id: str) -> Self:
        """Return the webhook configuration that a list would show after `config` was created."""
        return cls.from_dict({"id": webhook_id, **config.to_dict(secrets="reveal")}, team_id=team_id)

    @classmethod
    def from_dict(cls, item: Mapping[str, Any], *, team_id: str) -> Self:
        """Return a listed webhook configuration from the result of `to_dict`.

        Args:
            item: the result of `to_dict`.
            team_id: the team whose list contains it.

        Raises:
            ConfigError: `item` is no listed webhook configuration. The message names the path and shows no value.
        """
        team_id = check_id(team_id, "team id")
        written, read, reason = _written(item)
        if read is None:
            raise ConfigError(f"a listed webhook configuration cannot be read: {reason}. Nothing was sent.")
        return cls.listed([(0, read)], team_id=team_id, body=ListBody.of(written))[0]

    if not TYPE_CHECKING:

        def __getattr__(self, name: str) -> Any:
            if name not in _LATER:
                raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")
            body, _, item = self._source
            put_description, put_hooks, put_authentication, put_event, put_guide = _LATER.values()
            hooks = hooks_of(item, body.facts.type_suffix)
            login = None if item.authentication is None else authentication_of(item, self.team_id)
            if not body.is_known and self.has_unknown_fields:
                hooks, login = self._whole("hooks", hooks), self._whole("authentication", login)
            put_description(self, item.description)
            put_hooks(self, hooks)
            put_authentication(self, login)
            event, guide = item.event_id, item.event_guide_id
            put_event(self, event if event is None else str(event))
            put_guide(self, guide if guide is None else str(guide))
            return getattr(self, name)

        def _whole(self, name: str, made: Any) -> Any:
            try:
                return with_unknown_fields(made, self.guarded().get(name)) if made else made
            except SchemaMismatch:  # `copy` and `raw` raise it
                return made

    def __getstate__(self) -> dict[str, Any]:
        """Return the state with this item only, as other items of the page may hold secrets."""
        state = {field.name: getattr(self, field.name) for field in attrs.fields(type(self))}
        if self._source is not None:
            body, index, item = self._source
            state["_source"] = (ListBody.of(body.item(index), body.facts), 0, item)
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        for name, value in state.items():
            _set(self, name, value)

    @property
    def facts(self) -> Facts:
        """The `Facts` of the session that listed it; its copies use them, too."""
        return _FACTS if self._source is None else self._source[0].facts

    @property
    def is_listed(self) -> bool:
        """Whether it was read from a list, so that `raw` is doo's own item."""
        return self._source is not None

    def is_same_text(self, other: WebhookConfiguration) -> bool:
        """Return whether doo sent byte for byte the same item for both."""
        if self._source is None or other._source is None:
            return False
        (ours, place, _), (theirs, their_place, _) = self._source, other._source
        if place == their_place and ours.is_same_text(theirs):
            return True
        return ours.item(place) == theirs.item(their_place)

    @property
    def raw(self) -> dict[str, Any]:
        """The item as doo sent it, parsed on each access, with its secrets in clear.

        Raises:
            SchemaMismatch: an unknown field holds a number that Python cannot represent, or is nested too deeply.
        """
        if self._source is None:
            return self._typed(secrets="reveal")
        body, index, _ = self._source
        text = body.item(index)
        try:
            item: dict[str, Any] = msgspec.json.decode(text)
        except (ValueError, RecursionError):
            item = {}
        if not item or is_deep(item, text):
            raise SchemaMismatch(
                f"webhook configuration {self.id} holds a number or a nesting that cannot be read"
            )
        return item

    def copy(self, **changes: Unpack[Changes]) -> AddWebhook:
        """Return the content of a copy, with changes; costs no request.

        Fields that aiodoo does not know are kept, at any depth; `id`, `_links` and the suffix of hook types are not.

        Args:
            **changes: any of `name description event_id event_guide_id client_secret hosts endpoints hooks
                authentication`; see `AddWebhook.copy`.

        Raises:
            NotCopyable: the list shows no usable secret, or no hooks, and the changes have none either.
            ConfigError: a change has an unknown name, or an invalid value.
        """
        return copying.copy_of(self, changes)

    def to_dict(self, *, secrets: Secrets = "refuse") -> dict[str, Any]:
        """Return the item as doo listed it, including `id` and `_links`.

        Args:
            secrets: what to write for the client secret and for every other credential; see `AddWebhook.to_dict`.

        Raises:
            ConfigError: there is a secret, and `secrets` is `"refuse"`.
        """
        if self._source is None:
            return self._typed(secrets=secrets)
        written: dict[str, Any] = to_plain.written_plain(self.guarded(), secrets)
        return written

    def guarded(self) -> dict[str, Any]:
        """Return `raw` with a `Secret` for each secret, whose source is the listed field."""
        if self._source is None:
            return self._typed(secrets=lambda secret: secret)
        source = partial(listed_source, self.team_id, self.id)
        item = self.raw
        if self.has_unknown_fields:
            return guard(item, source=source)
        login = item.get("authentication")
        return item if login is None else item | {"authentication": guard(login, source=_inside(source))}

    @property
    def has_unknown_fields(self) -> bool:
        """Whether the item has fields that aiodoo does not know, at any depth."""
        if self._source is None or self._source[0].is_known:
            return False
        return has_unknown_fields(self._source[0].item(self._source[1]))

    def _typed(self, *, secrets: Secrets) -> dict[str, Any]:
        config = copying.typed_content(self)
        return {"id": self.id, **config.to_dict(secrets=secrets)}


_id, _name = attrgetter("id"), attrgetter("name")
_AT_ONCE = setters(WebhookConfiguration, "team_id", "id", "name", "_source")
_LAZY = ("description", "hooks", "authentication", "event_id", "event_guide_id")
_LATER = dict(zip(_LAZY, setters(WebhookConfiguration, *_LAZY), strict=True))
"""The fields of a listed webhook configuration that are made when the first of them is asked for, with their setters."""
