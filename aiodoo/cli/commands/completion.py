"""`aiodoo completion`: what makes a shell complete commands and options."""

from __future__ import annotations

from typing import Literal


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
    from aiodoo.cli.app import app  # noqa: PLC0415  # which knows this command

    print(app.generate_completion(shell=shell, prog_name="aiodoo"))
    return 0
