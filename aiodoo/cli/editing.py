"""Reads one webhook configuration from a file, standard input or an editor."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from aiodoo.cli.terminal.prompt import confirm, is_interactive
from aiodoo.errors import ConfigError

if TYPE_CHECKING:
    from aiodoo import AddWebhook, WebhookConfiguration
    from aiodoo.cli.context import Context
    from aiodoo.desired.file.webhook_file import WebhookFile

HIDDEN = "***"
"""The placeholder of a secret."""


def read_file(file: Path) -> WebhookFile:
    """Read a YAML or JSON file; "-" is standard input.

    Raises:
        ConfigError: it cannot be read or parsed; the message names line and column.
    """
    from aiodoo.desired.file.webhook_file import WebhookFile  # noqa: PLC0415  # loads what --help can do without

    if str(file) != "-":
        return WebhookFile.read(file)
    try:
        text = sys.stdin.read()
    except UnicodeError:
        raise ConfigError("standard input is not UTF-8; nothing was sent. Save it as UTF-8") from None
    return WebhookFile.parse(text, "standard input")


async def edited(webhook: WebhookConfiguration, settings: Context) -> AddWebhook:
    """Open a webhook configuration in the user's editor and return the result; `***` keeps the secret.

    If the result is invalid, the user is asked whether to edit it again.

    Raises:
        ConfigError: the editor failed, or the result is invalid.
    """
    from io import StringIO  # noqa: PLC0415  # --help does without

    from ruamel.yaml import YAML  # noqa: PLC0415

    config, text = webhook.copy(), StringIO()
    YAML().dump(config.to_dict(secrets=lambda _: HIDDEN), text)
    content = text.getvalue()
    while True:
        content = _in_editor(content)
        try:
            return _read_back(content, webhook)
        except ConfigError as error:
            if not is_interactive():
                raise
            for message in str(error).splitlines():
                settings.talk.say(message, level="error")
            if not await confirm("Edit it once more?"):
                raise ConfigError("nothing was changed") from None


def _read_back(text: str, before: WebhookConfiguration) -> AddWebhook:
    from aiodoo.desired.file.webhook_file import WebhookFile  # noqa: PLC0415  # loads what --help can do without
    from aiodoo.models.copying import with_listed  # noqa: PLC0415

    written = WebhookFile.parse(text, "what was edited", is_listed=True)
    return with_listed(written.config(written.content, replacing=True), before)


def _in_editor(text: str) -> str:
    import shlex  # noqa: PLC0415  # --help does without
    import signal  # noqa: PLC0415
    import subprocess  # noqa: PLC0415
    import tempfile  # noqa: PLC0415

    command = shlex.split(os.environ.get("VISUAL") or os.environ.get("EDITOR") or "vi")
    with tempfile.TemporaryDirectory(prefix="aiodoo-") as folder:
        path = Path(folder) / "webhook.yaml"
        path.write_text(text, encoding="utf-8")
        # Ctrl-C is handled by the editor while it is open; a handler, unlike SIG_IGN, is not inherited.
        before = signal.signal(signal.SIGINT, lambda *_: None)
        try:
            ended = subprocess.run([*command, str(path)], check=False)  # noqa: S603  # the user's own editor
        except OSError as error:
            raise ConfigError(
                f"the editor {command[0]} cannot be run ({error.strerror}); set EDITOR. Nothing was changed."
            ) from None
        finally:
            signal.signal(signal.SIGINT, before)
        if ended.returncode:
            raise ConfigError(
                f"the editor {command[0]} ended with code {ended.returncode}; nothing was changed"
            )
        try:
            return path.read_text(encoding="utf-8")
        except (OSError, UnicodeError):
            raise ConfigError(f"the editor {command[0]} left no file in UTF-8; nothing was changed") from None
