"""Asks hosts whether they are there: one TCP connection and TLS handshake each, and no request."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Iterable
from urllib.parse import urlsplit

import anyio

from aiodoo.models import WebhookConfiguration
from aiodoo.operations.recipes import called_urls

PATIENCE = 10.0
"""Seconds for one host."""

AT_ONCE = 20
"""Hosts that are asked at the same time."""

MOST = 2000
"""Hosts that are asked at all."""


async def ask_hosts(webhooks: Iterable[WebhookConfiguration]) -> dict[str, str]:
    """Return the hosts of endpoints that do not answer, each with the reason.

    Each host gets one TCP connection and, for https, one TLS handshake whose certificate is verified; no request is sent.
    At most 2,000 hosts are asked, 20 at a time, for 10 seconds each.

    Args:
        webhooks: the webhook configurations whose endpoints are looked at.
    """
    silent: dict[str, str] = {}
    places = dict.fromkeys(place for webhook in webhooks for place in _places(webhook))
    limit = anyio.Semaphore(AT_ONCE)
    context = ssl.create_default_context()

    async def ask(place: tuple[str, str, int, bool]) -> None:
        name, host, port, is_https = place
        async with limit:
            reason = await _reason(host, port, context if is_https else None)
        if reason is not None:
            silent[name] = reason

    async with anyio.create_task_group() as group:
        for place in list(places)[:MOST]:
            group.start_soon(ask, place)
    return silent


def host_and_port(url: str) -> str:
    """Return the host of a URL with its port, if it has one; nothing of what is no URL."""
    try:
        return urlsplit(url).netloc.rpartition("@")[2].lower()
    except ValueError:
        return ""


def _places(webhook: WebhookConfiguration) -> Iterable[tuple[str, str, int, bool]]:
    for url in called_urls(webhook):
        try:
            parts = urlsplit(url)
            is_https = parts.scheme.lower() == "https"
            port = parts.port or (443 if is_https else 80)
        except ValueError:
            continue
        if parts.hostname:
            yield host_and_port(url), parts.hostname, port, is_https


async def _reason(host: str, port: int, context: ssl.SSLContext | None) -> str | None:
    """Return why a host does not answer, or None if it does."""
    try:
        async with asyncio.timeout(PATIENCE):
            _, writer = await asyncio.open_connection(
                host, port, ssl=context, server_hostname=host if context is not None else None
            )
    except ssl.SSLCertVerificationError as error:
        return f"its certificate is not trusted ({error.verify_message})"
    except TimeoutError:
        return f"nothing happened for {PATIENCE:.0f} s"
    except (OSError, ValueError) as error:  # ValueError: what no host can be called
        return getattr(error, "strerror", None) or type(error).__name__
    writer.close()
    return None
