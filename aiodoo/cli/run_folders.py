"""The folders of runs: each has a journal and a file that describes the command."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime
from operator import itemgetter
from pathlib import Path
from typing import TYPE_CHECKING

import attrs

from aiodoo import private_file
from aiodoo.errors import ConfigError

if TYPE_CHECKING:
    from aiodoo.bulk.journal import SharedJournal

ABOUT = "run.json"
JOURNAL = "journal"
JOURNALS = "AIODOO_JOURNALS"
"""The environment variable with the URL of a server that has journals, such as those of workers."""
GIVEN_UP = "given-up"
STOPPED = "stopped"


@attrs.frozen(kw_only=True)
class RunFolder:
    """The folder of one run.

    Attributes:
        id: its name: start time, command and four random hex digits.
        command: the command with its arguments.
        profile: the name of the profile; None if the credentials are in the environment.
        config: the file with that profile, if --config was given.
        began: the start time (UTC).
        origin: the name of the profile that a copy reads from, if it is one.
        described: whether the file that describes the command can be read; if not, the command is not known.
        shared: its journal if that is on a server, where workers have it; such a run has no folder.
    """

    id: str
    folder: Path
    command: str
    profile: str | None
    config: str | None
    began: datetime
    origin: str | None = None
    described: bool = True
    shared: SharedJournal | None = None

    @property
    def journal(self) -> Path | SharedJournal:
        """The journal, or its path."""
        return self.folder / JOURNAL if self.shared is None else self.shared

    @property
    def has_journal(self) -> bool:
        """Whether there is a journal."""
        return self.shared is not None or (self.folder / JOURNAL).exists()

    @property
    def given_up(self) -> bool:
        """Whether the run was abandoned while its journal could not be read."""
        return (self.folder / GIVEN_UP).is_file()

    def note_given_up(self) -> None:
        """Mark the run as abandoned beside its journal; errors of writing are ignored."""
        with suppress(OSError):
            (self.folder / GIVEN_UP).touch(mode=0o600)

    @property
    def stopped(self) -> bool:
        """Whether a person has stopped the run with Ctrl-C, and nobody has resumed it since."""
        return (self.folder / STOPPED).is_file()

    def note_stopped(self, stopped: bool = True) -> None:  # noqa: FBT001, FBT002  # what is noted
        """Mark the run as stopped by a person, or as resumed since; errors of writing are ignored."""
        with suppress(OSError):
            if stopped:
                (self.folder / STOPPED).touch(mode=0o600)
            else:
                (self.folder / STOPPED).unlink(missing_ok=True)


def make(
    parent: Path, command: str, profile: str | None, config: Path | None, *, origin: str | None = None
) -> RunFolder:
    """Create the folder of a new run.

    Raises:
        ConfigError: it cannot be created.
    """
    import json  # noqa: PLC0415  # --help does without
    import shutil  # noqa: PLC0415

    began = datetime.now(UTC)
    about = {
        "command": command,
        "profile": profile,
        "config": None if config is None else str(config.absolute()),
        "began": began.isoformat(),
        "origin": origin,
    }
    folder: Path | None = None
    try:
        parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        folder = _new_folder(parent, f"{began:%Y%m%d-%H%M%S}-{command.partition(' ')[0]}")
        private_file.write(folder / ABOUT, json.dumps(about).encode())
    except OSError as error:
        if folder is not None:
            shutil.rmtree(folder, ignore_errors=True)
        raise ConfigError(
            f"a run's folder in {parent} cannot be made: {error.strerror}; nothing was changed. Make room, or set "
            "XDG_STATE_HOME to another folder"
        ) from None
    return RunFolder(
        id=folder.name,
        folder=folder,
        command=command,
        profile=profile,
        config=about["config"],
        began=began,
        origin=origin,
    )


def _new_folder(parent: Path, name: str) -> Path:
    """Create a folder that no other process has, as several may begin a run in the same second."""
    import secrets  # noqa: PLC0415  # --help does without

    while True:
        folder = parent / f"{name}-{secrets.token_hex(2)}"
        with suppress(FileExistsError):
            folder.mkdir(mode=0o700)
            return folder


def all_of(parent: Path) -> Iterator[RunFolder]:
    """Yield all runs, oldest first.

    Raises:
        ConfigError: the folder cannot be read, so that it is not known which runs there are.
    """
    try:
        folders = [*parent.iterdir()]
        runs = [_read(folder) for folder in folders if (folder / ABOUT).is_file()]
    except FileNotFoundError:
        return
    except OSError as error:
        raise ConfigError(
            f"the folder of the runs, {parent}, cannot be read: {error.strerror}; it is not known which runs there are"
        ) from None
    # Ids have whole seconds, in which a script may start several runs.
    yield from sorted(runs, key=lambda run: (run.began, run.id))


def journals_on_server() -> SharedJournal | None:
    """Return the place that `AIODOO_JOURNALS` names; None if it is not set.

    Raises:
        ConfigError: it is no such place.
    """
    url = os.environ.get(JOURNALS)
    if not url:
        return None
    from aiodoo import journals  # noqa: PLC0415  # --help does without

    return (journals.PostgreSQL if url.startswith(("postgres:", "postgresql:")) else journals.Redis)(url)


def on_server() -> list[RunFolder]:
    """Return the runs whose journals are at the place that `AIODOO_JOURNALS` names, oldest first.

    Raises:
        ConfigError: it is no such place, or cannot be used.
    """
    place = journals_on_server()
    if place is None:
        return []
    return [
        RunFolder(
            id=name,
            folder=Path(os.devnull) / name,
            command="worker",
            profile=None,
            config=None,
            began=began,
            shared=place / name,
        )
        for name, began in sorted(place.begun().items(), key=itemgetter(1))
    ]


def find(parent: Path, id: str | None) -> RunFolder:  # noqa: A002  # what people call it
    """Return the run with this id, or the only one whose id begins with it; the last run for None.

    Raises:
        ConfigError: no run or several runs match.
    """
    found = [run for run in all_of(parent) if id is None or run.id.startswith(id)]
    if id is None:
        found = found[-1:]
    elif not found:
        found = [run for run in on_server() if run.id.startswith(id)]
    # The name of a copied folder may begin with the id of the run.
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
            origin=about.get("origin"),
        )
    except (OSError, ValueError, KeyError, TypeError):
        began = datetime.min.replace(tzinfo=UTC)
        with suppress(OSError):
            began = datetime.fromtimestamp(folder.stat().st_mtime, UTC)
        return RunFolder(
            id=folder.name,
            folder=folder,
            command="?",
            profile=None,
            config=None,
            began=began,
            described=False,
        )
