"""Editors show a docstring where a call is written: it says what each parameter is."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest

import aiodoo
from aiodoo import profiles, quota
from aiodoo.bulk import Bulk, RunOptions
from aiodoo.desired import Desired
from aiodoo.organizations import Organizations
from aiodoo.quota import Quota
from aiodoo.view import View
from aiodoo.webhooks import Webhooks

CLASSES = [
    *(aiodoo.Session, View, Bulk, Webhooks, Organizations, Desired, aiodoo.Tenants, Quota),
    *(aiodoo.WebhookConfiguration, aiodoo.AddWebhook, aiodoo.Hook, aiodoo.Report, aiodoo.Forecast),
]
MADE = [
    *(aiodoo.Session, aiodoo.Tenants, aiodoo.Limits, aiodoo.AddWebhook, aiodoo.Hook, quota.SQLite),
    *(aiodoo.Create, aiodoo.Ensure, aiodoo.Update, aiodoo.Replace, aiodoo.Delete),
]
OTHERS = {
    "Tenants.get",  # Mapping's
    "WebhookConfiguration.is_same_text",
    "WebhookConfiguration.listed",
    "WebhookConfiguration.showing",
    "Quota.left",  # deprecated
    "Quota.resume_at",
}


def callables() -> Iterator[tuple[str, Callable[..., Any]]]:
    """Yield what a program calls, by name."""
    for made in MADE:
        yield made.__name__, made
    for owner in CLASSES:
        for name, member in inspect.getmembers(owner):
            function = getattr(member, "__func__", member)
            if inspect.isfunction(function) and not name.startswith("_"):
                yield f"{owner.__name__}.{name}", function
    yield "quota.SQLite.reset", quota.SQLite.reset
    yield "quota.SQLite.check_reset", quota.SQLite.check_reset
    for function in (profiles.load, profiles.names, profiles.store):
        yield f"profiles.{function.__name__}", function


CALLABLES = [pytest.param(function, id=name) for name, function in callables() if name not in OTHERS]


@pytest.mark.parametrize("function", CALLABLES)
def test_a_docstring_names_every_parameter(function: Callable[..., Any]) -> None:
    """Each parameter stands in the docstring with what it is."""
    text = inspect.getdoc(function) or ""
    named = {
        name.strip(" *")
        for line in re.findall(r"^ {4}([\w*, ]+):", text, re.MULTILINE)
        for name in line.split(",")
    }
    wanted = {
        name
        for name in inspect.signature(function).parameters
        if name not in {"self", "cls"} and name[0] != "_"
    }
    assert wanted - named == set()


@pytest.mark.parametrize("option", RunOptions.__annotations__)
def test_an_option_of_a_run_is_described_wherever_it_may_be_given(option: str) -> None:
    """The options of a run stand at each method that takes them, and with what is meant by them at `run`."""
    for function in (Bulk.run, Bulk.stream, Desired.apply, aiodoo.Tenants.run, RunOptions):
        assert re.search(rf"\b{option}\b", inspect.getdoc(function) or "")
