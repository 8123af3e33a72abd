"""Compares the result of the demo with the sandbox's lists, its state and its log."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Hashable, Iterable, Mapping
from typing import Any, TypeVar

from aiodoo import WebhookConfiguration
from aiodoo.sandbox import Sandbox

T = TypeVar("T", bound=Hashable)


class Expectation:
    """The expected content of a sandbox, computed before the changes.

    Parameters:
        box: the sandbox, before the changes.
        hosts: the new host of each old host.
    """

    def __init__(self, box: Sandbox, hosts: Mapping[str, str]) -> None:
        self._box = box
        self._hosts = dict(hosts)
        self._expected = Counter(
            (team, self._moved(content)) for team in box.teams for content in _held(box, team)
        )

    def problems(
        self, before: Iterable[WebhookConfiguration], after: Iterable[WebhookConfiguration], *, requests: int
    ) -> list[str]:
        """Return the differences from what is expected.

        Parameters:
            before: the list before the changes.
            after: the list after the changes.
            requests: the number of requests that the session has counted.
        """
        after = tuple(after)
        expected = Counter((webhook.team_id, webhook.copy(hosts=self._hosts)) for webhook in before)
        listed = Counter((webhook.team_id, webhook.copy()) for webhook in after)
        held = Counter((team, content) for team in self._box.teams for content in _held(self._box, team))
        ids = Counter((webhook.team_id, webhook.id) for webhook in after)
        held_ids = Counter((team, each["id"]) for team in self._box.teams for each in self._box.live(team))
        problems = [
            *_compare("doo's list", expected, listed),
            *_compare("the sandbox", self._expected, held),
            *_compare("doo's list, by id,", held_ids, ids),
        ]
        if requests != self._box.log.total:
            problems.append(f"the sandbox got {self._box.log.total} requests, the Session counted {requests}")
        return problems

    def _moved(self, content: str) -> str:
        for old, new in self._hosts.items():
            content = content.replace(f"https://{old}/", f"https://{new}/")
        return content


def _held(box: Sandbox, team: str) -> list[str]:
    """Return the content of each webhook configuration of a team, without its id."""
    return [_text({**content, "id": None}) for content in box.live(team)]


def _text(content: Mapping[str, Any]) -> str:
    return json.dumps(content, sort_keys=True)


def _compare(where: str, expected: Counter[T], found: Counter[T]) -> list[str]:
    missing, surplus = (expected - found).total(), (found - expected).total()
    if not missing and not surplus:
        return []
    return [f"{where} lacks {missing} of {expected.total()} and holds {surplus} that should not be there"]
