"""The settings for what doo does not document."""

from __future__ import annotations

import re
from datetime import timedelta, timezone
from typing import Any

import pytest

from aiodoo import ConfigError, Facts


@pytest.mark.parametrize(
    ("facts", "match"),
    [
        ({"token_refused": 401}, "token_refused must be statuses"),
        ({"token_refused": ["401"]}, "token_refused must be statuses"),
        ({"delete_sends_bearer": "no"}, "delete_sends_bearer must be True or False"),
        ({"list_echoes_scope": 1}, "list_echoes_scope must be True, False or None"),
        ({"type_suffix": "_[0-9a-f]{32}"}, "type_suffix must be a compiled pattern"),
        ({"type_suffix": re.compile(b"_x")}, "type_suffix must be a compiled pattern for text"),
        ({"time_zone": "CET"}, "time_zone must be a time zone"),
    ],
)
def test_a_setting_that_cannot_be_right_is_refused(facts: dict[str, Any], match: str) -> None:
    """Where it is given, by its name; not in the middle of a run."""
    with pytest.raises(ConfigError, match=match):
        Facts(**facts)


def test_what_can_be_set() -> None:
    """Any iterable of statuses, any pattern, any time zone."""
    zone = timezone(timedelta(hours=2))
    facts = Facts(
        token_refused=[401, 403], type_suffix=re.compile("_x"), time_zone=zone, list_echoes_scope=False
    )
    assert (facts.token_refused, facts.time_zone) == (frozenset({401, 403}), zone)
