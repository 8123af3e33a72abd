"""`python -m aiodoo`: the same as the program `aiodoo`."""

from __future__ import annotations

import sys

from aiodoo.cli import main

if __name__ == "__main__":
    sys.exit(main())
