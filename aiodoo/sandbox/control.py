"""JSON messages that control a sandbox: `{"do": "script", "faults": [{"kind": "late", "on": "create"}]}`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Protocol

import attrs

from aiodoo.sandbox.answers import Data
from aiodoo.sandbox.faults import Fault

if TYPE_CHECKING:
    from aiodoo.sandbox.courier import Deliveries
    from aiodoo.sandbox.log import Log

_BYTES = frozenset({"body", "wire"})

_DIRECTLY = (
    "accept_connections",
    "add_webhook",
    "count",
    "foreign_create",
    "foreign_delete",
    "foreign_edit",
    "foreign_replace",
    "give_id_again",
    "let_lists_lag",
    "live",
    "refuse_connections",
    "reset",
    "revoke_tokens",
)


class Controlled(Protocol):
    """The methods of `Sandbox` that messages call."""

    @property
    def log(self) -> Log:
        """The log."""
        ...

    @property
    def teams(self) -> list[str]:
        """The ids of all teams."""
        ...

    @property
    def deliveries(self) -> Deliveries:
        """The deliveries."""
        ...

    def script(self, *faults: Fault) -> None:
        """Append faults to the script."""


def execute(sandbox: Controlled, message: Any) -> Any:
    """Execute a message and return its result, which can be encoded as JSON.

    Raises:
        ValueError: the message is malformed, or names an unknown action or member.
    """
    if not isinstance(message, dict) or not isinstance(message.get("do"), str):
        raise ValueError('a message is a JSON object with "do"')  # noqa: TRY004  # the message is wrong
    given = {name: value for name, value in message.items() if name != "do"}
    what = message["do"]
    try:
        if what in _DIRECTLY:
            return getattr(sandbox, what)(**given)
        return _OTHERS[what](sandbox, given)
    except KeyError as error:
        raise ValueError(f"there is no {error.args[0]}" if what in known() else _unknown(what)) from None
    except RuntimeError as error:  # such as a package that is not installed
        raise ValueError(str(error)) from None
    except (TypeError, AttributeError) as error:
        raise ValueError(f"{what}: {error}") from None


def known() -> list[str]:
    """Return the valid values of "do"."""
    return sorted([*_DIRECTLY, *_OTHERS])


def _unknown(what: str) -> str:
    return f"{what} cannot be done; what can: {', '.join(known())}"


def read_fault(given: Mapping[str, Any]) -> Fault:
    """Return the fault with these members; bytes are given as text, several operations as a list."""
    members = dict(given)
    if "what" in members:  # its old name
        members.setdefault("kind", members.pop("what"))
    unknown = set(members) - {each.name for each in attrs.fields(Fault) if each.init}
    if unknown or "kind" not in members:
        raise ValueError(f"a fault has a member kind, and no member {', '.join(sorted(unknown)) or 'else'}")
    for name in _BYTES & set(members):
        members[name] = members[name].encode()
    if isinstance(members.get("on"), list):
        members["on"] = tuple(members["on"])
    return Fault(members.pop("kind"), **members)


def _script(sandbox: Controlled, given: Data) -> None:
    sandbox.script(*[read_fault(fault) for fault in given["faults"]])


def _at(side: str) -> Callable[[Controlled, Data], None]:
    def arrange(sandbox: Controlled, given: Data) -> None:
        then = given.pop("then")
        if not isinstance(then, dict) or then.get("do") not in known():
            raise ValueError('"then" is a message, too')
        getattr(sandbox, side)(do=lambda: execute(sandbox, then), **given)

    return arrange


_OTHERS: Mapping[str, Callable[[Controlled, Data], Any]] = {
    "after": _at("after"),
    "before": _at("before"),
    "deliveries": lambda sandbox, _: [each.to_dict() for each in sandbox.deliveries.all],
    "fire": lambda sandbox, given: [each.to_dict() for each in sandbox.deliveries.fire(**given)],
    "lose_answers": lambda sandbox, given: sandbox.deliveries.lose_answers(**given),
    "changes": lambda sandbox, _: [attrs.asdict(change) for change in sandbox.log.changes],
    "requests": lambda sandbox, _: [attrs.asdict(request) for request in sandbox.log.requests],
    "script": _script,
    "teams": lambda sandbox, _: sandbox.teams,
}
