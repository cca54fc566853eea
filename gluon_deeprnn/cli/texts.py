"""The options for texts, and what a command says about the texts that it has read."""

import argparse
import sys
from typing import List, Sequence

from gluon_deeprnn._checks import listed
from gluon_deeprnn.data import Source, Vocab
from gluon_deeprnn.data.cleaning import share_kept, shown_share
from gluon_deeprnn.errors import InputError
from gluon_deeprnn.evaluation import Evaluation
from gluon_deeprnn.runs.run import Run


def add_text(parser: argparse.ArgumentParser, what: str) -> None:
    """Add ``--text`` and ``--encoding``; ``what`` says what is done with the texts and what is read without them."""
    parser.add_argument("--text", metavar="FILE", nargs="+", action="extend",
                        help=f"{what}; files, folders or patterns, - for standard input")
    parser.add_argument("--encoding", metavar="NAME", help="encoding of those of the texts that are not UTF-8 and have "
                        "no byte-order mark, such as CP949 or CP1252")


def read_given(trained: Run, arguments: argparse.Namespace) -> List[Source]:
    """The texts that ``--text`` names, read for a run; none without the option."""
    if arguments.text:
        return trained.read_texts(arguments.text, arguments.encoding)
    if arguments.encoding is not None:
        raise InputError("encoding", "omitted without --text", arguments.encoding)
    return []


def add_source(parser: argparse.ArgumentParser, what: str) -> None:
    """Add ``--source``; ``what`` says what it does."""
    parser.add_argument("--source", metavar="NAME", help=what)


def described(sources: Sequence[Source], vocab: Vocab) -> str:
    """The names of texts, each with the share of its file that is kept by the cleaning of a run."""
    if not vocab.cleaning:
        return listed([source.name for source in sources])
    shares = [share_kept(source.text, vocab.clean(source.text), source.left_out.values()) for source in sources]
    return listed([f"{source.name} (cleaning {vocab.cleaning} keeps {shown_share(share)})"
                   for source, share in zip(sources, shares)])


def say(result: Evaluation) -> None:
    """Print the line of an evaluation on stdout, and the perplexity per word on stderr."""
    print(result, flush=True)
    if result.text is not None and result.text.has_words:
        perplexity = result.word_perplexity
        spelled = ", unknown tokens spelled" if result.text.num_unknown else ""
        print(f"gluon-deeprnn: per word{spelled}: perplexity {perplexity:{',.1f' if perplexity < 1e6 else '.2e'}} "
              f"({result.text.num_words:,} words)", file=sys.stderr)
