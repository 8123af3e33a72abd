"""The asyncio SDK for doo.net's Webhook Management API.

Names are loaded when they are first used, so that importing the package costs next to nothing.
"""

from __future__ import annotations

import logging
from importlib import import_module
from typing import TYPE_CHECKING, Any

from aiodoo.version import VERSION

if TYPE_CHECKING:
    from aiodoo import bulk, desired, errors, events, models, operations, profiles, quota, sandbox, walk
    from aiodoo.bulk import Outcome, Progress, Report, Stream
    from aiodoo.client.token_store import MemoryTokens, TokenStore
    from aiodoo.clock import Clock
    from aiodoo.doo_warnings import DooWarning, UnknownHookType, UnverifiedConnection
    from aiodoo.errors import (
        ApiError,
        AuthenticationError,
        BodyTooLarge,
        BulkFailed,
        ConfigError,
        DeadlineExceeded,
        DooError,
        InvalidRequest,
        JournalError,
        JournalLocked,
        JournalMismatch,
        JournalWriteFailed,
        Missing,
        NotCopyable,
        NotFound,
        NotJson,
        OutcomeUnknown,
        PaginationError,
        PermissionDenied,
        PlanDrift,
        ProtocolError,
        QueueFull,
        QuotaExhausted,
        RateLimited,
        SchemaMismatch,
        SecretsNeeded,
        ServerError,
        TeamClaimed,
        TransportError,
        UnexpectedRedirect,
        UnsafePlan,
        UnstableListing,
    )
    from aiodoo.facts import Facts
    from aiodoo.models import (
        AddWebhook,
        Authentication,
        ClientCredentials,
        Hook,
        HookType,
        Organization,
        Origin,
        Page,
        Team,
        WebhookConfiguration,
    )
    from aiodoo.operations import Create, Delete, Ensure, Operation, Replace, Update
    from aiodoo.operations.forecast import Expected, Forecast, Requests
    from aiodoo.operations.tracked import Status
    from aiodoo.quota import Limits
    from aiodoo.secret import Secret
    from aiodoo.session import INTEGRATION, REST, Session
    from aiodoo.tenants import Tenants
    from aiodoo.walk import Walk

__version__ = VERSION

# Silent unless the program that uses it asks for its log.
logging.getLogger("aiodoo").addHandler(logging.NullHandler())

_HOMES = {
    "bulk": ("Outcome", "Progress", "Report", "Stream"),
    "doo_warnings": ("DooWarning", "UnknownHookType", "UnverifiedConnection"),
    "client.token_store": ("MemoryTokens", "TokenStore"),
    "clock": ("Clock",),
    "errors": (
        "ApiError",
        "AuthenticationError",
        "BodyTooLarge",
        "BulkFailed",
        "ConfigError",
        "DeadlineExceeded",
        "DooError",
        "InvalidRequest",
        "JournalError",
        "JournalLocked",
        "JournalMismatch",
        "JournalWriteFailed",
        "Missing",
        "NotCopyable",
        "NotFound",
        "NotJson",
        "OutcomeUnknown",
        "PaginationError",
        "PermissionDenied",
        "PlanDrift",
        "ProtocolError",
        "QueueFull",
        "QuotaExhausted",
        "RateLimited",
        "SchemaMismatch",
        "SecretsNeeded",
        "ServerError",
        "TeamClaimed",
        "TransportError",
        "UnexpectedRedirect",
        "UnsafePlan",
        "UnstableListing",
    ),
    "facts": ("Facts",),
    "operations.forecast": ("Expected", "Forecast", "Requests"),
    "models": (
        "AddWebhook",
        "Authentication",
        "ClientCredentials",
        "Hook",
        "HookType",
        "Organization",
        "Origin",
        "Page",
        "Team",
        "WebhookConfiguration",
    ),
    "operations": ("Create", "Delete", "Ensure", "Operation", "Replace", "Update"),
    "quota": ("Limits",),
    "secret": ("Secret",),
    "session": ("INTEGRATION", "REST", "Session"),
    "operations.tracked": ("Status",),
    "tenants": ("Tenants",),
    "walk": ("Walk",),
}
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names}
_ROOMS = (
    "bulk",
    "desired",
    "errors",
    "events",
    "models",
    "operations",
    "profiles",
    "quota",
    "sandbox",
    "walk",
)

__all__ = [
    "INTEGRATION",
    "REST",
    "AddWebhook",
    "ApiError",
    "Authentication",
    "AuthenticationError",
    "BodyTooLarge",
    "BulkFailed",
    "ClientCredentials",
    "Clock",
    "ConfigError",
    "Create",
    "DeadlineExceeded",
    "Delete",
    "DooError",
    "DooWarning",
    "Ensure",
    "Expected",
    "Facts",
    "Forecast",
    "Hook",
    "HookType",
    "InvalidRequest",
    "JournalError",
    "JournalLocked",
    "JournalMismatch",
    "JournalWriteFailed",
    "Limits",
    "MemoryTokens",
    "Missing",
    "NotCopyable",
    "NotFound",
    "NotJson",
    "Operation",
    "Organization",
    "Origin",
    "Outcome",
    "OutcomeUnknown",
    "Page",
    "PaginationError",
    "PermissionDenied",
    "PlanDrift",
    "Progress",
    "ProtocolError",
    "QueueFull",
    "QuotaExhausted",
    "RateLimited",
    "Replace",
    "Report",
    "Requests",
    "SchemaMismatch",
    "Secret",
    "SecretsNeeded",
    "ServerError",
    "Session",
    "Status",
    "Stream",
    "Team",
    "TeamClaimed",
    "Tenants",
    "TokenStore",
    "TransportError",
    "UnexpectedRedirect",
    "UnknownHookType",
    "UnsafePlan",
    "UnstableListing",
    "UnverifiedConnection",
    "Update",
    "Walk",
    "WebhookConfiguration",
    "bulk",
    "desired",
    "errors",
    "events",
    "models",
    "operations",
    "profiles",
    "quota",
    "sandbox",
    "walk",
]


def __getattr__(name: str) -> Any:
    if name in _ROOMS:
        return import_module(f"aiodoo.{name}")
    if name in _HOME_OF:
        value = getattr(import_module(f"aiodoo.{_HOME_OF[name]}"), name)
        globals()[name] = value
        return value
    raise AttributeError(f"module 'aiodoo' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
