"""Loads a profile: an API key, client credentials, limits, facts and other settings of a Session."""

from __future__ import annotations

import logging
import math
import os
import re
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones

import attrs

from aiodoo.checks import check_base_url, check_id
from aiodoo.credentials import ENVIRONMENT, check_key
from aiodoo.errors import ConfigError
from aiodoo.facts import Facts
from aiodoo.profiles import credentials
from aiodoo.profiles.credentials import Found
from aiodoo.profiles.folders import config_path
from aiodoo.profiles.tables import NO_NAME, Table, check_writers, is_name, read
from aiodoo.quota import limits as quota_limits
from aiodoo.quota.limits import NO_LIMIT, Limits
from aiodoo.secret import Secret

CHOICE = "AIODOO_PROFILE"
"""The environment variable with the name of the profile to use."""

KEYS = (
    *ENVIRONMENT,
    "base_url",
    "proxy",
    "timeout",
    "deadline",
    "teams",
    "limits",
    "facts",
)
"""The keys that a profile may have."""

SECRETS = ("api_key", "client_secret", "proxy")
"""The keys whose values are secrets, or say where they come from."""

logger = logging.getLogger("aiodoo.profiles")


@attrs.frozen(kw_only=True)
class Profile:
    """The settings of a Session.

    Attributes:
        name: the name in the file; None if everything comes from the environment.
        api_key, client_id, client_secret: the credentials.
        base_url: None for doo's own.
        limits: the limits of the API key.
        facts: settings for what doo does not document.
        teams: team ids, for accounts whose teams doo does not name.
        others: those of `timeout`, `deadline` and `proxy` that are set.
        origins: descriptions of where each of the credentials was found.
    """

    name: str | None
    api_key: Secret
    client_id: Secret
    client_secret: Secret
    base_url: str | None = None
    limits: Limits = attrs.field(factory=Limits)
    facts: Facts = attrs.field(factory=Facts)
    teams: tuple[str, ...] = ()
    others: Mapping[str, Any] = attrs.field(factory=dict, repr=False)
    origins: Mapping[str, str] = attrs.field(factory=dict)

    def options(self) -> dict[str, Any]:
        """Return the arguments for `Session`, including the credentials."""
        given: dict[str, Any] = {
            "api_key": self.api_key,
            "client_id": self.client_id,
            "client_secret": self.client_secret,
            "limits": self.limits,
            "facts": self.facts,
            **self.others,
        }
        return given if self.base_url is None else given | {"base_url": self.base_url}


def names(config: str | os.PathLike[str] | None = None) -> tuple[str, ...]:
    """Return the names of all profiles in the order of the file; an empty tuple if there is no file.

    Args:
        config: the file; `config_path()` if not given.

    Raises:
        ConfigError: the file is invalid or cannot be read.
    """
    found = opened(config)
    return () if found is None else tuple(found.table("profiles").content)


def load(
    name: str | None = None,
    *,
    config: str | os.PathLike[str] | None = None,
    environment: bool = True,
    file: Table | None = None,
) -> Profile:
    """Return a profile with its secrets; may run a command or query the keyring, and blocks meanwhile.

    Args:
        name: the name of the profile. If not given, that in `AIODOO_PROFILE`; or else the credentials come from the
            environment if it has all three, or from the file: from the profile that its `default` names, its only
            one, or the one of the name `default`.
        config: the file; `~/.config/aiodoo/config.toml` (or below `XDG_CONFIG_HOME`) if not given.
        environment: whether `DOO_API_KEY`, `DOO_CLIENT_ID`, `DOO_CLIENT_SECRET`, `DOO_BASE_URL`, `DOO_PER_SECOND` and
            `DOO_PER_DAY` override the file. Pass False if several profiles are used at once.
        file: the result of `opened`, to read the file once for many profiles.

    Raises:
        ConfigError: there is no such profile, the file is invalid, other users can read the secrets in it, or a
            secret cannot be read. The message names the file and the key, and shows no value.
    """
    name = name or (os.environ.get(CHOICE) if environment else None) or None
    found = _from_environment() if environment else {}
    base_url = (os.environ.get("DOO_BASE_URL") or None) if environment else None
    if name is None and config is None and len(found) == len(ENVIRONMENT):
        limits = quota_limits.of_environment(Limits())
        return _profile(None, found, base_url and check_base_url(base_url), limits=limits)
    file = opened(config) if file is None else file
    if file is None:
        missing = [variable for key, variable in ENVIRONMENT.items() if key not in found]
        path = config_path() if config is None else Path(config)
        instead = (
            f", or set {', '.join(missing)} in the environment" if name is None and config is None else ""
        )
        raise ConfigError(
            f"there is no file {path} with profiles in it; make one with `aiodoo login`{instead}. Nothing was sent."
        )
    name = _chosen(file, name)
    profile = _of_table(name, file.table("profiles").table(name), found)
    if not environment:
        return profile
    others = ("DOO_BASE_URL", *quota_limits.ENVIRONMENT.values())
    if overruled := [ENVIRONMENT[key] for key in found] + [each for each in others if os.environ.get(each)]:
        logger.warning("the environment overrules the profile %s: %s", name, ", ".join(overruled))
    return attrs.evolve(
        profile,
        base_url=check_base_url(base_url) if base_url else profile.base_url,
        limits=quota_limits.of_environment(profile.limits),
    )


def chosen(config: str | os.PathLike[str] | None = None) -> str | None:
    """Return the name of the profile that `load` takes if none is named; None for the environment's credentials.

    Raises:
        ConfigError: several profiles could be meant, or the file is invalid.
    """
    named = os.environ.get(CHOICE) or None
    if named is None and config is None and len(_from_environment()) == len(ENVIRONMENT):
        return None
    file = opened(config)
    return None if file is None else chosen_of(file)


def _from_environment() -> dict[str, Found]:
    return {
        key: Found(Secret.from_env(variable), f"the environment's {variable}")
        for key, variable in ENVIRONMENT.items()
        if os.environ.get(variable)
    }


def opened(config: str | os.PathLike[str] | None = None) -> Table | None:
    """Return the content of the file, whose profiles are checked whole when they are loaded; None if there is no file.

    Raises:
        ConfigError: the file is invalid or cannot be read.
    """
    path = config_path() if config is None else Path(config).absolute()
    found = read(path)
    if found is None:
        return None
    file, mode = found
    file.knows_only("default", "profiles")
    profiles = file.table("profiles")
    for name, content in profiles.content.items():
        if not is_name(name):
            raise profiles.wrong(repr(name), NO_NAME)
        if isinstance(content, dict):
            _check_readers(profiles.table(name), mode)
    check_writers(path, mode)
    return file


def _check_readers(table: Table, mode: int) -> None:
    """Refuse secrets that other users can read, and commands that other users can change."""
    if os.name != "posix":
        return
    for key in (*ENVIRONMENT, "proxy"):
        found = table.content.get(key)
        remedy = f"run `chmod 600 {table.file}`"
        if mode & 0o077 and key in SECRETS and credentials.is_value(found):
            raise table.wrong(
                key,
                f"is a secret in a file that other users of this machine may open (mode {mode:o}); {remedy}, or "
                "keep the secret elsewhere",
            )
        if mode & 0o022 and credentials.is_command(found):
            raise table.wrong(
                key, f"is a command in a file that other users may change (mode {mode:o}); {remedy}"
            )


def chosen_of(file: Table) -> str:
    """Return the name of the profile that is used if none is named.

    Raises:
        ConfigError: several could be meant.
    """
    return _chosen(file, os.environ.get(CHOICE) or None)


def _chosen(file: Table, name: str | None) -> str:
    known = tuple(file.table("profiles").content)
    if name is None:
        name = file.text("default") or (known[0] if len(known) == 1 else None)
    if name is None and "default" in known:
        name = "default"
    if name is None:
        raise ConfigError(
            f"{file.file} has {len(known)} profiles ({_listed(known)}) and no default; say which with "
            f"--profile, {CHOICE} or Session.from_profile(), or choose one with `aiodoo profiles use NAME`. Nothing was "
            "sent."
        )
    if name not in known:
        raise ConfigError(f"{file.file} has no profile {name!r}; it has {_listed(known)}. Nothing was sent.")
    return name


def _listed(known: tuple[str, ...]) -> str:
    return ", ".join(known) or "none"


def _of_table(name: str, table: Table, found: Mapping[str, Found]) -> Profile:
    table.knows_only(*KEYS)
    found = dict(found)
    for key, variable in ENVIRONMENT.items():
        if key not in found:
            given = credentials.find(table, key)
            if given is None:
                raise table.wrong(key, f"is missing; write {credentials.WAYS}, or set {variable}")
            found[key] = attrs.evolve(
                given, secret=_checked(table, key, partial(check_key, given.secret, "value"))
            )
    base_url = table.text("base_url")
    others: dict[str, Any] = {}
    if (proxy := credentials.find(table, "proxy")) is not None:
        others["proxy"] = proxy.secret.reveal()
    for key in ("timeout", "deadline"):
        if (seconds := table.content.get(key)) is not None:
            number = isinstance(seconds, int | float) and not isinstance(seconds, bool)
            if not number or not 0 < seconds < math.inf:
                raise table.wrong(key, "must be a number of seconds above 0")
            others[key] = seconds
    return _profile(
        name,
        found,
        None if base_url is None else _checked(table, "base_url", partial(check_base_url, base_url)),
        limits=_limits(table),
        facts=_facts(table.table("facts")),
        teams=_teams(table),
        others=others,
    )


def _profile(name: str | None, found: Mapping[str, Found], base_url: str | None, **others: Any) -> Profile:
    return Profile(
        name=name,
        base_url=base_url,
        api_key=found["api_key"].secret,
        client_id=found["client_id"].secret,
        client_secret=found["client_secret"].secret,
        origins={key: found[key].where for key in ENVIRONMENT},
        **others,
    )


def _limits(table: Table) -> Limits:
    limits = table.table("limits")
    limits.knows_only("per_second", "per_day", "concurrency", "reserve")
    made = Limits()
    for key, value in limits.content.items():
        given: Any = None if value == NO_LIMIT and key.startswith("per_") else value
        made = _checked(limits, key, partial(attrs.evolve, made, **{key: given}))
    return made


def _facts(table: Table) -> Facts:
    table.knows_only(
        "token_refused",
        "delete_sends_bearer",
        "list_echoes_scope",
        "type_suffix",
        "time_zone",
        "new_webhooks",
    )
    given: dict[str, Any] = {}
    for key, value in table.content.items():
        match key, value:
            case "token_refused", [*statuses] if all(type(status) is int for status in statuses):
                given[key] = statuses
            case "new_webhooks", "first" | "last" | "anywhere":
                given[key] = value
            case (("delete_sends_bearer" | "list_echoes_scope"), bool()):
                given[key] = value
            case "type_suffix", str():
                given[key] = _checked(table, key, partial(re.compile, value))
            case "time_zone", str():
                given[key] = _checked(table, key, partial(_zone, value))
            case _:
                raise table.wrong(key, f"must be {_FORMS[key]}")
    return Facts(**given)


def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except ZoneInfoNotFoundError:
        if available_timezones():
            raise
    raise ConfigError(
        "this machine has no time zone data; install the package tzdata (pip install tzdata), or leave it out"
    )


_FORMS = {
    "token_refused": "a list of statuses such as [401, 403]",
    "delete_sends_bearer": "true or false",
    "list_echoes_scope": "true or false; leave it out if you do not know",
    "new_webhooks": "first, last or anywhere; leave it out if you do not know",
    "type_suffix": "a regular expression such as '_[0-9a-f]{32}$'",
    "time_zone": "the name of a zone such as 'Europe/Berlin'",
}


def _teams(table: Table) -> tuple[str, ...]:
    given = table.content.get("teams", [])
    if not isinstance(given, list):
        raise table.wrong("teams", 'must be a list of team ids such as ["111", "222"]')
    return tuple(_checked(table, "teams", partial(check_id, team, "team id")) for team in given)


def _checked(table: Table, key: str, make: Callable[[], Any]) -> Any:
    """Return `make()`, with the key named in its errors; only values that are no secrets are shown."""
    try:
        return make()
    except ConfigError as error:
        reason = (
            str(error).removesuffix(".").removesuffix("Nothing was sent").removesuffix("nothing was sent")
        )
        raise table.wrong(key, f"is invalid: {reason.rstrip(' .;')}") from None
    except (ValueError, OSError, KeyError, re.error):
        raise table.wrong(key, f"must be {_FORMS[key]}") from None
