"""The checks of an audit, over webhook configurations that were listed; no request is sent."""

from __future__ import annotations

import hashlib
import secrets
import shlex
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from difflib import get_close_matches

import msgspec

from aiodoo.audit.hosts import host_and_port
from aiodoo.audit.report import SEVERITIES, AuditFinding, AuditReport, FindingKind, HostCount
from aiodoo.checks import is_loopback
from aiodoo.errors import SchemaMismatch
from aiodoo.facts import Facts
from aiodoo.models import HOOK_TYPES, WebhookConfiguration
from aiodoo.models.endpoints import host_of, shown
from aiodoo.operations.compare import Content
from aiodoo.operations.recipes import called_urls

MANY = 10
"""Webhook configurations from which on a client secret counts as shared by many."""

_ORDER = list(SEVERITIES)


def audit(
    webhooks: Iterable[WebhookConfiguration],
    *,
    facts: Facts | None = None,
    owns: Callable[[WebhookConfiguration], bool] | None = None,
    silent: Mapping[str, str] | None = None,
) -> AuditReport:
    """Check listed webhook configurations, and return what was found.

    Args:
        webhooks: the webhook configurations, of one team or of many.
        facts: what doo does not document; whether lists show `event_id` decides whether bounds can be checked.
        owns: whether a file of desired state manages a webhook configuration; without it that is not checked.
        silent: hosts that do not answer, with the reason; see `ask_hosts`.
    """
    given = list(webhooks)
    settings = Facts() if facts is None else facts
    findings = [
        *_twins(given, settings),
        *_shared_secrets(given),
        *(found for webhook in given for found in _single(webhook, settings, owns, silent or {})),
    ]
    findings.sort(key=lambda each: (_ORDER.index(each.kind), each.team_id, each.name, each.webhook_id))
    return AuditReport(
        findings=tuple(findings),
        hosts=_hosts(given),
        teams=dict(Counter(webhook.team_id for webhook in given)),
        notes=tuple(_notes(given, settings)),
    )


def _finding(webhook: WebhookConfiguration, kind: FindingKind, about: str, *command: str) -> AuditFinding:
    return AuditFinding(
        kind=kind,
        team_id=webhook.team_id,
        webhook_id=webhook.id,
        name=webhook.name,
        about=about,
        command=shlex.join(["aiodoo", *command]),  # ids and hosts are foreign text
    )


def _named(webhook: WebhookConfiguration) -> tuple[str, str, str]:
    """Return the arguments of a command that name a webhook configuration."""
    return webhook.id, "--team", webhook.team_id


def _twins(webhooks: Iterable[WebhookConfiguration], facts: Facts) -> Iterator[AuditFinding]:
    """Yield those of equal content in one team but the first: each delivers everything once more."""
    salt = secrets.token_bytes(16)
    first: dict[tuple[str, bytes], str] = {}
    for webhook in webhooks:
        try:
            content = webhook.team_id, _digest(Content.of(webhook, facts), salt)
        except SchemaMismatch:
            continue
        original = first.setdefault(content, webhook.id)
        if original != webhook.id:
            about = f"equal to {original} as far as doo's list shows, so that everything is delivered twice"
            yield _finding(webhook, "twin", about, "webhooks", "delete", *_named(webhook))


def _digest(content: Content, salt: bytes) -> bytes:
    """Return a digest that is equal for equal contents, secrets and scopes included."""
    hidden = [(path, secret and secret.reveal()) for path, secret in sorted(content.secrets.items())]
    plain = msgspec.json.encode([content.body, hidden, content.scope], order="deterministic")
    return hashlib.blake2b(plain, key=salt).digest()


def _shared_secrets(webhooks: Iterable[WebhookConfiguration]) -> Iterator[AuditFinding]:
    """Yield those whose client secret is sent to several hosts, or used by many; the secret is kept as a digest."""
    salt = secrets.token_bytes(16)
    users: dict[bytes, list[tuple[WebhookConfiguration, str]]] = defaultdict(list)
    for webhook in webhooks:
        login = webhook.authentication
        if login is not None and login.credentials.client_secret:
            secret = login.credentials.client_secret.reveal().encode("utf-8", "surrogatepass")
            users[hashlib.blake2b(secret, key=salt).digest()].append((webhook, _host(login.endpoint)))
    for found in users.values():
        hosts = {host for _, host in found}
        if len(hosts) > 1 or len(found) >= MANY:
            where = f"at {len(hosts)} hosts" if len(hosts) > 1 else f"at {next(iter(hosts))}"
            about = f"its client secret is the one of {len(found)} webhook configurations {where}"
            for webhook, _ in found:
                yield _finding(webhook, "shared_secret", about, "rotate-secret", "ask")


def _single(
    webhook: WebhookConfiguration,
    facts: Facts,
    owns: Callable[[WebhookConfiguration], bool] | None,
    silent: Mapping[str, str],
) -> Iterator[AuditFinding]:
    edit = "webhooks", "update", *_named(webhook), "--edit"
    for unknown in sorted({hook.base_type for hook in webhook.hooks} - set(HOOK_TYPES)):
        close = get_close_matches(unknown, HOOK_TYPES, 1)
        about = f"no page of doo's names the type {unknown!r}" + (
            f"; meant is perhaps {close[0]}" if close else ""
        )
        yield _finding(webhook, "unknown_type", about, *edit)
    urls = list(dict.fromkeys(called_urls(webhook)))
    for url in urls:
        if url.lower().startswith("http:") and not is_loopback(host_of(url) or ""):
            yield _finding(webhook, "plain_http", f"{shown(url)} is not encrypted", *edit)
    for host in dict.fromkeys(map(_host, urls)):
        if host in silent:
            about = f"{host} does not answer: {silent[host]}"
            yield _finding(webhook, "host_silent", about, "move-host", host, "NEW-HOST")
    if webhook.authentication is None:
        about = "doo calls its endpoints without a token, so that anybody else can"
        yield _finding(webhook, "no_authentication", about, *edit)
    if facts.list_echoes_scope and not (webhook.event_id or webhook.event_guide_id):
        about = "bound to no event, so that all events of the organization are delivered"
        yield _finding(webhook, "whole_organization", about, "webhooks", "show", *_named(webhook))
    if owns is not None and not owns(webhook):
        yield _finding(
            webhook, "unmanaged", "the file does not manage it", "export", "--team", webhook.team_id
        )


def _notes(webhooks: Collection[WebhookConfiguration], facts: Facts) -> Iterator[str]:
    if not facts.list_echoes_scope:
        yield (
            "doo's lists show no event ids for this account, so what is bound to no event cannot be told; "
            "`aiodoo doctor` tests it"
        )
    if any(
        login is not None and not login.credentials.client_secret
        for login in (each.authentication for each in webhooks)
    ):
        yield "doo's lists show no client secrets for this account, so shared ones cannot be told"


def _host(url: str) -> str:
    """Return the host of a URL with its port, if it has one; what is no URL is shown as it may be."""
    return host_and_port(url) or shown(url)


def _hosts(webhooks: Iterable[WebhookConfiguration]) -> tuple[HostCount, ...]:
    hooks: Counter[str] = Counter()
    users: dict[str, set[tuple[str, str]]] = defaultdict(set)
    for webhook in webhooks:
        for hook in webhook.hooks:
            host = _host(hook.endpoint)
            hooks[host] += 1
            users[host].add((webhook.team_id, webhook.id))
    return tuple(
        HostCount(
            host=host, hooks=many, webhooks=len(users[host]), teams=len({team for team, _ in users[host]})
        )
        for host, many in hooks.most_common()
    )
