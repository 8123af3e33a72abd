"""What planning costs, counted in function calls."""

from __future__ import annotations

import attrs
import pytest
from effort import calls

from aiodoo import AddWebhook, Authentication, ClientCredentials, Facts, Hook, WebhookConfiguration
from aiodoo.desired.file.building import WantedWebhook
from aiodoo.desired.planning.matching import match
from aiodoo.secret import ListedSecret, Secret

FACTS = Facts(list_echoes_scope=True)


def config(name: str, description: str, host: str = "crm.example") -> AddWebhook:
    """Return something to declare."""
    hooks = [Hook(type="event_created", endpoint=f"https://{host}/doo")]
    return AddWebhook(name=name, description=description, hooks=hooks)


def declared(content: AddWebhook) -> WantedWebhook:
    """Return it as a declaration."""
    return WantedWebhook(content, 1)


def listed(webhook_id: int, content: AddWebhook) -> WebhookConfiguration:
    """Return it as doo lists it."""
    return WebhookConfiguration.showing(content, team_id="111", webhook_id=str(webhook_id))


@pytest.mark.parametrize("changed", [False, True])
def test_twins_of_one_name_are_not_each_compared_with_each(*, changed: bool) -> None:
    """Four times as many declared and listed ones of one name take about four times as many calls."""

    def matched(twins: int) -> int:
        there = [listed(number, config("twin", f"is {number}")) for number in range(twins)]
        host = "new.example" if changed else "crm.example"
        wanted = [declared(config("twin", f"is {number}", host)) for number in reversed(range(twins))]

        def work() -> None:
            found = match(wanted, there, FACTS)
            assert len(found.pairs) == twins
            assert all(pair.equal is not changed for pair in found.pairs)

        return calls(work)

    assert matched(160) < 5 * matched(40)


def test_renamed_ones_are_not_each_compared_with_each() -> None:
    """Four times as many that keep their secrets and get another name take about four times as many calls."""

    def login(secret: Secret) -> Authentication:
        return Authentication(
            endpoint="https://crm.example/token", credentials=ClientCredentials(client_secret=secret)
        )

    def matched(renamed: int) -> int:
        there, wanted = [], []
        for number in range(renamed):
            content = config(f"old {number}", "same", f"{number}.example")
            there.append(listed(number, attrs.evolve(content, authentication=login(Secret(f"s{number}")))))
            new = attrs.evolve(content, name=f"new {number}", authentication=login(ListedSecret()))
            wanted.append(declared(new))

        def work() -> None:
            assert [pair.listed.id for pair in match(wanted, there, FACTS).pairs] == [
                str(number) for number in range(renamed)
            ]

        return calls(work)

    assert matched(200) < 5 * matched(50)


def test_twins_are_paired_with_the_most_alike_ones() -> None:
    """An equal one is found however far away it is, and then the one that differs in the fewest fields."""
    there = [listed(number, config("twin", f"is {number}", f"{number}.example")) for number in range(40)]
    moved = declared(config("twin", "is 3", "new.example"))
    far = declared(config("twin", "is 39", "39.example"))
    found = match([moved, far], there, FACTS)
    assert [(pair.listed.id, pair.equal) for pair in found.pairs] == [("3", False), ("39", True)]
