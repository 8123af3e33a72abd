"""Creates the initial state of a box: organizations, their teams and webhooks."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from aiodoo.sandbox import examples
from aiodoo.sandbox.backend import Organization
from aiodoo.sandbox.ids import CounterIds, Ids, UuidIds
from aiodoo.sandbox.jsontext import dumps
from aiodoo.sandbox.keys import Entropy
from aiodoo.sandbox.settings import Settings
from aiodoo.sandbox.state import InitialWebhooks, State, Team

_FIRST_TEAM = 111
_FIRST_ORGANIZATION = 70_001

PerTeam = int | Callable[[int], int]


def organizations_of(many: int, teams_each: int) -> list[Organization]:
    """Create organizations with their ids, names and team ids."""
    for name, number in (("organizations", many), ("teams_per_organization", teams_each)):
        if type(number) is not int or number < 0:
            raise ValueError(f"{name} is a number, not negative, not {number!r}")
    return [
        Organization(
            str(_FIRST_ORGANIZATION + index),
            f"Organization {index + 1}",
            tuple(str(_FIRST_TEAM + index * teams_each + number) for number in range(teams_each)),
        )
        for index in range(many)
    ]


def start(
    organizations: Sequence[Organization],
    webhooks_per_team: PerTeam,
    *,
    seed: int,
    settings: Settings,
    entropy: Entropy,
) -> State:
    """Create the initial state."""
    pairs = [(each.id, team) for each in organizations for team in each.teams]
    teams = [Team(team, organization, position) for position, (organization, team) in enumerate(pairs)]
    if not callable(webhooks_per_team) and (type(webhooks_per_team) is not int or webhooks_per_team < 0):
        raise ValueError(
            f"webhooks_per_team is a number, not negative, or a function, not {webhooks_per_team!r}"
        )
    many = webhooks_per_team if callable(webhooks_per_team) else lambda _: webhooks_per_team
    initial = InitialWebhooks(
        [many(position) for position in range(len(teams))],
        lambda team, place: _content(team, place, entropy),
    )
    ids: Ids = (
        CounterIds(initial.total)
        if settings.webhook_ids == "counter"
        else UuidIds(initial.total, seed=seed, epoch=settings.epoch)
    )
    return State(teams, initial, ids, seed=seed, reuse_ids=settings.reuse_ids)


def _content(team: int, place: int, entropy: Entropy) -> bytes:
    make = examples.graphql if place % 2 else examples.classic
    return dumps(
        make(
            f"Webhook {place + 1} of team {_FIRST_TEAM + team}",
            endpoint=f"https://crm.example/{_FIRST_TEAM + team}/{place + 1}",
            client_secret=entropy.text(f"webhook {team} {place}", 32),
        )
    )
