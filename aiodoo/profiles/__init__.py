"""Profiles: named API keys with their credentials and settings, in a file of the user.

The file is `~/.config/aiodoo/config.toml`. The environment variables `DOO_API_KEY`, `DOO_CLIENT_ID`,
`DOO_CLIENT_SECRET` and `DOO_BASE_URL` override it. `AIODOO_LEDGER` names the server of a ledger for many hosts.
"""

from aiodoo.credentials import ENVIRONMENT
from aiodoo.profiles.folders import config_path, ledger_path, runs_folder, state_folder, tokens_folder
from aiodoo.profiles.profile import Profile, chosen, load, names
from aiodoo.profiles.shared_ledger import shared_ledger
from aiodoo.profiles.storing import remove, set_default, store

__all__ = [
    "ENVIRONMENT",
    "Profile",
    "chosen",
    "config_path",
    "ledger_path",
    "load",
    "names",
    "remove",
    "runs_folder",
    "set_default",
    "shared_ledger",
    "state_folder",
    "store",
    "tokens_folder",
]
