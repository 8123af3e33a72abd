"""Checks the connection to doo: DNS, TCP, TLS and the clocks of both sides."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Iterator
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from urllib.parse import urlsplit

from aiodoo.cli.commands.doctor.finding import Finding

PATIENCE = 10.0
SKEW = 30.0
"""Seconds by which the clocks may differ."""
SOON = 14
"""Days of remaining validity below which a certificate is reported."""


async def check(base_url: str) -> list[Finding]:
    """Resolve the host, connect to it and check its certificate; no request is sent."""
    url = urlsplit(base_url)
    host, port = url.hostname or "", url.port or (443 if url.scheme == "https" else 80)
    loop = asyncio.get_running_loop()
    try:
        async with asyncio.timeout(PATIENCE):
            await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, TimeoutError, RuntimeError) as error:  # RuntimeError if no thread can be started
        return [
            Finding(
                "wrong",
                "DNS",
                f"{host} cannot be found ({_reason(error)})",
                "check base_url, the network and its DNS",
            )
        ]
    findings = [Finding("ok", "DNS", f"{host} was found")]
    context = ssl.create_default_context() if url.scheme == "https" else None
    try:
        async with asyncio.timeout(PATIENCE):
            _, writer = await asyncio.open_connection(host, port, ssl=context)
    except ssl.SSLCertVerificationError as error:
        advice = "a proxy may be in between; its certificate authority has to be known to this machine"
        return [
            *findings,
            Finding("wrong", "TLS", f"the certificate is not trusted: {error.verify_message}", advice),
        ]
    except (OSError, TimeoutError) as error:
        advice = "check the network; a firewall or a proxy may be in between (proxy in the profile)"
        return [
            *findings,
            Finding("wrong", "TLS" if context else "TCP", f"no connection ({_reason(error)})", advice),
        ]
    try:
        findings.append(_connection(writer))
    finally:
        writer.close()
    return findings


def _connection(writer: asyncio.StreamWriter) -> Finding:
    secured = writer.get_extra_info("ssl_object")
    if secured is None:
        return Finding(
            "look", "TLS", "not encrypted", "right for a sandbox on this machine, and for nothing else"
        )
    certificate = writer.get_extra_info("peercert") or {}
    ends = datetime.fromtimestamp(ssl.cert_time_to_seconds(certificate["notAfter"]), UTC)
    days = (ends - datetime.now(UTC)).days
    found = f"{secured.version()}, the certificate is good for {days} days"
    if days < SOON:
        return Finding("look", "TLS", found, "the operator of that host must renew it soon")
    return Finding("ok", "TLS", found)


def _reason(error: BaseException) -> str:
    if isinstance(error, TimeoutError):
        return f"nothing happened for {PATIENCE:.0f} s"
    if isinstance(error, RuntimeError):
        return str(error)
    return getattr(error, "strerror", None) or type(error).__name__


def clocks(date: str | None, heard_at: datetime) -> Iterator[Finding]:
    """Compare this machine's clock with the Date of an answer."""
    try:
        there = parsedate_to_datetime(date or "")
    except ValueError:
        yield Finding(
            "look", "clock", "doo's answers say no time", "nothing to set; this machine's clock is believed"
        )
        return
    skew = abs((heard_at - there.astimezone(UTC)).total_seconds())
    if skew <= SKEW:
        yield Finding("ok", "clock", f"within {max(1, round(skew))} s of doo's")
        return
    yield Finding(
        "look",
        "clock",
        f"{skew:.0f} s off doo's",
        "have this machine's clock set (NTP); times for `initialize` and in reports are off by as much",
    )
