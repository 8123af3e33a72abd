"""`aiodoo completion`: what makes a shell complete commands and options."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

from cyclopts import App


def completion_of(app: App) -> Callable[..., int]:
    """Return the command that prints what completes the commands and options of `app`."""

    def completion(shell: Literal["bash", "zsh", "fish"]) -> int:
        """Print what makes a shell complete this program's commands and options.

        For bash: aiodoo completion bash > ~/.local/share/bash-completion/completions/aiodoo.
        For zsh: aiodoo completion zsh > a file _cyclopts_aiodoo, called just so, in a folder of $fpath.
        For fish: aiodoo completion fish > ~/.config/fish/completions/aiodoo.fish.

        Parameters
        ----------
        shell
            Which one.
        """
        print(app.generate_completion(shell=shell, prog_name="aiodoo"))
        return 0

    return completion
