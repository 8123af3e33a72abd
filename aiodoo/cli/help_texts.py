"""Help as it is shown: paragraphs of any width, examples, and the options of every command once."""

from __future__ import annotations

from collections.abc import Sequence
from difflib import get_close_matches
from inspect import cleandoc

from cyclopts import (
    App,
    CycloptsError,
    Group,
    MissingArgumentError,
    UnknownCommandError,
    UnknownOptionError,
    UnusedCliTokensError,
)

from aiodoo.cli.examples import examples_of

COMMON = "Options of every command"
"""The title of the options that every command has."""

_CANNOT_DISABLE = (
    "doo cannot disable a webhook configuration, nor enable it. Nothing was changed. To silence one, keep it with: aiodoo webhooks "
    "show ID --team TEAM -o yaml > kept.yaml; delete it with: aiodoo webhooks delete ID --team TEAM; and later create it "
    "again, with a new id, with: aiodoo webhooks create TEAM --file kept.yaml; one with an authentication needs "
    "--client-secret env:NAME then."
)
_NOT_OFFERED = dict.fromkeys(
    ("disable", "enable", "deactivate", "activate", "pause", "unpause", "suspend"), _CANNOT_DISABLE
)
"""What is said of commands that people look for, and that doo makes impossible."""

_PARAMETERS = "\n\nParameters\n----------\n"


def print_help(app: App, arguments: Sequence[str]) -> bool:
    """Print the help that arguments ask for; return False if they are not all words of a command.

    That of the program explains the options of every command, that of a command names them, and shows examples.
    """
    _unwrap_help(app)
    words, command = [], app
    for word in arguments:
        if not word.startswith("-") and word in command:
            words.append(word)
            command = command[word]
    if words:
        _add_examples(app, command, words)
    if len(words) < len(arguments) - sum(map(arguments.count, ("--help", "-h"))):
        return False
    # Without parsing, which takes a tenth of the time.
    app.help_print(words)
    return True


def _add_examples(app: App, command: App, words: Sequence[str]) -> None:
    options = _names_of_common_options(app)
    app.meta.group_parameters = Group(COMMON, show=False)
    examples = "\n".join(f"  {example}" for example in examples_of(" ".join(words)))
    command.help_epilogue = (
        f"Examples:\n{examples}\n\n{COMMON}: {options}; `aiodoo help` explains them, and the exit codes."
    )


def said_of(error: CycloptsError, app: App) -> str:
    """Return what is said of wrong usage, with the help to look at, or what there is in place of a command."""
    tokens = error.unused_tokens if isinstance(error, UnknownCommandError) else ()
    if tokens and tokens[0] in _NOT_OFFERED:
        return _NOT_OFFERED[tokens[0]]
    said = _in_words(error, app)
    if said.endswith(", ..."):  # the first few of all commands help nobody
        said = said.partition(" Available commands: ")[0]
    command = " ".join(("aiodoo", *(word for word in error.command_chain or () if word != "aiodoo")))
    return f"{said} See: {command} --help"


def _in_words(error: CycloptsError, app: App) -> str:
    """Return the error in the words of the usage line, which knows no tokens and no parameters."""
    if isinstance(error, UnusedCliTokensError) and error.unused_tokens:
        return f'Unexpected argument "{error.unused_tokens[0]}".'
    if isinstance(error, MissingArgumentError) and error.argument is not None and error.keyword is None:
        name = error.argument.name
        return f"{name.lstrip('-').upper() if error.argument.field_info.is_positional else name} is missing."
    said = " ".join(str(error).split())
    if isinstance(error, UnknownOptionError) and "?" not in said:
        # cyclopts looks among the command's own options only.
        known = [name for each in app.meta.assemble_argument_collection() for name in each.names]
        typed = (error.token.keyword or error.token.value).partition("=")[0]
        close = get_close_matches(typed, known, 1)
        return f"{said} Did you mean {close[0]}?" if close else said
    return said


def _names_of_common_options(app: App) -> str:
    shown = [argument for argument in app.meta.assemble_argument_collection() if argument.show]
    return ", ".join(" ".join(argument.names) for argument in shown)


def _unwrap_help(commands: App) -> None:
    """Join the lines of each paragraph in the docstrings of commands, as cyclopts keeps line breaks."""
    for name in commands:
        if name.startswith("-"):
            continue
        if (command := commands[name].default_command) is not None and command.__doc__:
            parts = cleandoc(command.__doc__).partition(_PARAMETERS)
            command.__doc__ = "".join(part if part == _PARAMETERS else _unwrapped(part) for part in parts)
        _unwrap_help(commands[name])


def _unwrapped(text: str) -> str:
    lines = [""]
    for line in text.split("\n"):
        if line and lines[-1] and line.startswith(" ") == lines[-1].startswith(" "):
            lines[-1] += f" {line.strip()}"
        else:
            lines.append(line)
    return "\n".join(lines[1:])
