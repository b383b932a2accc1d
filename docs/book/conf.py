"""The book: what Sphinx is told. `make book` prepares the pages and runs it."""

import re

import ikebook

project = "ikebook"
author = "The ikebook developers"
version = release = ikebook.__version__
extensions = ["myst_nb", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "sphinx.ext.viewcode"]
exclude_patterns = ["_build"]

html_theme = "furo"
html_title = "ikebook"
html_static_path = ["_static"]

myst_enable_extensions = ["dollarmath", "amsmath"]
myst_heading_anchors = 2
nb_execution_mode = "off"  # build.py has run them, with their widgets
nb_merge_streams = True

autodoc_member_order = "bysource"
autodoc_typehints = "description"
autodoc_typehints_description_target = "documented"
autodoc_class_signature = "separated"
napoleon_google_docstring = False
napoleon_use_rtype = False


def escape(app, what, name, obj, options, lines):
    """Docstrings write |x| for sizes and F_i or a* for symbols; reStructuredText would take these for marks of its own."""
    lines[:] = [line if line.lstrip().startswith((">>>", "...")) else MARKS.sub(r"\\\1", line) for line in lines]


MARKS = re.compile(r"(?<!`)(\||(?<=\w)_(?=\W|$)|\*(?!\*))(?!`)")


def setup(app):
    app.connect("autodoc-process-docstring", escape, priority=400)  # before napoleon, at 500, adds marks that are meant
