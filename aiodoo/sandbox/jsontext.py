"""JSON encoding and decoding, with orjson where it is installed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

_orjson: Any
try:
    import orjson as _orjson
except ImportError:
    _orjson = None

dumps: Callable[[Any], bytes] = msgspec.json.encode if _orjson is None else _orjson.dumps


def loads(text: bytes) -> Any:
    """Decode one JSON document.

    Raises:
        ValueError: it is not JSON, or nested too deeply.
    """
    try:
        return msgspec.json.decode(text) if _orjson is None else _orjson.loads(text)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        raise ValueError("not JSON") from None


def canonical(value: Any) -> bytes:
    """Encode a value with sorted keys, so that equal values give equal bytes."""
    if _orjson is None:
        return msgspec.json.encode(value, order="deterministic")
    written: bytes = _orjson.dumps(value, option=_orjson.OPT_SORT_KEYS)
    return written
