"""Types of options that several commands have."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, TypeAlias

from cyclopts import Parameter
from cyclopts.validators import Number

from aiodoo.checks import ID
from aiodoo.cli import completers

FASTEST = 10_000


def _check_rate(type_: Any, rate: float | None) -> None:  # noqa: ARG001  # a validator's signature
    if rate is not None and not 0 < rate <= FASTEST:
        raise ValueError(f"must be above 0 and at most {FASTEST}.")


def _check_ids(type_: Any, ids: str | list[str] | None) -> None:  # noqa: ARG001  # a validator's signature
    for each in [ids] if isinstance(ids, str) else ids or []:
        if ID.fullmatch(each) is None:
            again = " Give the option once for each." if "," in each and not isinstance(ids, str) else ""
            raise ValueError(f"{each!r} is no id: 1 to 64 of the characters A-Z a-z 0-9 _ -.{again}")


Rate: TypeAlias = Annotated[float, Parameter(validator=_check_rate)]
OptionalRate: TypeAlias = Annotated[float | None, Parameter(validator=_check_rate, negative_none="no-")]
OptionalCount: TypeAlias = Annotated[int | None, Parameter(validator=Number(gte=1), negative_none="no-")]
Organizations: TypeAlias = Annotated[int, Parameter(validator=Number(gte=1, lte=10_000))]
Switch: TypeAlias = Annotated[bool, Parameter(negative="", show_default=False)]
AllowWidening: TypeAlias = Annotated[
    Switch,
    Parameter(help="Agree that copies may reach more events than their originals; --yes alone does not."),
]
Seconds: TypeAlias = Annotated[float, Parameter(validator=Number(gte=0))]
NetDeletes: TypeAlias = Annotated[int | None, Parameter(validator=Number(gte=0))]
RunId: TypeAlias = Annotated[str | None, Parameter(show_default=False, completer=completers.run_ids)]
LastRun: TypeAlias = Annotated[
    RunId, Parameter(help="Its id or the beginning of it; by default the last run.")
]
Page: TypeAlias = Annotated[
    Path | None,
    Parameter(help="Write it also as an HTML page for a change ticket, without secrets, to this file."),
]
Several: TypeAlias = Annotated[list[str] | None, Parameter(negative="")]
Teams: TypeAlias = Annotated[
    Several,
    Parameter(
        help="Only this team; may be given several times.",
        completer=completers.team_ids,
        validator=_check_ids,
    ),
]
OfOrganizations: TypeAlias = Annotated[
    Several,
    Parameter(help="Only teams of the organization with this id or name; may be given several times."),
]
TeamId: TypeAlias = Annotated[str, Parameter(completer=completers.team_ids, validator=_check_ids)]
ProfileName: TypeAlias = Annotated[str, Parameter(completer=completers.profile_names)]
Type: TypeAlias = Annotated[str, Parameter(completer=completers.hook_types)]
