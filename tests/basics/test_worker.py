"""Work in a thread is done once, when it was asked for, or never."""

from __future__ import annotations

import pytest
from resource_limits import no_threads

from aiodoo.errors import ConfigError
from aiodoo.offload import ThreadWorker

pytestmark = pytest.mark.anyio


async def test_work_that_had_no_thread_is_not_done_later():
    """Whoever was told that it was not begun must not find it done when there are threads again."""
    worker, done = ThreadWorker("test"), list[str]()
    with no_threads(), pytest.raises(ConfigError, match="not begun"):
        worker.do(lambda: done.append("refused"))
    await worker.do(lambda: done.append("taken"))
    await worker.close()
    assert done == ["taken"]
