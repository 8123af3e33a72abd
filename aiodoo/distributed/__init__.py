"""Work for many machines: operations as one job for each team, carried out by the workers of a job engine.

Nothing here knows an engine; `aiodoo.distributed.procrastinate` and `aiodoo.distributed.streaq` each connect one.
"""

from aiodoo.distributed.jobs import Job, split
from aiodoo.distributed.results import CampaignProgress, Result, merged
from aiodoo.distributed.working import Worker, carry_out

__all__ = ["CampaignProgress", "Job", "Result", "Worker", "carry_out", "merged", "split"]
