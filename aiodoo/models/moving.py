"""A configuration whose endpoints have moved: only the URLs are others, and what moves does not become one hook twice."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeVar

import attrs

from aiodoo.errors import ConfigError
from aiodoo.models import rules
from aiodoo.models.authentication import Authentication
from aiodoo.models.endpoints import check_hosts, move
from aiodoo.models.hook import Hook
from aiodoo.models.texts import Listed

Called = TypeVar("Called", Hook, Authentication)


Endpoints = tuple[tuple[Hook, ...], Authentication | None]
"""What of a configuration has endpoints that can move: its hooks and its authentication."""


def moved(
    hooks: tuple[Hook, ...],
    login: Authentication | None,
    *,
    endpoints: Mapping[str, str],
    hosts: Mapping[str, str],
) -> Endpoints:
    """Return hooks and an authentication with other URLs, hosts moved last.

    Args:
        hooks: those of the configuration that moves.
        login: its authentication.
        endpoints: new URLs in the place of whole old ones.
        hosts: new hosts in the place of old ones.

    Raises:
        ConfigError: a URL would become longer than doo takes, or two hooks would become the same.
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
    """Return a model with its endpoint moved; where only the host moves, a listed URL may be as wrong as it was."""
    url = to(model.endpoint)
    if url == model.endpoint:
        return model
    listed: Listed = model._listed  # noqa: SLF001  # it is our own
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
