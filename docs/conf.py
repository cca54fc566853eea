"""The site's settings; every warning stops the build (make docs)."""

import inspect
import os
from pathlib import Path
import re
import sys

import gluon_deeprnn
from sphinx.util import logging

_extensions = str(Path(__file__).parent / "_ext")
sys.path.append(_extensions)

project = "gluon_deeprnn"
version = release = gluon_deeprnn.__version__
copyright = "the gluon_deeprnn developers"

extensions = ["sphinx.ext.autodoc", "sphinx.ext.napoleon", "sphinx.ext.mathjax", "sphinx.ext.viewcode", "myst_nb",
              "sphinx_design", "sphinx_copybutton", "sphinx-mathjax-offline", "korean"]
exclude_patterns = ["_build", "_ext"]
nitpicky = False

# Pages with code are executed whenever they are built, in empty folders; a cell that fails stops the build.
myst_enable_extensions = ["amsmath", "colon_fence", "dollarmath"]
nb_execution_mode = "force"
nb_execution_in_temp = True
# For the pages' kernels: `%load_ext shell`, and the command gluon-deeprnn of this environment.
os.environ["PYTHONPATH"] = _extensions
os.environ["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
nb_execution_raise_on_error = True
nb_execution_timeout = 300
nb_merge_streams = True
nb_render_markdown_format = "myst"  # tables that a cell makes are tables

html_theme = "furo"
html_title = "gluon_deeprnn"
html_static_path = ["_static"]
html_css_files = ["page.css"]

autodoc_member_order = "bysource"
autodoc_typehints = "none"  # the docstrings say types, shapes and defaults
napoleon_numpy_docstring = True
napoleon_google_docstring = False
napoleon_custom_sections = [("Shapes", "params_style"), "Source"]
napoleon_use_rtype = False


def check_docstring(app, what, name, documented, options, lines):
    """A public name without documentation, or with a parameter that it does not have, stops the build."""
    if not name.startswith("gluon_deeprnn") or what not in ("class", "function", "method"):
        return
    log = logging.getLogger(__name__)
    if not any(lines):
        log.warning("%s has no documentation", name)
    section = re.search(r"^Parameters\n-+\n(.*?)(?=^\w[^\n]*\n-{3,}\n|\Z)", "\n".join(lines), re.M | re.S)
    if section is None:
        return
    taken = inspect.signature(documented).parameters
    for entry in re.findall(r"^([\w*][\w*, ]*?)(?: :.*)?$", section[1], re.M):
        for parameter in entry.replace("*", "").split(", "):
            if parameter not in taken:
                log.warning("%s documents %s, which it does not take", name, parameter)


def setup(app):
    """Look at docstrings before napoleon rewrites them."""
    app.connect("autodoc-process-docstring", check_docstring, priority=400)
