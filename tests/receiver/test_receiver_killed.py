"""A receiver that is killed loses nothing that it has acknowledged."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from aiodoo.sandbox import serve

PROGRAM = """
import asyncio, sys
from pathlib import Path
from aiohttp import web
from aiodoo.receiver import Receiver, SQLiteStorage

port, folder = int(sys.argv[1]), Path(sys.argv[2])
receiver = Receiver(client_secrets="s3cret", storage=SQLiteStorage(folder / "receiver"), acknowledge_first=True, handler_timeout=1.0)

@receiver.on("event_created")
async def created(delivery):
    await asyncio.sleep(0.005)
    with (folder / "handled").open("a") as file:
        file.write(delivery.event_id + "\\n")

app = web.Application()
app.add_subapp("/doo", receiver.application())
web.run_app(app, host="127.0.0.1", port=port, print=None, reuse_address=True)
"""


def started(port: int, folder: Path) -> subprocess.Popen[bytes]:
    """Start the receiver."""
    return subprocess.Popen([sys.executable, "-c", PROGRAM, str(port), str(folder)])  # noqa: S603  # our own


def until(holds: Callable[[], bool]) -> None:
    """Wait for something."""
    end = time.monotonic() + 100
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.01)


def test_every_acknowledged_delivery_is_handled_after_kills(tmp_path: Path) -> None:
    """Killed twice while it handles and while it receives: each of 150 events is handled at least once."""
    handled = tmp_path / "handled"
    handled.touch()
    with socket.socket() as held:
        held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        held.bind(("127.0.0.1", 0))
        port = held.getsockname()[1]
        with serve(organizations=1, plan=None, delivery_pause=0.1, delivery_attempts=500) as sandbox:
            url = f"http://127.0.0.1:{port}/doo"
            hooks = [{"type": "event_created", "endpoint": f"{url}/event_created"}]
            login = {
                "endpoint": f"{url}/token",
                "grant_type": "client_credentials",
                "credentials": {"client_id": "doo", "client_secret": "s3cret"},
                "header_format": "Authorization",
                "header_value_format": "Bearer %ACCESS_TOKEN%",
            }
            sandbox.add_webhook("111", {"name": "app", "hooks": hooks, "authentication": login})
            for number in range(150):
                sandbox.deliveries.fire("event_created", {"id": number})
            for many in (30, 80):
                process = started(port, tmp_path)
                until(lambda many=many: len(handled.read_text().split()) >= many)
                process.send_signal(signal.SIGKILL)
                process.wait()
            process = started(port, tmp_path)
            try:
                sandbox.deliveries.wait(100)
                until(lambda: set(handled.read_text().split()) == {str(number) for number in range(150)})
            finally:
                process.send_signal(signal.SIGTERM)
                process.wait()
            assert {each.state for each in sandbox.deliveries.all} == {"delivered"}
    assert os.stat(tmp_path / "receiver").st_mode & 0o777 == 0o600  # noqa: PTH116  # shorter
