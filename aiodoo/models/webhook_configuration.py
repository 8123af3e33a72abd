"""A webhook configuration as doo lists it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import partial
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
    MADE_LATER,
    ListBody,
    ListedItem,
    has_unknown_fields,
    listed_source,
    with_unknown_fields,
)
from aiodoo.models.nesting import is_deep
from aiodoo.models.secret_fields import guard
from aiodoo.models.texts import plain_data
from aiodoo.models.to_plain import Secrets

_FACTS = Facts()
_put = object.__setattr__


def _written(item: object) -> tuple[bytes, ListedItem | None, str]:
    """Return an item as JSON, and as it is read from there, or why it cannot be."""
    if not isinstance(item, Mapping):
        return b"", None, "it must be an object"
    try:
        written = msgspec.json.encode(plain_data(dict(item)))
        return written, msgspec.json.decode(written, type=ListedItem), ""
    except msgspec.ValidationError as error:
        return b"", None, str(error)
    except (msgspec.MsgspecError, TypeError, ValueError, OverflowError, RecursionError):
        return b"", None, "it holds something that JSON cannot say"


def _inside(source: Callable[[str], dict[str, Any]]) -> Callable[[str], dict[str, Any]]:
    return lambda field: source(f"authentication.{field}")


@attrs.frozen(kw_only=True)
class WebhookConfiguration:
    """One item of a team's list ("List webhook configurations").

    It is the typed view of the item; the item itself, with every field that aiodoo does not know, is kept
    beside it for `copy()` and `raw`. One that is kept keeps its whole page in memory: of few webhooks out of many
    pages keep `copy.copy(webhook)`, which holds its own item alone. To change one, use `copy(**changes)`:
    `attrs.evolve` makes a configuration that is known by its typed fields alone.

    Attributes:
        team_id: the team whose list it was in.
        id: doo's id for it.
        name: its name.
        description: None if the list shows none.
        hooks: its triggers; empty also if the list shows them in a form that nobody documents.
        authentication: how doo logs in at the endpoints; None if it does not.
        event_id: the event it is limited to, if the list shows it. Lists may not.
        event_guide_id: the guide it is limited to, if the list shows it. Lists may not.
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
        """Return the views of items of a list, each with its place; most fields are made when first asked for."""
        new, put = cls.__new__, _put
        webhooks = []
        for index, item in items:
            webhook = new(cls)
            put(webhook, "team_id", team_id)
            put(webhook, "id", item.id if type(item.id) is str else str(item.id))
            put(webhook, "name", item.name)
            put(webhook, "_source", (body, index, item))
            webhooks.append(webhook)
        return webhooks

    @classmethod
    def showing(cls, config: AddWebhook, *, team_id: str, webhook_id: str) -> Self:
        """Return what a list would show after `config` had been created."""
        return cls.from_dict({"id": webhook_id, **config.to_dict(secrets="reveal")}, team_id=team_id)

    @classmethod
    def from_dict(cls, item: Mapping[str, Any], *, team_id: str) -> Self:
        """Return a listed webhook configuration that `to_dict` wrote.

        Args:
            item: what `to_dict` returned.
            team_id: its team.

        Raises:
            ConfigError: it is none; says where it differs, and shows no value.
        """
        team_id = check_id(team_id, "team id")
        written, read, reason = _written(item)
        if read is None:
            raise ConfigError(f"a listed webhook configuration cannot be read: {reason}. Nothing was sent.")
        return cls.listed([(0, read)], team_id=team_id, body=ListBody.of(written))[0]

    if not TYPE_CHECKING:

        def __getattr__(self, name: str) -> Any:
            make = MADE_LATER.get(name)
            if make is None:
                raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")
            body, _, item = self._source
            made = make(item, self.team_id, body.facts)
            if made and name in {"hooks", "authentication"} and self.has_unknown_fields:
                made = self._whole(name, made)
            _put(self, name, made)
            return made

        def _whole(self, name: str, made: Any) -> Any:
            try:
                return with_unknown_fields(made, self.guarded().get(name))
            except SchemaMismatch:  # something in it cannot be read, which `copy` and `raw` say
                return made

    def __getstate__(self) -> dict[str, Any]:
        """Take along its own item alone, as others of its page may hold secrets; its own secret is not pickled."""
        state = {field.name: getattr(self, field.name) for field in attrs.fields(type(self))}
        if self._source is not None:
            body, index, item = self._source
            state["_source"] = (ListBody.of(body.item(index), body.facts), 0, item)
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        for name, value in state.items():
            _put(self, name, value)

    @property
    def facts(self) -> Facts:
        """What was known of doo when it was listed: the session's `Facts`, by which its copies are made."""
        return _FACTS if self._source is None else self._source[0].facts

    @property
    def is_listed(self) -> bool:
        """Whether the item that doo sent is kept; not if it was made by hand."""
        return self._source is not None

    def is_same_text(self, other: WebhookConfiguration) -> bool:
        """Whether doo sent the very same text for both."""
        if self._source is None or other._source is None:
            return False
        (ours, place, _), (theirs, their_place, _) = self._source, other._source
        if place == their_place and ours.is_same_text(theirs):
            return True
        return ours.item(place) == theirs.item(their_place)

    @property
    def raw(self) -> dict[str, Any]:
        """The item as doo sent it, parsed again each time. It shows its secrets in clear.

        Raises:
            SchemaMismatch: a field that aiodoo does not know holds a number that Python cannot, or is nested
                without reason.
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
        """Return what creates a copy of it: all it holds, with some changes, without what only doo decides.

        Costs no request. Fields that aiodoo does not know are kept, at any depth; `id`, `_links` and the suffix
        of hook types are not.

        Args:
            **changes: any of `name description event_id event_guide_id client_secret hosts endpoints hooks
                authentication`; see `AddWebhook.copy`.

        Raises:
            NotCopyable: the list shows no usable secret, or no hooks, and no new ones are given.
            ConfigError: a change has another name, or cannot be made.
        """
        return copying.copy_of(self, changes)

    def to_dict(self, *, secrets: Secrets = "refuse") -> dict[str, Any]:
        """Return the item as doo listed it, its `id` and `_links` too.

        Args:
            secrets: how its client secret and everything else that looks like a credential is shown; see
                `AddWebhook.to_dict`.

        Raises:
            ConfigError: there is a secret inside, and nothing was said about it.
        """
        if self._source is None:
            return self._typed(secrets=secrets)
        written: dict[str, Any] = to_plain.written_plain(self.guarded(), secrets)
        return written

    def guarded(self) -> dict[str, Any]:
        """Return `raw` with each secret in it as a `Secret` that remembers where it is listed."""
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
        """Whether the list shows fields that aiodoo does not know, at any depth."""
        if self._source is None or self._source[0].is_known:
            return False
        return has_unknown_fields(self._source[0].item(self._source[1]))

    def _typed(self, *, secrets: Secrets) -> dict[str, Any]:
        config = copying.typed_content(self)
        return {"id": self.id, **config.to_dict(secrets=secrets)}
