"""A keyring for tests: what `keyring` calls a backend, kept in a folder that a variable names."""

from __future__ import annotations

import os
from pathlib import Path

from keyring.backend import KeyringBackend


class Keyring(KeyringBackend):
    """Keeps each password in a file of its own."""

    priority = 1

    def set_password(self, service: str, username: str, password: str) -> None:
        """Keep it."""
        self._path(service, username).write_text(password)

    def get_password(self, service: str, username: str) -> str | None:
        """Return it, None if there is none."""
        path = self._path(service, username)
        return path.read_text() if path.exists() else None

    def _path(self, service: str, username: str) -> Path:
        return Path(os.environ["KEYRING_FOLDER"]) / f"{service} {username}"
