"""Secrets that a run needs to go on: given on the command line, or typed at the terminal."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from aiodoo.cli import configurations
from aiodoo.cli.terminal.output import fitted, safe
from aiodoo.cli.terminal.prompt import ask, is_interactive
from aiodoo.errors import Missing, SecretsNeeded

if TYPE_CHECKING:
    from aiodoo import Secret

_NAMED = 3
"""Rows that a message names."""


async def given_secrets(pairs: Sequence[str]) -> dict[str, Secret]:
    """Return the secrets that ID=env:NAME or ID=file:PATH mean, by id."""
    known: dict[str, Secret] = {}
    for webhook_id, reference in map(configurations.pair_of_secret, pairs):
        known[webhook_id] = await configurations.secret_of(reference)
    return known


async def secret_for(known: Mapping[str, Secret], missing: Missing) -> Secret | None:
    """Return a secret that a run needs, as it was given or is typed now; None if nobody is there to type it."""
    from aiodoo import Secret  # noqa: PLC0415  # loads what --help can do without

    if missing.webhook_id is not None and missing.webhook_id in known:
        return known[missing.webhook_id]
    if not is_interactive():
        return None
    typed = await ask(fitted(f"{safe(str(missing))}, hidden:", sys.stderr) + " ", hidden=True)
    return Secret(typed) if typed else None


def still_needed(needed: SecretsNeeded, run_id: str) -> SecretsNeeded:
    """Return what is said if a run's secrets are not at hand."""
    first = "; ".join(map(str, needed.missing[:_NAMED]))
    more = f"; and {len(needed.missing) - _NAMED} more" if len(needed.missing) > _NAMED else ""
    return SecretsNeeded(
        f"the run {run_id} needs secrets that are kept nowhere, as they were typed in or came from another account: "
        f"{first}{more}. Nothing was changed. At a terminal `aiodoo runs resume {run_id}` asks for them; else give them "
        "with --secret WEBHOOK=env:NAME, where one serves all that had the same",
        missing=needed.missing,
    )
