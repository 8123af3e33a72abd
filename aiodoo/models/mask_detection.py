"""Distinguishes secrets from masks such as `***` that a server may show in their place."""

from __future__ import annotations

import re

# Only characters that masks consist of.
_DRAWN = r"[*xX#._\-\s\u2022\u25cf\u25cb\u25e6\u2219\u22c5\u00b7\u2026\u2588\u25a0\u25aa\u204e\u2217\uff0a]*"
# A word in brackets, such as [REDACTED], <hidden> or {{secret}}.
_BRACKETED = r"[\[<({]+[^\[\]<>(){}]*[\])>}]+"
_WORD = (
    r"(?i)redacted|hidden|masked|filtered|omitted|removed|obfuscated|sanitized|confidential|not shown"
    r"|null|none|undefined"
)
# A secret shown in part: abc***xyz, ****1234, abcd...
_PARTLY = r"[*\u2022\u25cf\u2219\u22c5\u00b7\u2588\u25a0\u25aa\u204e\u2217\uff0a]{3}|\.{3}|\u2026"


def is_part(value: str) -> bool:
    """Tell whether this looks like a partly masked secret, such as `abc***xyz`."""
    return re.fullmatch(_DRAWN, value) is None and re.search(_PARTLY, value) is not None


def is_masked(value: object) -> bool:
    """Tell whether this looks like a mask, is empty, or is no text.

    >>> [is_masked(value) for value in ("***", "[REDACTED]", "abcd...", None, "s3cret")]
    [True, True, True, True, False]

    A real secret that looks like a mask counts as one: refusing it is harmless, whereas a mask that is copied as
    a secret makes every later delivery fail.
    """
    if not isinstance(value, str):
        return True
    return (
        re.fullmatch(_DRAWN, value) is not None
        or re.fullmatch(_BRACKETED, value.strip()) is not None
        or re.fullmatch(_WORD, value.strip()) is not None
        or re.search(_PARTLY, value) is not None
    )
