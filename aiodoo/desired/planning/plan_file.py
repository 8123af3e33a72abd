"""Reads and writes plan files: versioned JSON with a keyed digest of the content."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any

import attrs
import cattrs
import msgspec
from cattrs.gen import make_dict_structure_fn, make_dict_unstructure_fn, override

from aiodoo import private_file
from aiodoo.desired.planning.plan import Plan, PlannedChange
from aiodoo.errors import ConfigError, PlanDrift
from aiodoo.operations.forecast import Forecast

FORMAT = 1


def sealed(plan: Plan, key: bytes) -> Plan:
    """Return the plan with its digest."""
    return attrs.evolve(plan, digest=digest(_plain(plan), key))


def digest(plain: Mapping[str, Any], key: bytes) -> str:
    """Return the digest of a plan, keyed with a key that the file does not contain."""
    content = {name: value for name, value in plain.items() if name != "digest"}
    return hmac.new(key, msgspec.json.encode(content, order="deterministic"), hashlib.sha256).hexdigest()


def check(plan: Plan, *, account: str, key: bytes) -> None:
    """Raise PlanDrift if the plan was edited, or made for another API key."""
    _check(_plain(plan), "the plan", account=account, key=key)


def write(plan: Plan, path: Path) -> None:
    """Write a plan atomically into a file that only its owner can read.

    Raises:
        ConfigError: the file cannot be written.
    """
    text = msgspec.json.format(msgspec.json.encode({"format": FORMAT, **_plain(plan)}), indent=2)
    try:
        private_file.write(path, text + b"\n")
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or type(error).__name__
        raise ConfigError(f"the plan could not be written to {path}: {reason}; nothing was changed") from None


def read(path: Path, *, account: str, key: bytes) -> Plan:
    """Return the plan in a file.

    Raises:
        ConfigError: there is no such file, or it is no plan.
        PlanDrift: the plan was edited, or made for another API key.
    """
    try:
        found: Any = msgspec.json.decode(path.read_bytes())
    except OSError as error:
        raise ConfigError(
            f"{path} cannot be read ({error.strerror or type(error).__name__}); nothing was sent"
        ) from None
    except (ValueError, RecursionError):
        found = None
    plain: dict[str, Any] = found if isinstance(found, dict) else {}
    version = plain.pop("format", None)
    if type(version) is not int:
        raise ConfigError(
            f"{path} holds no plan; nothing was sent. Make one with `aiodoo plan --out {path.name}`"
        )
    if version != FORMAT:
        raise PlanDrift(
            f"{path} has format {version}, and this aiodoo knows format {FORMAT}; nothing was sent. Plan again"
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
    if not hmac.compare_digest(str(plain.get("digest")).encode(), digest(plain, key).encode()):
        raise PlanDrift(
            f"{name} is not as it was made: it was edited, or damaged; nothing was sent. Plan again"
        )


def _plain(plan: Plan) -> dict[str, Any]:
    plain: dict[str, Any] = _converter().unstructure(plan)
    return plain


def _override(converter: cattrs.Converter, kind: type, **fields: Any) -> None:
    written: Any = make_dict_unstructure_fn(kind, converter, **fields)
    read: Any = make_dict_structure_fn(kind, converter, **fields, _cattrs_forbid_extra_keys=True)
    converter.register_unstructure_hook(kind, written)
    converter.register_structure_hook(kind, read)


@cache
def _converter() -> cattrs.Converter:
    converter = cattrs.Converter(forbid_extra_keys=True)
    converter.register_unstructure_hook(datetime, datetime.isoformat)
    converter.register_structure_hook(datetime, lambda text, _: datetime.fromisoformat(text))
    # Plan files of older versions have no such member, and their digests are without it.
    optional = override(omit_if_default=True)
    written: Any = make_dict_unstructure_fn(PlannedChange, converter, as_listed=optional)
    converter.register_unstructure_hook(PlannedChange, written)
    # The changes of a plan imply the expected outcomes, and lists may contain secrets.
    left_out = override(omit=True)
    _override(
        converter, Forecast, outcomes=left_out, baseline=left_out, in_one_day=optional, cannot_end=optional
    )
    # Files of earlier versions have `price`.
    _override(
        converter,
        Plan,
        baseline=left_out,
        cost_now=left_out,
        cost=override(rename="price"),
        new_hosts=optional,
    )
    return converter
