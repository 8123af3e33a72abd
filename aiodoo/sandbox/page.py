"""The page at a sandbox's root, for a person: its state as HTML, and buttons to change it.

It has no script and makes no request but its own forms'. Credentials and client secrets are not shown.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterable, Mapping, Sequence
from html import escape
from typing import Any, Protocol, get_args
from urllib.parse import parse_qs

from aiodoo.sandbox.answers import Data
from aiodoo.sandbox.box import Box
from aiodoo.sandbox.courier import Deliveries
from aiodoo.sandbox.deliveries import hooks_of
from aiodoo.sandbox.faults import Fault, FaultKind
from aiodoo.sandbox.items import hook_types
from aiodoo.sandbox.jsontext import loads
from aiodoo.sandbox.wire import Operation

_MOST = 100
"""Rows of each table."""

HEADERS: Mapping[str, str] = {
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; base-uri 'none'",
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
    "X-Frame-Options": "DENY",
}

_STYLE = """
body { font: 1rem/1.5 system-ui, sans-serif; margin: 1rem auto; max-width: 72rem; padding: 0 1rem; color: #1b1b1b; background: #fff }
table { border-collapse: collapse; width: 100%; margin: .5rem 0 1.5rem } caption { text-align: left; font-weight: 600 }
th, td { text-align: left; padding: .2rem .6rem; border-bottom: 1px solid #ccc; vertical-align: top }
th { white-space: nowrap } td { overflow-wrap: break-word } td:last-child { overflow-wrap: anywhere }
.forms { display: flex; flex-wrap: wrap; align-items: end }
form { display: inline-flex; flex-wrap: wrap; gap: .5rem; align-items: end; margin: 0 2rem 1rem 0 } label { display: grid; font-size: .9rem }
input, select, button { font: inherit; padding: .2rem .5rem } [role=status] { border-left: .3rem solid #1769aa; padding: .3rem .8rem }
@media (prefers-color-scheme: dark) { body { color: #eee; background: #1b1b1b } th, td { border-color: #444 } }
"""


class Shown(Protocol):
    """What the page shows, and its buttons change: a `Sandbox`."""

    box: Box
    deliveries: Deliveries
    url: str

    @property
    def live(self) -> Callable[[str], list[Data]]:
        """Returns the webhooks of a team."""
        ...

    @property
    def script(self) -> Callable[[Fault], None]:
        """Appends a fault to the script."""
        ...

    def reset(self) -> None:
        """Restore the initial state."""


class Page:
    """The page of one sandbox; `key` is in its forms, so that no other page can send them."""

    def __init__(self, sandbox: Shown) -> None:
        self._sandbox = sandbox
        self._key = secrets.token_hex(16)
        self._said = ""

    def is_for_us(self, host: str) -> bool:
        """Return whether a Host header names this machine, so that no foreign name leads a browser here."""
        return host.rpartition(":")[0] in {"127.0.0.1", "localhost"}

    def act(self, body: bytes) -> bool:
        """Do what a form says; return False if it is not this page's."""
        form = {name: values[0] for name, values in parse_qs(body.decode("utf-8", "replace")).items()}
        if not secrets.compare_digest(form.get("key", "").encode(), self._key.encode()):
            return False
        try:
            self._said = self._do(form)
        except (ValueError, KeyError, RuntimeError) as error:
            self._said = f"Nothing was done: {error}"
        return True

    def _do(self, form: Mapping[str, str]) -> str:
        box = self._sandbox
        match form.get("do"):
            case "fire":
                item = loads(form.get("item", "").encode())
                made = box.deliveries.fire(form["type"], item, team=form.get("team"))
                return f"{form['type']} was fired; it makes {len(made)} deliveries."
            case "fault":
                fault = Fault(_choice(FaultKind, form["kind"]), on=_choice(Operation, form["on"]))
                box.script(fault)
                return f"The next request of kind {form['on']} gets the fault {fault.kind}."
            case "reset":
                box.reset()
                return "Everything is as at the start."
            case _:
                raise ValueError("there is no such button")

    def html(self) -> str:
        """Return the page."""
        box = self._sandbox
        parts = [
            "<!doctype html>",
            f'<html lang="en"><meta charset="utf-8"><title>doo sandbox</title><style>{_STYLE}</style>',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            f"<main><h1>doo sandbox</h1><p>Serving at <code>{escape(box.url)}</code>. Reload the page to see what is new.</p>",
            f'<p role="status">{escape(self._said)}</p>' if self._said else "",
            "<h2>Do</h2>",
            '<div class="forms">',
            *self._forms(),
            "</div>",
            *self._accounts(),
            *self._webhooks(),
            *self._requests(),
            *self._deliveries(),
            "</main></html>",
        ]
        self._said = ""
        return "\n".join(parts)

    def _forms(self) -> Iterable[str]:
        teams = ["", *self._sandbox.box.teams[:_MOST]]
        item = '<label>Item <input name="item" size="34" required value=\'{"id": 4711, "title": "Fair"}\'></label>'
        yield self._form(
            "fire", _select("Event", "type", hook_types()) + item + _select("Team", "team", teams), "Fire"
        )
        kinds, operations = list(get_args(FaultKind)), list(get_args(Operation))
        yield self._form(
            "fault", _select("Fault", "kind", kinds) + _select("Request", "on", operations), "Script"
        )
        yield self._form("reset", "", "Reset")

    def _form(self, do: str, fields: str, button: str) -> str:
        hidden = f'<input type="hidden" name="key" value="{self._key}"><input type="hidden" name="do" value="{do}">'
        return f'<form method="post" action="/">{hidden}{fields}<button>{button}</button></form>'

    def _accounts(self) -> Iterable[str]:
        log, plan = self._sandbox.box.log, self._sandbox.box.plan
        limits = (
            "none" if plan is None else f"{plan.per_second or 'any'} a second, {plan.per_day or 'any'} a day"
        )
        rows = [("Limits", limits), ("Requests", log.total), ("Refused with 429", log.count(status=429))]
        rows += [
            (each.name, "teams " + ", ".join(each.teams)) for each in self._sandbox.box.organizations[:_MOST]
        ]
        yield _table("Account", ("what", "value"), rows)

    def _webhooks(self) -> Iterable[str]:
        rows: list[tuple[str, ...]] = []
        for team in self._sandbox.box.teams[:_MOST]:
            for webhook in self._sandbox.live(team)[: _MOST - len(rows)]:
                hooks = "; ".join(f"{hook['type']} {hook['endpoint']}" for hook in hooks_of(webhook)[:10])
                rows.append((team, webhook["id"], str(webhook.get("name")), hooks))
        yield _table("Webhook configurations", ("team", "id", "name", "hooks"), rows)

    def _requests(self) -> Iterable[str]:
        last = self._sandbox.box.log.requests[: -_MOST - 1 : -1]
        rows = [
            (f"{each.time:.1f} s", f"{each.method} {each.path}", each.status or "none", each.fault or "")
            for each in last
        ]
        yield _table("Last requests", ("time", "request", "status", "fault"), rows)

    def _deliveries(self) -> Iterable[str]:
        last = self._sandbox.deliveries.all[: -_MOST - 1 : -1]
        rows = [
            (each.number, each.type, each.endpoint, each.state, ", ".join(map(str, each.attempts)))
            for each in last
        ]
        yield _table("Deliveries", ("number", "type", "endpoint", "state", "attempts"), rows)


def _choice(kinds: Any, name: str) -> Any:
    if name not in get_args(kinds):
        raise ValueError(f"there is no {name}")
    return name


def _select(label: str, name: str, choices: Sequence[str]) -> str:
    options = "".join(f"<option>{escape(choice)}</option>" for choice in choices)
    return f'<label>{label} <select name="{name}">{options}</select></label>'


def _table(caption: str, columns: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    if not rows:
        return f"<h2>{caption}</h2><p>None.</p>"
    head = "".join(f'<th scope="col">{column}</th>' for column in columns)
    lines = ["".join(f"<td>{escape(_visible(str(cell)))}</td>" for cell in row) for row in rows]
    body = "".join(f"<tr>{line}</tr>" for line in lines)
    return f"<h2>{caption}</h2><table><caption>{caption}, {len(rows)}</caption><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def _visible(text: str) -> str:
    """Escape characters that change how others are shown."""
    return "".join(each if each.isprintable() else each.encode("unicode_escape").decode() for each in text)
