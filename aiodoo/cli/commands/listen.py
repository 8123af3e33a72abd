"""`aiodoo listen`: receive what doo or a sandbox sends, and print it."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import attrs
from cyclopts import Parameter
from cyclopts.validators import Number

from aiodoo.cli.context import Context, Given
from aiodoo.cli.options import Type
from aiodoo.cli.records.printed import picked
from aiodoo.cli.terminal.exit_codes import FAILED, WrongUsage
from aiodoo.cli.terminal.streams import safe
from aiodoo.errors import ConfigError

if TYPE_CHECKING:
    import asyncio

    from aiodoo.receiver import Delivery, Receiver
    from aiodoo.receiver.serving import Forward


def listen(
    *types: Type,
    port: Annotated[int, Parameter(validator=Number(gte=0, lte=65_535))] = 0,
    public_url: str | None = None,
    client_secret_env: str | None = None,
    forward_to: str | None = None,
    write_webhook: Path | None = None,
    settings: Given,
) -> int:
    """Receive deliveries on this machine until Ctrl-C, and print each.

    It answers doo's token requests and deliveries as an application with `aiodoo.receiver` does. doo itself reaches this
    machine through a tunnel only; a sandbox on this machine needs none, see `aiodoo trigger`. Sends no request to doo.

    Parameters
    ----------
    types
        The hook types to receive; all that doo's pages name by default. Each has an endpoint of its own.
    port
        The port on 127.0.0.1; 0 selects a free one.
    public_url
        The URL of a tunnel that leads to this port, for the endpoints that are printed.
    client_secret_env
        The environment variable with the client secret that token requests must have; a random one by default.
    forward_to
        Send each delivery on to this URL, and answer with 200 if it does.
    write_webhook
        Write the webhook configuration that subscribes these endpoints to a new file, for `aiodoo webhooks create --file`.
    """
    wanted = Wanted(types, client_secret_env, port, public_url, forward_to, write_webhook)
    return settings.run(_listen(settings, wanted))


@attrs.frozen
class Wanted:
    """The arguments of the command."""

    types: Sequence[str]
    secret_variable: str | None
    port: int
    public_url: str | None
    forward_to: str | None
    webhook_file: Path | None


async def _listen(settings: Context, wanted: Wanted) -> int:
    import asyncio  # noqa: PLC0415  # --help does without

    from aiodoo.models import HOOK_TYPES  # noqa: PLC0415
    from aiodoo.receiver import Receiver  # noqa: PLC0415
    from aiodoo.receiver.serving import Forward, serve  # noqa: PLC0415

    secret = _secret(wanted.secret_variable)
    if wanted.webhook_file is not None and wanted.webhook_file.exists():
        raise WrongUsage(f"{wanted.webhook_file} exists already. Nothing was written; name a new file.")
    receiver = Receiver(client_secrets=secret)
    ended: asyncio.Future[int] = asyncio.get_running_loop().create_future()
    async with AsyncExitStack() as stack:
        forward = None
        if wanted.forward_to is not None:
            forward = await stack.enter_async_context(Forward(wanted.forward_to))
        for each in wanted.types or HOOK_TYPES:
            receiver.on(each)(_printer(settings, forward, ended))
        settings.check_types(receiver.hooks(wanted.public_url or "http://127.0.0.1"))
        try:
            url = await stack.enter_async_context(serve(receiver, port=wanted.port))
        except OSError as error:
            reason = os.strerror(error.errno or 0)
            settings.talk.say(
                f"cannot listen on 127.0.0.1, port {wanted.port}: {reason}. Without --port a free one is used.",
                level="error",
            )
            return FAILED
        _announce(settings, receiver, wanted.public_url or url, secret, wanted.webhook_file)
        return await ended


def _secret(variable: str | None) -> str:
    """Return the client secret in an environment variable, else a random one."""
    if variable is None:
        import secrets  # noqa: PLC0415  # loads OpenSSL, which --help can do without

        return secrets.token_urlsafe(24)
    if not (value := os.environ.get(variable)):
        raise WrongUsage(f"the environment variable {variable} is not set, or empty. Nothing was started.")
    return value


def _printer(settings: Context, forward: Forward | None, ended: asyncio.Future[int]) -> Any:
    """Return the handler that prints a delivery, and sends it on if it is to be; `ended` gets the error of printing."""

    async def handle(delivery: Delivery) -> None:
        try:
            print(_line(settings, delivery), flush=True)
        except OSError as error:
            # Nobody reads the output any more.
            if not ended.done():
                ended.set_exception(error)
            raise
        if forward is not None:
            await _send_on(settings, forward, delivery)

    return handle


def _line(settings: Context, delivery: Delivery) -> str:
    import json  # noqa: PLC0415  # --help does without

    stamp = delivery.received_at.isoformat(timespec="seconds")
    record = {
        "kind": "received",
        "received_at": stamp,
        "type": delivery.type,
        "event_id": delivery.event_id,
        "data": delivery.data,
    }
    if settings.fields:
        record = picked(record, settings.fields)
    if settings.output == "table" and not settings.fields:
        return f"{stamp}  {safe(delivery.type)}  {json.dumps(delivery.data)}"
    return json.dumps(record)


async def _send_on(settings: Context, forward: Forward, delivery: Delivery) -> None:
    from aiodoo.receiver.serving import NotForwarded  # noqa: PLC0415  # --help does without

    try:
        await forward.send(delivery)
    except NotForwarded as error:
        settings.talk.say(f"not sent on: {error}. doo is told to send it again.", level="warning")
        raise


def _announce(settings: Context, receiver: Receiver, url: str, secret: str, file: Path | None) -> None:
    """Say on standard error where deliveries are received; standard output has the deliveries alone."""
    for hook in receiver.hooks(url):
        settings.talk.say(f"{hook.type:<20} {hook.endpoint}")
    if file is not None:
        import json  # noqa: PLC0415

        from aiodoo.private_file import write  # noqa: PLC0415

        config = receiver.webhook(url, name="aiodoo listen").to_dict(secrets="reveal")
        try:
            write(file, json.dumps(config, indent=2).encode() + b"\n")
        except OSError as error:
            raise ConfigError(f"{file} cannot be written: {error.strerror}") from None
        settings.talk.say(
            f"{file} subscribes them, and has the client secret: aiodoo webhooks create TEAM --file {file}"
        )
    elif sys.stderr.isatty():
        settings.talk.say(f"token requests: {url}/token with client id doo and client secret {secret}")
    settings.talk.say("listening until Ctrl-C.")
