"""`aiodoo trigger`: let something happen in a sandbox, so that it delivers."""

from __future__ import annotations

import json
import os
from typing import Any

from aiodoo.cli.context import Context, Given
from aiodoo.cli.terminal.output import Column
from aiodoo.cli.terminal.process import DONE, FAILED, WrongUsage

_URL, _TOKEN = "DOO_SANDBOX_CONTROL_URL", "DOO_SANDBOX_CONTROL_TOKEN"  # the names of variables


def trigger(
    type: str,  # noqa: A002  # doo's word
    item: str = '{"id": 4711}',
    *,
    team: str | None = None,
    settings: Given,
) -> int:
    """Let something happen in a sandbox that another terminal serves, and print the deliveries that it makes.

    `aiodoo sandbox --control` prints the two variables that this command reads: DOO_SANDBOX_CONTROL_URL and
    DOO_SANDBOX_CONTROL_TOKEN. doo itself cannot be triggered.

    Parameters
    ----------
    type
        The hook type, such as event_created.
    item
        The event, order or attendee as a JSON object with an id, such as '{"id": 4711, "title": "Fair"}'.
    team
        Only the webhook configurations of this team.
    """
    return settings.run(_trigger(settings, type.removeprefix("on_"), item, team))


async def _trigger(settings: Context, hook_type: str, item: str, team: str | None) -> int:
    from aiodoo.models import Hook  # noqa: PLC0415
    from aiodoo.offload import in_thread  # noqa: PLC0415  # --help does without

    settings.check_types([Hook(type=hook_type, endpoint="https://stands-in.example")])
    message = _message(hook_type, item, team)
    done, result = await in_thread(lambda: _send(message))
    if not done:
        settings.talk.say(result, level="error")
        return FAILED
    columns = ("number", "type", "webhook_id", "endpoint", "state")
    with settings.sheet(*[Column(name.upper().replace("_", " ")) for name in columns]) as sheet:
        for each in result:
            sheet.add({name: each[name] for name in columns})
    if sheet.shows_nothing:
        settings.talk.say("no webhook configuration has a hook of this type.")
    return DONE


def _message(hook_type: str, item: str, team: str | None) -> dict[str, Any]:
    """Return the control message.

    Raises:
        WrongUsage: the item is not JSON, or no sandbox is named.
    """
    if missing := [name for name in (_URL, _TOKEN) if not os.environ.get(name)]:
        raise WrongUsage(
            f"{' and '.join(missing)} must be set; `aiodoo sandbox --control` prints them. Nothing was sent."
        )
    try:
        message = {"do": "fire", "hook_type": hook_type, "item": json.loads(item)}
    except ValueError:
        raise WrongUsage("the item is not JSON. Nothing was sent.") from None
    return message if team is None else {**message, "team": team}


def _send(message: dict[str, Any]) -> tuple[bool, Any]:
    import urllib.error  # noqa: PLC0415  # --help does without
    import urllib.request  # noqa: PLC0415

    request = urllib.request.Request(  # noqa: S310  # the user's own URL
        os.environ[_URL],
        data=json.dumps(message).encode(),
        headers={"Authorization": f"Bearer {os.environ[_TOKEN]}", "Content-Type": "application/json"},
    )
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310
            return True, json.load(answer)["result"]
    except urllib.error.HTTPError as error:
        try:
            return False, str(json.load(error)["error"])
        except ValueError:
            return False, f"the sandbox has answered {error.code}"
    except (OSError, ValueError) as error:
        return False, f"no sandbox answers at {_URL} ({getattr(error, 'reason', error)}). Nothing was sent."
