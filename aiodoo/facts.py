"""Settings for what doo does not document, each with a stated default."""

from __future__ import annotations

import re
from datetime import timedelta, timezone, tzinfo

import attrs


@attrs.frozen(kw_only=True)
class Facts:
    """What doo does not document, with the reading that aiodoo starts from.

    Change one when doo's support, or your own account, tells otherwise.
    """

    token_refused: frozenset[int] = attrs.field(default=frozenset({401}), converter=frozenset)
    """Statuses that mean "this token is no longer good". The lifetime of a token is written nowhere."""

    delete_sends_bearer: bool = True
    """Whether DELETE carries the token. "Webhook management" shows the API key alone; both should do."""

    list_echoes_scope: bool | None = None
    """Whether a list shows `event_id` and `event_guide_id`. No printed example does; None is "not known"."""

    type_suffix: re.Pattern[str] = attrs.field(default=re.compile(r"_[0-9a-f]{32}\Z"))
    """What lists append to the type of a hook with an `origin`; it is cut off before such a hook is sent."""

    time_zone: tzinfo = timezone(timedelta(hours=1), "CET")
    """The zone of "Webhook initialization"'s times. The page says CET; whether summer time counts is not said."""
