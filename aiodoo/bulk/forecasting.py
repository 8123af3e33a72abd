"""Forecasts a run: reads its teams and returns what the run would do and cost; nothing is changed."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Mapping

import attrs

from aiodoo.bulk.baselines import TeamList, ensuring, usable
from aiodoo.bulk.context import RunContext
from aiodoo.bulk.input import Operations, read_and_check
from aiodoo.bulk.run_progress import total_forecast
from aiodoo.doo_warnings import Line
from aiodoo.error_meaning import ForTeam, for_team
from aiodoo.errors import DooError
from aiodoo.operations import Operation
from aiodoo.operations.forecast import Forecast, TeamForecast, refused, unreadable
from aiodoo.operations.tracked import TrackedOperation
from aiodoo.quota import Lane
from aiodoo.walk import Collected, Listing, Lists


async def forecast(context: RunContext, operations: Operations, given: Mapping[str, Collected]) -> Forecast:
    """Forecast operations, after reading the teams for which no list is given; see `Bulk.forecast`.

    Raises:
        ConfigError: something is not an operation; nothing was sent.
    """
    read = Lists(given)
    teams: dict[str, dict[int, Operation]] = defaultdict(dict)
    found, wrong = await read_and_check(operations, context.facts, Line.of_caller())
    for number, operation in enumerate(found):
        if number not in wrong:
            teams[operation.team_id][number] = operation
    unread = [
        team for team in teams if usable(given, team, context.lists, ensures=False, any_age=True) is None
    ]
    await context.lists.check_day(len(unread), Lane.BULK)
    forecasts = list[Forecast]()
    begins_in = 0.0
    for team_id, of_team in teams.items():
        team = await _forecast_team(context, team_id, of_team, given, read, begins_in=begins_in)
        # A run sends as much for the teams before, and what it is given grows older meanwhile.
        begins_in += team.requests.total * context.limits.interval
        forecasts.append(team)
    forecasts += [refused(number, found[number], error) for number, error in wrong.items()]
    return attrs.evolve(total_forecast(forecasts, context.limits), baseline=read)


async def _forecast_team(
    context: RunContext,
    team_id: str,
    numbered: Mapping[int, Operation],
    given: Mapping[str, Collected],
    read: Lists,
    *,
    begins_in: float,
) -> Forecast:
    numbers, operations = list(numbered), list(numbered.values())
    listing: TeamList | Listing | None = usable(
        given, team_id, context.lists, ensures=ensuring(operations), begins_in=begins_in
    )
    age = None if listing is None else context.clock.monotonic() + begins_in - listing.began
    if listing is None:  # a run reads the team again if its list is too old by then, but a forecast need not
        listing = usable(given, team_id, context.lists, ensures=False, any_age=True)
    try:
        if listing is None:
            most = context.limits.per_day_for_bulk
            listing = await context.lists.read(
                team_id, stable=False, lane=Lane.BULK, deadline="session", most=most
            )
            if listing.pages == 1:
                read[team_id] = Collected.of(listing, context.lists)
    except DooError as error:
        if for_team(error) is ForTeam.NOTHING:
            raise
        return unreadable(operations, numbers, error)
    forecast = TeamForecast(
        team_id,
        [TrackedOperation(number=number, operation=each) for number, each in enumerate(operations)],
        listing.webhooks,
        page_size=listing.page_size,
        facts=context.facts,
        interval=context.limits.interval,
        list_age=age,
        numbers=numbers,
    )
    for _ in forecast.portions():
        await asyncio.sleep(0)
    return forecast.result()
