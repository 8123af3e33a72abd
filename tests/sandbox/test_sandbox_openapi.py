"""docs/openapi.yaml describes what the sandbox does: schemathesis asks it hundreds of odd questions."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import pytest
from ruamel.yaml import YAML

from aiodoo.sandbox import serve
from aiodoo.sandbox.wire import find_route

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "openapi.yaml"


def described() -> Any:
    """Return the description as data."""
    return YAML(typ="safe").load(PAGE.read_text())


def token(url: str, api_key: str, client_id: str, client_secret: str) -> str:
    """Fetch a token."""
    body = {"client_id": client_id, "client_secret": client_secret, "grant_type": "client_credentials"}
    headers = {"x-api-key": api_key, "Content-Type": "application/json"}
    request = Request(f"{url}/oauth", data=json.dumps(body).encode(), headers=headers)  # noqa: S310  # http
    with urlopen(request) as answer:  # noqa: S310
        return str(json.load(answer)["data"]["access_token"])


@pytest.mark.parametrize(
    "settings", [{}, {"type_suffix": False, "echo_scope": True, "secrets": "missing", "ids": "string"}]
)
def test_every_answer_of_the_sandbox_is_as_described(settings: Any, tmp_path: Path) -> None:
    """Statuses, content types and bodies are those of the description, and what it forbids is refused.

    That all it allows is accepted is not checked: to JSON Schema 1.0 is an integer, and doo's pages say nothing of it.
    """
    with serve(organizations=2, webhooks_per_team=2, plan=None, **settings) as box:
        bearer = token(box.url, box.api_key, box.client_id, box.client_secret)
        command = [
            sys.executable,
            "-m",
            "schemathesis.cli",
            "run",
            str(PAGE),
            "--url",
            box.url,
            "--seed",
            "1",
        ]
        command += ["-H", f"x-api-key: {box.api_key}", "-H", f"Authorization: Bearer {bearer}"]
        command += ["--max-examples", "6", "--phases", "examples,coverage,fuzzing", "--no-color"]
        command += ["--exclude-checks", "positive_data_acceptance"]
        ran = subprocess.run(  # noqa: S603  # our own
            command, capture_output=True, text=True, check=False, cwd=tmp_path, env=dict(os.environ)
        )
        assert ran.returncode == 0, ran.stdout
        assert box.log.total > 200


def test_every_request_that_aiodoo_makes_is_described() -> None:
    """The paths and methods are those of the sandbox, no more and no fewer."""
    paths = described()["paths"]
    kinds = set()
    for path, methods in paths.items():
        for method in ["post"] if "$ref" in methods else [name for name in methods if name != "parameters"]:
            kinds.add(find_route(method.upper(), "/v1" + path.replace("{", "").replace("}", "")).operation)
    assert kinds == {"token", "organizations", "list", "create", "delete", "initialize"}
