"""A sandbox with the methods that tests want: faults by one line, assertions on the requests, and snapshots."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, get_args

from aiodoo.sandbox.faults import Fault
from aiodoo.sandbox.server import Sandbox
from aiodoo.sandbox.wire import Operation

_VERSION = 1


class TestedSandbox(Sandbox):
    """A `aiodoo.sandbox.Sandbox`, with further methods for tests."""

    __test__ = False  # pytest collects classes of such a name

    def fail_next(
        self, operation: Operation, *, after: bool = False, status: int | None = None, times: int = 1
    ) -> None:
        """Let the next request of a kind fail.

        Args:
            operation: such as `create`.
            after: whether it is carried out before it fails.
            status: the status of the answer, such as 500; the connection breaks without one.
            times: how many such requests fail.
        """
        if status is None:
            fault = Fault("lost_after" if after else "lost_before", on=operation, times=times)
        elif status == 429 and not after:
            fault = Fault("too_many", on=operation, times=times)
        else:
            fault = Fault(
                "error_acted" if after else "error_not_acted", on=operation, status=status, times=times
            )
        self.script(fault)

    def assert_sent(self, **expected: int) -> None:
        """Assert how many requests of each kind have arrived; `assert_sent(create=1, delete=0)`.

        Raises:
            AssertionError: it was another number; the message lists what has arrived.
            ValueError: there is no such kind of request.
        """
        if unknown := set(expected) - set(get_args(Operation)):
            raise ValueError(
                f"there is no request of kind {', '.join(sorted(unknown))}; kinds: {get_args(Operation)}"
            )
        found: dict[str, int] = {kind: self.count(kind) for kind in get_args(Operation) if kind in expected}
        if found != expected:
            lines = [
                f"  {each.time:9.3f} s  {each.status or '---'}  {each.method} {each.path}"
                for each in self.log.requests
            ]
            raise AssertionError(
                "\n".join([f"sent were {found}, expected {expected}; all requests:", *lines])
            )

    def save(self, path: str | Path) -> None:
        """Write the live webhooks of all teams to a JSON file; client secrets are written as they are.

        Args:
            path: the file, which is replaced.
        """
        teams = {team: self.live(team) for team in self.teams}
        document = {"version": _VERSION, "teams": teams}
        Path(path).write_text(
            json.dumps(document, indent=2, ensure_ascii=False, sort_keys=True) + "\n", "utf-8"
        )

    def load(self, path: str | Path) -> None:
        """Replace the webhooks of all teams in a file of `save` by those in the file, with their ids.

        Raises:
            ValueError: the file is none of `save`, or names a team that the sandbox does not have; nothing was changed.
        """
        teams = self._read(Path(path))
        for team, webhooks in teams.items():
            for old in self.live(team):
                self.foreign_delete(old["id"])
            for webhook in webhooks:
                content = {name: value for name, value in webhook.items() if name != "id"}
                self.add_webhook(team, content, webhook_id=webhook["id"])

    def _read(self, path: Path) -> dict[str, list[dict[str, Any]]]:
        teams: dict[str, list[dict[str, Any]]] = {}
        ids: list[Any] = []
        try:
            document = json.loads(path.read_bytes())
            teams = document["teams"]
            ids = [webhook["id"] for webhooks in teams.values() for webhook in webhooks]
            is_whole = document["version"] == _VERSION and all(isinstance(each, str) for each in ids)
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
            is_whole = False
        if not is_whole or len(set(ids)) != len(ids):
            raise ValueError(f"{path} is no snapshot of version {_VERSION}; nothing was changed")
        if unknown := sorted(set(teams) - set(self.teams)):
            raise ValueError(
                f"the sandbox has no team {', '.join(unknown)}, which {path} has; nothing was changed"
            )
        return teams
