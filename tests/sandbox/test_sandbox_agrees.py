"""What docs/doo.md states, the client checks and the sandbox judges: the same rules, though they share no code."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest
from sandbox_asker import asker

from aiodoo import AddWebhook, ConfigError
from aiodoo.sandbox import classic, graphql

PAGE = (Path(__file__).parents[2] / "docs" / "doo.md").read_text(encoding="utf-8")
LEFT_OUT = object()
HOOK = "hooks.0"
LOGIN = "authentication"
URL = "https://crm.example/"


def changed(path: str, value: Any, *, query: bool) -> Any:
    """Return an example with something else at a path."""
    content = copy.deepcopy(graphql() if query else classic())
    *way, last = path.split(".")
    inner: Any = content
    for step in way:
        inner = inner[int(step)] if step.isdecimal() else inner[step]
    if value is LEFT_OUT:
        del inner[last]
    else:
        inner[last] = value
    return content


RULES: dict[str, tuple[str, list[Any], list[Any]]] = {
    "1 to 255 characters, not blank": ("name", ["x", "x" * 255], [LEFT_OUT, "", " ", "\n", "x" * 256, 5]),
    "up to 255 characters; the 2017": ("description", [LEFT_OUT, "", "x" * 255], ["x" * 256, 5]),
    "limits the configuration to one event; a text": (
        "event_id",
        ["5", "a-b", 5],
        ["", " ", "5\n", ["5"], {}, True, 0.5],
    ),
    "made with one guide; a text": ("event_guide_id", ["5", 5], ["", ["5"], False]),
    "one entry for each trigger, at least one": ("hooks", [], [LEFT_OUT, [], {}, "event_created", [5], [{}]]),
    "without its `on_`": (f"{HOOK}.type", ["event_created", "something_new"], ["on_event_created"]),
    "no spaces, up to 255 characters, and no suffix": (
        f"{HOOK}.type",
        ["x" * 255],
        [LEFT_OUT, "", "event_created ", "event_created\n", "event\tcreated", "x" * 256, f"event_created_{'0a' * 16}", 5],
    ),
    "the 2017 description has `GET`": (
        f"{HOOK}.method",
        [LEFT_OUT, "POST", "GET", "PUT", "PATCH", "DELETE"],
        ["", "Get", "post", "AAA", "POST\r\nX: y", 1],
    ),
    "the URL that doo calls; up to 1,000 characters; a port": (
        f"{HOOK}.endpoint",
        [URL, URL + "x" * (1000 - len(URL)), "http://crm.example:8080/a?b=c#d", "https://crm.example:65535", "https://[::1]:1/", "HTTPS://u:p@crm.example:", "https://b\u00fccher.example/\u00fc", "https://%HOST%/"],
        [
            LEFT_OUT, "", "crm.example/doo", "ftp://crm.example", "https://", "https://:1/", URL + "x" * (1001 - len(URL)),
            "https://crm.example:0/", "https://crm.example:65536/", "https://crm.example:x/", "https://[crm.example", "https://[::z]/",
            "https://crm.example/a b", "https://crm.example/\r\n", 5, "https://[::1]x/", "https://u@", "https://a\u2100b.example",
            " https://crm.example/", "https://crm.example:\u0663/", "https://crm.example:8 0/", "https:/crm.example", "https://a:b:c/",
        ],
    ),
    "`method` POST, `endpoint`": (
        f"{HOOK}.origin.method",
        [LEFT_OUT, "POST"],
        ["GET", "", "post", 5],
    ),
    "`endpoint` `https://gql.doo.net`, `body`": (f"{HOOK}.origin.endpoint", ["https://gql.doo.net"], ["gql", "", 5]),
    "written as one text: an object": (
        f"{HOOK}.origin.body",
        ['{"query":"{a}"}'],
        [LEFT_OUT, "", " ", "{", "query {a}", "[]", "5", '"text"', "null", {"query": "{a}"}],
    ),
    "may be quoted, as in every printed example, or stand where JSON requires a value": (
        f"{HOOK}.origin.body",
        ['{"variables":{"id":"%EVENT_ID%"}}', '{"variables":{"id":%EVENT_ID%}}'],
        ['{"variables":{"id":%event_id%}}', "%EVENT_ID%"],
    ),
    "your token URL; up to 1,000 characters": (
        f"{LOGIN}.endpoint",
        [URL],
        [LEFT_OUT, "", "x", URL + "x" * 1000, "https://crm.example:70000/"],
    ),
    "always `doo`; older versions let you choose": (
        f"{LOGIN}.credentials.client_id",
        ["doo", "other", LEFT_OUT],
        ["", " ", 5],
    ),
    "needed; what doo shows at your token URL": (
        f"{LOGIN}.credentials.client_secret",
        ["s", "s" * 2000],
        [LEFT_OUT, "", " ", 5],
    ),
    "| always `client_credentials` |": (f"{LOGIN}.grant_type", [LEFT_OUT, "client_credentials"], ["", "password", 5]),
    "the name of the header, up to 100 characters": (
        f"{LOGIN}.header_format",
        [LEFT_OUT, "Oauth-Token", "x" * 100],
        ["", "x" * 101, "X Y", "X:", "X\r\nY: z", "\u00e9", 5],
    ),
    "must hold the placeholder, up to 100 characters, no line break": (
        f"{LOGIN}.header_value_format",
        [LEFT_OUT, "%ACCESS_TOKEN%", "x" * 86 + "%ACCESS_TOKEN%"],
        ["", "Bearer", "x" * 87 + "%ACCESS_TOKEN%", "%ACCESS_TOKEN%\r\nX: y", "%ACCESS_TOKEN%\n", 5],
    ),
}  # fmt: skip

CASES = [
    (rule, path, value, verdict)
    for rule, (path, good, bad) in RULES.items()
    for verdict, values in (("taken", good), ("refused", bad))
    for value in values
]


@pytest.mark.parametrize(("rule", "path", "value", "verdict"), CASES)
def test_page_client_and_sandbox_agree(rule: str, path: str, value: Any, verdict: str) -> None:
    """Each rule stands on the page, and client and sandbox take and refuse the same by it."""
    assert rule in PAGE
    content = changed(path, value, query=".origin" in path)
    try:
        AddWebhook.from_dict(copy.deepcopy(content)).check()
    except ConfigError:
        told = "refused"
    else:
        told = "taken"
    assert told == verdict
    assert asker().create("111", content).status == {"taken": 200, "refused": 400}[verdict]
