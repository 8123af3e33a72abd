"""Tokens in files, which the processes of a host share."""

from __future__ import annotations

import asyncio
import os
import secrets
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from aiodoo import FileTokens, Limits, Secret, Session
from aiodoo.errors import ConfigError
from aiodoo.sandbox import Sandbox


@pytest.fixture
def private_folder() -> Iterator[Path]:
    """Have a folder that is not in `tmp_path`, where the canary looks for secrets."""
    with tempfile.TemporaryDirectory(prefix="aiodoo-tokens-") as name:
        yield Path(name)


def with_store(box: Sandbox, store: FileTokens) -> Session:
    """Return a session that keeps its token there."""
    return box.session(token_store=store, limits=Limits.none())


def only_file(folder: Path) -> Path:
    """Return the only file there that holds a token, and not a lock."""
    [path] = [path for path in folder.iterdir() if path.suffix != ".lock"]
    return path


async def test_processes_share_a_token_in_a_file(private_folder: Path) -> None:
    """One file of mode 600 holds it, under a name that tells nothing; a refused one is replaced, and a newer one is kept."""
    folder = private_folder / "tokens"
    async with Sandbox(plan=None, webhooks_per_team=1) as box:
        for _ in range(2):
            async with with_store(box, FileTokens(folder)) as doo:
                assert await doo.webhooks.list("111").collect()
                account = doo._client._tokens._account
        assert box.count("token") == 1
        path = only_file(folder)
        assert {each.stat().st_mode & 0o777 for each in folder.iterdir()} == {0o600}
        assert folder.stat().st_mode & 0o777 == 0o700
        assert box.api_key not in path.read_text() + path.name
        box.revoke_tokens()
        async with with_store(box, FileTokens(folder)) as doo:
            assert await doo.webhooks.list("111").collect()
        assert box.count("token") == 2
        store, newer = FileTokens(folder), Secret(path.read_text().strip())
        await store.discard(account, Secret("an older one"))
        assert await store.load(account) == newer
        await store.discard(account, newer)
        assert await store.load(account) is None


async def test_a_token_is_the_client_s_and_the_service_s(private_folder: Path) -> None:
    """Sessions with another client, or at another URL, do not get it, whatever API key they share."""
    async with Sandbox(plan=None, webhooks_per_team=1) as box:
        async with with_store(box, FileTokens(private_folder)) as doo:
            assert await doo.webhooks.list("111").collect()
        kept = only_file(private_folder).name
        for base_url, client_id in ((box.url, "another"), (f"{box.url}/v2", box.client_id)):
            credentials = {"api_key": box.api_key, "client_id": client_id, "client_secret": box.client_secret}
            other = Session(base_url=base_url, token_store=FileTokens(private_folder), **credentials)
            assert FileTokens(private_folder)._file(other._client._tokens._account).name != kept


@pytest.mark.parametrize(
    "spoilt", ["", "half a tok", "\n", "\xe4\n", "x" * 70_000 + "\n", "fifo", "link", "0644"]
)
async def test_a_file_that_holds_no_token_is_not_used(private_folder: Path, spoilt: str) -> None:
    """Damaged, of another kind, or open to others: a token is fetched, and the file replaced."""
    async with Sandbox(plan=None, webhooks_per_team=1) as box:
        async with with_store(box, FileTokens(private_folder)) as doo:
            assert await doo.webhooks.list("111").collect()
        path = only_file(private_folder)
        match spoilt:
            case "fifo":
                path.unlink()
                os.mkfifo(path, 0o600)
            case "link":
                path.rename(private_folder / "elsewhere")
                path.symlink_to(private_folder / "elsewhere")
            case "0644":
                path.chmod(0o644)
            case _:
                path.write_text(spoilt)
        async with with_store(box, FileTokens(private_folder)) as doo:
            assert await doo.webhooks.list("111").collect()
        assert box.count("token") == 2


async def test_processes_that_write_at_once_leave_a_whole_token(private_folder: Path) -> None:
    """Whatever is read while several of them replace and discard is one of the tokens, or none."""
    tokens = {secrets.token_hex(200) for _ in range(4)}
    code = (
        "import asyncio, sys\nfrom aiodoo import FileTokens, Secret\n"
        "async def main():\n"
        "    store = FileTokens(sys.argv[1])\n"
        "    for _ in range(40):\n"
        "        await store.save('a', Secret(sys.argv[2]))\n"
        "        await store.discard('a', Secret(sys.argv[3]))\n"
        "asyncio.run(main())\n"
    )
    processes = [
        await asyncio.create_subprocess_exec(
            sys.executable, "-c", code, str(private_folder), token, max(tokens)
        )
        for token in tokens
    ]
    ended = asyncio.gather(*(process.wait() for process in processes))
    store = FileTokens(private_folder)
    while not ended.done():
        found = await store.load("a")
        assert found is None or found.reveal() in tokens
    assert await ended == [0] * 4


def test_a_folder_of_tokens_is_a_path() -> None:
    """Anything else is refused when the store is made."""
    with pytest.raises(ConfigError, match="folder must be"):
        FileTokens(5)  # type: ignore[arg-type]
