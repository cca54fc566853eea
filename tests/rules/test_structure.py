"""Rules of the whole package.  Each of these tests also asserts that it checked something."""

import ast
import importlib
import inspect
from pathlib import Path
import pkgutil
import re
import shlex
import shutil
import subprocess
import sys

import gluon_deeprnn
from gluon_deeprnn import errors
from gluon_deeprnn.cli.main import _parser as main_parser
from gluon_deeprnn.runs import read_recipe
import pytest

PACKAGE = Path(gluon_deeprnn.__file__).parent
TOP = PACKAGE.parent
FILES = sorted(file for file in PACKAGE.rglob("*.py") if file.parent.name != "programs")  # what is written by export

# Each row may import from the rows below it, and from its own module.
ROWS = [
    ["__main__"], ["cli", "d2l"], ["export", "importing"], ["runs"], ["plotting", "training"], ["generation"],
    ["prediction"], ["evaluation"],
    ["models"], ["kernels"], ["data", "graph"], ["storage", "devices", "distributed"], ["runtime", "version"],
    ["_checks", "mxnet_private"], ["errors"],
]


def top_module(module):
    parts = module.split(".")
    return parts[1] if len(parts) > 1 else "__init__"


def imports(file):
    """The modules of the package that a file imports."""
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        names = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module == "gluon_deeprnn":
            names = [f"gluon_deeprnn.{alias.name}" for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = [node.module]
        yield from (name for name in names if name.split(".")[0] == "gluon_deeprnn")


def test_modules_import_only_from_lower_layers():
    level = {name: i for i, row in enumerate(ROWS) for name in row}
    seen = 0
    for file in FILES:
        module = ".".join(file.relative_to(TOP).with_suffix("").parts).removesuffix(".__init__")
        for imported in imports(file):
            seen += 1
            importing, target = top_module(module), top_module(imported)
            if "__init__" in (importing, target) or importing == target or target in ("__version__",):
                continue
            assert level[importing] < level[target], f"{file} imports {imported}"
    assert seen > 60


def public_names():
    return [name for name in vars(gluon_deeprnn) if not name.startswith("_")
            and getattr(getattr(gluon_deeprnn, name), "__module__", "").startswith("gluon_deeprnn")]


def test_the_public_names_are_these():
    assert set(public_names()) == {
        "TimeMachine", "TextData", "Vocab", "StackedRNNScratch", "RNN", "LSTM", "GRU", "RNNLMScratch", "RNNLM",
        "Trainer", "generate", "evaluate", "load_run", "try_gpu"}


@pytest.mark.parametrize("name", public_names())
def test_public_docstrings_name_every_parameter_and_show_an_example(name):
    thing = getattr(gluon_deeprnn, name)
    documented = inspect.getdoc(thing)
    if inspect.isclass(thing):  # shared parameters are documented in the base class
        ours = [each for each in thing.__mro__ if each.__module__.startswith("gluon_deeprnn")]
        documented = "\n".join(inspect.getdoc(each) for each in ours)
    for parameter in inspect.signature(thing).parameters:
        assert re.search(rf"^[\w*, ]*\**\b{parameter}\b[\w*, ]* ?(:|$)", documented, re.M), f"{name}: {parameter}"
    assert ">>> " in documented


@pytest.mark.parametrize("name", public_names())
def test_every_public_name_is_on_the_sites_api_page(name):
    assert re.search(rf"auto(class|function):: gluon_deeprnn\.{name}$", (TOP / "docs" / "api.md").read_text(), re.M)


def readme_commands():
    """The commands in the README's code blocks and sentences that name gluon-deeprnn or make."""
    text = (TOP / "README.md").read_text(encoding="utf-8")
    found = re.findall(r"^    ((?:gluon-deeprnn|make) [^#\n]*)", text, re.M)
    found += re.findall(r"`((?:gluon-deeprnn|make) [^`]*)`", text)
    return sorted({command.strip() for command in found})


@pytest.mark.parametrize("command", readme_commands())
def test_every_command_of_the_readme_exists(command):
    program, *arguments = shlex.split(command)
    if program == "make":
        assert re.search(rf"^{arguments[0]}:", (TOP / "Makefile").read_text(), re.M)
        return
    known = main_parser().parse_known_args([a for a in arguments if a != "--help"])
    assert known[1] == []


def test_the_readme_quotes_the_recorded_results_of_the_recipes():
    text = (TOP / "README.md").read_text(encoding="utf-8")
    korean = (TOP / "README.ko.md").read_text(encoding="utf-8")
    for name in ("chapter-gru", "chapter-scratch"):
        measured = read_recipe(name).measured
        for number in (f"{measured['train_ppl']:.2f}", f"{measured['val_ppl']:.2f}"):
            assert number in text
            assert number in korean
    assert f"in {read_recipe('chapter-gru').measured['seconds']} s" in text
    bits = read_recipe("book-lstm").measured["bits_per_character"]
    for number in (f"{bits['network']:.3f}", f"{bits['dynamic_mixture']:.3f}"):
        assert number in text
        assert number in korean


def test_the_readme_quotes_the_worse_ratios_of_the_recorded_benchmarks_of_two_libraries():
    text = (TOP / "benchmarks" / "README.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| (\w+) \| (avx512|avx2) \| " + r"([\d.]+) \| " * 4, text, re.M)
    medians = {(cell, library): [float(number) for number in numbers] for cell, library, *numbers in rows}
    pages = [(TOP / name).read_text(encoding="utf-8") for name in ("README.md", "README.ko.md")]
    for cell in ("gru", "scratch"):
        of_port, of_torch = [], []
        for library in ("avx512", "avx2"):
            ours, torch, compiled, port = medians[cell, library]
            of_port.append(ours / port)
            of_torch.append(ours / min(torch, compiled))
        for page in pages:
            assert f"{max(of_port):.2f}" in page
            assert f"{max(of_torch):.2f}" in page


def modules():
    found = [info.name for info in pkgutil.walk_packages([str(PACKAGE)], "gluon_deeprnn.")]
    return [name for name in found if not name.endswith("__main__")]


@pytest.mark.parametrize("module", modules())
def test_every_public_definition_is_documented_and_annotated(module):
    loaded = importlib.import_module(module)
    assert loaded.__doc__
    for name, thing in vars(loaded).items():
        if name.startswith("_") or getattr(thing, "__module__", None) != module:
            continue
        assert inspect.getdoc(thing), f"{module}.{name}"
        functions = [thing] if inspect.isfunction(thing) else [f for f in vars(thing).values() if inspect.isfunction(f)]
        for function in functions:
            if function.__code__.co_filename != loaded.__file__ or function.__name__.startswith("__annotate"):
                continue  # written by dataclasses, or by Python 3.14
            hints = {k: v for k, v in inspect.signature(function).parameters.items() if k not in ("self", "cls")}
            missing = [k for k, v in hints.items() if v.annotation is inspect.Parameter.empty]
            assert not missing, f"{module}.{name}: {missing}"


@pytest.mark.parametrize("tool", [["ruff", "check", "."], pytest.param(["mypy"], marks=pytest.mark.slow)])
def test_ruff_and_mypy_report_no_errors(tool):
    program = Path(sys.executable).parent / tool[0]
    if not program.exists() and not shutil.which(tool[0]):
        pytest.skip(f"needs {tool[0]}: pip install -e '.[test]'")
    done = subprocess.run([str(program) if program.exists() else tool[0], *tool[1:]], cwd=TOP, capture_output=True,
                          text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_errors_have_one_form():
    """Only errors of this package, and those that Python requires, are raised for values from users."""
    raised = []
    for file in FILES:
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Raise) and isinstance(node.exc, ast.Call):
                raised.append((file.name, ast.unparse(node.exc.func).split(".")[-1]))
    ours = {"KeyboardInterrupt", *(name for name in vars(errors) if name.endswith("Error"))}
    others = {entry for entry in raised if entry[1] not in ours}
    assert len(raised) > 30
    # Content of files is rejected by ValueError, which is converted to an error of this package that names the file.
    readers = ("storage.py", "vocab.py", "history.py", "position.py", "checkpoint.py", "diagnosis.py", "stored.py",
               "folder.py", "__main__.py", "interface.py", "saved.py", "torch_files.py", "mxnet_files.py",
               "vocabulary.py")
    assert others == {("runtime.py", "ImportError"), ("runtime.py", "RuntimeError"), ("alias.py", "ImportError"),
                      ("storage.py", "OSError"), ("corpora.py", "URLError"), ("job.py", "with_note"),
                      *((name, "ValueError") for name in readers)}
