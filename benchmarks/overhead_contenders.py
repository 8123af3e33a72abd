"""The contenders of `overhead.py`: raw aiohttp with orjson, aiodoo, and SDKs of other services by their base URL.

Each makes one call to the same server and reads the same number of items. An SDK of another service lists what its
own service has, in that service's form; all of that is fixed bytes, so what is compared is the client.
"""

from __future__ import annotations

import secrets
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from typing import Any

import aiohttp
import orjson
from overhead_server import ITEMS, TEAM

import aiodoo
from aiodoo.sandbox import graphql

Ask = Callable[[], Awaitable[object]]
Make = Callable[[AsyncExitStack, str, str], Awaitable[Ask]]

CASES = ("pages", "collect", "hooks", "create")


async def raw(stack: AsyncExitStack, host: str, case: str) -> Ask:
    """The least that can be done: send, read, parse."""
    session = await stack.enter_async_context(
        aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0),
            headers={
                "x-api-key": secrets.token_hex(20),
                "Authorization": f"Bearer {secrets.token_hex(20)}",
                "Content-Type": "application/json",
            },
        )
    )
    url = f"{host}/v1/team/{TEAM}/webhooks"
    content = graphql()

    async def page() -> object:
        async with session.get(url) as response:
            return orjson.loads(await response.read())

    async def create() -> object:
        async with session.post(url, data=orjson.dumps(content)) as response:
            return orjson.loads(await response.read())

    return create if case == "create" else page


async def typed(stack: AsyncExitStack, host: str, case: str) -> Ask:
    """The same through aiodoo, its limits lifted."""
    doo = await stack.enter_async_context(
        aiodoo.Session(
            base_url=f"{host}/v1",
            api_key=secrets.token_hex(20),
            client_id="benchmark",
            client_secret=secrets.token_hex(20),
            limits=aiodoo.Limits(per_second=None, per_day=None, concurrency=16),
        )
    )
    config = aiodoo.AddWebhook.from_dict(graphql())

    async def pages() -> object:
        async for page in doo.webhooks.list(TEAM).pages():
            _all_read(page.items)
        return None

    async def collect() -> object:
        return _all_read(await doo.webhooks.list(TEAM).collect())

    async def hooks() -> object:
        async for page in doo.webhooks.list(TEAM).pages():
            _all_read(page.items)
            for webhook in page.items:
                if not webhook.hooks or webhook.authentication is webhook:
                    raise RuntimeError("the hooks were not read")
        return None

    async def create() -> object:
        return await doo.webhooks.create(TEAM, config)

    return {"pages": pages, "collect": collect, "hooks": hooks, "create": create}[case]


def _all_read(items: Any) -> Any:
    if len(items) != ITEMS:
        raise RuntimeError("the list was not read")
    return items


async def httpx(stack: AsyncExitStack, host: str, _: str) -> Ask:
    """The client that most SDKs stand on, with its own JSON."""
    import httpx  # noqa: PLC0415

    client = await stack.enter_async_context(httpx.AsyncClient())
    url = f"{host}/v1/team/{TEAM}/webhooks"

    async def page() -> object:
        return (await client.get(url)).json()

    return page


async def niquests(stack: AsyncExitStack, host: str, _: str) -> Ask:
    """Another client, with its own JSON."""
    import niquests  # noqa: PLC0415

    client = await stack.enter_async_context(niquests.AsyncSession())
    url = f"{host}/v1/team/{TEAM}/webhooks"

    async def page() -> object:
        return (await client.get(url)).json()

    return page


async def svix(_stack: AsyncExitStack, host: str, _: str) -> Ask:
    """An SDK for webhooks: lists the endpoints of an application."""
    from svix.api import SvixAsync, SvixOptions  # noqa: PLC0415

    client = SvixAsync(secrets.token_hex(20), SvixOptions(server_url=host))

    async def page() -> object:
        return _all_read((await client.endpoint.list(TEAM)).data)

    return page


async def openai(stack: AsyncExitStack, host: str, _: str) -> Ask:
    """A generated SDK: lists models."""
    from openai import AsyncOpenAI  # noqa: PLC0415

    client = await stack.enter_async_context(
        AsyncOpenAI(api_key=secrets.token_hex(20), base_url=f"{host}/v1")
    )

    async def page() -> object:
        return _all_read((await client.models.list()).data)

    return page


async def githubkit(stack: AsyncExitStack, host: str, _: str) -> Ask:
    """A generated SDK: lists the webhooks of a repository."""
    from githubkit import GitHub  # noqa: PLC0415

    client: Any = await stack.enter_async_context(
        GitHub(secrets.token_hex(20), base_url=host, http_cache=False)
    )

    async def page() -> object:
        return _all_read((await client.rest.repos.async_list_webhooks("doo", "crm")).parsed_data)

    return page


async def stripe(_stack: AsyncExitStack, host: str, _: str) -> Ask:
    """An SDK with webhooks: lists its endpoints, over httpx, which is its default for coroutines."""
    import stripe  # noqa: PLC0415

    client = stripe.StripeClient(
        secrets.token_hex(20), base_addresses={"api": host}, http_client=stripe.HTTPXClient()
    )
    endpoints = getattr(client, "v1", client).webhook_endpoints

    async def page() -> object:
        return _all_read((await endpoints.list_async()).data)

    return page


CONTENDERS: dict[str, Make] = {
    "raw": raw,
    "aiodoo": typed,
    "niquests": niquests,
    "httpx": httpx,
    "svix": svix,
    "openai": openai,
    "githubkit": githubkit,
    "stripe": stripe,
}
PEERS = tuple(CONTENDERS)[2:]
