"""Score a text: the surprisal of its tokens, words and lines, as a list, as JSON or as a picture."""

import argparse
import dataclasses
import heapq
import io
import json
import math
from pathlib import Path
import sys
from typing import Any, Dict, Iterable, Iterator, List, Optional, Tuple

from gluon_deeprnn import _checks, storage
from gluon_deeprnn.cli.arguments import as_int
from gluon_deeprnn.cli.texts import add_source, add_text, described, read_given
from gluon_deeprnn.data import Source
from gluon_deeprnn.errors import InputError
from gluon_deeprnn.evaluation import Piece, ScoredText, joined, score_texts
from gluon_deeprnn.evaluation.scored import UNITS
from gluon_deeprnn.plotting import plot_surprisal, surprisal_page
from gluon_deeprnn.plotting.passage import cells
from gluon_deeprnn.runs.run import Run, load_run
import numpy

_FORMATS = ("png", "svg", "pdf", "html")
_WIDTH = 72  # columns of the text that is printed of a line
_BEFORE = 30  # columns of it before the most surprising word


EXAMPLES = """\
examples:
  gluon-deeprnn score --run runs/mine                            the held-out text of the run
  gluon-deeprnn score --run runs/mine --text new.txt --top 5
  gluon-deeprnn score --run runs/mine --line "It was night." --by word
  gluon-deeprnn score --run runs/mine --text new.txt --picture new.html
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of this command."""
    parser.add_argument("--run", metavar="DIR", dest="folder", required=True, help="the run folder")
    add_text(parser, "score these texts, read as one stream or, for a run on records, as records; default: the test "
             "data of the run, or the text of its validation data if it has no test data")
    add_source(parser, "score the texts as this text of a run with --source-token; default for a text of the run: as "
               "it, for others: as none")
    parser.add_argument("--line", metavar="TEXT", action="append",
                        help="score this text itself, from the initial state (repeatable)")
    parser.add_argument("--by", metavar="UNIT", default="line",
                        help="what to list: token, word or line (default line)")
    parser.add_argument("--top", metavar="K",
                        help="list the K most surprising ones; lines by bits per character, words and tokens by bits "
                        "(default 10)")
    parser.add_argument("--json", action="store_true",
                        help="print all pieces of the kind --by, one JSON object per line: source, text, start and "
                             "end (in the cleaned text), line, log_prob (natural logarithm), bits, known")
    parser.add_argument("--picture", metavar="FILE",
                        help="write a picture of the text, .png, .svg or .pdf, or a page, .html")
    parser.add_argument("--first-line", metavar="N", help="the line with which the picture begins (default 1)")
    parser.add_argument("--num-lines", metavar="N", help="the number of lines of the picture (default: as many as "
                        "fill 30 rows of 80 columns; of a page, as many as have at most 20,000 characters)")


def run(arguments: argparse.Namespace) -> None:
    """Print a summary and the most surprising pieces, or all pieces; write the picture; the data on stderr."""
    by = _checks.one_of("by", arguments.by, UNITS)
    top = _checks.integer("top", 10 if arguments.top is None else as_int(arguments.top), at_least=0)
    if arguments.top is not None and arguments.json:
        raise InputError("top", "omitted with --json, which prints all", top)
    if arguments.text and arguments.line:
        raise InputError("line", "omitted with --text", arguments.line[0])
    if arguments.source is not None and not (arguments.text or arguments.line):
        raise InputError("source", "omitted without --text and --line", arguments.source)
    passage = _passage(arguments)
    trained = load_run(arguments.folder)
    what, scored = _scored(trained, arguments)
    whole = joined(scored)
    print(f"gluon-deeprnn: scored {what}", file=sys.stderr)
    if arguments.picture:
        picture = _picture(whole, trained.title, arguments.picture, passage)
        storage.replace_file(Path(arguments.picture), picture)
    if arguments.json:
        for text in scored:
            for piece in text.pieces(by):
                print(json.dumps({"source": text.name, **piece.as_dict()}, ensure_ascii=False))
    else:
        print(f"log-probability {-whole.nll:.2f}, {whole.nll / math.log(2):.2f} bits; {whole.evaluation}")
        listed = [whole] if arguments.line else scored  # the lines that were given are the lines of one text
        if by == "line":
            _list_lines(listed, None if arguments.line else top)
        else:
            _list_pieces(listed, by, top, alone=bool(arguments.line))
    if arguments.picture:
        print(arguments.picture, file=sys.stderr if arguments.json else sys.stdout)


def _passage(arguments: argparse.Namespace) -> Dict[str, Any]:
    """The part of the text that the picture shows, as arguments of the functions that draw it."""
    given = {"first_line": arguments.first_line, "num_lines": arguments.num_lines}
    found = {name: _checks.integer(name, as_int(value), at_least=1) for name, value in given.items()
             if value is not None}
    if arguments.picture is None:
        for name, value in found.items():
            raise InputError(name, "omitted without --picture", value)
    elif Path(arguments.picture).suffix[1:].lower() not in _FORMATS:
        raise InputError("picture", "a file that ends in " + ", ".join("." + name for name in _FORMATS),
                         arguments.picture)
    return found


def _scored(trained: Run, arguments: argparse.Namespace) -> Tuple[str, List[ScoredText]]:
    """What is scored, in words, and the scored texts."""
    given = read_given(trained, arguments)
    if arguments.line:
        what = "the line" if len(arguments.line) == 1 else f"{len(arguments.line)} lines"
        sources = [Source(f"line {i}", text, "") for i, text in enumerate(arguments.line, 1)]
    elif given:
        sources, what = given, described(given, trained.vocab)
    else:
        part, sources = trained.data().held_out_texts()
        what = f"the {part} data of the run"
    config = trained.config
    carried = not arguments.line and config.streams == "joined"
    scored = score_texts(trained.model, trained.vocab, sources, carried=carried, records=config.records,
                         sources=trained.source_tokens(sources, arguments.source))
    if arguments.line:  # each is one line, however long it is
        scored = [dataclasses.replace(each, line_starts=numpy.zeros(1, dtype="int64")) for each in scored]
    return what, scored


def _picture(scored: ScoredText, title: str, path: str, passage: Dict[str, Any]) -> bytes:
    kind = Path(path).suffix[1:].lower()
    if kind == "html":
        return surprisal_page(scored, title=title, **passage).encode("utf-8")
    picture = io.BytesIO()
    plot_surprisal(scored, title=title, **passage).figure.savefig(picture, format=kind)
    return picture.getvalue()


def _list_lines(scored: List[ScoredText], top: Optional[int]) -> None:
    """Print the most surprising lines, or all of them in order, each with its most surprising word."""
    found: List[Tuple[ScoredText, Piece, Piece]] = []
    for text in scored:
        words: Dict[int, Piece] = {}
        for word in _visible(text.words()):
            words[word.line] = max(words.get(word.line, word), word, key=_bits)
        found += [(text, line, words[line.line]) for line in _visible(text.lines()) if line.line in words]
    if top is not None:
        found = heapq.nlargest(top, found, key=lambda each: each[1].bits_per_character or 0)
    for text, line, word in found:
        print(f"{_place(text, line, scored)}: {line.bits_per_character:.2f} bits per character, {line.bits:.1f} bits; "
              f"most surprising word: {word.text.strip()} ({_bits(word):.1f} bits{_unless_known(word)})")
        print("    " + _around(text.text[line.start:line.end], word.start - line.start))


def _list_pieces(scored: List[ScoredText], by: str, top: int, *, alone: bool) -> None:
    """Print the most surprising words or tokens, each with what is before it: in its line, if lines stand alone."""
    pieces = ((text, piece) for text in scored for piece in text.pieces(by)
              if piece.bits is not None and (by == "token" or piece.text.strip()))
    for text, piece in heapq.nlargest(top, pieces, key=lambda each: _bits(each[1])):
        shown = piece.text.strip()
        if not shown or not shown.isprintable():
            shown = repr(piece.text)
        first = int(text.line_starts[piece.line - 1]) if alone else 0
        before = " ".join(text.text[max(first, piece.start - _BEFORE):piece.start].split())
        print(f"{_bits(piece):5.1f} bits, {_place(text, piece, scored)}: {shown}{_unless_known(piece)}"
              + (f"  after: {before}" if before else ""))


def _visible(pieces: Iterable[Piece]) -> Iterator[Piece]:
    """The pieces that have a prediction and are not white space only."""
    return (piece for piece in pieces if piece.bits_per_character is not None and piece.text.strip())


def _bits(piece: Piece) -> float:
    return 0.0 if piece.bits is None else piece.bits


def _unless_known(piece: Piece) -> str:
    return "" if piece.known else ", not in the vocabulary"


def _place(text: ScoredText, piece: Piece, scored: List[ScoredText]) -> str:
    """Where a piece is: its line, with the name of the text if there are several."""
    return f"line {piece.line}" if len(scored) == 1 else f"{text.name}, line {piece.line}"


def _around(line: str, place: int) -> str:
    """The part of a line around a place that fits into a line of a terminal."""
    start = 0
    if sum(map(cells, line)) > _WIDTH:
        start = max(0, place - _BEFORE)
    shown, width = "", 0
    for character in line[start:].rstrip():
        width += cells(character)
        if width > _WIDTH:
            shown += "..."
            break
        shown += character if character.isprintable() else " "
    return ("..." if start else "") + shown.strip()
