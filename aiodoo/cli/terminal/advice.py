"""Translates advice of the SDK's messages from Python calls to commands and options."""

from __future__ import annotations

import re

_JOURNAL = re.compile(r"\S*/runs/([^/\s]+)/")

_TRANSLATIONS = {
    ("List the teams to see what was done, and start a new run with bulk.run([Ensure(...), ...])"): (
        "Abandon the run with: aiodoo runs abandon {run}; then aiodoo webhooks list shows what was done, "
        "and the same command begins a new run"
    ),
    (
        "If there is none, give the run up with bulk.abandon(), list the teams to see what was done, and "
        "start a new run"
    ): (
        "If there is none, abandon the run with: aiodoo runs abandon {run}; then aiodoo webhooks list "
        "shows what was done, and the same command begins a new run"
    ),
    ("give the run up with bulk.abandon(run=...) and list its teams"): (
        "abandon the run with: aiodoo runs abandon {run}; then aiodoo webhooks list shows what was done"
    ),
    ("say so with moved=True (--moved):"): ("say so with aiodoo runs resume {run} --moved:"),
    ("Name fewer teams at a time, or raise the daily quota (Limits(per_day=...))"): (
        "Name fewer teams at a time with --team, or raise per_day in the limits of the profile"
    ),
    ("Use that one's session"): ("Name the profile that has that key with --profile; aiodoo login makes one"),
    ("Use that one, or plan again"): ("Name its profile with --profile, or plan again"),
    (
        "Give them as secrets={{id: secret}}, as {{id: {{field: secret}}}} where there are several, or "
        "None for an id to leave that one as it is"
    ): (
        "Give each with --secret ID=env:NAME or --secret ID=file:PATH, or use --secret ID=none to leave "
        "that one as it is"
    ),
    ("report.scope_unknown names them all, the first is"): ("the first is"),
    ("Resuming the run ends this; without a journal, list the team and delete one of each two"): (
        "Resuming the run ends this; aiodoo runs verify names what is live twice"
    ),
    ("was abandoned with bulk.abandon;"): ("was abandoned with aiodoo runs abandon;"),
    (
        "See how with bulk.report(journal), look again with bulk.verify(journal), or name another journal"
        " for a new run"
    ): ("See how with aiodoo runs show {run}, and look again with aiodoo runs verify {run}"),
    (" or Session.from_profile(), or choose"): (", or choose"),
    ("give hooks= with one of them"): ("give one of them with --hook"),
    ("give authentication= instead"): ("give --token-url as well"),
    ("; Hook.graphql() writes it for you"): ("; correct it"),
    ("proxy= must look like"): ("the profile's proxy must look like"),
    ("allow more time with deadline="): ("allow more time with the profile's deadline"),
    ("Run without journal=, or on another system"): ("Use --no-record, or another system"),
    (", or quota.SQLite(path).reset(), puts it aside"): (" puts it aside"),
    ("Give every Session on it the same per_second, per_day and reserve (DOO"): (
        "Give every profile and program with it the same limits (DOO"
    ),
    ("Begin one with bulk.run(journal=)"): ("The command that was to begin it begins it"),
}


def with_commands(message: str) -> str:
    """Return a message of the SDK with commands and options in place of Python calls."""
    journal = _JOURNAL.search(message)
    run = "RUN" if journal is None else journal[1]
    for python, command in _TRANSLATIONS.items():
        message = message.replace(python.format(run=run), command.format(run=run))
    return message
