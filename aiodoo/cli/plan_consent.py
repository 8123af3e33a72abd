"""What `aiodoo apply` must be allowed: deletes, and replacements that may reach more events."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

from aiodoo.cli.context import Context
from aiodoo.cli.terminal.exit_codes import WrongUsage

if TYPE_CHECKING:
    from aiodoo.desired import Plan


@attrs.frozen
class Consent:
    """What the options agree to."""

    net_deletes: int | None
    widening: bool

    def check(self, settings: Context, plan: Plan) -> None:
        """Raise WrongUsage if --yes needs --allow-net-deletes or --allow-widening as well."""
        deletes = plan.counts()["delete"]
        if self.net_deletes not in {None, deletes}:
            raise WrongUsage(
                f"the plan deletes {deletes} webhook configurations without a replacement, and --allow-net-deletes says "
                f"{self.net_deletes}. Nothing was changed."
            )
        if not settings.yes:
            return
        if deletes and self.net_deletes is None:
            raise WrongUsage(
                f"--yes does not agree to deletes; use --allow-net-deletes {deletes} as well. Nothing was changed."
            )
        if plan.may_widen and not self.widening:
            raise WrongUsage(
                f"--yes does not agree that {_replacements(len(plan.may_widen))} may reach more events than before; say "
                "--allow-widening as well. Nothing was changed."
            )


def warn(settings: Context, plan: Plan) -> None:
    """Warn of deletes and of replacements that may widen."""
    if deletes := plan.counts()["delete"]:
        settings.talk.say(f"{_so_many(deletes)} deleted without a replacement.", level="warning")
    if wide := len(plan.may_widen):
        settings.say_once(
            "widening", f"{_replacements(wide)} may reach more events than before.", level="warning"
        )


def _replacements(number: int) -> str:
    return "one replacement" if number == 1 else f"{number} replacements"


def _so_many(number: int) -> str:
    return "one webhook configuration is" if number == 1 else f"{number} webhook configurations are"
