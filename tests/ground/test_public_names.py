"""What `import aiodoo` offers."""

from __future__ import annotations

import subprocess
import sys

import aiodoo


def test_every_public_name_can_be_imported_and_no_other_is_listed() -> None:
    """`__all__` is sorted, complete and importable; an unknown name is an AttributeError."""
    assert (
        sorted(aiodoo.__all__, key=lambda name: (not name.isupper(), name.islower(), name)) == aiodoo.__all__
    )
    for name in aiodoo.__all__:
        assert getattr(aiodoo, name) is not None
    assert set(aiodoo.__all__) <= set(dir(aiodoo))
    assert not hasattr(aiodoo, "Webhook")


def test_importing_costs_nothing() -> None:
    """Neither aiohttp nor anything else that is large is loaded before a name is used."""
    code = "import sys, aiodoo; print([name for name in ('aiohttp', 'attrs', 'anyio', 'msgspec', 'cattrs') if name in sys.modules])"
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)  # noqa: S603
    assert shown.stdout.strip() == "[]"
