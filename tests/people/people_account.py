"""An account that people share: teams of several sizes, twins, secrets, and the scripts that people have for it.

What a webhook is about is its name, which no script and no edit changes: so many of a name have to be live, whoever has
made them. An edit by somebody else leaves a query in an endpoint, by which it is known again, also in a copy.
"""

from __future__ import annotations

import random
import secrets
from collections.abc import Callable, Sequence
from typing import Any

import attrs

from aiodoo import AddWebhook
from aiodoo.operations import Create, Delete, Ensure, Operation, Replace, Update
from aiodoo.sandbox import Box

ENTROPY = secrets.token_bytes(32)
"""What all secrets of all lives are made from."""

OLD, NEW = "old.example", "new.example"

Data = dict[str, Any]


def content(name: str, *, secret: str | None = None) -> Data:
    """Make what doo stores for a webhook that nobody has touched."""
    made: Data = {
        "name": name,
        "description": "as it was",
        "hooks": [{"type": "event_created", "endpoint": f"https://{OLD}/{name.replace(' ', '-')}"}],
    }
    if secret is not None:
        made["authentication"] = {
            "endpoint": f"https://{OLD}/token",
            "credentials": {"client_id": "doo", "client_secret": secret},
        }
    return made


def edited(stored: Data, number: int) -> Data:
    """Make what somebody else makes of a webhook."""
    own = {key: value for key, value in stored.items() if key != "id"}
    [hook] = own["hooks"]
    return own | {"hooks": [hook | {"endpoint": f"{hook['endpoint'].partition('?')[0]}?edit={number}"}]}


def edit_of(stored: Data) -> str:
    """Return what somebody else's last edit left in a webhook."""
    return str(stored["hooks"][0]["endpoint"]).partition("?")[2]


def fill(box: Box, chance: random.Random, secret: Callable[[], str]) -> None:
    """Put webhooks into every team: some with secrets, some of them twins."""
    for team in box.teams:
        for number in range(chance.choice([0, 1, 2, 3, 3, 5, 8, 12])):
            stored = content(f"hook {number}", secret=secret() if chance.random() < 0.3 else None)
            for _ in range(chance.choice([1, 1, 1, 2])):
                box.add_webhook(team, stored)


@attrs.frozen(kw_only=True)
class Script:
    """What people start again and again: it makes its operations from what an account holds.

    Attributes:
        name: what it is called.
        teams: those that it is about.
        make: makes the operations of one team from its webhooks, as stored.
        reads_lists: whether the operations depend on what is there when it is started.
    """

    name: str
    teams: tuple[str, ...]
    make: Callable[[str, Sequence[Data]], list[Operation]]
    reads_lists: bool = True

    def operations(self, shown: dict[str, list[Data]]) -> list[Operation]:
        """Make the operations from what was shown of each team."""
        return [each for team in self.teams for each in self.make(team, shown.get(team, []))]


def _is_old(item: Data) -> bool:
    return OLD in str(item["hooks"][0]["endpoint"])


def _move(team: str, items: Sequence[Data]) -> list[Operation]:
    return [Update(team, item["id"], hosts={OLD: NEW}) for item in items if _is_old(item)]


def _describe(team: str, items: Sequence[Data]) -> list[Operation]:
    return [
        Update(team, item["id"], description="described")
        for item in items
        if item["description"] != "described"
    ]


def _replace(team: str, items: Sequence[Data]) -> list[Operation]:
    return [
        Replace(team, item["id"], AddWebhook.from_dict(_own(item) | {"description": "replaced"}))
        for item in items
        if item["description"] != "replaced"
    ]


def _own(item: Data) -> Data:
    return {key: value for key, value in item.items() if key != "id"}


def _rotate(secret: str) -> Callable[[str, Sequence[Data]], list[Operation]]:
    def make(team: str, items: Sequence[Data]) -> list[Operation]:
        return [
            Update(team, item["id"], client_secret=secret)
            for item in items
            if "authentication" in item and item["authentication"]["credentials"]["client_secret"] != secret
        ]

    return make


def _tidy(numbers: frozenset[int]) -> Callable[[str, Sequence[Data]], list[Operation]]:
    def make(team: str, items: Sequence[Data]) -> list[Operation]:
        return [Delete(team, item["id"]) for item in items if item["name"] in {f"hook {n}" for n in numbers}]

    return make


def _make(name: str, many: int) -> Callable[[str, Sequence[Data]], list[Operation]]:
    def make(team: str, _: Sequence[Data]) -> list[Operation]:
        return [Create(team, AddWebhook.from_dict(content(f"{name} {n}"))) for n in range(many)]

    return make


def _provide(name: str, many: int) -> Callable[[str, Sequence[Data]], list[Operation]]:
    def make(team: str, _: Sequence[Data]) -> list[Operation]:
        return [Ensure(team, AddWebhook.from_dict(content(f"{name} {n}"))) for n in range(many)]

    return make


def draw_scripts(box: Box, chance: random.Random, secret: Callable[[], str]) -> list[Script]:
    """Draw one to three scripts."""
    scripts = []
    for number in range(chance.choice([1, 1, 2, 3])):
        many = chance.randrange(1, 5)
        some = frozenset(range(chance.randrange(1, 4)))
        name, make, reads = chance.choice(
            [
                ("move", _move, True),
                ("move", _move, True),
                ("describe", _describe, True),
                ("replace", _replace, True),
                ("rotate", _rotate(secret()), True),
                ("tidy", _tidy(some), True),
                ("make", _make(f"made {number}", many), False),
                ("provide", _provide(f"provided {number}", many), False),
                ("both", lambda team, items: [*_move(team, items), *_make("both", 2)(team, items)], True),
            ]
        )
        teams = box.teams if chance.random() < 0.7 else chance.sample(box.teams, 1)
        scripts.append(Script(name=name, teams=tuple(teams), make=make, reads_lists=reads))
    return scripts
