"""doo's JSON objects as attrs classes, with their readers, writers and checks."""

from __future__ import annotations

from aiodoo.checks import check_base_url, check_id
from aiodoo.credentials import check_key
from aiodoo.models.add_webhook import AddWebhook, check_all, check_config, check_new_parts, check_replacement
from aiodoo.models.authentication import Authentication, ClientCredentials
from aiodoo.models.changes import Changes, check_changes
from aiodoo.models.filtering import Filter, is_like
from aiodoo.models.hook import Hook, HookChanges, Origin
from aiodoo.models.mask_detection import is_masked
from aiodoo.models.organization import Organization, OrganizationsPage, Team
from aiodoo.models.page import Page
from aiodoo.models.to_plain import Secrets
from aiodoo.models.validation import SERVER_OWNED, check
from aiodoo.models.vocabulary import HOOK_TYPES, RESOURCES, HookType
from aiodoo.models.webhook_configuration import WebhookConfiguration

__all__ = [
    "HOOK_TYPES",
    "RESOURCES",
    "SERVER_OWNED",
    "AddWebhook",
    "Authentication",
    "Changes",
    "ClientCredentials",
    "Filter",
    "Hook",
    "HookChanges",
    "HookType",
    "Organization",
    "OrganizationsPage",
    "Origin",
    "Page",
    "Secrets",
    "Team",
    "WebhookConfiguration",
    "check",
    "check_all",
    "check_base_url",
    "check_changes",
    "check_config",
    "check_id",
    "check_key",
    "check_new_parts",
    "check_replacement",
    "is_like",
    "is_masked",
]
