"""The site's settings; every warning stops the build (make docs)."""

import configparser
import functools
import inspect
import os
from pathlib import Path
import re
import sys

import gluon_deeprnn
from sphinx.util import logging
from sphinx.util.rst import escape

_extensions = str(Path(__file__).parent / "_ext")
sys.path.append(_extensions)

project = "gluon_deeprnn"
version = release = gluon_deeprnn.__version__
copyright = "the gluon_deeprnn developers"

# The address of the repository is set in one place, `url` under [metadata] in setup.cfg; the pages show what is set.
_setup = configparser.ConfigParser(interpolation=None)
_setup.read(Path(__file__).parent.parent / "setup.cfg", encoding="utf-8")
repository = _setup["metadata"].get("url", "").strip()
_clone = f"```sh\ngit clone {repository} gluon_deeprnn\ncd gluon_deeprnn\n```\n\n"
myst_substitutions = {
    "clone": f"Clone the repository:\n\n{_clone}Then run:" if repository else "Run in a clone of this repository:",
    "clone_ko": f"저장소를 복제합니다.\n\n{_clone}다음 명령을 실행합니다." if repository
    else "저장소를 복제한 폴더에서 다음 명령을 실행합니다.",
    "notebook_install": "```\n%pip install -q " + (f"git+{repository}" if repository
                        else "./gluon_deeprnn    # the folder of a clone of this repository")
                        + "\n%pip install -q --no-deps mxnet==1.9.1 gluonnlp==0.10.0\n```",
}

extensions = ["sphinx.ext.autodoc", "sphinx.ext.napoleon", "sphinx.ext.mathjax", "sphinx.ext.viewcode", "myst_nb",
              "sphinx_design", "sphinx_copybutton", "sphinx-mathjax-offline", "cli_reference", "korean", "try_page"]
exclude_patterns = ["_build", "_ext"]
default_role = "py:obj"  # single backticks in docstrings are references
nitpicky = True
nitpick_ignore_regex = [
    (r"py:(obj|class)", r"(mxnet|gluonnlp|numpy)\.[\w.]+"),  # other packages; the site is built without a network
    ("py:obj", "KeyboardInterrupt"),
]

# Pages with code are executed whenever they are built, in empty folders; a cell that fails stops the build.
myst_enable_extensions = ["amsmath", "colon_fence", "dollarmath", "substitution"]
myst_ref_domains = ["std"]  # [text](start) is the page, and never a method of that name
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


def link_types(app, what, name, documented, options, lines):
    """Make references of this package's classes in the types of parameters; the other words there are no references."""
    packages = [sys.modules[f"gluon_deeprnn{part}"]
                for part in ("", ".data", ".models", ".training", ".evaluation", ".runs")]
    classes = {word for package in packages for word, thing in vars(package).items() if inspect.isclass(thing)}
    for i, line in enumerate(lines):
        field = re.match(r"( *:type(?: [^:]+)?: )(.+)", line)
        if field:
            words = re.split(rf"\b({'|'.join(sorted(classes))})\b", field[2])
            words[1::2] = [f"\\ :py:obj:`{word}`\\ " for word in words[1::2]]
            words[::2] = [re.sub(r"\S(.*\S)?", lambda text: f"*{escape(text[0])}*", text) for text in words[::2]]
            lines[i] = field[1] + "".join(words)


def imported(path):
    """What a dotted path leads to in the modules that are imported; None where it leads nowhere."""
    for dots in range(path.count(".")):
        module, *names = path.rsplit(".", dots)
        if module in sys.modules:
            return functools.reduce(lambda found, name: getattr(found, name, None), names, sys.modules[module])
    return None


def find_elsewhere(app, env, node, contnode):
    """Find what a docstring calls by its last name alone, or by another path than the one that it is documented by."""
    target, python = node.get("reftarget", ""), env.get_domain("py")
    if node.get("refdomain") != "py":
        return None
    if target.startswith("gluon_deeprnn."):
        wanted = imported(target)
        found = [name for name in python.objects if wanted is not None and imported(name) is wanted]
    elif node.get("reftype") == "obj":
        found = [name for name in python.objects if name.endswith(f".{target}")]
    else:
        return None
    return python.resolve_xref(env, node["refdoc"], app.builder, "obj", min(found, key=len), node, contnode) if found \
        else None


def setup(app):
    """Look at docstrings before napoleon rewrites them, and after."""
    app.connect("autodoc-process-docstring", check_docstring, priority=400)
    app.connect("autodoc-process-docstring", link_types, priority=600)
    app.connect("missing-reference", find_elsewhere)
