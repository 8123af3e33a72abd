"""The result of `tenants.forecast()`: what the runs of many tenants would cost, each and all together."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from aiodoo.errors import DooError

if TYPE_CHECKING:
    from aiodoo.models import WebhookConfiguration
    from aiodoo.operations import Operation
    from aiodoo.operations.forecast import Forecast, Requests


class TenantsForecast(Mapping[str, "Forecast | DooError"]):
    """A mapping of tenants' names to forecasts, or to the error of a tenant that has none.

    The sums are those of the forecasts. Each forecast is for one API key that nothing else uses: tenants that share a
    key take longer.
    """

    def __init__(self, forecasts: Mapping[str, Forecast | DooError]) -> None:
        self._all = dict(forecasts)
        self._good = {name: each for name, each in self._all.items() if not isinstance(each, DooError)}

    def __getitem__(self, name: str) -> Forecast | DooError:
        """Return the forecast of a tenant, or why there is none."""
        return self._all[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._all)

    def __len__(self) -> int:
        return len(self._all)

    def __repr__(self) -> str:
        longest = "" if self.longest is None else f", {self.days:.2f} days for {self.longest}"
        failed = f", {len(self.errors)} of {len(self)} without a forecast" if self.errors else ""
        return f"<{type(self).__name__}: {self.requests.total} requests{longest}{failed}>"

    @property
    def requests(self) -> Requests:
        """The requests of all."""
        from aiodoo.operations.forecast import Requests  # noqa: PLC0415  # tenants that only read do without

        return sum((forecast.requests for forecast in self._good.values()), Requests())

    @property
    def counts(self) -> dict[str, int]:
        """The number of operations of all by expected status."""
        counts = Counter[str]()
        for forecast in self._good.values():
            counts.update(forecast.counts)
        return dict(counts)

    @property
    def longest(self) -> str | None:
        """The tenant whose run takes longest; None if there is none."""
        return max(
            self._good, key=lambda name: (self._good[name].seconds, self._good[name].days), default=None
        )

    @property
    def seconds(self) -> float:
        """How long the longest run takes, which is how long all take if they are run concurrently."""
        return 0.0 if self.longest is None else self._good[self.longest].seconds

    @property
    def days(self) -> float:
        """The days of the daily quota that the longest run takes; see `Forecast.days`."""
        return 0.0 if self.longest is None else self._good[self.longest].days

    @property
    def cannot_end(self) -> dict[str, str]:
        """Why the run of a tenant can never end with its daily quota, for each such tenant."""
        return {name: each.cannot_end for name, each in self._good.items() if each.cannot_end is not None}

    @property
    def errors(self) -> dict[str, DooError]:
        """Why a tenant has no forecast, for each such tenant."""
        return {name: each for name, each in self._all.items() if isinstance(each, DooError)}

    @property
    def operations(self) -> dict[str, Sequence[Operation]]:
        """The operations of the tenants with a forecast, to pass to `tenants.run`."""
        return {name: forecast.operations for name, forecast in self._good.items()}

    @property
    def baselines(self) -> dict[str, Mapping[str, list[WebhookConfiguration]]]:
        """The lists of each tenant that a run can use, to pass to `tenants.run`."""
        return {name: forecast.baseline for name, forecast in self._good.items()}
