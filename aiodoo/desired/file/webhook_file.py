"""One webhook configuration as people write it, in a YAML or JSON file, with where each part of it stands."""

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
from aiodoo.models.changes import keeping

_FIELD = re.compile(
    r"(?:(?<=^)|(?<=\$\.))(?:name|description|hooks|authentication|event_id|event_guide_id)[\w.\[\]]*"
)
_STEP = re.compile(r"\w+")


def read_webhook(file: str | os.PathLike[str]) -> AddWebhook:
    """Return the webhook configuration that a YAML or JSON file holds, in doo's words; nothing is sent.

    The description is the name if it is left out. A secret stands in the file in clear.

    Args:
        file: its name.

    Raises:
        ConfigError: it cannot be read, or doo could only refuse what it holds; names file, line and column.
    """
    written = WebhookFile.read(Path(file))
    return written.config(completed(written.content))


def completed(content: Mapping[str, Any]) -> dict[str, Any]:
    """Return the content of a webhook configuration with what may be left out."""
    plain = {"hooks": [], **content}
    if plain.get("description") is None and "name" in plain:
        plain["description"] = plain["name"]
    return plain


@attrs.frozen
class WebhookFile:
    """What somebody wrote: its content, and where each part of it stands."""

    content: dict[str, Any]
    _source: Source

    @classmethod
    def read(cls, file: Path) -> WebhookFile:
        """Return what a YAML or JSON file holds.

        Raises:
            ConfigError: it cannot be read; names line and column.
        """
        return cls._of(read_source(file))

    @classmethod
    def parse(cls, text: str, name: str) -> WebhookFile:
        """Return what YAML, or JSON, says.

        Raises:
            ConfigError: it is neither; names line and column.
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
        """Return the webhook configuration that its content, or one that was made from it, means.

        Args:
            content: what is written.
            replacing: whether it takes the place of one, whose secrets masks such as `***` stand for.

        Raises:
            ConfigError: it means none; names file, line and column.
        """
        try:
            config = AddWebhook.from_dict(content)
            if replacing:
                check_replacement(config)
                return keeping(config)
            config.check()
        except ConfigError as error:
            raise ConfigError(_FIELD.sub(self._placed, str(error)).replace("$.", "")) from None
        return config

    def _placed(self, found: re.Match[str]) -> str:
        steps = (int(step) if step.isdecimal() else step for step in _STEP.findall(found[0]))
        fault = self._source.fault(tuple(steps), "")
        return f"{self._source.name}:{fault.line}:{fault.column}: {found[0]}"
