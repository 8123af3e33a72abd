"""How Sphinx builds these pages: no host is asked for anything, neither here nor by a reader's browser."""

from __future__ import annotations

from importlib.metadata import version as _version
from typing import Any

project = "aiodoo"
author = "the aiodoo developers"
copyright = author  # noqa: A001  # Sphinx's name
release = version = _version("aiodoo")

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
exclude_patterns = ["_build"]
html_theme = "furo"
html_title = f"aiodoo {release}"
html_copy_source = False
html_show_sourcelink = False

myst_heading_anchors = 3

autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_typehints_format = "short"
autodoc_class_signature = "mixed"
python_use_unqualified_type_names = True
napoleon_google_docstring = True
napoleon_numpy_docstring = False
# What the sandbox's docstrings have instead of "Parameters:".
napoleon_custom_sections = [
    (name, "params_style")
    for name in (
        "Tokens",
        "Organizations",
        "Create",
        "Delete",
        "List",
        "Answers",
        "Initialization",
        "Other",
        "Kinds",
        "Requests",
    )
]

nitpick_ignore_regex = [
    # Other projects' names cannot be looked up without a network; ours must resolve.
    ("py:.*", r"(?!aiodoo).*"),
    # What was read of the file with the profiles is handed on, and looked into by nobody else.
    ("py:class", r"aiodoo\.profiles\.tables\.Table"),
    # The names of what a sandbox takes, each of which is with the sandbox, the box or the settings.
    ("py:class", r"aiodoo\.sandbox\.options\..*"),
    # It says to type checkers that a run takes no other options, and has none itself.
    ("py:class", r"aiodoo\.bulk\.options\.NoOptions"),
    # A type variable has no page.
    ("py:class", r"aiodoo\.(tenants\.T|receiver\.receiver\.H)"),
    # What a check of subscriptions needs of a session, which is its argument.
    ("py:class", r"aiodoo\.receiver\.subscription\.Lists"),
    # The options of a list are explained with its method.
    ("py:class", r"aiodoo\.walk\.list_options\.ListOptions"),
    # What carries requests, and what blocking work runs in, is replaced in simulations only.
    ("py:class", r"aiodoo\.[\w.]*\.(Transport|Worker|Offload|Port)"),
]


def _mark_sections(_app: Any, _what: str, _name: str, _value: Any, _options: Any, lines: list[str]) -> None:
    """Give those sections the colon by which napoleon knows them."""
    names = {name for name, _ in napoleon_custom_sections}
    lines[:] = [f"{line}:" if line in names else line for line in lines]


def _show_defaults(
    _app: Any, _what: str, _name: str, _value: Any, _options: Any, signature: str, returns: str
) -> Any:
    """Write what attrs makes anew for each object as an ellipsis."""
    return (signature or "").replace("NOTHING", "...") or None, returns


def setup(app: Any) -> None:
    """Connect the two; the first runs before napoleon, which is at 500."""
    app.connect("autodoc-process-docstring", _mark_sections, priority=400)
    app.connect("autodoc-process-signature", _show_defaults)
