"""A client as plain as can be: it asks a box without a network."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from aiodoo.sandbox import Answer, Box, Credentials, Request


class Asker:
    """Asks one box with one API key, at a time that it keeps."""

    def __init__(self, box: Box, credentials: Credentials | None = None) -> None:
        self.box = box
        self.credentials = credentials or box.credentials
        self.now = box.now
        self.token: str | None = None

    def ask(
        self,
        method: str,
        path: str,
        content: Any = None,
        *,
        headers: Mapping[str, str | None] | None = None,
        raw: bytes | None = None,
    ) -> Answer:
        """Send a request with the usual headers; a header given as None is left out."""
        path, _, query = path.partition("?")
        usual: dict[str, str | None] = {
            "Content-Type": "application/json",
            "X-Api-Key": self.credentials.api_key,
            "Authorization": f"Bearer {self.token}" if self.token else None,
        }
        sent = {name: value for name, value in (usual | dict(headers or {})).items() if value is not None}
        body = raw if raw is not None else b"" if content is None else json.dumps(content).encode()
        asked = dict(pair.split("=") for pair in query.split("&") if pair)
        return self.box.handle(Request(method, f"/v1{path}", asked, sent, body), self.now)

    def log_in(self) -> Answer:
        """Fetch a token and keep it."""
        own = self.credentials
        answer = self.ask(
            "POST",
            "/oauth",
            {
                "client_id": own.client_id,
                "client_secret": own.client_secret,
                "grant_type": "client_credentials",
            },
        )
        self.token = read(answer)["data"]["access_token"]
        return answer

    def create(self, team: str, content: Any) -> Answer:
        """Create a webhook."""
        return self.ask("POST", f"/team/{team}/webhooks", content)

    def list(self, team: str, page: int = 1) -> Any:
        """Return a page of a team's webhooks as JSON."""
        return read(self.ask("GET", f"/team/{team}/webhooks?page={page}"))

    def ids(self, team: str) -> list[str]:
        """Return the ids on the first page of a team's webhooks."""
        return [webhook["id"] for webhook in self.list(team)["_embedded"]["webhooks"]]

    def delete(self, webhook_id: str) -> Answer:
        """Delete a webhook."""
        return self.ask("DELETE", f"/webhooks/{webhook_id}")


def asker(plan: Any = None, **options: Any) -> Asker:
    """Make a box without limits, log in and forget that one had to."""
    logged_in = Asker(Box(plan=plan, **options))
    if plan is None:
        logged_in.log_in()
    return logged_in


def read(answer: Answer) -> Any:
    """Return an answer's body as JSON."""
    return json.loads(answer.body)
