"""The book: what Sphinx is told. `make book` prepares the pages and runs it."""

import re

from docutils import nodes
from latex2mathml.converter import convert

import ikebook

project = "ikebook"
author = "The ikebook developers"
version = release = ikebook.__version__
extensions = ["myst_nb", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "sphinx.ext.viewcode"]
exclude_patterns = ["_build"]

html_theme = "furo"
html_title = "ikebook"
html_static_path = ["_static"]
html_js_files = ["frames.js"]  # widgets' frames are as high as what they hold
html_css_files = ["wide.css"]  # and as wide as there is room

myst_enable_extensions = ["dollarmath", "amsmath"]
myst_heading_anchors = 2
html_math_renderer = "mathml"  # browsers show it by themselves: no script, no network
nb_execution_mode = "off"  # build.py has run them, with their widgets
nb_merge_streams = True

# Several classes have an attribute of one name, such as `labels`; where a docstring's type is taken for one of them, no link
# is better than any.
suppress_warnings = ["ref.python"]

autodoc_member_order = "bysource"
autodoc_typehints = "description"
autodoc_typehints_description_target = "documented"
autodoc_class_signature = "separated"
napoleon_google_docstring = False
napoleon_use_rtype = False
napoleon_use_ivar = True  # attributes that are properties too are described once


def escape(app, what, name, obj, options, lines):
    """Docstrings write |x| for sizes and F_i or a* for symbols; reStructuredText would take these for marks of its own."""
    if what == "class" and lines and lines[0].startswith(f"{name.rpartition('.')[2]}("):
        lines[:] = []  # dataclasses without a docstring get their signature for one
    if getattr(obj, "__module__", "") == "builtins" and what in ("class", "data"):
        lines[:] = []  # an alias of dict is not described by Python's own words on dict
    lines[:] = [re.sub(r"`([^`]+)`(?=\w)", r"\1", line) for line in lines]  # `State`s
    lines[:] = [line if line.lstrip().startswith((">>>", "...")) else MARKS.sub(r"\\\1", line) for line in lines]


MARKS = re.compile(r"(?<!`)(\||(?<=\w)_(?=\W|$)|\*(?!\*))(?!`)")


def inline_formula(translator, node):
    translator.body.append(convert(node.astext()))
    raise nodes.SkipNode


def formula(translator, node):
    translator.body.append(
        f'<div class="math" style="margin: 1rem 0; overflow-x: auto">{convert(node.astext(), display="block")}</div>\n'
    )
    raise nodes.SkipNode


def setup(app):
    app.add_html_math_renderer("mathml", (inline_formula, None), (formula, None))
    app.connect("autodoc-process-docstring", escape, priority=400)  # before napoleon, at 500, adds marks that are meant
