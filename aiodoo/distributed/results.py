"""Results of jobs, and the progress and the report of a campaign."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any, Literal, Self

import attrs

from aiodoo.bulk import Outcome, Report
from aiodoo.distributed.jobs import Job
from aiodoo.errors import DooError
from aiodoo.operations.forecast import Requests
from aiodoo.operations.tracked import Status
from aiodoo.plain.document import Form, Time, document, fitted, read_document, time_text


class _ResultForm(Form):
    key: str
    places: list[int]
    report: dict[str, Any]
    resume_at: Time | None = None
    failed: str | None = None


@attrs.frozen(kw_only=True)
class Result:
    """How a job ended, or where it is parked.

    Attributes:
        key: the key of the job.
        places: the places of its operations in the campaign's input.
        report: the report of its run; of operations that were never started if there was none yet.
        resume_at: when to resume it (UTC); None if it is done, or has failed.
        failed: why it failed, and has to be submitted again once that is mended; None if it has not.
    """

    key: str
    places: tuple[int, ...] = attrs.field(repr=False)
    report: Report
    resume_at: datetime | None = None
    failed: str | None = None

    @classmethod
    def not_started(
        cls,
        job: Job,
        *,
        error: DooError | None = None,
        resume_at: datetime | None = None,
        failed: str | None = None,
    ) -> Self:
        """Return the result of a job of which nothing was started, for some error."""
        outcomes = tuple(
            Outcome(operation=operation, status=Status.NOT_STARTED, ended=False, index=index, error=error)
            for index, operation in enumerate(job.read())
        )
        return cls.of(
            job,
            Report(outcomes=outcomes, requests=Requests(), forecast=None),
            resume_at=resume_at,
            failed=failed,
        )

    @classmethod
    def of(
        cls, job: Job, report: Report, *, resume_at: datetime | None = None, failed: str | None = None
    ) -> Self:
        """Return the result of a job's run."""
        return cls(key=job.key, places=job.places, report=report, resume_at=resume_at, failed=failed)

    @property
    def state(self) -> Literal["done", "failed", "parked"]:
        """What it is, in a word: "done", "failed", or "parked" for a job that is resumed at `resume_at`."""
        if self.failed is not None:
            return "failed"
        return "done" if self.resume_at is None else "parked"

    def to_dict(self) -> dict[str, Any]:
        """Return it as plain JSON, without secrets."""
        return document(
            {
                "key": self.key,
                "places": [*self.places],
                "report": self.report.to_dict(),
                "resume_at": None if self.resume_at is None else time_text(self.resume_at),
                "failed": self.failed,
            }
        )

    @classmethod
    def from_dict(cls, mapping: Mapping[str, Any]) -> Self:
        """Read what `to_dict` has written.

        Raises:
            ConfigError: it does not fit; says where, and shows no value.
        """
        form: _ResultForm = read_document(mapping, "a result", lambda data: fitted(data, _ResultForm))
        return cls(
            key=form.key,
            places=tuple(form.places),
            report=Report.from_dict(form.report),
            resume_at=None if form.resume_at is None else form.resume_at.astimezone(UTC),
            failed=form.failed,
        )


@attrs.frozen(kw_only=True)
class CampaignProgress:
    """How far a campaign has come.

    Attributes:
        jobs: its jobs, one for each team.
        done: those whose operations have all ended.
        failed: those that failed, and have to be submitted again once the cause is mended.
        parked: those that are carried out again at some time, as when the daily quota was spent.
        resume_at: when the first of these is resumed (UTC); None if there are none.
    """

    jobs: int
    done: int
    failed: int
    parked: int
    resume_at: datetime | None = None

    def __str__(self) -> str:
        text = f"{self.done}/{self.jobs} teams, {self.failed} failed, {self.parked} parked"
        return text if self.resume_at is None else f"{text}, the first at {time_text(self.resume_at)}"


def merged(results: Iterable[Result]) -> Report:
    """Return the report of a campaign, in the order of its input; sends nothing.

    Args:
        results: one for each of its jobs.

    Raises:
        ConfigError: results are missing, or are of other campaigns.
    """
    found = tuple(results)
    return Report.merged((result.report for result in found), places=[result.places for result in found])


def result_of(job: Mapping[str, Any], result: Mapping[str, Any] | None) -> Result:
    """Return the result that an engine stores; that of a job that nobody has begun if it stores none."""
    return Result.not_started(Job.from_dict(job)) if result is None else Result.from_dict(result)
