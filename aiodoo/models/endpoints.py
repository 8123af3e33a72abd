"""URLs of a webhook configuration: printed without credentials, checked, and moved to another host."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from urllib.parse import urlsplit

from aiodoo.checks import is_text, plain_text
from aiodoo.errors import ConfigError

_URL = r"(?s)([A-Za-z][A-Za-z0-9+.-]*://)([^/?#]*)(.*)"
_AUTHORITY = r"(?s)(?P<user>(?:.*@)?)(?P<host>\[[^\[\]]*\]|[^:\[\]]*)(?::(?P<port>[0-9]*))?"
_HOST = r"(\[[0-9A-Fa-f:.]+\]|[^\s\x00-\x20\x7f/?#@\\:\[\]%]+)(?::([0-9]{1,5}))?"
_ABSOLUTE = (
    r"(?i)https?://(?:[^/?#\x00-\x20\x7f]*@)?(?:\[[^\[\]/?#\x00-\x20\x7f]*\]|[^:\[\]/?#@\x00-\x20\x7f]+)(?::[0-9]*)?"
    r"(?:[/?#][^\x00-\x20\x7f]*)?"
)
_SIMPLE = re.compile(r"https?://[A-Za-z0-9.-]+(?:/[!-~]*)?")
"""A URL without port and user-info, with ASCII only: most are such, and nothing is wrong with them."""
_DEFAULT_PORTS = {"http://": "80", "https://": "443"}


def shown(url: object) -> str:
    """Return a URL for printing, at most 200 characters: without user-info, query and fragment.

    >>> shown("https://user:password@crm.example/doo?token=s3cret")
    'https://crm.example/doo?...'
    """
    if not isinstance(url, str):
        return f"<{type(url).__name__}>"
    found = re.fullmatch(_URL, url)
    if found is None:
        return "<not a URL>"
    scheme, authority, rest = found.groups()
    path = re.split(r"[?#]", rest, maxsplit=1)[0]
    cut = "?..." if len(path) < len(rest) else ""
    text = scheme + authority.rpartition("@")[2] + path + cut
    return text if len(text) <= 200 else text[:197] + "..."


def shown_repr(url: str) -> str:
    """Return the repr of a URL for printing."""
    return repr(shown(url))


@lru_cache(1024)
def is_absolute(url: str) -> bool:
    """Tell whether this is an http or https URL with a host and without spaces or control characters."""
    return re.fullmatch(_ABSOLUTE, url) is not None


def host_of(url: str) -> str | None:
    """Return the host of a URL in lower case; None if it has none."""
    try:
        return urlsplit(url).hostname
    except ValueError:
        return None


@lru_cache(1024)
def can_be_called(url: str) -> bool:
    """Tell whether an absolute URL is valid UTF-8 and has a valid host and, if any, a port from 1 to 65535."""
    if _SIMPLE.fullmatch(url) is not None:
        return True
    try:
        url.encode()
        parts = urlsplit(url)
        return bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False


def check_endpoints(endpoints: object) -> dict[str, str]:
    """Return `{"old URL": "new URL"}` as plain str; raise ConfigError if it is invalid."""
    if not isinstance(endpoints, Mapping):
        raise ConfigError(
            'endpoints must be a mapping of whole URLs such as {"https://old.example/a": "https://new.example/b"}; '
            "nothing was sent."
        )
    checked: dict[str, str] = {}
    for old, new in endpoints.items():
        if not (isinstance(old, str) and isinstance(new, str) and is_text(old)):
            raise ConfigError("endpoints takes URLs as text, old and new; nothing was sent.")
        if not is_absolute(new) or not can_be_called(new):
            raise ConfigError(
                f"endpoints puts {shown(new)!r} in a URL's place, which is no http or https URL with a host; nothing was "
                "sent."
            )
        checked[plain_text(old)] = plain_text(new)
    return checked


def check_hosts(hosts: object) -> dict[str, str]:
    """Return `{"old": "new"}` with the old hosts in lower case; raise ConfigError if it is invalid."""
    if not isinstance(hosts, Mapping):
        raise ConfigError('hosts must be a mapping such as {"old.example": "new.example"}; nothing was sent.')
    checked: dict[str, str] = {}
    for old, new in hosts.items():
        for host in (old, new):
            if (
                not isinstance(host, str)
                or re.fullmatch(_HOST, host) is None
                or not can_be_called(f"http://{host}")
            ):
                raise ConfigError(
                    "a host is a name with a port at most, such as crm.example or crm.example:8443, "
                    "without https:// and path; nothing was sent."
                )
        new = plain_text(new)  # noqa: PLW2901  # it is the same text
        if checked.setdefault(plain_text(old).lower(), new) != new:
            raise ConfigError("hosts names one host twice, with different new ones; nothing was sent.")
    return checked


def move(url: str, hosts: Mapping[str, str]) -> str:
    """Return the URL with its host replaced and every other byte unchanged.

    A key with a port matches that port only, and the new host replaces both. A key without a port matches the host on
    any port, and the port is kept unless the new host has one.

    >>> move("https://old.example:8443/a", {"old.example": "new.example"})
    'https://new.example:8443/a'
    """
    found = re.fullmatch(_URL, url)
    authority = re.fullmatch(_AUTHORITY, found[2]) if found else None
    if found is None or authority is None:
        return url
    scheme, _, rest = found.groups()
    host, port = authority["host"].lower(), authority["port"]
    exact = hosts.get(f"{host}:{port or _DEFAULT_PORTS.get(scheme.lower(), '')}")
    if exact is not None:
        return f"{scheme}{authority['user']}{exact}{rest}"
    new = hosts.get(host)
    if new is None:
        return url
    keeps_port = port is not None and re.fullmatch(_HOST, new)[2] is None  # type: ignore[index]  # checked hosts
    return f"{scheme}{authority['user']}{new}{f':{port}' if keeps_port else ''}{rest}"
