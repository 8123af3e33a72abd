"""Receives what doo sends: answers its token requests and deliveries, inside an aiohttp or ASGI application."""

from __future__ import annotations

from aiodoo.receiver.delivery import Delivery
from aiodoo.receiver.exchange import ReceivedRequest, ReceiverAnswer
from aiodoo.receiver.handling import Ignore
from aiodoo.receiver.payloads import Attendee, Event, Order
from aiodoo.receiver.receiver import Receiver
from aiodoo.receiver.routes import Handler
from aiodoo.receiver.sqlite_storage import SQLiteStorage
from aiodoo.receiver.storage import MemoryStorage, Storage, StoredDelivery
from aiodoo.receiver.subscription import SubscriptionCheck

__all__ = [
    "Attendee",
    "Delivery",
    "Event",
    "Handler",
    "Ignore",
    "MemoryStorage",
    "Order",
    "ReceivedRequest",
    "Receiver",
    "ReceiverAnswer",
    "SQLiteStorage",
    "Storage",
    "StoredDelivery",
    "SubscriptionCheck",
]
