"""`aiodoo trigger`: let something happen in a sandbox, so that it delivers."""

from __future__ import annotations

import os
from typing import Any

import attrs

from aiodoo.cli.context import Given
from aiodoo.cli.options import TeamId, Type
from aiodoo.cli.terminal.exit_codes import DONE, FAILED, WrongUsage
from aiodoo.cli.terminal.table import Column

_URL, _TOKEN = "DOO_SANDBOX_CONTROL_URL", "DOO_SANDBOX_CONTROL_TOKEN"  # the names of variables


async def trigger(
    type: Type,  # noqa: A002  # doo's word
    item: str = '{"id": 4711}',
    *,
    team: TeamId | None = None,
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
    from aiodoo.models import Hook  # noqa: PLC0415
    from aiodoo.offload import in_thread  # noqa: PLC0415  # --help does without

    hook_type = type.removeprefix("on_")
    settings.check_types([Hook(type=hook_type, endpoint="https://stands-in.example")])
    message = _message(hook_type, item, team)
    if settings.dry_run:
        settings.talk.say("this was a dry run; nothing was sent.")
        return DONE
    done, result = await in_thread(lambda: _send(message))
    if not done:
        settings.talk.say(result, level="error")
        return FAILED
    names = ("number", "type", "webhook_id", "endpoint", "state")
    columns = [Column(name.upper().replace("_", " ")) for name in names]
    with attrs.evolve(settings, all_profiles=False).sheet("delivery", *columns) as sheet:
        for each in result:
            sheet.add({name: each[name] for name in names})
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
    import json  # noqa: PLC0415  # --help does without

    try:
        message = {"do": "fire", "hook_type": hook_type, "item": json.loads(item)}
    except ValueError:
        raise WrongUsage("the item is not JSON. Nothing was sent.") from None
    return message if team is None else {**message, "team": team}


def _send(message: dict[str, Any]) -> tuple[bool, Any]:
    """Return whether the sandbox has done it, and its deliveries, else why not."""
    import json  # noqa: PLC0415  # --help does without
    import urllib.error  # noqa: PLC0415
    import urllib.request  # noqa: PLC0415
    from http.client import HTTPException  # noqa: PLC0415

    try:
        request = urllib.request.Request(  # noqa: S310  # the user's own URL
            os.environ[_URL],
            data=json.dumps(message).encode(),
            headers={"Authorization": f"Bearer {os.environ[_TOKEN]}", "Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310
            return True, json.load(answer)["result"]
    except urllib.error.HTTPError as error:
        try:
            return False, str(json.load(error)["error"])
        except (ValueError, KeyError, TypeError):
            return False, f"{_URL} is not the address of a sandbox's control; it has answered {error.code}."
    except urllib.error.URLError as error:
        return False, f"no sandbox answers at {_URL} ({error.reason}). Nothing was sent."
    except (OSError, HTTPException) as error:
        return False, f"no answer from {_URL} ({type(error).__name__}); it may have been triggered."
    except (ValueError, KeyError, TypeError):
        return False, f"{_URL} is not the address of a sandbox's control."
