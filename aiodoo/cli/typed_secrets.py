"""Secrets that a resumed run needs: from options, from the account that a copy was made from, or typed."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from aiodoo.cli import configurations
from aiodoo.cli.origin_secrets import OriginSecrets
from aiodoo.cli.terminal.prompt import ask, is_interactive
from aiodoo.cli.terminal.streams import fitted, safe
from aiodoo.errors import Missing, SecretsNeeded

if TYPE_CHECKING:
    from aiodoo import Secret

_NAMED = 3
"""Number of missing secrets that a message names."""


async def given_secrets(pairs: Sequence[str]) -> dict[str, Secret]:
    """Return the secrets of ID=env:NAME or ID=file:PATH, by id."""
    known: dict[str, Secret] = {}
    for webhook_id, reference in map(configurations.pair_of_secret, pairs):
        known[webhook_id] = await configurations.secret_of(reference)
    return known


async def secret_for(known: Mapping[str, Secret], origin: OriginSecrets, missing: Missing) -> Secret | None:
    """Return a secret that a run needs, from the options, a copy's origin or the terminal; None without a terminal."""
    from aiodoo import Secret  # noqa: PLC0415  # loads what --help can do without

    if missing.webhook_id is not None and missing.webhook_id in known:
        return known[missing.webhook_id]
    if (found := await origin.find(missing)) is not None:
        return found
    if not is_interactive():
        return None
    typed = await ask(fitted(f"{safe(_in_words(missing))}, hidden:", sys.stderr) + " ", hidden=True)
    return Secret(typed) if typed else None


def _in_words(missing: Missing) -> str:
    """Return which secret is missing, by its field and its webhook configuration."""
    name = "" if missing.name is None else f" {missing.name!r}"
    new = "a new webhook configuration" if missing.webhook_id is None else f"webhook {missing.webhook_id}"
    return f"{missing.field} of {new}{name} in team {missing.team_id}"


def still_needed(needed: SecretsNeeded, run_id: str) -> SecretsNeeded:
    """Return the error for a run whose secrets are missing."""
    first = "; ".join(map(_in_words, needed.missing[:_NAMED]))
    more = f"; and {len(needed.missing) - _NAMED} more" if len(needed.missing) > _NAMED else ""
    return SecretsNeeded(
        f"the run {run_id} needs secrets that are not stored, as they were typed, or are not shown any more where they "
        f"were copied from: {first}{more}. Nothing was changed. At a terminal `aiodoo runs resume {run_id}` "
        "asks for them; else give them with --secret WEBHOOK=env:NAME, once for all that had the same secret",
        missing=needed.missing,
    )
