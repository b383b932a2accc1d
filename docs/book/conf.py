"""The book: what Sphinx is told. `make book` prepares the pages and runs it."""

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
