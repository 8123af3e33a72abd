"""`session.bulk`: forecast, run and resume many operations."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Literal, Unpack

import attrs

from aiodoo.bulk.baselines import checked_baseline
from aiodoo.bulk.forecasting import forecast
from aiodoo.bulk.input import Operations, given
from aiodoo.bulk.journal import JournalPlace
from aiodoo.bulk.journaled_runs import JournaledRuns
from aiodoo.bulk.opening import PreparedRun
from aiodoo.bulk.options import GivenSecrets, NoOptions, RunSettings, journal_path, options_in
from aiodoo.bulk.report import Outcome, Progress, Report
from aiodoo.bulk.stopping import StopSignal
from aiodoo.bulk.stream import Stream
from aiodoo.models import WebhookConfiguration
from aiodoo.operations.batch import MAX_PAIRS
from aiodoo.operations.forecast import Forecast
from aiodoo.walk import Collected


@attrs.frozen
class Bulk(JournaledRuns):
    """Runs of many operations over many teams; single calls are served before their requests."""

    async def run(
        self,
        operations: Operations,
        *,
        journal: JournalPlace | None = None,
        progress: Callable[[Progress], object] | None = None,
        on_outcome: Callable[[Outcome], object] | None = None,
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
        foreground: bool = False,
        max_pairs: int = MAX_PAIRS,
        **other: Unpack[NoOptions],
    ) -> Report:
        """Carry out all operations and report how each of them ended.

        Teams are worked on in parallel; operations that name the same webhook are carried out in order. The run
        continues if a team fails, and stops when three in a row have failed (`report.stopped_because`). A create whose
        answer was lost is never sent again before a list, read when it can no longer land, has proven that it did not.
        Old webhooks are deleted only after pages read after the creates have shown them and their replacements.

        Costs, for a team of p pages (S = p if p is 1, else 2 p):
        S + creates if it has only those, else S + looks + creates + deletes + 2 x updates + S. Looks are, for every 25
        updates (`max_pairs`), the pages that show their old webhooks, before and after the creates, and the one or two
        with the new ones: about 2.3 requests an update. If a team's list shows new ones anywhere, they are p for every
        25. A run that goes on the next day looks at pages, too; it reads whole lists if anything was half done.

        Args:
            operations: `Create`, `Ensure`, `Update`, `Replace` and `Delete`, in any order over any teams: an iterable,
                an async iterable, or a function without arguments that returns one of them, async or not, or is a
                generator itself. A function is called only when a run starts; a resumed run takes its operations
                from the journal. An exhausted iterator is refused.
            journal: a file, or one of `aiodoo.journals`, in which every step is written before its request is sent; None
                for none. If it holds an unfinished run of the same operations, that run is resumed (`report.resumed`);
                if that run has finished, nothing is sent and its report is returned (`report.replayed`), see
                `on_finished`. It holds no secrets, only their sources and fingerprints.
            progress: called with a `Progress` after every step, which takes a tenth of a millisecond.
            on_outcome: called with the `Outcome` of each operation as soon as it has ended; when a journal's run is
                resumed, first of those that ended in an earlier process.
            allow_net_deletes: if given, exactly how many `Delete` operations there must be.
            settle: seconds after which a create without an answer can no longer land; the run waits a quarter more, as
                lists may lag.
            on_exhausted: what to do when the daily quota is spent: "park" (the default with a journal) returns an
                unfinished report (`complete` is False, and `resume_at` says when to resume), "wait" (the default
                without) continues the next day.
            grace: seconds that a cancelled run takes: it starts nothing more, deletes the old webhooks of the
                replacements that it has created, and waits for the answers of requests in flight. What stays live
                twice after that is named in the log and by `events.LeftLive`.
            stop: an `asyncio.Event`, `threading.Event` or anything else with `is_set()` and `wait()`. Once it is set
                the run starts nothing more, finishes what would stay live twice, and returns its report. Operations
                that were not sent are `not_started`; deletes that no list has confirmed are confirmed when the run is
                resumed. It also works before the run starts: while another run's claims are waited for, while an
                async iterable or a function yields the operations (`report.all_read` is False then), and while
                `desired.apply` reads the teams.
            stop_within: seconds that this may take; what stays live twice then is in `report.both_live`.
            outage: seconds for which the run waits until doo can be reached; then it returns an unfinished report, with
                the cause in `stopped_because`. Until doo has answered for the first time the run does not wait: the
                cause may be a mistyped host or a missing VPN, and is raised.
            marker: end each description that is created in a few characters such as " [aiodoo:3f9c2a71.15]", by which a
                create whose answer was lost is found for sure, whatever else is in the team. A later update drops it,
                or has its own. A description that would become longer than 255 characters gets none. A resumed run
                does as it did before.
            keep_secrets: a function that encrypts, such as `Fernet(key).encrypt`. The journal keeps what is deleted, so
                that `undo` can restore it, and its client secret only with this, as what the function returns. It is
                called in a thread; if it fails, nothing is deleted. Give it again when the run is resumed.
            canary: do the first team alone, and the others only if everything in it is as wanted then.
            secrets: those that a resumed run needs and that are stored nowhere, for operations that are a function,
                which is not called then; see `resume`.
            on_finished: what to do with a journal whose run has finished: "report" returns its report, with `replayed`
                set and nothing sent, "refuse" raises `JournalMismatch`.
            baseline: what `doo.webhooks.list(teams, stable=True).collect()` has returned, or that by team id; a
                forecast's and a plan's `baseline` are such. It replaces the run's own first reading of a team, unless
                it was not read `stable`, is older than 10 minutes when the run reaches the team (one minute where the
                team has an `Ensure`, or a create of a plan), is of another account, or this session, or another run
                on the same ledger, has changed the team since. No delete relies on it. A resumed run does not use it.
            on_claimed: what to do about a team that another run has claimed: "refuse" (the default with a journal)
                raises `TeamClaimed` before anything is sent, "wait" (the default without) waits until that run
                releases the team. It waits only for a run that is alive; one that was killed or parked is refused,
                as nobody knows when it is resumed. A team that is claimed after this run has started ends
                `not_started` with that error.
            moved: state that a journal is the latest copy, where neither the file system nor the ledger can tell, as
                after it was copied to another machine. Every create that may have been sent is then looked for before
                anything is sent. A journal that the ledger knows to be old is refused all the same.
            command: the name that `TeamClaimed` shows for the run, such as that of a subcommand. It must hold no
                secret, so never pass a whole command line.
            foreground: whether the run costs and waits as single calls do: it is served before other runs, from the
                whole daily quota, and a team in which it only creates is listed only if an answer was lost. A webhook
                with that content is then taken for what the create has made, even if it is older, as `ensure` does.
            max_pairs: how many updates of a team may have both their webhook configurations live at once. More cost
                fewer requests, and doo may then deliver each event twice for more of them. The default is a page of
                doo's lists, beyond which hardly anything is saved.
            other: refused, as there are no more options.

        Raises:
            ConfigError: an operation is invalid, or the operations are an exhausted iterator; nothing was sent.
            UnsafePlan: there are more or fewer deletes than allowed; nothing was sent.
            AuthenticationError: the credentials were refused; what was started was finished as far as possible.
            JournalMismatch: the journal belongs to other operations; names the first rows that differ, and in what.
            JournalError: the journal is locked, is damaged, or cannot be written; nothing is sent that was not written
                down before.
            TeamClaimed: another run has claimed one of the teams; nothing was sent.
        """
        return await self._prepared(given(operations), locals()).run()

    async def resume(
        self,
        journal: JournalPlace,
        *,
        secrets: GivenSecrets | None = None,
        progress: Callable[[Progress], object] | None = None,
        on_outcome: Callable[[Outcome], object] | None = None,
        settle: float = 130.0,
        on_exhausted: Literal["park", "wait"] = "park",
        grace: float = 10.0,
        stop: StopSignal | None = None,
        stop_within: float = 60.0,
        outage: float = 3600.0,
        keep_secrets: Callable[[bytes], bytes] | None = None,
        on_finished: Literal["report", "refuse"] = "report",
        moved: bool = False,
        max_pairs: int = MAX_PAIRS,
    ) -> Report:
        """Resume the run of a journal, without its operations.

        Args:
            journal: what `run(journal=)` was given.
            secrets: those that are stored nowhere, as they were given as bare values: `{(index, field): value}` with
                the fields of `SecretsNeeded.missing`, or `{webhook_id: value}` where a webhook needs one, or a function
                that takes a `Missing` and returns the value, or None for one that it does not have; it is called in a
                thread, or awaited if it is async. One value serves all rows that had the same secret. Each is checked
                against a keyed fingerprint before anything is changed. A secret that was copied from a list is read
                again from there, if the webhook, or its replacement in the run, still shows it: one request a page of
                such a team, and as many again if it is not found.
            progress: called with a `Progress` after every step.
            on_outcome: called with the `Outcome` of each operation that has ended, as for `run`.
            settle: seconds after which a create without an answer can no longer land. This and the others as for `run`.
            on_exhausted: when the daily quota is spent, "park" or "wait".
            grace: seconds that a cancelled run takes to leave nothing live twice.
            stop: an event, of asyncio or threading, that ends the run in order.
            stop_within: seconds that this may take.
            outage: seconds for which the run waits until doo can be reached.
            keep_secrets: the function that the run was started with.
            on_finished: for a journal whose run has finished, "report" or "refuse".
            moved: state that the journal is the latest copy, where nothing else can tell.
            max_pairs: how many updates of a team may have both their webhook configurations live at once.

        Raises:
            SecretsNeeded: an operation that is not done yet has a secret that is not available; `missing` names each,
                and nothing was changed. Give them as `secrets`, or call `run` with the same operations and journal.
            ConfigError: a given secret is not the one that the run was started with, or one has changed where it came
                from; nothing was changed.
            JournalError: there is no such run, it is locked, it was abandoned, or it cannot be used.
            TeamClaimed: another run has claimed one of its teams; nothing was sent.
        """
        journal = journal_path(journal)
        return await self._prepared(None, locals()).run()

    def stream(
        self,
        operations: Operations,
        *,
        journal: JournalPlace | None = None,
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
        foreground: bool = False,
        max_pairs: int = MAX_PAIRS,
        **other: Unpack[NoOptions],
    ) -> Stream:
        """Carry out all operations and yield each outcome as soon as it is known.

        An async context manager; iterate over what it returns, and ask it for `report()` at any time, also after a
        cancellation. It yields every operation that has ended; when it resumes a journal's run, first those that
        ended in an earlier process. Leaving it early stops the run as a cancellation would. Costs and errors are
        those of `run`; what is wrong before anything is sent is raised on entering, what ends the run on leaving.

        Args:
            operations: `Create`, `Ensure`, `Update`, `Replace` and `Delete`. This and the others as for `run`.
            journal: a file, or one of `aiodoo.journals`, in which every step is written before its request is sent; None
                for none.
            progress: called with a `Progress` after every step.
            allow_net_deletes: if given, exactly how many `Delete` operations there must be.
            settle: seconds after which a create without an answer can no longer land.
            on_exhausted: when the daily quota is spent, "park" (the default with a journal) or "wait".
            grace: seconds that a cancelled run takes to leave nothing live twice.
            stop: an event, of asyncio or threading, that ends the run in order.
            stop_within: seconds that this may take.
            outage: seconds for which the run waits until doo can be reached.
            marker: whether descriptions end in a marker of the run.
            keep_secrets: a function that encrypts the secrets of what is deleted, for `undo`.
            canary: whether the first team is done alone, before the others.
            secrets: those that a resumed run needs and that are stored nowhere, see `resume`.
            on_finished: for a journal whose run has finished, "report" or "refuse".
            baseline: stable lists that were read a moment ago, used in place of the run's own first readings.
            on_claimed: for a team of another run, "refuse" (the default with a journal) or "wait".
            moved: state that the journal is the latest copy, where nothing else can tell.
            command: the name that `TeamClaimed` shows for the run.
            foreground: whether it costs and waits as single calls do.
            max_pairs: how many updates of a team may have both their webhook configurations live at once.
            other: refused, as there are no more options.
        """
        return Stream(self._prepared(given(operations), locals()))

    async def forecast(
        self,
        operations: Operations,
        *,
        baseline: Mapping[str, list[WebhookConfiguration]] | Collected | None = None,
    ) -> Forecast:
        """Read the teams and return what a run of these operations would do and cost; nothing is changed.

        `outcomes` says for each operation how it would end. An invalid operation, for which a run would be refused as
        a whole, is no error here: it would fail, and so would the operations on a team that cannot be read, each with
        the reason. Costs one request a page of each team, and nothing for a team whose list is in `baseline`.
        Pass `baseline` of what it returns to the run, and no team of one page is listed twice.

        Args:
            operations: as for `run`.
            baseline: lists that were read a moment ago, as for `run`, which is assumed to get them, too.

        Raises:
            ConfigError: something is no operation; nothing was sent.
        """
        return await forecast(self._context, operations, checked_baseline(baseline or {}))

    def _prepared(self, operations: Operations | None, arguments: Mapping[str, Any]) -> PreparedRun:
        """Return the run for the `locals()` of a method that has its options as parameters."""
        journal, progress = arguments["journal"], arguments["progress"]
        return PreparedRun(
            context=self._context,
            operations=operations,
            settings=RunSettings.of(
                options_in(arguments),
                journal=journal,
                progress=progress,
                on_outcome=arguments.get("on_outcome"),
            ),
            journal=None if journal is None else journal_path(journal),
            allow_net_deletes=arguments.get("allow_net_deletes"),
        )
