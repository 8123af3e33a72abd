"""Examples in the help of each command."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

EXAMPLES: Final[Mapping[str, tuple[str, ...]]] = {
    "apply": ("aiodoo apply plan.json", "aiodoo apply doo.yaml --yes --allow-net-deletes 2"),
    "audit": ("aiodoo audit --file doo.yaml", "aiodoo audit --ask-hosts --report audit.html"),
    "completion": (
        "aiodoo completion bash > ~/.local/share/bash-completion/completions/aiodoo",
        "aiodoo completion fish > ~/.config/fish/completions/aiodoo.fish",
    ),
    "copy": (
        "aiodoo copy --from-profile test --to-profile live --team 111=211",
        "aiodoo copy --from-profile test --to-profile live --teams teams.txt",
    ),
    "demo": ("aiodoo demo",),
    "doctor": ("aiodoo doctor", "aiodoo doctor --report ticket.txt"),
    "export": ("aiodoo export > doo.yaml", "aiodoo export -o jsonl --team 111"),
    "help": ("aiodoo help webhooks list",),
    "listen": (
        "aiodoo listen order_created --write-webhook here.yaml",
        "aiodoo listen --forward-to http://127.0.0.1:8000/doo",
    ),
    "login": ("aiodoo login", "aiodoo login agency --per-second 2 --per-day 5000"),
    "move-host": (
        "aiodoo move-host old.example new.example --dry-run",
        "aiodoo move-host old.example new.example --team 111",
    ),
    "organizations list": ("aiodoo organizations list", "aiodoo organizations list -o json"),
    "plan": ("aiodoo plan doo.yaml --out plan.json", "aiodoo plan doo.yaml --exit-code -o markdown"),
    "profiles list": ("aiodoo profiles list",),
    "profiles remove": ("aiodoo profiles remove test",),
    "profiles show": ("aiodoo profiles show live",),
    "profiles use": ("aiodoo profiles use live",),
    "quota": ("aiodoo quota", "aiodoo quota --all-profiles -o json"),
    "quota reset": ("aiodoo quota reset",),
    "rotate-secret": ("aiodoo rotate-secret env:NEW_SECRET", "aiodoo rotate-secret ask --dry-run"),
    "runs abandon": ("aiodoo runs abandon 20261130-1012",),
    "runs delete": ("aiodoo runs delete --older-than 30",),
    "runs list": ("aiodoo runs list", "aiodoo runs list -p live -o json"),
    "runs resume": (
        "aiodoo runs resume",
        "aiodoo runs resume 20261130-1012 --secret 4711=env:SECRET",
        "aiodoo runs resume --all-profiles --log-format json",
    ),
    "runs show": ("aiodoo runs show", "aiodoo runs show 20261130-1012 --follow"),
    "runs undo": ("aiodoo runs undo 20261130-1012 --dry-run",),
    "runs verify": ("aiodoo runs verify 20261130-1012",),
    "sandbox": ("aiodoo sandbox", "aiodoo sandbox --per-second 10 --organizations 3 --control"),
    "trigger": ("aiodoo trigger order_created", """aiodoo trigger event_created '{"id": 4711}' --team 111"""),
    "validate": ("aiodoo validate doo.yaml",),
    "schema": ("aiodoo schema", "aiodoo schema webhook"),
    "webhooks create": (
        "aiodoo webhooks create 111 --name A --hook order_created=https://a.example/",
        "aiodoo webhooks create 111 --file webhook.yaml",
    ),
    "webhooks delete": ("aiodoo webhooks delete 4711 4712 --team 111",),
    "webhooks initialize": (
        "aiodoo webhooks initialize events --organization 70001",
        "aiodoo webhooks initialize orders --event 815 --after 2026-11-01",
    ),
    "webhooks list": (
        "aiodoo webhooks list --team 111 --type 'order_*'",
        "aiodoo webhooks list --endpoint '*://crm.example/*' -o json",
    ),
    "webhooks show": ("aiodoo webhooks show 4711 --team 111 -o yaml",),
    "webhooks update": (
        "aiodoo webhooks update 4711 --team 111 --name 'New name'",
        "aiodoo webhooks update 4711 --team 111 --edit",
    ),
    "whoami": ("aiodoo whoami", "aiodoo whoami --all-profiles"),
    "worker": ("aiodoo worker --queue webhooks", "aiodoo worker --all-profiles --concurrency 8"),
}


def examples_of(command: str) -> tuple[str, ...]:
    """Return the examples of a command, or the first one of each command in a group."""
    found = EXAMPLES.get(command, ())
    inside = [lines[0] for name, lines in EXAMPLES.items() if name.startswith(f"{command} ")]
    return found or tuple(inside)
