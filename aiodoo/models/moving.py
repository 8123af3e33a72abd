"""Replaces endpoint URLs and hosts in hooks and authentications, without making two hooks equal."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeVar

import attrs

from aiodoo.errors import ConfigError
from aiodoo.models import rules
from aiodoo.models.authentication import Authentication
from aiodoo.models.endpoints import check_hosts, move
from aiodoo.models.hook import Hook
from aiodoo.models.texts import Listed, listed_texts

Called = TypeVar("Called", Hook, Authentication)


Endpoints = tuple[tuple[Hook, ...], Authentication | None]
"""The parts of a configuration whose endpoints can move: hooks and authentication."""


def moved(
    hooks: tuple[Hook, ...],
    login: Authentication | None,
    *,
    endpoints: Mapping[str, str],
    hosts: Mapping[str, str],
) -> Endpoints:
    """Return hooks and an authentication with their URLs replaced: whole URLs first, then hosts.

    Args:
        hooks: the hooks of a configuration.
        login: its authentication.
        endpoints: `{old URL: new URL}`.
        hosts: `{old host: new host}`.

    Raises:
        ConfigError: a URL would exceed doo's length limit, or two hooks would become equal.
    """
    result = hooks, login
    if endpoints:
        result = _moved(*result, lambda url: endpoints.get(url, url))
    if hosts:
        checked = check_hosts(hosts)
        result = _moved(*result, lambda url: move(url, checked), keeps_faults=True)
    _check_hooks(hooks, result[0])
    return result


def _moved(
    hooks: tuple[Hook, ...],
    login: Authentication | None,
    to: Callable[[str], str],
    *,
    keeps_faults: bool = False,
) -> Endpoints:
    moved_hooks = tuple(
        _called(hook, to, f"hooks[{number}]", keeps_faults) for number, hook in enumerate(hooks)
    )
    return moved_hooks, login and _called(login, to, "authentication", keeps_faults)


def _called(model: Called, to: Callable[[str], str], where: str, keeps_faults: bool) -> Called:  # noqa: FBT001  # private
    """Return a model with its endpoint moved; with `keeps_faults`, a listed URL that was invalid may stay so."""
    url = to(model.endpoint)
    if url == model.endpoint:
        return model
    listed: Listed = listed_texts(model)
    is_listed = model.endpoint in listed
    stays_wrong = keeps_faults and is_listed and rules.is_refused(model.endpoint)
    if len(url) > rules.LONGEST_URL and not stays_wrong:
        raise ConfigError(
            f"{where}.endpoint would have {len(url)} characters where it moves to, and doo takes "
            f"{rules.LONGEST_URL:,} at most. Nothing was sent."
        )
    return attrs.evolve(model, endpoint=url, _listed=(*listed, url) if is_listed else listed)


def _check_hooks(old: tuple[Hook, ...], new: tuple[Hook, ...]) -> None:
    for number, hook in enumerate(new):
        first = new.index(hook)
        if first < number and old[first] != old[number]:
            raise ConfigError(
                f"hooks[{number}] would become the same as hooks[{first}], which would mean two deliveries; give hooks= "
                "with one of them. Nothing was sent."
            )
