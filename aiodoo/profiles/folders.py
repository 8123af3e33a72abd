"""The paths of files, according to the XDG Base Directory Specification."""

from __future__ import annotations

import os
from pathlib import Path

from aiodoo.errors import ConfigError


def config_path() -> Path:
    """Return the default path of the file with the profiles."""
    return _base("XDG_CONFIG_HOME", ".config") / "aiodoo" / "config.toml"


def state_folder() -> Path:
    """Return the folder for persistent state: the quota ledger and the journals of runs."""
    return _base("XDG_STATE_HOME", ".local/state") / "aiodoo"


def ledger_path() -> Path:
    """Return the path of the quota ledger that all profiles share."""
    return state_folder() / "quota.db"


def runs_folder() -> Path:
    """Return the folder for the journals of the command line."""
    return state_folder() / "runs"


def tokens_folder() -> Path:
    """Return the folder for the tokens of the command line."""
    return state_folder() / "tokens"


def _base(variable: str, default: str) -> Path:
    named = os.environ.get(variable, "")
    # The specification says to ignore a relative path.
    if os.path.isabs(named):  # noqa: PTH117  # of a text that may be empty
        return Path(named)
    try:
        return Path.home() / default
    except RuntimeError:
        raise ConfigError(
            f"there is no home folder on this system; set {variable} to an absolute path"
        ) from None
