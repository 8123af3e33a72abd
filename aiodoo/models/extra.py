"""Fields that doo's pages do not name: kept at their depth and sent back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

import msgspec

# A list's typed view is read without them (its raw item has them). The length stops the decoder from taking a
# field that happens to be called "extra" for this one.
Extra = Annotated[Mapping[str, Any], msgspec.Meta(max_length=0)]
