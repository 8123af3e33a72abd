"""Reads a single webhook configuration from a YAML or JSON file, with positions for error messages."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import attrs

from aiodoo.desired.file.source import Source, parse, read_source
from aiodoo.errors import ConfigError
from aiodoo.models import AddWebhook, check_replacement
from aiodoo.models.changes import keep_listed

_FIELD = re.compile(
    r"(?:(?<=^)|(?<=\$\.))(?:name|description|hooks|authentication|event_id|event_guide_id)[\w.\[\]]*"
)
_STEP = re.compile(r"\w+")


def read_webhook(file: str | os.PathLike[str]) -> AddWebhook:
    """Return the webhook configuration in a YAML or JSON file, which has doo's own field names; costs no request.

    An omitted description becomes the name. Secrets are in the file in clear.

    Args:
        file: the path.

    Raises:
        ConfigError: the file cannot be read, or doo would refuse the content. The message has file, line and column.
    """
    written = WebhookFile.read(Path(file))
    return written.config(completed(written.content))


def completed(content: Mapping[str, Any]) -> dict[str, Any]:
    """Return the content of a webhook configuration with defaults for omitted fields."""
    plain = {"hooks": [], **content}
    if plain.get("description") is None and "name" in plain:
        plain["description"] = plain["name"]
    return plain


@attrs.frozen
class WebhookFile:
    """The content of a file with one webhook configuration, with the positions of its fields."""

    content: dict[str, Any]
    _source: Source

    @classmethod
    def read(cls, file: Path) -> WebhookFile:
        """Return the content of a YAML or JSON file.

        Raises:
            ConfigError: the file cannot be read. The message has line and column.
        """
        return cls._of(read_source(file))

    @classmethod
    def parse(cls, text: str, name: str) -> WebhookFile:
        """Return the content of a text in YAML or JSON.

        Raises:
            ConfigError: the text is neither. The message has line and column.
        """
        return cls._of(parse(text, name=name, folder=Path()))

    @classmethod
    def _of(cls, source: Source) -> WebhookFile:
        if not isinstance(source.data, dict):
            raise ConfigError(
                f"{source.name}:1: must hold one webhook configuration, its name and hooks; nothing was sent"
            )
        return cls(source.data, source)

    def config(self, content: Mapping[str, Any], *, replacing: bool = False) -> AddWebhook:
        """Return the webhook configuration for the content of the file, or for content derived from it.

        Args:
            content: the content.
            replacing: whether it replaces a listed one, so that masks such as `***` mean the listed secrets.

        Raises:
            ConfigError: the content is invalid. The message has file, line and column.
        """
        try:
            config = AddWebhook.from_dict(content)
            if replacing:
                check_replacement(config)
                return keep_listed(config)
            config.check()
        except ConfigError as error:
            raise ConfigError(_FIELD.sub(self._placed, str(error)).replace("$.", "")) from None
        return config

    def _placed(self, found: re.Match[str]) -> str:
        steps = (int(step) if step.isdecimal() else step for step in _STEP.findall(found[0]))
        fault = self._source.fault(tuple(steps), "")
        return f"{self._source.name}:{fault.line}:{fault.column}: {found[0]}"
