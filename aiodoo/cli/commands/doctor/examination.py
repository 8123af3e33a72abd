"""Makes the checks of the doctor in order; a failed check ends those that depend on it."""

from __future__ import annotations

import json
import os
import platform
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import attrs

import aiodoo
from aiodoo import REST, DooError, Session, profiles
from aiodoo.cli.commands.doctor import connection, facts
from aiodoo.cli.commands.doctor.finding import Finding
from aiodoo.cli.commands.doctor.recording import RecordingTransport
from aiodoo.cli.context import ENVIRONMENT, SANDBOX, Context, sandbox_options
from aiodoo.cli.state import one_ledger, why_unwritable
from aiodoo.cli.terminal.exit_codes import DONE, FAILED, WrongUsage
from aiodoo.cli.terminal.process import line
from aiodoo.cli.terminal.table import Column
from aiodoo.client.transport import HttpTransport
from aiodoo.errors import (
    AuthenticationError,
    ConfigError,
    NotFound,
    PermissionDenied,
    QuotaExhausted,
    QuotaUnavailable,
    TransportError,
)
from aiodoo.profiles.shared_ledger import LEDGER
from aiodoo.protocol.wire import Kind

LIBRARIES = ("aiodoo", "aiohttp", "anyio", "attrs", "cattrs", "msgspec", "cyclopts", "rich", "ruamel.yaml")


async def examine(settings: Context, report: Path | None) -> int:
    """Make all checks, print the findings, and return the exit code."""
    if settings.all_profiles or (settings.sandbox and settings.profile):
        raise WrongUsage("the doctor sees one account at a time; name it with --profile.")
    findings: list[Finding] = []
    name = SANDBOX if settings.sandbox else settings.profile
    try:
        async with _account(settings) as account:
            name = account.profile
            findings.append(_configuration(account))
            findings.extend([finding async for finding in _of_account(account)])
    except DooError as error:
        findings.append(_as_finding(error))
    with settings.sheet(
        "check", Column("", lambda record: record["verdict"], whole=True), Column("WHAT"), Column("FOUND")
    ) as sheet:
        for finding in findings:
            record = {"profile": name, **attrs.asdict(finding)}
            found = f"{finding.found}\n-> {finding.advice}" if finding.advice else finding.found
            sheet.add(record, {"what": finding.subject, "found": found})
    if report is not None:
        _write(report, findings)
        settings.talk.say(
            f"the report is in {report}; it holds no secrets, and nothing of your webhooks' contents."
        )
    return FAILED if any(finding.verdict == "wrong" for finding in findings) else DONE


@attrs.frozen
class _Account:
    """The account to check: its profile, the origins of its credentials, options of a Session, and configured teams."""

    profile: str
    origins: tuple[str, ...]
    options: dict[str, Any]
    teams: tuple[str, ...] = ()
    is_sandbox: bool = False


@asynccontextmanager
async def _account(settings: Context) -> AsyncIterator[_Account]:
    if settings.sandbox:
        async with sandbox_options() as options:
            yield _Account(SANDBOX, ("the sandbox",), options, is_sandbox=True)
    else:
        settings.check_profiles()
        profile = profiles.load(settings.profile, config=settings.config)
        ledger = one_ledger()
        options = {"base_url": REST, "quota": ledger, **profile.options()}
        origins = tuple(dict.fromkeys(profile.origins.values()))
        yield _Account(profile.name or ENVIRONMENT, origins, options, profile.teams)


def _configuration(account: _Account) -> Finding:
    limits = account.options["limits"]
    second, day = (
        f"any number of requests a {unit}"
        if limit is None
        else f"{limit:g} request{'s' * (limit != 1)} a {unit}"
        for limit, unit in ((limits.per_second, "second"), (limits.per_day, "day"))
    )
    return Finding(
        "ok",
        "configuration",
        f"credentials from {', '.join(account.origins)}; {second}, {day}",
        "set limits in the profile if doo gave you others",
    )


async def _of_account(account: _Account) -> AsyncIterator[Finding]:
    """Check the connection to doo, then its answers."""
    options = account.options
    base_url = options["base_url"]
    if "proxy" not in options:
        for finding in await connection.check(base_url):
            yield finding
            if finding.verdict == "wrong":
                return
    recorder = RecordingTransport(HttpTransport(base_url, timeout=30.0, proxy=options.get("proxy")))
    async with Session(**options | {"transport": recorder, "deadline": 60.0}) as doo:
        try:
            async for finding in _of_answers(doo, recorder, account.teams):
                yield finding
        except DooError as error:
            yield _as_finding(error)
            if isinstance(error, QuotaUnavailable):
                return  # The ledger would be waited for a second time.
        async for finding in _quota(doo, sandbox=account.is_sandbox):
            yield finding
    for finding in facts.of_limits([(one.answer.status, one.answer.headers) for one in recorder.answers]):
        yield finding


async def _of_answers(
    doo: Session, recorder: RecordingTransport, known: tuple[str, ...]
) -> AsyncIterator[Finding]:
    organizations = [each async for each in doo.organizations.list()]
    yield Finding("ok", "credentials", "accepted")
    (token, *_), (answer, *_) = recorder.of(Kind.TOKEN), recorder.of(Kind.ORGANIZATIONS)
    for finding in connection.clocks(answer.answer.headers.get("Date"), answer.at):
        yield finding
    for finding in facts.of_token(token.answer.body, token.answer.status):
        yield finding
    teams = [team for organization in organizations for team in organization.team_ids]
    for finding in facts.of_organizations(answer.answer.body, named=len(organizations), teams=len(teams)):
        yield finding
    if not (known or teams):
        yield Finding("look", "teams", "doo names none", "set teams = [...] in the profile")
        return
    team = (*known, *teams)[0]
    pages = doo.webhooks.list(team).pages()
    await anext(pages)
    yield Finding("ok", "right", f"the account may read the webhooks of team {team}")
    await anext(pages, None)
    lists = [one.answer.body for one in recorder.of(Kind.LIST)]
    for finding in facts.of_list(lists, doo.base_url, doo.facts):
        yield finding


async def _quota(doo: Session, *, sandbox: bool) -> AsyncIterator[Finding]:
    if (why := None if sandbox else why_unwritable()) is not None:
        yield Finding(
            "wrong", "quota", f"{why}, so no ledger is kept", "set XDG_STATE_HOME to another folder"
        )
        return
    usage = await doo.quota.usage()
    used, left, when = usage.used, usage.left, usage.resume_at
    if left is None:
        yield Finding("ok", "quota", "no daily limit is kept", "")
    elif left == 0:
        yield Finding(
            "look",
            "quota",
            "nothing is left of the day",
            "" if when is None else f"free again at {when:%Y-%m-%d %H:%M} UTC",
        )
    else:
        yield Finding(
            "ok", "quota", f"{used} used and {left} left of the last 24 hours, as this machine knows"
        )


def _as_finding(error: DooError) -> Finding:
    match error:
        case AuthenticationError(status=403):
            subject, advice = (
                "API key",
                "ask doo's support for it, and look for a missing character; then `aiodoo login`",
            )
        case AuthenticationError():
            subject = "credentials"
            advice = "make new ones in doo's Manager App (Organization Settings > Users), then `aiodoo login`"
        case NotFound() | PermissionDenied() if "check the base URL" in str(error):
            subject, advice = "base URL", "correct base_url in the profile, or DOO_BASE_URL"
        case PermissionDenied():
            subject, advice = (
                "right",
                "the user of these credentials may not read webhooks; ask your administrator",
            )
        case QuotaExhausted():
            subject, advice = "quota", "wait; `aiodoo quota` says until when"
        case QuotaUnavailable():
            subject, advice = "ledger", f"start the server again, or correct the URL in {LEDGER}"
        case TransportError():
            subject, advice = "connection", "check the network and a proxy in between"
        case ConfigError():
            subject, advice = "configuration", "correct what is named here"
        case _:
            subject, advice = (
                "doo's answer",
                "if this lasts, send doo's support the file that --report writes",
            )
    return Finding("wrong", subject, line(error), advice)


def _write(path: Path, findings: list[Finding]) -> None:
    """Write the report to a file that only its owner can read."""
    document = {
        "versions": {name: _version(name) for name in LIBRARIES} | {"python": sys.version.split()[0]},
        "platform": platform.platform(),
        "findings": [attrs.asdict(finding) for finding in findings],
    }
    try:
        descriptor = os.open(path, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600)
        with open(descriptor, "w", encoding="utf-8") as file:  # noqa: PTH123  # a descriptor
            json.dump(document, file, indent=2)
    except OSError as error:
        raise ConfigError(f"the report {path} cannot be written: {error.strerror}") from None


def _version(name: str) -> str | None:
    try:
        return aiodoo.__version__ if name == "aiodoo" else version(name)
    except PackageNotFoundError:
        return None
