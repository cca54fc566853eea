"""The MXNet cells of the book's sections on recurrent networks, from the book's sources.

The sources are not in this repository: GLUON_DEEPRNN_BOOK names a copy of https://github.com/d2l-ai/d2l-en (1.0).  The
names that the cells use are in tests/golden/book_names.json, which this script writes, from the top of the repository:

    GLUON_DEEPRNN_BOOK=d2l-en python tests/d2l/book.py
"""

import ast
import json
import os
from pathlib import Path
import re

NAMES = Path(__file__).parents[1] / "golden" / "book_names.json"
SECTIONS = [
    *(f"chapter_recurrent-neural-networks/{name}" for name in (
        "sequence", "text-sequence", "language-model", "rnn", "rnn-scratch", "rnn-concise", "bptt")),
    *(f"chapter_recurrent-modern/{name}" for name in ("lstm", "gru", "deep-rnn")),
]


def sources():
    """The folder of the book's sources, or None."""
    folder = os.environ.get("GLUON_DEEPRNN_BOOK")
    return Path(folder) if folder else None


def cells(text):
    """The code of a section's cells for MXNet, or for all frameworks, without the line that says for which."""
    found = re.findall(r"^```\{\.python \.input[^}]*\}\n%%tab ([^\n]*)\n(.*?)^```", text, re.M | re.S)
    return [code for frameworks, code in found if {"mxnet", "all"} & set(re.findall(r"\w+", frameworks))]


def names(codes):
    """The names of d2l that cells use, sorted; a branch for other frameworks is not read."""
    found = set()

    def visit(node):
        if isinstance(node, ast.If) and ast.unparse(node.test).startswith("tab.selected("):
            chosen = node.body if "mxnet" in ast.literal_eval(f"[{ast.unparse(node.test)[13:-1]}]") else node.orelse
            for child in chosen:
                visit(child)
            return
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "d2l":
            found.add(node.attr)
        for child in ast.iter_child_nodes(node):
            visit(child)

    for code in codes:
        visit(ast.parse(re.sub(r"^%.*$", "", code, flags=re.M)))
    return sorted(found)


def names_by_section(folder):
    """What book_names.json holds: the names that each section uses."""
    return {section: names(cells((folder / f"{section}.md").read_text("utf-8"))) for section in SECTIONS}


if __name__ == "__main__":
    folder = sources()
    if folder is None:
        raise SystemExit("GLUON_DEEPRNN_BOOK must name the folder of the book's sources")
    NAMES.write_text(json.dumps(names_by_section(folder), indent=1) + "\n")
