"""The interfaces of webhook configurations that the checks and copying use."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from aiodoo.models.authentication import Authentication
from aiodoo.models.hook import Hook
from aiodoo.models.texts import Listed


class WebhookFields(Protocol):
    """The documented fields of a webhook configuration, listed or not."""

    @property
    def name(self) -> str: ...  # noqa: D102  # as of AddWebhook, all of them
    @property
    def description(self) -> str | None: ...  # noqa: D102
    @property
    def event_id(self) -> str | None: ...  # noqa: D102
    @property
    def event_guide_id(self) -> str | None: ...  # noqa: D102
    @property
    def hooks(self) -> tuple[Hook, ...]: ...  # noqa: D102
    @property
    def authentication(self) -> Authentication | None: ...  # noqa: D102


class Checkable(WebhookFields, Protocol):
    """A webhook configuration that is about to be sent."""

    @property
    def extra(self) -> Mapping[str, Any]: ...  # noqa: D102
    @property
    def has_unknown_fields(self) -> bool: ...  # noqa: D102
    @property
    def _listed(self) -> Listed: ...
