"""Export all webhook configurations every night, and keep a new file only if something has changed.

    DOO_API_KEY=... DOO_CLIENT_ID=... DOO_CLIENT_SECRET=... python nightly_export.py FOLDER

The files are desired state, which `aiodoo plan` reads. They have no secrets in them, so that they can be committed. Exit codes: 0 done, 1 failed, 3 the day's quota is used up.
"""

from __future__ import annotations

import asyncio
import json
import sys
from datetime import UTC, datetime
from pathlib import Path

import aiodoo


def newest(folder: Path) -> str | None:
    """Return the content of the newest export, or None."""
    files = sorted(folder.glob("doo-*.json"))
    return files[-1].read_text("utf-8") if files else None


async def export(folder: Path) -> int:
    """Write an export, and return the exit code."""
    try:
        async with aiodoo.Session.from_env() as doo:
            found = await doo.export()
    except aiodoo.QuotaExhausted as error:
        print(f"not today: {error}", file=sys.stderr)
        return 3
    except aiodoo.DooError as error:
        print(f"no export: {error}", file=sys.stderr)
        return 1
    for left in found.left:
        print(f"left out: {left}", file=sys.stderr)
    content = json.dumps(found.document, indent=2, ensure_ascii=False) + "\n"
    if content == newest(folder):
        print("nothing has changed")
        return 0
    path = folder / f"doo-{datetime.now(UTC):%Y%m%dT%H%M%S%f}.json"
    unfinished = path.with_suffix(".part")
    unfinished.write_text(content, "utf-8")
    unfinished.rename(path)
    print(path)
    return 0


if __name__ == "__main__":
    sys.exit(asyncio.run(export(Path(sys.argv[1]))))
