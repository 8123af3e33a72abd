"""Checks a file without asking doo and without reading secrets."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from aiodoo.desired.file.wanted_state import read_wanted_state
from aiodoo.desired.file.webhook_file import read_webhook
from aiodoo.desired.file.yaml_reading import read_source
from aiodoo.facts import Facts
from aiodoo.models import Hook


def validate(
    file: str | os.PathLike[str],
    *,
    variables: Mapping[str, str] | None = None,
    outside_files: bool = False,
    facts: Facts | None = None,
) -> list[Hook]:
    """Check a file of desired state, or of one webhook configuration, and return its hooks; costs no request.

    Of a file of desired state the references to secrets are checked, and not read; whether doo has its teams is not
    known. A file with `hooks` and without `webhooks` holds one webhook configuration.

    Args:
        file: the path.
        variables: values that override the file's `variables`.
        outside_files: whether secrets may be in files outside of the file's folder.
        facts: settings for what doo does not document.

    Raises:
        ConfigError: the file is invalid. The message has file, line, column and remedy.
    """
    path = Path(file)
    data = read_source(path).data
    if isinstance(data, dict) and "hooks" in data and "webhooks" not in data:
        return [*read_webhook(path).hooks]
    state = read_wanted_state(
        path, variables or {}, facts or Facts(), outside_files=outside_files, read_secrets=False
    )
    return state.hooks
