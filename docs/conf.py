"""How Sphinx builds these pages: no host is asked for anything, neither here nor by a reader's browser."""

from __future__ import annotations

from importlib.metadata import version as _version

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
autodoc_default_options = {"show-inheritance": True}
python_use_unqualified_type_names = True
napoleon_google_docstring = True
napoleon_numpy_docstring = False
napoleon_use_ivar = True

# Other projects' names cannot be looked up without a network; ours must resolve.
nitpick_ignore_regex = [("py:.*", r"(?!aiodoo).*")]
