"""The import line of the book, and what an import brings along."""

from pathlib import Path
import subprocess
import sys

from gluon_deeprnn import d2l


def python(code, path=None):
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, cwd=path)


def test_the_books_import_line_works_after_register(tmp_path):
    done = python("from gluon_deeprnn import d2l; d2l.register(); d2l.register()\n"
                  "from d2l import mxnet as again\nimport d2l.mxnet\n"
                  "print(again is d2l.mxnet, again.GRU.__module__)", tmp_path)
    assert done.stdout == "True gluon_deeprnn.d2l.rnn\n", done.stderr


def test_register_fails_if_the_books_package_is_installed(tmp_path):
    (tmp_path / "d2l").mkdir()
    (tmp_path / "d2l" / "__init__.py").write_text("")
    done = python("from gluon_deeprnn import d2l\nd2l.register()", tmp_path)
    assert done.stderr.splitlines()[-1].startswith(
        "ImportError: d2l must not be installed; got the book's own package (pip uninstall d2l, or ")


def test_importing_d2l_does_not_import_matplotlib():
    assert python("from gluon_deeprnn import d2l; import sys; print('matplotlib' in sys.modules)").stdout == "False\n"


def test_the_compatibility_layer_is_small():
    package = Path(d2l.__file__).parent
    lines = sum(len(file.read_text().splitlines()) for file in package.glob("*.py"))
    assert 300 < lines < 0.2 * sum(len(file.read_text().splitlines()) for file in package.parent.rglob("*.py"))
