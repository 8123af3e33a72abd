"""What does not grow: token requests with the callers that wait for one, and memory with the webhooks that are walked.

The sandbox runs in a process of its own, so that only the client is measured.

    python benchmarks/scale.py --callers 10000 --webhooks 1000000
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import resource
import sys
import time
import tracemalloc
from typing import Any

from figures import goal, header
from served import sandbox_elsewhere

import aiodoo
from aiodoo.sandbox import Sandbox

GROWTH = 1.1
PARTS = 10
PAGE = 250


def session(url: str, api_key: str, client_id: str, client_secret: str) -> aiodoo.Session:
    """Open a session without limits."""
    return aiodoo.Session(
        base_url=url,
        api_key=api_key,
        client_id=client_id,
        client_secret=client_secret,
        limits=aiodoo.Limits(per_second=None, per_day=None, concurrency=16),
    )


async def stampede(callers: int) -> bool:
    """Let everybody call at once on a token that doo no longer takes."""
    async with (
        Sandbox(organizations=1, plan=None) as box,
        session(box.url, box.api_key, box.client_id, box.client_secret) as doo,
    ):
        await doo.organizations.active_team()
        box.revoke_tokens()
        before, refused = box.count("token"), box.count(status=401)
        begun = time.process_time()
        await asyncio.gather(*(doo.organizations.active_team(deadline=None) for _ in range(callers)))
        took = time.process_time() - begun
        fetched = box.count("token") - before
        what = (
            f"{callers} callers on an expired token: {box.count(status=401) - refused} refused with the old one, "
            f"{took:.1f} s CPU with the sandbox; {fetched} token requests, at most 1"
        )
        return goal(what, met=fetched <= 1)


async def walk(webhooks: int) -> bool:
    """Walk so many webhooks, and tell after every tenth of them how much memory the walk holds."""
    teams = max(1, webhooks // 1000)
    each = webhooks // teams
    options: dict[str, Any] = {
        "organizations": teams,
        "webhooks_per_team": each,
        "page_size": PAGE,
        "webhook_ids": "counter",
    }
    async with sandbox_elsewhere(**options) as known, session(*known) as doo:
        seen = bytearray(teams * each)
        peaks: list[int] = []
        begun = time.process_time()
        gc.collect()
        tracemalloc.start()
        print(f"walking {len(seen)} webhooks of {teams} teams, {PAGE} a page:")
        async with doo.webhooks.list([str(111 + number) for number in range(teams)]) as found:
            async for webhook in found:
                seen[int(webhook.id) - 1] += 1
                done = int(webhook.id)
                if done % (len(seen) // PARTS) == 0:
                    held, peak = tracemalloc.get_traced_memory()
                    peaks.append(peak)
                    tracemalloc.reset_peak()
                    print(f"  {done:>9}: {held / 1e6:5.1f} MB held, {peak / 1e6:5.1f} MB at most", flush=True)
        tracemalloc.stop()
        megabytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print(f"  {time.process_time() - begun:.0f} s CPU while traced, {megabytes:.0f} MB resident at most")
        once = goal("each webhook once", met=seen == b"\1" * len(seen))
        growth = peaks[-1] / peaks[0]
        return (
            goal(
                f"memory of the last tenth {growth:.2f} times that of the first, at most {GROWTH}",
                met=growth <= GROWTH,
            )
            and once
        )


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--callers", type=int, default=10_000)
    parser.add_argument("--webhooks", type=int, default=1_000_000)
    options = parser.parse_args()
    header("aiohttp")
    met = [asyncio.run(stampede(options.callers)), asyncio.run(walk(options.webhooks))]
    return 0 if all(met) else 1


if __name__ == "__main__":
    sys.exit(main())
