"""The site's settings; every warning stops the build (make docs)."""

import gluon_deeprnn

project = "gluon_deeprnn"
version = release = gluon_deeprnn.__version__
copyright = "the gluon_deeprnn developers"

extensions = ["sphinx.ext.autodoc", "sphinx.ext.napoleon", "sphinx.ext.mathjax", "sphinx.ext.viewcode", "myst_parser"]
exclude_patterns = ["_build"]
nitpicky = False

html_theme = "furo"
html_title = "gluon_deeprnn"
html_static_path = ["_static"]

autodoc_member_order = "bysource"
autodoc_typehints = "none"  # the docstrings say types, shapes and defaults
napoleon_numpy_docstring = True
napoleon_google_docstring = False
napoleon_custom_sections = [("Shapes", "params_style"), "Source"]
napoleon_use_rtype = False
