"""The site says what is so.  (Its Python and shell cells are executed when it is built.)"""

import ast
import importlib.util
from pathlib import Path
import re
import shlex

import gluon_deeprnn
from gluon_deeprnn.cli.main import _parser as main_parser
from gluon_deeprnn.runs import read_recipe, recipe_names
from gluon_deeprnn.runs.config import settings
import pytest

TOP = Path(gluon_deeprnn.__file__).parent.parent
PAGES = sorted([*TOP.glob("docs/**/*.md"), *TOP.glob("*.md"), TOP / "benchmarks" / "README.md"])


def text_of(path):
    return path.read_text(encoding="utf-8")


def test_every_guarantee_names_a_test_that_exists():
    named = re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", text_of(TOP / "docs" / "developers" / "tests.md"))
    assert len(named) > 30
    for file, name in named:
        assert re.search(rf"^def {name}\(", text_of(TOP / file), re.M), f"{file}::{name}"


def test_every_file_that_a_page_names_exists():
    named = {(page, name) for page in PAGES if "_build" not in page.parts
             for name in re.findall(r"`((?:tests|examples|benchmarks|docs|gluon_deeprnn)/[\w./-]*)", text_of(page))}
    assert len(named) > 20
    for page, name in named:
        if name not in ("benchmarks/results/", "benchmarks/.peers/"):
            assert (TOP / name).exists(), f"{page}: {name}"


def commands():
    """The commands on the pages that name gluon-deeprnn, each on one line; not those that are shown to be refused."""
    found = set()
    for page in PAGES:
        text = re.sub(r"^```{code-cell}\n%%fails\n.*?^```$", "", text_of(page), flags=re.M | re.S)
        text = re.sub(r"^    gluon-deeprnn: .*(\n    .*)*", "", text, flags=re.M)  # what it prints
        text = re.sub(r" \d>", " >", text.replace("\\\n", " "))
        found |= {command.strip() for command in re.findall(r"^ *(?:\w+=\S+ )?(gluon-deeprnn [^#\n&|<>]*)", text, re.M)}
        found |= set(re.findall(r"`(gluon-deeprnn [^`]*)`", text))
    return sorted(command for command in found if "..." not in command and "NAME" not in command)


@pytest.mark.parametrize("command", commands())
def test_every_command_on_a_page_is_one_of_ours(command):
    _, *arguments = shlex.split(command)
    if "--help" not in arguments:
        main_parser().parse_args([a.replace("$layers", "2") for a in arguments])


def test_pages_give_the_recipes_numbers():
    """Wherever a page says how a recipe ends, it says what the recipe's file says."""
    seen = 0
    for page in PAGES:
        for paragraph in re.split(r"\n\s*\n", text_of(page)):
            paragraph = " ".join(paragraph.split())
            names = re.findall(r"--recipe ([\w-]+)", paragraph)
            numbers = re.findall(r"(\d+\.\d\d) in training and (\d+\.\d\d) in|훈련 (\d+\.\d\d), 검증 (\d+\.\d\d)",
                                 paragraph)
            numbers = [tuple(filter(None, pair)) for pair in numbers]
            if len(names) == 1 and len(numbers) == 1 and names[0] in recipe_names():
                measured = read_recipe(names[0]).measured
                assert numbers[0] == (f"{measured['train_ppl']:.2f}", f"{measured['val_ppl']:.2f}"), f"{page}: {names}"
                seen += 1
    assert seen >= 4


def test_the_architecture_is_drawn_as_it_is_enforced():
    page = text_of(TOP / "docs" / "architecture.md")
    drawn = ast.literal_eval(re.search(r"^rows = (\[\[.*?\]\])$", page, re.M | re.S)[1])
    rows = [match[1] for file in (TOP / "tests" / "rules").glob("*.py")
            for match in re.finditer(r"^ROWS = (\[.*?^\])$", text_of(file), re.M | re.S)]
    assert len(rows) == 1
    shown = [[name for name in row if name not in ("__main__", "version")] for row in ast.literal_eval(rows[0])]
    assert drawn == [row for row in shown if row]
    for name in (name for row in drawn for name in row):
        assert re.search(rf"^\| \d+ \|[^|]*`{name}`", page, re.M), name


def test_the_architecture_is_described_in_one_place():
    sentence = "turns texts into batches"
    pages = [page.name for page in PAGES if "_build" not in page.parts and sentence in text_of(page)]
    assert pages == ["architecture.md"]


def test_no_page_has_a_placeholder_for_the_repositorys_address():
    """It is set in setup.cfg, and the pages show what is set."""
    for page in PAGES:
        if "_build" not in page.parts and "ko" not in page.parts:
            assert not re.search(r"\bREPOSITORY\b|<url>|example\.com", text_of(page)), page


def test_the_command_line_reference_lists_every_option():
    spec = importlib.util.spec_from_file_location("command_line", TOP / "docs" / "_ext" / "command_line.py")
    command_line = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(command_line)
    commands = command_line.commands_of(command_line.parser_of("gluon_deeprnn.cli.main:main"))
    assert {"train", "generate", "evaluate", "plot", "recipes", "info"} <= set(commands)
    text = "\n".join(command_line.lines_of(commands["train"]))
    for setting in settings():
        name = setting.name
        assert re.search(rf"^\.\. option:: --{name.replace('_', '-')}\b", text, re.M), name
