"""Pairs declared and listed webhook configurations, independently of the order of the list.

Webhook configurations of the same name are paired by similarity: equal ones first, then those that differ in the
fewest fields; among equally similar pairs, the first declared one and the one with the smallest id. Of more than
`NEAR` unequal ones, each is compared with the next `NEAR` only. Different names are paired only if the declared one
keeps the listed secret: it was renamed.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from typing import Final

import attrs

from aiodoo.desired.file.building import WantedWebhook
from aiodoo.facts import Facts
from aiodoo.models import WebhookConfiguration
from aiodoo.operations.compare import Content, differences_of

NEAR: Final = 16
"""How far apart in their orders two unequal webhook configurations of one name may be to be compared."""

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
    twins: dict[str, tuple[list[int], list[int]]] = defaultdict(lambda: ([], []))
    for number, target in enumerate(targets):
        twins[target.config.name][0].append(number)
    for place, webhook in enumerate(there):
        twins[webhook.name][1].append(place)
    partners: dict[int, tuple[int, bool]] = {}
    for numbers, places in twins.values():
        if numbers and places:
            wanted = {number: Content.of(targets[number].config, facts) for number in numbers}
            shown = {place: Content.of(there[place], facts) for place in places}
            partners |= _Twins(wanted, shown, facts).partners()
    taken = {place for place, _ in partners.values()}
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
    keeping = [number for number, each in enumerate(targets) if number not in partners and each.keeps_secret]
    alike: dict[Hashable, list[tuple[int, Content]]] = defaultdict(list)
    for place, webhook in enumerate(there if keeping else ()):
        if place not in taken and webhook.authentication is not None:
            content = Content.of(webhook, facts)
            alike[_but_its_name(content)].append((place, content))
    may_be = [
        (number, place)
        for number in keeping
        for wanted in [Content.of(targets[number].config, facts)]
        for place, content in alike.get(_but_its_name(wanted), ())
        if not {*differences_of(wanted, content, facts)} - _RENAMED
    ]
    of_target = Counter(number for number, _ in may_be)
    of_listed = Counter(place for _, place in may_be)
    yield from [pair for pair in may_be if of_target[pair[0]] == of_listed[pair[1]] == 1]


def _but_its_name(content: Content) -> Hashable:
    return attrs.evolve(content, body={**content.body, "name": "", "description": None}).outline


@attrs.define
class _Twins:
    """The declared and the listed webhook configurations of one name that have no partner yet, in order."""

    wanted: dict[int, Content]
    shown: dict[int, Content]
    facts: Facts
    _partners: dict[int, tuple[int, bool]] = attrs.field(factory=dict, init=False)

    def partners(self) -> dict[int, tuple[int, bool]]:
        """Return for each declared one the listed one that it is paired with, and whether the two are equal."""
        self._pair_equal(lambda content: (content.outline, content.scope, frozenset(content.secrets.items())))
        self._pair_equal(lambda content: (content.outline, content.scope))
        self._pair_equal(lambda content: content.outline)
        self._pair_near()
        # The others are too far apart to be compared.
        for number, place in zip([*self.wanted], [*self.shown], strict=False):
            self._pair(number, place, equal=False)
        return self._partners

    def _pair_equal(self, key: Callable[[Content], Hashable]) -> None:
        """Pair equal ones that have the same key."""
        alike: dict[Hashable, dict[int, Content]] = defaultdict(dict)
        for place, content in self.shown.items():
            alike[key(content)][place] = content
        for number, content in [*self.wanted.items()]:
            places = alike[key(content)]
            equal = (place for place in places if not any(differences_of(content, places[place], self.facts)))
            if (found := next(equal, None)) is not None:
                del places[found]
                self._pair(number, found, equal=True)

    def _pair_near(self) -> None:
        """Pair those that differ in the fewest fields."""
        places = [*self.shown]
        ranked = sorted(
            (sum(1 for _ in differences_of(content, self.shown[place], self.facts)), number, place)
            for at, (number, content) in enumerate(self.wanted.items())
            for place in places[max(0, at - NEAR) : at + NEAR]
        )
        for unlike, number, place in ranked:
            if number in self.wanted and place in self.shown:
                self._pair(number, place, equal=unlike == 0)

    def _pair(self, number: int, place: int, *, equal: bool) -> None:
        self._partners[number] = (place, equal)
        del self.wanted[number], self.shown[place]
