"""Takes the pictures of the command line anew: the real program, in tmux, against the sandbox.

python docs/pictures/take.py
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from rich.console import Console
from rich.terminal_theme import MONOKAI
from rich.text import Text

from aiodoo.sandbox import Sandbox, serve

HERE = Path(__file__).parent
TMUX = ["tmux", "-L", "aiodoo-pictures", "-f", "/dev/null"]
WIDTH, HEIGHT = 80, 32
PATIENCE = 60.0

PROFILE = """\
[profiles.acme]
base_url = "{box.url}"
api_key = "{box.api_key}"
client_id = "{box.client_id}"
client_secret = "{box.client_secret}"
limits = {{ per_second = 5, per_day = 1000 }}
facts = {{ list_echoes_scope = true }}
"""

DECLARED = """\
aiodoo: 1
manage: {name_prefix: "Shop "}
teams: ["111", "112"]
webhooks:
- name: Shop orders
  description: Orders for the shop
  hooks:
  - {type: order_created, endpoint: "https://shop.example/${team.id}/orders"}
- name: Shop events
  description: Events for the shop
  hooks:
  - {type: event_created, endpoint: "https://shop.example/${team.id}/events"}
"""


def hook(name: str, type_: str, path: str) -> dict[str, object]:
    """Return a webhook configuration that is there already."""
    return {
        "name": f"Shop {name}",
        "description": f"{name.capitalize()} for the shop",
        "hooks": [{"type": type_, "method": "POST", "endpoint": f"https://old.example/{path}"}],
    }


def tmux(*words: str) -> str:
    """Have tmux do something, and return what it says."""
    return subprocess.run([*TMUX, *words], check=True, capture_output=True, text=True).stdout  # noqa: S603  # our own words


class Terminal:
    """A shell on a terminal, with a home of its own."""

    def __init__(self, home: Path) -> None:
        environ = {
            "HOME": str(home),
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            "PS1": "$ ",
            "TERM": "xterm-256color",
            "HISTFILE": "",
        }
        shell = ["env", "-i", *(f"{name}={value}" for name, value in environ.items()), "bash", "--norc"]
        tmux("new-session", "-d", "-x", str(WIDTH), "-y", str(HEIGHT), "-c", str(home), *shell)

    def type(self, line: str) -> None:
        """Type a line."""
        tmux("send-keys", "-l", line)
        self.press("Enter")

    def press(self, key: str) -> None:
        """Press one key."""
        tmux("send-keys", key)

    def screen(self) -> str:
        """Return what is shown, with its colours."""
        return tmux("capture-pane", "-e", "-p").rstrip()

    def wait(self, words: str, *, prompt: bool = True) -> None:
        """Wait until something is shown, and the shell is ready for the next line."""
        give_up = time.monotonic() + PATIENCE
        while True:
            shown = Text.from_ansi(self.screen()).plain
            if words in shown and (shown.endswith("\n$") or not prompt):
                return
            if time.monotonic() > give_up:
                raise TimeoutError(f"{words!r} was not shown:\n{self.screen()}")
            time.sleep(0.1)

    def run(self, line: str, words: str, *, prompt: bool = True) -> None:
        """Type a line, and wait until something is shown."""
        self.type(line)
        self.wait(words, prompt=prompt)

    def picture(self, name: str) -> None:
        """Keep what is shown."""
        console = Console(record=True, width=WIDTH, file=open(os.devnull, "w"), force_terminal=True)  # noqa: SIM115, PTH123  # ends with us
        lines = [Text.from_ansi(line) for line in self.screen().split("\n")]
        if lines[-1].plain == "$":  # the next prompt
            lines.pop()
        for line in lines:
            console.print(line, soft_wrap=True)
        console.save_svg(
            str(HERE / f"{name}.svg"),
            title=f"aiodoo {name}",
            theme=MONOKAI,
            code_format=FORMAT,
            unique_id=name,
        )


FORMAT = """\
<svg class="rich-terminal" viewBox="0 0 {width} {height}" xmlns="http://www.w3.org/2000/svg">
    <style>
    .{unique_id}-matrix {{ font-family: monospace; font-size: {char_height}px; line-height: {line_height}px; }}
    .{unique_id}-title {{ font-size: 18px; font-weight: bold; font-family: arial; }}
    {styles}
    </style>
    <defs>
    <clipPath id="{unique_id}-clip-terminal">
      <rect x="0" y="0" width="{terminal_width}" height="{terminal_height}" />
    </clipPath>
    {lines}
    </defs>
    {chrome}
    <g transform="translate({terminal_x}, {terminal_y})" clip-path="url(#{unique_id}-clip-terminal)">
    {backgrounds}
    <g class="{unique_id}-matrix" xml:space="preserve">
    {matrix}
    </g>
    </g>
</svg>
"""


def take(box: Sandbox, home: Path) -> None:
    """Do what the README tells a new user to do, and take the pictures on the way."""
    config = home / ".config" / "aiodoo" / "config.toml"
    config.parent.mkdir(parents=True)
    config.touch(mode=0o600)
    config.write_text(PROFILE.format(box=box))
    (home / "doo.yaml").write_text(DECLARED)
    terminal = Terminal(home)
    try:
        terminal.run("aiodoo move-host crm.example crm2.example", "[y/N]", prompt=False)
        terminal.run("y", "20 of about", prompt=False)
        terminal.picture("move-host")
        terminal.press("C-c")
        terminal.wait("stopped.")
        terminal.press("C-l")
        terminal.run("aiodoo runs list", "stopped")
        terminal.run("aiodoo runs resume --stopped --settle 1", "12 applied")
        terminal.run("aiodoo runs verify", "as it left it")
        terminal.picture("runs")
        terminal.press("C-l")
        terminal.run("aiodoo plan --prune", "to create,")
        terminal.picture("plan")
        terminal.press("C-l")
        terminal.run("aiodoo demo", "Verified:")
        terminal.picture("demo")
    finally:
        tmux("kill-server")


def main() -> None:
    """Take all of them."""
    with (
        serve(organizations=3, webhooks_per_team=4, plan=None, echo_scope=True) as box,
        tempfile.TemporaryDirectory(prefix="aiodoo-pictures-", ignore_cleanup_errors=True) as home,
    ):
        box.add_webhook("111", hook("orders", "order_created", "111/orders"))
        box.add_webhook("112", hook("attendees", "attendee_created", "112/attendees"))
        take(box, Path(home))


if __name__ == "__main__":
    main()
