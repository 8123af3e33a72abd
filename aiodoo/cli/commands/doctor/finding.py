"""What the doctor finds."""

from __future__ import annotations

from typing import Literal

import attrs

Verdict = Literal["ok", "look", "wrong", "fact"]
"""In order; worth a look; not in order; a fact about this account that is documented nowhere."""


@attrs.frozen
class Finding:
    """One line: what was looked at, what was found, what that means and what to set.

    Attributes:
        found: what was found; no secret, and nothing that a webhook holds.
        advice: what it means, and what to set or to do.
    """

    verdict: Verdict
    subject: str
    found: str
    advice: str = ""
