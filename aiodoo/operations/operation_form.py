"""Operations as plain JSON: what they share with a journal's, and the form in which they cross machines."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Annotated, Any, ClassVar, Literal, Self, TypeAlias

import msgspec
from msgspec import UNSET, Meta, UnsetType

from aiodoo.errors import ConfigError
from aiodoo.models import AddWebhook
from aiodoo.models.secret_fields import Path, field_of, find_secrets, put, without_secrets
from aiodoo.operations.secret_encoding import UnknownSecret, secret_in
from aiodoo.plain.document import Form, Misfit, document, fitted, read_document
from aiodoo.secret import ListedSecret, Secret

Shown: TypeAlias = Literal["refuse", "omit", "reveal"]
"""What becomes of a bare secret: an error, nothing, or its text in clear."""

_MAX_PATH = 64
_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]{0,307})(?:\.[0-9]{1,307})?(?:[eE][+-]?[0-9]{1,3})?")


class Listed(Form):
    """The webhook configuration whose secret doo lists, and the field that holds it."""

    team: str
    webhook: str
    field: str


class Place(Form):
    """Where a secret comes from: one of `env`, `file`, `listed` and `value`; with none of them it is not kept."""

    env: Annotated[str, Meta(description="The environment variable that holds it.")] | None = None
    file: Annotated[str, Meta(description="The path of the file that holds it.")] | None = None
    listed: Listed | Literal["same"] | None = None
    value: Annotated[str, Meta(description="The secret itself, in clear.")] | None = None
    number: Annotated[bool, Meta(description="Whether JSON has a number where it stands.")] = False


Step: TypeAlias = str | Annotated[int, Meta(ge=0)]
Secrets: TypeAlias = Annotated[
    list[tuple[Annotated[list[Step], Meta(min_length=1, max_length=_MAX_PATH)], Place]],
    Meta(description="Where each secret stands in the content, and where it comes from."),
]
Content: TypeAlias = Annotated[
    dict[str, Any],
    Meta(
        description="A webhook configuration as doo's JSON object, without its secrets.",
        extra_json_schema={"required": ["name", "hooks"]},
    ),
]


class ChangesForm(Form, forbid_unknown_fields=True):
    """What changes; what is not there stays."""

    name: str | UnsetType = UNSET
    description: str | UnsetType | None = UNSET
    event_id: str | int | UnsetType | None = UNSET
    event_guide_id: str | int | UnsetType | None = UNSET
    client_secret: str | UnsetType = UNSET
    hosts: dict[str, str] | UnsetType = UNSET
    endpoints: list[tuple[str, str]] | UnsetType = UNSET
    hooks: list[dict[str, Any]] | UnsetType = UNSET
    authentication: dict[str, Any] | UnsetType | None = UNSET


class CreateForm(Form, tag_field="is", tag="create"):
    """Create a webhook configuration."""

    team: str
    config: Content
    secrets: Secrets = msgspec.field(default_factory=list)


class EnsureForm(CreateForm, tag_field="is", tag="ensure"):
    """Create a webhook configuration unless an equal one is there."""


class ReplaceForm(CreateForm, tag_field="is", tag="replace", kw_only=True):
    """Put a whole new configuration in the place of one."""

    webhook: str


class UpdateForm(Form, tag_field="is", tag="update"):
    """Change some fields of a webhook configuration."""

    team: str
    webhook: str
    changes: ChangesForm
    secrets: Secrets = msgspec.field(default_factory=list)


class DeleteForm(Form, tag_field="is", tag="delete"):
    """Delete a webhook configuration."""

    team: str
    webhook: str


FORMS: TypeAlias = CreateForm | EnsureForm | ReplaceForm | UpdateForm | DeleteForm


class PlainOperation:
    """What every operation can do: be written as plain JSON, and be read again."""

    __slots__ = ()
    word: ClassVar[str]

    def to_dict(self, *, secrets: Shown = "refuse") -> dict[str, Any]:
        """Return it as plain JSON, such as another machine can read.

        Of a secret that came from `Secret.from_env`, from `Secret.from_file` or from a list, only where it comes from is
        written.

        Args:
            secrets: what becomes of one that was given as a bare value: `"refuse"` raises, `"omit"` leaves it out, so
                that what is read again cannot be carried out. `"reveal"` writes the text of every secret in clear,
                wherever it comes from.

        Raises:
            ConfigError: it holds a bare secret, and nothing was said about it; names the operation, the team, the webhook
                and the field.
        """
        return document(shown(self, secrets))

    @classmethod
    def from_dict(cls, mapping: Mapping[str, Any]) -> Self:
        """Read what `to_dict` has written; members that aiodoo does not know are ignored.

        A secret is read from where it comes from when it is first needed. So whoever has written the JSON chooses which
        variable or file of this machine is read and sent to doo: read only what you trust.

        Args:
            mapping: the object, as `json.load` returns it.

        Raises:
            ConfigError: something does not fit, or it is another operation; says where, and shows no value.
        """
        made: Self = read_document(
            mapping, f"the operation {cls.word}", lambda data: operation_in(data, {cls.word: cls})
        )
        return made


def shown(operation: PlainOperation, secrets: Shown) -> dict[str, Any]:
    """Return an operation as plain JSON, without the version; see `PlainOperation.to_dict`."""
    if secrets not in {"refuse", "omit", "reveal"}:
        raise ConfigError('secrets must be "refuse", "omit" or "reveal"; nothing was written')
    return encoded(operation, lambda path, secret: _shown_place(operation, path, secret, secrets))


def _shown_place(operation: Any, path: Path, secret: Secret, secrets: Shown) -> dict[str, Any]:
    number = {"number": True} if secret.is_number else {}
    if secrets == "reveal" and not isinstance(secret, ListedSecret):
        return {"value": secret.reveal()} | number
    if secret.source is not None:
        return dict(secret.source) | number
    if secrets == "omit":
        return number
    webhook = getattr(operation, "webhook_id", None)
    where = "" if webhook is None else f" of webhook {webhook}"
    raise ConfigError(
        f"{operation.word}{where} in team {operation.team_id}: the secret {field_of(path)} was given as a bare value and "
        "would leave this process in clear; nothing was written. Take it from Secret.from_env or Secret.from_file, so "
        'that only where it comes from is written, or say secrets="reveal"'
    )


def encoded(operation: PlainOperation, place: Callable[[Path, Secret], Mapping[str, Any]]) -> dict[str, Any]:
    """Return an operation as JSON whose key `secrets` lists the path and `place` of each secret instead of its value.

    The places are separate from the content because that may hold anything, as anybody can edit a webhook at doo.
    """
    plain = encode_with(operation, itself)
    body = body_of(plain)
    return plain if body is None else with_places(plain, body, find_secrets(plain[body]), place)


def with_places(
    plain: dict[str, Any],
    body: str,
    found: Mapping[Path, Secret],
    place: Callable[[Path, Secret], Mapping[str, Any]],
) -> dict[str, Any]:
    """Return an operation that `encode_with` has written with the `place` of each secret that was found in its body."""
    if not found:
        return plain | {"secrets": []}
    secrets = [
        [[*path], place(path, secret)]
        for path, secret in sorted(found.items(), key=lambda each: field_of(each[0]))
    ]
    return plain | {body: without_secrets(plain[body]), "secrets": secrets}


def encode_with(operation: Any, place: Callable[[Secret], Any]) -> dict[str, Any]:
    """Return an operation as JSON in which each secret is replaced with what `place` returns for it."""
    written: dict[str, Any] = {"is": operation.word, "team": operation.team_id}
    if hasattr(operation, "webhook_id"):
        written["webhook"] = operation.webhook_id
    if hasattr(operation, "config"):
        written["config"] = operation.config.to_dict(secrets=place)
    if hasattr(operation, "changes"):
        written["changes"] = _write_changes(dict(operation.changes), place)
    return written


def itself(secret: Secret) -> Secret:
    """Return a secret in its own place."""
    return secret


def body_of(plain: Mapping[str, Any]) -> str | None:
    """Return the key under which an encoded operation has its content; None for a delete."""
    return next((name for name in ("config", "changes") if name in plain), None)


def made_of(kind: Callable[..., Any], written: Mapping[str, Any], content: Any) -> Any:
    """Return the operation of this class that was written, with this content in the place of its own."""
    named = [written[name] for name in ("team", "webhook") if name in written]
    if "changes" in written:
        return kind(*named, **_read_changes(content))
    return kind(*named, AddWebhook.from_dict(content)) if "config" in written else kind(*named)


def operation_in(data: Any, kinds: Mapping[str, Callable[..., Any]]) -> Any:
    """Read an operation.

    Args:
        data: what was parsed.
        kinds: the classes that it may be of, by their words.

    Raises:
        Misfit: it is none of these, or does not fit.
    """
    form: Any = fitted(data, FORMS)
    word = form.__struct_config__.tag
    if word not in kinds:
        raise Misfit(f"is {word}; aiodoo.operations.from_dict reads any operation", "$.is")
    known = {name: data[name] for name in form.__struct_fields__ if name in data}
    body = body_of(known)
    content = None if body is None else known[body]
    places: list[tuple[list[Any], Place]] = getattr(form, "secrets", [])
    for number, (path, place) in enumerate(places):
        content = _put_in(content, path, place, f"$.secrets[{number}]")
    try:
        return made_of(kinds[word], known, content)
    except ConfigError as error:
        reason = str(error).removesuffix(" Nothing was sent.")
    raise Misfit(f"cannot be an operation: {reason}")


def _put_in(content: Any, path: list[Any], place: Place, where: str) -> Any:
    """Return the content with a secret in its place."""
    if place.number and place.value is not None and _NUMBER.fullmatch(place.value) is None:
        raise Misfit("must be a number as JSON has it", f"{where}[1].value")
    try:
        return put(content, tuple(path), _secret_in(place))
    except (IndexError, TypeError):
        pass
    raise Misfit("names a place that is not there", f"{where}[0]")


def _secret_in(place: Place) -> Secret:
    if place.value is not None:
        return Secret(place.value, is_number=place.number)
    if place.listed is None and place.env is None and place.file is None:
        return UnknownSecret(is_number=place.number)
    return secret_in(msgspec.to_builtins(place))


def _write_changes(changes: dict[str, Any], place: Callable[[Secret], Any]) -> dict[str, Any]:
    # Hooks and authentication are encoded as in a whole configuration.
    carrier = AddWebhook(
        name="-", hooks=tuple(changes.get("hooks", ())), authentication=changes.get("authentication")
    ).to_dict(secrets=place)
    for name in ("hooks", "authentication"):
        if name in changes:
            changes[name] = carrier.get(name)
    if "client_secret" in changes:
        changes["client_secret"] = place(Secret.of(changes["client_secret"]))
    if "hosts" in changes:
        changes["hosts"] = dict(changes["hosts"])
    if "endpoints" in changes:
        # A list of pairs, because the keys of an object would be searched as field names.
        changes["endpoints"] = [[*pair] for pair in changes["endpoints"].items()]
    return changes


def _read_changes(changes: Mapping[str, Any]) -> dict[str, Any]:
    read = dict(changes)
    carrier = AddWebhook.from_dict(
        {"name": "-", "hooks": read.get("hooks", []), "authentication": read.get("authentication")}
    )
    for name in ("hooks", "authentication"):
        if name in read:
            read[name] = getattr(carrier, name)
    if "endpoints" in read:
        read["endpoints"] = dict(read["endpoints"])
    return read
