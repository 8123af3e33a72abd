"""Reads webhook configurations from options and files, and formats them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs
from cyclopts import Parameter

from aiodoo.cli.editing import HIDDEN, read_file
from aiodoo.cli.options import Several
from aiodoo.cli.terminal.exit_codes import WrongUsage
from aiodoo.cli.terminal.prompt import ask, is_interactive
from aiodoo.cli.terminal.table import Record
from aiodoo.errors import ConfigError, NotFound

if TYPE_CHECKING:
    from aiodoo import AddWebhook, Secret, WebhookConfiguration
    from aiodoo.cli.context import Context
    from aiodoo.desired import FieldChange


def as_record(profile: str, webhook: WebhookConfiguration, *, reveal: bool = False) -> dict[str, Any]:
    """Return a listed webhook configuration as a record, without its links, and unless `reveal` without secrets.

    The keys of the record have the values of the schema, even if doo lists something else by the same name.
    """
    item = webhook.to_dict(secrets="reveal" if reveal else lambda _: HIDDEN)
    for name in ("id", "_links"):
        item.pop(name, None)
    own = {"profile": profile, "team_id": webhook.team_id, "webhook_id": webhook.id}
    return {**own, **item, **own}


def as_cells(webhook: WebhookConfiguration) -> dict[str, object]:
    """Return the cells of a table for a webhook configuration."""
    from aiodoo.models.endpoints import shown  # noqa: PLC0415  # loads what --help can do without

    login = webhook.authentication
    return {
        "team": webhook.team_id,
        "id": webhook.id,
        "name": webhook.name,
        "description": webhook.description,
        "event_id": webhook.event_id,
        "event_guide_id": webhook.event_guide_id,
        "hooks": "\n".join(
            f"{hook.base_type} -> {shown(hook.endpoint)}{' (GraphQL)' if hook.origin else ''}"
            for hook in webhook.hooks
        ),
        "token_url": login and shown(login.endpoint),
        "client_id": login and login.credentials.client_id,
    }


def types_of(webhook: WebhookConfiguration) -> str:
    """Return the hook types of a webhook configuration, for one cell."""
    types = list(dict.fromkeys(hook.base_type for hook in webhook.hooks))
    return "".join(types[:1]) + (f" +{len(types) - 1}" if len(types) > 1 else "")


def endpoints_of(webhook: WebhookConfiguration) -> str:
    """Return the endpoints of a webhook configuration, for one cell."""
    from aiodoo.models.endpoints import shown  # noqa: PLC0415  # loads what --help can do without

    return "\n".join(dict.fromkeys(shown(hook.endpoint) for hook in webhook.hooks))


def in_a_few_lines(record: Record) -> str:
    """Return name, endpoint and types for one cell."""
    return f"{record['name']}\n{record['endpoint']}\n{record['types']}"


def chosen(
    listed: Iterable[WebhookConfiguration], team: str, webhook_ids: Sequence[str]
) -> list[WebhookConfiguration]:
    """Return those of a team's list with the given ids.

    Raises:
        NotFound: the team has no webhook configuration with one of these ids.
    """
    found = {webhook.id: webhook for webhook in listed}
    if missing := [webhook_id for webhook_id in webhook_ids if webhook_id not in found]:
        raise NotFound(
            f"team {team} has no webhook configuration {', '.join(missing)}; nothing was changed. See "
            f"`aiodoo webhooks list --team {team}`"
        )
    return [found[webhook_id] for webhook_id in dict.fromkeys(webhook_ids)]


@Parameter(name="*")
@attrs.frozen(kw_only=True)
class Options:
    """The options of `create` and `update`.

    Attributes:
        name: The name.
        hook: TYPE=URL, such as event_created=https://crm.example/doo, in place of all hooks; may be repeated.
        description: The description; that of a new one is the name unless given.
        event_id: The id of the event to limit it to.
        event_guide_id: The id of the event guide to limit it to.
        token_url: The URL where doo fetches a token before it calls a hook.
        client_secret: What it logs in with: env:NAME, file:PATH, or "ask".
    """

    name: str | None = None
    hook: Several = None
    description: str | None = None
    event_id: str | None = None
    event_guide_id: str | None = None
    token_url: str | None = None
    client_secret: str | None = None

    @property
    def given(self) -> bool:
        """Whether any option was given."""
        return any(value is not None for value in attrs.asdict(self).values())

    async def new(self, file: Path | None, *, replacing: bool = False) -> AddWebhook:
        """Return the configuration in a file, with these options; if it replaces one, `***` keeps a secret.

        Raises:
            WrongUsage: options are missing or invalid.
            ConfigError: the file cannot be read or is invalid.
        """
        from aiodoo import AddWebhook  # noqa: PLC0415  # loads what --help can do without

        written = None if file is None else read_file(file)
        plain = {} if written is None else {**written.content}
        for name in ("name", "description", "event_id", "event_guide_id"):
            if (value := getattr(self, name)) is not None:
                plain[name] = value
        if self.hook is not None:
            plain["hooks"] = [
                dict(zip(("type", "endpoint"), _pair(hook, "TYPE=URL"), strict=True)) for hook in self.hook
            ]
        if self.token_url is not None:
            if self.client_secret is None:
                raise WrongUsage("--token-url needs --client-secret: env:NAME, file:PATH or ask.")
            plain["authentication"] = {"endpoint": self.token_url, "credentials": {"client_secret": ""}}
        if self.client_secret is not None:
            try:
                plain["authentication"]["credentials"]["client_secret"] = await secret_of(self.client_secret)
            except (KeyError, TypeError):
                raise WrongUsage(
                    "--client-secret needs --token-url, or a file with an authentication."
                ) from None
        if written is not None:
            return written.config(plain, replacing=replacing)
        if "name" not in plain:
            raise WrongUsage("use --name and --hook, or --file.")
        return AddWebhook.from_dict({"hooks": [], "description": plain["name"]} | plain)


@Parameter(name="*")
@attrs.frozen(kw_only=True)
class UpdateOptions(Options):
    """The options of `update`.

    Attributes:
        host: OLD=NEW replaces the host OLD in all endpoints; may be given several times.
    """

    host: Several = None

    async def changes(self, before: WebhookConfiguration) -> dict[str, Any]:
        """Return the changes to an existing configuration, as arguments of `WebhookConfiguration.copy`."""
        from aiodoo import Authentication, ClientCredentials, Hook  # noqa: PLC0415

        changes: dict[str, Any] = {
            name: getattr(self, name)
            for name in ("name", "description", "event_id", "event_guide_id")
            if getattr(self, name) is not None
        }
        if self.host is not None:
            changes["hosts"] = dict(_pair(pair, "OLD=NEW") for pair in self.host)
        if self.hook is not None:
            pairs = [_pair(hook, "TYPE=URL") for hook in self.hook]
            changes["hooks"] = [Hook(type=type_, endpoint=endpoint) for type_, endpoint in pairs]
        secret = None if self.client_secret is None else await secret_of(self.client_secret)
        if self.token_url is not None:
            login = before.authentication
            credentials = (
                login.credentials if login is not None else ClientCredentials(client_secret=secret or "")
            )
            if secret is not None:
                credentials = attrs.evolve(credentials, client_secret=secret)
            changes["authentication"] = (
                Authentication(endpoint=self.token_url, credentials=credentials)
                if login is None
                else attrs.evolve(login, endpoint=self.token_url, credentials=credentials)
            )
        elif secret is not None:
            changes["client_secret"] = secret
        return changes


@contextmanager
def typed() -> Iterator[None]:
    """Turn an error of what was typed into wrong usage."""
    try:
        yield
    except ConfigError as error:
        raise WrongUsage(str(error)) from None


def _pair(text: str, form: str) -> tuple[str, str]:
    before, sign, after = text.partition("=")
    if not (before and sign and after):
        raise WrongUsage(f"{text!r} must have the form {form}.")
    return before, after


def pair_of_secret(text: str) -> tuple[str, str]:
    """Return the two parts of ID=env:NAME; errors do not contain the second."""
    webhook_id, sign, reference = text.partition("=")
    if not (webhook_id and sign and reference):
        raise WrongUsage("a secret is given as ID=env:NAME or ID=file:PATH.")
    return webhook_id, reference


async def secret_of(reference: str) -> Secret:
    """Return the secret that `env:NAME`, `file:PATH` or `ask` refers to.

    Raises:
        WrongUsage: the reference is none of these, and not shown, as it may be a secret; or what it names cannot be read.
    """
    from aiodoo import Secret  # noqa: PLC0415

    kind, _, what = reference.partition(":")
    if kind in {"env", "file"} and what:
        with typed():
            return Secret.from_env(what) if kind == "env" else Secret.from_file(what)
    if reference == "ask":
        answer = await ask("Client secret: ", hidden=True)
        if not answer:
            raise WrongUsage("no client secret was typed.")
        if is_interactive() and answer != await ask("Client secret again: ", hidden=True):
            raise WrongUsage("the two client secrets differ; nothing was changed.")
        return Secret(answer)
    raise WrongUsage(
        "a client secret is given as env:NAME, file:PATH or ask; on a command line others could read it."
    )


def change_in_words(change: FieldChange) -> str:
    """Return one line for a changed field."""
    old, new = ("nothing" if value is None else value for value in (change.old, change.new))
    return f"{change.path}: {old} -> {new}"


def warn_of_widening(settings: Context, *, allowed: bool, limiting: bool = False) -> None:
    """Warn that copies may widen, before the user is asked to agree.

    Args:
        settings: the options of every command.
        allowed: whether --allow-widening was given.
        limiting: whether the command has --event-id and --event-guide-id.

    Raises:
        WrongUsage: --yes was given without --allow-widening.
    """
    if allowed:
        return
    way = "give --event-id or --event-guide-id" if limiting else "change them one by one with " + ONE_BY_ONE
    settings.say_once("widening", WIDENS.format(way=way), level="warning")
    if settings.yes and not settings.dry_run:
        raise WrongUsage("--yes does not agree to that; add --allow-widening. Nothing was changed.")


WIDENS = (
    "doo's list may not show whether a webhook configuration is limited to an event; a copy may then reach every "
    "event. If yours were limited, {way}; if doo's list does show it, set list_echoes_scope = true under the profile's "
    "facts."
)
ONE_BY_ONE = "aiodoo webhooks update, which takes --event-id and --event-guide-id"
