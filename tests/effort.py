"""Counts what a piece of work costs in function calls, which do not depend on the machine."""

from __future__ import annotations

import sys
from collections.abc import Callable
from types import FrameType
from typing import Any


def calls(work: Callable[[], object], *, within: str = "", but: str = "\0") -> int:
    """Count the calls of Python functions in a piece of work.

    Args:
        work: the piece of work.
        within: the beginning of the paths of the files whose functions count.
        but: that of files whose functions do not count.
    """
    counted = 0

    def count(frame: FrameType, event: str, _argument: Any) -> None:
        nonlocal counted
        if event == "call":
            file = frame.f_code.co_filename
            counted += file.startswith(within) and not file.startswith(but)

    before = sys.getprofile()
    sys.setprofile(count)
    try:
        work()
    finally:
        sys.setprofile(before)
    return counted
