"""`aiodoo completion`: shell completion of commands and options."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

from cyclopts import App


def completion_of(app: App) -> Callable[..., int]:
    """Return the command that prints the completion script of `app`."""

    def completion(shell: Literal["bash", "zsh", "fish"]) -> int:
        """Print a script that completes commands, options, and what this machine knows: profiles, runs, teams and hook types.

        For bash: aiodoo completion bash > ~/.local/share/bash-completion/completions/aiodoo.
        For zsh: aiodoo completion zsh > a file named _cyclopts_aiodoo in a folder of $fpath.
        For fish: aiodoo completion fish > ~/.config/fish/completions/aiodoo.fish.

        Parameters
        ----------
        shell
            The shell.
        """
        print(app.generate_completion(shell=shell, prog_name="aiodoo"))
        return 0

    return completion
