"""Writes ``try.html`` beside the site's pages: the chapter's GRU, trained when the site is built, in one page."""

from pathlib import Path
import subprocess
import sys
import tempfile

from sphinx.util import logging

_LOG = logging.getLogger(__name__)


def write(app, exception):
    """Train the model, and export it into the folder of the site; an error is a warning, which stops the build."""
    if exception is not None or app.builder.format != "html":
        return
    with tempfile.TemporaryDirectory() as folder:
        run, page = str(Path(folder) / "run"), str(Path(app.outdir) / "try.html")
        for command in (["train", "--recipe", "chapter-gru", "--out", run],
                        ["export", "--run", run, "--format", "html", "--out", page]):
            done = subprocess.run([sys.executable, "-m", "gluon_deeprnn", *command], capture_output=True, text=True,
                                  check=False)
            if done.returncode:
                _LOG.warning("try.html: %s", done.stderr)
                return


def setup(app):
    """Write the page after the others."""
    app.connect("build-finished", write)
