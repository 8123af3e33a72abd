"""Plans as files: JSON, versioned, with a keyed digest over all that is in them."""

from __future__ import annotations

import hashlib
import hmac
import os
from collections.abc import Mapping
from contextlib import suppress
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any

import attrs
import cattrs
import msgspec

from aiodoo.desired.plan import Plan
from aiodoo.errors import ConfigError, PlanDrift

FORMAT = 1


def sealed(plan: Plan, key: bytes) -> Plan:
    """Return the plan with its digest."""
    return attrs.evolve(plan, digest=digest(_plain(plan), key))


def digest(plain: Mapping[str, Any], key: bytes) -> str:
    """Return what tells a plan from any other, under a key that its file does not hold."""
    content = {name: value for name, value in plain.items() if name != "digest"}
    return hmac.new(key, msgspec.json.encode(content, order="deterministic"), hashlib.sha256).hexdigest()


def check(plan: Plan, *, account: str, key: bytes) -> None:
    """Raise PlanDrift unless the plan is as it was made, for this API key."""
    _check(_plain(plan), "the plan", account=account, key=key)


def write(plan: Plan, path: Path) -> None:
    """Write a plan where nobody else can read it, whole or not at all.

    Raises:
        ConfigError: it cannot be written.
    """
    text = msgspec.json.format(msgspec.json.encode({"format": FORMAT, **_plain(plan)}), indent=2)
    beside = path.with_name(f"{path.name}.{os.getpid()}.new")
    try:
        with open(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:  # noqa: PTH123
            file.write(text + b"\n")
            file.flush()
            os.fsync(file.fileno())
        beside.replace(path)
    except OSError as error:
        with suppress(OSError):
            beside.unlink()
        raise ConfigError(
            f"the plan could not be written to {path}: {error.strerror or type(error).__name__}; nothing was changed"
        ) from None


def read(path: Path, *, account: str, key: bytes) -> Plan:
    """Read a plan.

    Raises:
        ConfigError: there is no such file, or it holds no plan.
        PlanDrift: it was edited, or made for another API key.
    """
    try:
        plain = msgspec.json.decode(path.read_bytes())
    except OSError as error:
        raise ConfigError(
            f"{path} cannot be read ({error.strerror or type(error).__name__}); nothing was sent"
        ) from None
    except (ValueError, RecursionError):
        plain = None
    if not isinstance(plain, dict) or "format" not in plain:
        raise ConfigError(
            f"{path} holds no plan; nothing was sent. Make one with `aiodoo plan --out {path.name}`"
        )
    version = plain.pop("format")
    if version != FORMAT:
        raise PlanDrift(
            f"{path} has format {str(version)[:20]}, and this aiodoo knows format {FORMAT}; nothing was sent. Plan again"
        )
    _check(plain, str(path), account=account, key=key)
    try:
        return _converter().structure(plain, Plan)
    except Exception:  # noqa: BLE001  # cattrs raises what its hooks raise
        raise PlanDrift(
            f"{path} was written by another version of aiodoo; nothing was sent. Plan again"
        ) from None


def _check(plain: Mapping[str, Any], name: str, *, account: str, key: bytes) -> None:
    if plain.get("account") != account:
        raise PlanDrift(f"{name} was made for another API key; nothing was sent. Use that one, or plan again")
    if not hmac.compare_digest(str(plain.get("digest")), digest(plain, key)):
        raise PlanDrift(
            f"{name} is not as it was made: it was edited, or damaged; nothing was sent. Plan again"
        )


def _plain(plan: Plan) -> dict[str, Any]:
    plain: dict[str, Any] = _converter().unstructure(plan)
    return plain


@cache
def _converter() -> cattrs.Converter:
    converter = cattrs.Converter(forbid_extra_keys=True)
    converter.register_unstructure_hook(datetime, datetime.isoformat)
    converter.register_structure_hook(datetime, lambda text, _: datetime.fromisoformat(text))
    return converter
