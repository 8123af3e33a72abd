"""Where the command line keeps its runs: a folder for each, with its journal and what it was for."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

import attrs

from aiodoo.errors import ConfigError

ABOUT = "run.json"
JOURNAL = "journal"
GIVEN_UP = "given-up"


@attrs.frozen(kw_only=True)
class RunFolder:
    """One run.

    Attributes:
        id: its name: when it began, what it was, and a few characters that tell it from others.
        command: what was called.
        profile: whose API key it uses; None for the environment's.
        config: the file with that profile, if it was named.
        began: when (UTC).
    """

    id: str
    folder: Path
    command: str
    profile: str | None
    config: str | None
    began: datetime

    @property
    def journal(self) -> Path:
        """Its journal."""
        return self.folder / JOURNAL

    @property
    def given_up(self) -> bool:
        """Whether it was given up without its journal, which cannot tell."""
        return (self.folder / GIVEN_UP).is_file()

    def note_given_up(self) -> None:
        """Keep beside its journal that it was given up. That this cannot be written is no reason to fail."""
        with suppress(OSError):
            (self.folder / GIVEN_UP).touch(mode=0o600)


def make(parent: Path, command: str, profile: str | None, config: Path | None) -> RunFolder:
    """Make the folder of a new run.

    Raises:
        ConfigError: it cannot be made.
    """
    import json  # noqa: PLC0415  # --help does without
    import secrets  # noqa: PLC0415
    import shutil  # noqa: PLC0415

    began = datetime.now(UTC)
    name = f"{began:%Y%m%d-%H%M%S}-{command.partition(' ')[0]}-{secrets.token_hex(2)}"
    folder = parent / name
    about = {
        "command": command,
        "profile": profile,
        "config": None if config is None else str(config.absolute()),
        "began": began.isoformat(),
    }
    try:
        parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        folder.mkdir(mode=0o700)
        # Half a file would be in the way of every other run.
        half = folder / f"{ABOUT}.new"
        half.write_text(json.dumps(about), encoding="utf-8")
        half.rename(folder / ABOUT)
    except OSError as error:
        shutil.rmtree(folder, ignore_errors=True)
        raise ConfigError(
            f"the run's folder {folder} cannot be made: {error.strerror}; nothing was changed. Make room, or set "
            "XDG_STATE_HOME to another folder"
        ) from None
    return RunFolder(
        id=name, folder=folder, command=command, profile=profile, config=about["config"], began=began
    )


def all_of(parent: Path) -> Iterator[RunFolder]:
    """Give every run that there is, the oldest first."""
    folders = parent.iterdir() if parent.is_dir() else ()
    runs = [_read(folder) for folder in folders if (folder / ABOUT).is_file()]
    # Ids tell whole seconds only, in which a script may begin several.
    yield from sorted(runs, key=lambda run: (run.began, run.id))


def find(parent: Path, id: str | None) -> RunFolder:  # noqa: A002  # what people call it
    """Return the run of that id, or the only one whose id begins so; the last one without an id.

    Raises:
        ConfigError: there is none, or there are several.
    """
    found = [run for run in all_of(parent) if id is None or run.id.startswith(id)]
    if id is None:
        found = found[-1:]
    # A copy of a run's folder has a name that begins with the run's.
    found = [run for run in found if run.id == id] or found
    if len(found) != 1:
        which = "no run" if not found else f"{len(found)} runs"
        named = "" if id is None else f" whose id begins with {id!r}"
        raise ConfigError(f"there {'is' if not found else 'are'} {which}{named}; see `aiodoo runs list`")
    return found[0]


def _read(folder: Path) -> RunFolder:
    import json  # noqa: PLC0415

    try:
        about = json.loads((folder / ABOUT).read_text(encoding="utf-8"))
        return RunFolder(
            id=folder.name,
            folder=folder,
            command=str(about["command"]),
            profile=about["profile"],
            config=about["config"],
            began=datetime.fromisoformat(about["began"]).astimezone(UTC),
        )
    except (OSError, ValueError, KeyError, TypeError):
        raise ConfigError(f"{folder / ABOUT} is not as it was written; move that folder away") from None
