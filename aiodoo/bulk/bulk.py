"""`session.bulk`: run, stream and forecast many changes."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Literal, Never

import attrs

from aiodoo.bulk.abandoning import abandon
from aiodoo.bulk.baselines import TeamList, checked_baseline, ensuring, usable
from aiodoo.bulk.input import Operations, judged
from aiodoo.bulk.journal import JournalStore, Past, read, store_at
from aiodoo.bulk.opening import Order
from aiodoo.bulk.options import GivenSecrets, RunOptions, Settings, journal_path, options_in
from aiodoo.bulk.report import Progress, Report
from aiodoo.bulk.run_progress import price, report_of
from aiodoo.bulk.stopping import StopSignal
from aiodoo.bulk.stream import Stream
from aiodoo.bulk.undo import GivenById, Undo, undo
from aiodoo.bulk.verification import Verification
from aiodoo.bulk.verifying import verify
from aiodoo.checks import check_callback, check_kind, check_seconds
from aiodoo.client.client import Client
from aiodoo.doo_warnings import Line
from aiodoo.error_meaning import ForTeam, for_team
from aiodoo.errors import ConfigError, DooError
from aiodoo.models import WebhookConfiguration
from aiodoo.operations import Operation
from aiodoo.operations.forecast import Forecast, forecast_team, refused, unreadable
from aiodoo.quota import Lane
from aiodoo.quota.claims import Claim
from aiodoo.walk import Collected, Listing, Lists, read_team


@attrs.frozen
class Bulk:
    """Many changes over many teams, in the lane that lets a person's calls go first."""

    _client: Client

    async def run(
        self,
        operations: Operations,
        *,
        journal: str | os.PathLike[str] | None = None,
        progress: Callable[[Progress], object] | None = None,
        allow_net_deletes: int | None = None,
        settle: float = 130.0,
        on_exhausted: Literal["park", "wait"] | None = None,
        grace: float = 10.0,
        stop: StopSignal | None = None,
        stop_within: float = 60.0,
        outage: float = 3600.0,
        marker: bool = False,
        keep_secrets: Callable[[bytes], bytes] | None = None,
        canary: bool = False,
        secrets: GivenSecrets | None = None,
        on_finished: Literal["report", "refuse"] = "report",
        baseline: Mapping[str, list[WebhookConfiguration]] | Collected | None = None,
        on_claimed: Literal["refuse", "wait"] | None = None,
        moved: bool = False,
        command: str | None = None,
        **other: Never,
    ) -> Report:
        """Carry out all operations and report how each of them ended.

        Teams go side by side; operations that name the same webhook go in order. The run goes on if a team fails, and
        stops when three in a row have failed (`report.stopped_because`). A create whose answer was lost is never
        repeated before a list, read when doo can no longer act on it, has proven that nothing happened. Old webhooks
        are deleted only after their replacements were seen. Costs, for a team of p pages (S = p if p is 1, else 2 p):
        S + creates if it has only those, else S + p for every ten updates + creates + deletes + 2 x updates + S.

        Args:
            operations: `Create`, `Ensure`, `Update`, `Replace` and `Delete`, in any order over any teams; an
                iterable, an async iterable, or a function without arguments that returns one of them, async or not,
                or is a generator itself. A function is called only for a run that begins: one that goes on from its
                journal takes the operations from there. An iterator that was used up is refused.
            journal: a file in which every step is written down before it is taken. If it holds an unfinished run of
                the same operations, that run goes on (`report.resumed`); if that one had finished, nothing is sent and
                its report is returned (`report.replayed`), unless `on_finished="refuse"`. It holds no secrets, only
                where they come from.
            progress: called with a `Progress` after every step; making it takes a tenth of a millisecond.
            allow_net_deletes: if given, exactly how many `Delete` operations there must be.
            settle: seconds after which a create without an answer can no longer land. For this and the next ones see
                `RunOptions`, which says more of each.
            on_exhausted: what to do when the day's quota is spent: "park" (the default with a journal) or "wait".
            grace: seconds that a cancelled run takes to leave nothing half done.
            stop: an event, of asyncio or threading, that ends the run in good order.
            stop_within: seconds that this may take.
            outage: seconds for which the run waits until doo can be reached.
            marker: whether descriptions end in what tells the run's creates from all others.
            keep_secrets: a function that encrypts secrets of what is deleted, for `undo`.
            canary: whether the first team is done alone before the others.
            secrets: those that a run needs to go on and that are kept nowhere, see `resume`.
            on_finished: what to do with a journal whose run has ended: "report" or "refuse".
            baseline: lists that were read a moment ago, to be used for the run's own first readings.
            on_claimed: what to do about a team that another run works on: "refuse" (the default with a journal) or "wait".
            moved: say that a journal is the one that was last written, where nothing can tell.
            command: what the run is called where others meet its claims.
            other: nothing else is taken.

        Raises:
            ConfigError: an operation cannot be right, or the operations are an iterator that was used up; nothing was
                sent.
            UnsafePlan: there are more or fewer deletes than allowed; nothing was sent.
            AuthenticationError: the credentials were refused; what was begun was finished as far as possible.
            JournalMismatch: the journal belongs to other operations; names the first rows that differ, and in what.
            JournalError: the journal is locked, is damaged, or cannot be written; nothing is sent that was not written
                down before.
            TeamClaimed: another run works on one of the teams, or was left half done there; nothing was sent.
        """
        settings = Settings.asked(options_in(locals()), journal=journal, progress=progress)
        return await self._order(_given(operations), settings, journal, allow_net_deletes).run()

    async def resume(
        self,
        journal: str | os.PathLike[str],
        *,
        secrets: GivenSecrets | None = None,
        progress: Callable[[Progress], object] | None = None,
        settle: float = 130.0,
        on_exhausted: Literal["park", "wait"] = "park",
        grace: float = 10.0,
        stop: StopSignal | None = None,
        stop_within: float = 60.0,
        outage: float = 3600.0,
        keep_secrets: Callable[[bytes], bytes] | None = None,
        on_finished: Literal["report", "refuse"] = "report",
        moved: bool = False,
    ) -> Report:
        """Go on with the run of a journal, without its operations at hand.

        Args:
            journal: the file that `run(journal=)` was given.
            secrets: those that are kept nowhere, as they were given as bare values: `{(index, field): value}` with the
                fields of `SecretsNeeded.missing`, or `{webhook_id: value}` where a webhook needs one, or a function
                that is called in a thread, or awaited if it is async, with a `Missing`, and returns the value, or None
                for one that it does not have. One value serves all rows that had the same. Each is checked against a keyed
                fingerprint before anything is changed. A secret that was copied from a list of doo's is read again
                from there, if the webhook, or what has taken its place in the run, still shows it: one request a page
                of such a team, and as many again if it is not found.
            progress, settle, on_exhausted, grace, stop, stop_within, outage, keep_secrets, on_finished, moved: as for
                `run`.

        Raises:
            SecretsNeeded: an operation that is not done yet has a secret that is not at hand; `missing` names each, and
                nothing was changed. Give them as `secrets`, or call `run` with the same operations and journal.
            ConfigError: a given secret is not the one that the run was begun with, or one is not where it came from
                any more; nothing was changed.
            JournalError: there is no such run, it is locked, it was given up, or it cannot be used.
            TeamClaimed: another run works on one of its teams; nothing was sent.
        """
        options = RunOptions(
            settle=settle,
            on_exhausted=on_exhausted,
            grace=grace,
            stop=stop,
            stop_within=stop_within,
            outage=outage,
            keep_secrets=keep_secrets,
            secrets=secrets,
            on_finished=on_finished,
            moved=moved,
        )
        settings = Settings.asked(options, journal=journal_path(journal), progress=progress)
        return await self._order(None, settings, journal).run()

    async def report(self, journal: str | os.PathLike[str]) -> Report:
        """Return what a journal tells of its run; costs no request.

        If some process is at work on it, what that has begun is "in_progress".

        Raises:
            JournalError: it cannot be read, or belongs to another API key.
        """
        store = self._store(journal_path(journal))
        past = await self._client.worker.do(lambda: read(store, self._client.account_name))
        going = await self._client.worker.do(store.owner) is not None
        return report_of(past, self._client.limits, going=going)

    async def verify(self, journal: str | os.PathLike[str]) -> Verification:
        """Read every team of a journal's run once more and say what is not as the run wanted it, with ids.

        Every operation is looked at, however it ended: what was made and is gone or changed, what is live although it
        was to go, what is live twice, what was not done and what nobody accounts for. A team that cannot be read is
        named (`unread`). Use it after `report.recheck_at`, when a create whose answer was lost can have landed late.
        Nothing is changed. A client secret that is not at hand is not compared (`secret_unknown`). Costs one request a
        page of each team, twice that where a team has more than one page.

        Raises:
            JournalError: it cannot be read, or belongs to another API key.
        """
        return await verify(self._client, await self._read(journal_path(journal)))

    async def undo(
        self,
        journal: str | os.PathLike[str],
        *,
        decrypt: Callable[[bytes], bytes] | None = None,
        secrets: GivenById | None = None,
        settle: float = 130.0,
        on_wait: Callable[[float], object] | None = None,
    ) -> Undo:
        """Find out what undoes the run of a journal, finished or broken off; nothing is changed.

        Give `operations` of what it returns to `run`, with a journal of their own. Webhooks that the run created are
        deleted, deleted ones are created again, with new ids, updated ones get their old content; what cannot be
        undone is in `left`. Costs nothing, save that each team in which something is in doubt is read once, after the
        time in which it may still land.

        Args:
            journal: the file that `run(journal=)` was given.
            decrypt: undoes what the run's `keep_secrets` did.
            secrets: client secrets that were not kept, by the id that the webhook had before the run, or where it had
                several secrets `{id: {field: secret}}`; None for one that is to stay as it is. An update that left the secret as it was needs none.
            settle: seconds after which what the run had on its way can no longer land.
            on_wait: called with the seconds that are waited for that, if any.

        Raises:
            SecretsNeeded: a configuration had a secret that is neither kept nor given; says which.
            JournalError: it cannot be read, or belongs to another API key.
        """
        check_seconds(settle, "settle")
        check_callback(on_wait, "on_wait")
        check_callback(decrypt, "decrypt")
        given = {} if secrets is None else secrets
        check_kind(given, "secrets", Mapping, "a mapping of the ids that webhooks had to their secrets")
        past = await self._read(journal_path(journal))
        return await undo(self._client, past, decrypt=decrypt, secrets=given, settle=settle, on_wait=on_wait)

    async def claims(self) -> tuple[Claim, ...]:
        """Return the runs that claim teams at this service, as far as the ledger knows; costs no request.

        A run of any of them would end with `TeamClaimed` on such a team, be it alive or left half done.

        Raises:
            ConfigError: the ledger cannot be used.
        """
        claims = await self._client.claims.claims()
        return tuple(claim for claim in claims if claim.base_url == self._client.base_url and claim.teams)

    async def abandon(
        self, *, journal: str | os.PathLike[str] | None = None, run: str | None = None
    ) -> Claim:
        """Give up a run that was killed, stopped or parked, so that others may work on its teams; return what it was.

        Costs no request, and undoes nothing. A journal whose run was given up can be reported, verified and undone,
        never gone on with. `TeamClaimed` names the run and its journal. Where that cannot be read, the run is given up
        in the ledger alone, and `unread` says why: only its teams and times are known then.

        Args:
            journal: the file that `run(journal=)` was given; it may be gone.
            run: the run's id, in place of that.

        Raises:
            TeamClaimed: the run is going on; stop it first.
            JournalError: the journal is in use; or it cannot be read and no run in the ledger names it.
            ConfigError: there is no such run.
        """
        if (journal is None) == (run is None):
            raise ConfigError("name a run either by its journal or by its id; nothing was changed")
        path = None if journal is None else journal_path(journal)
        return await abandon(self._client, journal=path, run=run)

    async def _read(self, path: Path) -> Past:
        store = self._store(path)
        return await self._client.worker.do(lambda: read(store, self._client.account_name))

    def _store(self, path: Path) -> JournalStore:
        return store_at(path, key=self._client.fingerprint_key, clock=self._client.clock)

    def stream(
        self,
        operations: Operations,
        *,
        journal: str | os.PathLike[str] | None = None,
        progress: Callable[[Progress], object] | None = None,
        allow_net_deletes: int | None = None,
        settle: float = 130.0,
        on_exhausted: Literal["park", "wait"] | None = None,
        grace: float = 10.0,
        stop: StopSignal | None = None,
        stop_within: float = 60.0,
        outage: float = 3600.0,
        marker: bool = False,
        keep_secrets: Callable[[bytes], bytes] | None = None,
        canary: bool = False,
        secrets: GivenSecrets | None = None,
        on_finished: Literal["report", "refuse"] = "report",
        baseline: Mapping[str, list[WebhookConfiguration]] | Collected | None = None,
        on_claimed: Literal["refuse", "wait"] | None = None,
        moved: bool = False,
        command: str | None = None,
        **other: Never,
    ) -> Stream:
        """Carry out all operations and yield each outcome as it is known.

        An async context manager; iterate over what it gives, and ask it for `report()` at any moment, also after a
        cancellation. It yields every operation that has ended; when it goes on from a journal, those first that
        ended in an earlier process. Leaving it early stops the run as a cancellation would. Costs and errors are
        those of `run`; what is wrong before anything is sent is raised on entering, what ends the run on leaving.

        Args:
            operations: as for `run`, as are all the others.
        """
        settings = Settings.asked(options_in(locals()), journal=journal, progress=progress)
        return Stream(self._order(_given(operations), settings, journal, allow_net_deletes))

    async def forecast(
        self,
        operations: Operations,
        *,
        baseline: Mapping[str, list[WebhookConfiguration]] | Collected | None = None,
    ) -> Forecast:
        """Read the teams and return what a run of these operations would do and cost; nothing is changed.

        `outcomes` says of each operation how it would end. What cannot be right, for which a run would be refused as
        a whole, is no error here: it would fail, and so would the operations on a team that cannot be read, each with
        the reason. Costs one request a page of each team, and nothing for a team whose list is handed in.
        Hand `baseline` of what it returns to the run, and no team of one page is listed twice.

        Args:
            operations: as for `run`.
            baseline: as for `run`, see `RunOptions`; the run is taken to be given it too.

        Raises:
            ConfigError: something is no operation; nothing was sent.
        """
        given = checked_baseline(baseline or {})
        read = Lists(given)
        teams: dict[str, dict[int, Operation]] = defaultdict(dict)
        found, wrong = await judged(operations, self._client.facts, Line.of_caller())
        for number, operation in enumerate(found):
            if number not in wrong:
                teams[operation.team_id][number] = operation
        forecasts = [
            await self._forecast_team(team_id, of_team, given, read) for team_id, of_team in teams.items()
        ]
        forecasts += [refused(number, found[number], error) for number, error in wrong.items()]
        return attrs.evolve(price(forecasts, self._client.limits), baseline=read)

    async def _forecast_team(
        self, team_id: str, numbered: Mapping[int, Operation], given: Mapping[str, Collected], read: Lists
    ) -> Forecast:
        client, numbers, operations = self._client, list(numbered), list(numbered.values())
        listing: TeamList | Listing | None = usable(given, team_id, client, ensures=ensuring(operations))
        first_look = listing is None
        try:
            if listing is None:
                listing = await read_team(client, team_id, stable=False, lane=Lane.BULK, deadline="session")
                if listing.pages == 1:
                    read[team_id] = Collected.of(listing, client)
        except DooError as error:
            if for_team(error) is ForTeam.NOTHING:
                raise
            return unreadable(operations, numbers, error)
        return forecast_team(
            team_id,
            operations,
            listing.webhooks,
            page_size=listing.page_size,
            facts=client.facts,
            first_look=first_look,
            numbers=numbers,
        )

    def _order(
        self,
        operations: Operations | None,
        settings: Settings,
        journal: str | os.PathLike[str] | None,
        allow_net_deletes: int | None = None,
    ) -> Order:
        return Order(
            client=self._client,
            operations=operations,
            settings=settings,
            journal=None if journal is None else journal_path(journal),
            allow_net_deletes=allow_net_deletes,
        )


def _given(operations: Operations | None) -> Operations:
    if operations is None:
        raise ConfigError(
            "there are no operations; bulk.resume(journal) goes on without them. Nothing was sent"
        )
    return operations
