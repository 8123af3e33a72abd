"""Findings of the doctor."""

from __future__ import annotations

from typing import Literal

import attrs

Verdict = Literal["ok", "look", "wrong", "fact"]
"""Passed; worth checking; failed; an undocumented fact about this account."""


@attrs.frozen
class Finding:
    """One line of the doctor's output.

    Attributes:
        subject: what was checked.
        found: the result, without secrets and content of webhooks.
        advice: what it means, and what to set or to do.
    """

    verdict: Verdict
    subject: str
    found: str
    advice: str = ""
