"""Pairs declared and listed webhook configurations, independently of the order of the list.

Webhook configurations of the same name are paired by similarity: equal ones first, then those that differ in the
fewest fields; among equally similar pairs, the first declared one and the one with the smallest id. Different names are
paired only if the declared one keeps the listed secret: it was renamed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

import attrs

from aiodoo.desired.file.building import WantedWebhook
from aiodoo.facts import Facts
from aiodoo.models import WebhookConfiguration
from aiodoo.operations.compare import bounds, differences, identical

_RENAMED = {"$.name", "$.description"}


@attrs.frozen
class Pair:
    """A wanted webhook configuration, and the listed one that it equals or replaces.

    Attributes:
        target: the wanted webhook configuration.
        listed: the listed webhook configuration.
        equal: whether the two are equal as far as the list shows.
        twins: the numbers of declared and of listed ones with this name.
    """

    target: WantedWebhook
    listed: WebhookConfiguration
    equal: bool
    twins: tuple[int, int]

    @property
    def renamed(self) -> bool:
        """Whether its name in the file differs from that in the list."""
        return self.target.config.name != self.listed.name


@attrs.frozen
class Matches:
    """The pairs of a team, and the wanted and the listed webhook configurations without a partner."""

    pairs: tuple[Pair, ...]
    wanting: tuple[WantedWebhook, ...]
    left: tuple[WebhookConfiguration, ...]


def match(targets: Sequence[WantedWebhook], listed: Iterable[WebhookConfiguration], facts: Facts) -> Matches:
    """Return the pairs of wanted and listed webhook configurations, and the rest of both."""
    there = sorted(listed, key=lambda webhook: (len(webhook.id), webhook.id))
    declared = Counter(target.config.name for target in targets)
    known = Counter(webhook.name for webhook in there)
    ranked = sorted(
        (_unlikeness(target, webhook, facts), number, place)
        for number, target in enumerate(targets)
        for place, webhook in enumerate(there)
        if webhook.name == target.config.name
    )
    partners: dict[int, tuple[int, bool]] = {}
    taken: set[int] = set()
    for (unlike, _), number, place in ranked:
        if number not in partners and place not in taken:
            partners[number] = (place, unlike == 0)
            taken.add(place)
    for number, place in _renamed(targets, there, partners, taken, facts):
        partners[number] = (place, False)
        taken.add(place)
    pairs = []
    for number, (place, equal) in sorted(partners.items()):
        name = targets[number].config.name
        pairs.append(Pair(targets[number], there[place], equal, (declared[name], known[name])))
    return Matches(
        tuple(pairs),
        tuple(target for number, target in enumerate(targets) if number not in partners),
        tuple(webhook for place, webhook in enumerate(there) if place not in taken),
    )


def _renamed(
    targets: Sequence[WantedWebhook],
    there: Sequence[WebhookConfiguration],
    partners: Iterable[int],
    taken: set[int],
    facts: Facts,
) -> Iterator[tuple[int, int]]:
    """Yield the indexes of declared and listed webhook configurations that were renamed, where they are unambiguous.

    A declared one that keeps the listed secret and whose name is not listed must be a renamed one: the listed one that
    differs only in name and description.
    """
    may_be = [
        (number, place)
        for number, target in enumerate(targets)
        if number not in partners and target.keeps_secret
        for place, webhook in enumerate(there)
        if place not in taken and webhook.authentication is not None
        if not {*differences(target.with_secret_of(webhook), webhook, facts)} - _RENAMED
    ]
    of_target = Counter(number for number, _ in may_be)
    of_listed = Counter(place for _, place in may_be)
    yield from [pair for pair in may_be if of_target[pair[0]] == of_listed[pair[1]] == 1]


def _unlikeness(target: WantedWebhook, webhook: WebhookConfiguration, facts: Facts) -> tuple[int, int]:
    """Return a sort key: the number of different fields, and if it is 0, how much of the equality the list shows."""
    wanted = target.with_secret_of(webhook)
    unlike = sum(1 for _ in differences(wanted, webhook, facts))
    if unlike:
        return unlike, 0
    if identical(wanted, webhook, facts):
        return 0, 0
    return 0, 1 if bounds(wanted) == bounds(webhook) else 2
