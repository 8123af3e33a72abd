"""A configuration whose endpoints have moved: only the URLs are others, and what moves does not become one hook twice."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, TypeVar

import attrs

from aiodoo.errors import ConfigError
from aiodoo.models import rules
from aiodoo.models.authentication import Authentication
from aiodoo.models.endpoints import check_hosts, move
from aiodoo.models.hook import Hook
from aiodoo.models.texts import Listed

if TYPE_CHECKING:
    from aiodoo.models.add_webhook import AddWebhook

Called = TypeVar("Called", Hook, Authentication)


def moved(config: AddWebhook, *, endpoints: Mapping[str, str], hosts: Mapping[str, str]) -> AddWebhook:
    """Return a configuration with other URLs in its hooks and its authentication, hosts moved last.

    Args:
        config: what moves.
        endpoints: new URLs in the place of whole old ones.
        hosts: new hosts in the place of old ones.

    Raises:
        ConfigError: a URL would become longer than doo takes, or two hooks would become the same.
    """
    result = config
    if endpoints:
        result = _moved(result, lambda url: endpoints.get(url, url))
    if hosts:
        checked = check_hosts(hosts)
        result = _moved(result, lambda url: move(url, checked), keeps_faults=True)
    _check_hooks(config.hooks, result.hooks)
    return result


def _moved(config: AddWebhook, to: Callable[[str], str], *, keeps_faults: bool = False) -> AddWebhook:
    login = config.authentication
    return attrs.evolve(
        config,
        hooks=tuple(
            _called(hook, to, f"hooks[{number}]", keeps_faults) for number, hook in enumerate(config.hooks)
        ),
        authentication=login and _called(login, to, "authentication", keeps_faults),
    )


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
