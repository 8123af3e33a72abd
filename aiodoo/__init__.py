"""The asyncio SDK for doo.net's Webhook Management API.

Names are loaded when they are first used, so that importing the package costs next to nothing.
"""

from __future__ import annotations

import logging
from importlib import import_module
from typing import TYPE_CHECKING, Any

from aiodoo.version import VERSION

__version__ = VERSION

# Silent unless the program that uses it asks for its log.
logging.getLogger("aiodoo").addHandler(logging.NullHandler())

_ROOMS = [
    "audit",
    "bulk",
    "desired",
    "errors",
    "events",
    "journals",
    "models",
    "operations",
    "profiles",
    "quota",
    "receiver",
    "sandbox",
    "walk",
]
_HOMES = {
    "bulk": "Outcome Progress Report Stream",
    "client.file_tokens": "FileTokens",
    "client.redis_tokens": "RedisTokens",
    "client.token_store": "MemoryTokens TokenStore",
    "clock": "Clock",
    "doo_warnings": "DooWarning UnknownHookType UnverifiedConnection",
    "errors": """
        ApiError AuthenticationError BodyTooLarge BulkFailed ConfigError DeadlineExceeded DooError
        InvalidRequest JournalError JournalLocked JournalMismatch JournalWriteFailed Missing NotCopyable
        NotFound NotJson OutcomeUnknown PaginationError PermissionDenied PlanDrift ProtocolError
        QueueFull QuotaExhausted QuotaUnavailable RateLimited SchemaMismatch SecretsNeeded ServerError TeamClaimed
        TransportError UnexpectedRedirect UnsafePlan UnstableListing
    """,
    "facts": "Facts",
    "models": """
        AddWebhook Authentication ClientCredentials Hook HookType Organization Origin Page Team
        WebhookConfiguration
    """,
    "operations": "Create Delete Ensure Operation Replace Update",
    "operations.forecast": "Expected Forecast Requests",
    "operations.tracked": "Status",
    "quota": "Limits",
    "secret": "Secret",
    "session": "INTEGRATION REST Session",
    "tenants": "Tenants",
    "walk": "Walk",
}
"""The public names by the module that defines them; a test compares them with the imports below."""

_HOME_OF = {name: f"aiodoo.{home}" for home, names in _HOMES.items() for name in names.split()}

if TYPE_CHECKING:
    # isort: off
    from aiodoo import (
        audit as audit,
        bulk as bulk,
        desired as desired,
        errors as errors,
        events as events,
        journals as journals,
        models as models,
        operations as operations,
        profiles as profiles,
        quota as quota,
        receiver as receiver,
        sandbox as sandbox,
        walk as walk,
    )
    from aiodoo.bulk import Outcome as Outcome, Progress as Progress, Report as Report, Stream as Stream
    from aiodoo.client.file_tokens import FileTokens as FileTokens
    from aiodoo.client.redis_tokens import RedisTokens as RedisTokens
    from aiodoo.client.token_store import MemoryTokens as MemoryTokens, TokenStore as TokenStore
    from aiodoo.clock import Clock as Clock
    from aiodoo.doo_warnings import (
        DooWarning as DooWarning,
        UnknownHookType as UnknownHookType,
        UnverifiedConnection as UnverifiedConnection,
    )
    from aiodoo.errors import (
        ApiError as ApiError,
        AuthenticationError as AuthenticationError,
        BodyTooLarge as BodyTooLarge,
        BulkFailed as BulkFailed,
        ConfigError as ConfigError,
        DeadlineExceeded as DeadlineExceeded,
        DooError as DooError,
        InvalidRequest as InvalidRequest,
        JournalError as JournalError,
        JournalLocked as JournalLocked,
        JournalMismatch as JournalMismatch,
        JournalWriteFailed as JournalWriteFailed,
        Missing as Missing,
        NotCopyable as NotCopyable,
        NotFound as NotFound,
        NotJson as NotJson,
        OutcomeUnknown as OutcomeUnknown,
        PaginationError as PaginationError,
        PermissionDenied as PermissionDenied,
        PlanDrift as PlanDrift,
        ProtocolError as ProtocolError,
        QueueFull as QueueFull,
        QuotaExhausted as QuotaExhausted,
        QuotaUnavailable as QuotaUnavailable,
        RateLimited as RateLimited,
        SchemaMismatch as SchemaMismatch,
        SecretsNeeded as SecretsNeeded,
        ServerError as ServerError,
        TeamClaimed as TeamClaimed,
        TransportError as TransportError,
        UnexpectedRedirect as UnexpectedRedirect,
        UnsafePlan as UnsafePlan,
        UnstableListing as UnstableListing,
    )
    from aiodoo.facts import Facts as Facts
    from aiodoo.models import (
        AddWebhook as AddWebhook,
        Authentication as Authentication,
        ClientCredentials as ClientCredentials,
        Hook as Hook,
        HookType as HookType,
        Organization as Organization,
        Origin as Origin,
        Page as Page,
        Team as Team,
        WebhookConfiguration as WebhookConfiguration,
    )
    from aiodoo.operations import (
        Create as Create,
        Delete as Delete,
        Ensure as Ensure,
        Operation as Operation,
        Replace as Replace,
        Update as Update,
    )
    from aiodoo.operations.forecast import Expected as Expected, Forecast as Forecast, Requests as Requests
    from aiodoo.operations.tracked import Status as Status
    from aiodoo.quota import Limits as Limits
    from aiodoo.secret import Secret as Secret
    from aiodoo.session import INTEGRATION as INTEGRATION, REST as REST, Session as Session
    from aiodoo.tenants import Tenants as Tenants
    from aiodoo.walk import Walk as Walk
else:
    # Type checkers follow the imports above instead.
    __all__ = [*sorted(_HOME_OF, key=lambda name: (not name.isupper(), name)), *_ROOMS]  # noqa: PLE0604  # they are


def __getattr__(name: str) -> Any:
    if name in _ROOMS:
        return import_module(f"aiodoo.{name}")
    if name in _HOME_OF:
        value = getattr(import_module(_HOME_OF[name]), name)
        globals()[name] = value
        return value
    raise AttributeError(f"module 'aiodoo' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *_ROOMS, *_HOME_OF})
