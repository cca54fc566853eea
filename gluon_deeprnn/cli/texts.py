"""The option for texts, and what a command says about the texts that it has read."""

import argparse
import sys
from typing import Sequence

from gluon_deeprnn._checks import listed
from gluon_deeprnn.data import Source, Vocab
from gluon_deeprnn.data.cleaning import share_kept
from gluon_deeprnn.evaluation import Evaluation


def add_text(parser: argparse.ArgumentParser, what: str) -> None:
    """Add ``--text``; ``what`` says what is done with the texts and what is read without the option."""
    parser.add_argument("--text", metavar="FILE", nargs="+", action="extend",
                        help=f"{what}; files, folders or patterns, - for standard input")


def add_source(parser: argparse.ArgumentParser, what: str) -> None:
    """Add ``--source``; ``what`` says what it does."""
    parser.add_argument("--source", metavar="NAME", help=what)


def described(sources: Sequence[Source], vocab: Vocab) -> str:
    """The names of texts, each with the share of it that the cleaning of a run keeps."""
    if not vocab.cleaning:
        return listed([source.name for source in sources])
    return listed([
        f"{source.name} (cleaning {vocab.cleaning} keeps {share_kept(source.text, vocab.clean(source.text)):.1%})"
        for source in sources])


def say(result: Evaluation) -> None:
    """Print the line of an evaluation on stdout, and the perplexity per word on stderr."""
    print(result, flush=True)
    if result.text is not None and result.text.has_words:
        perplexity = result.word_perplexity
        spelled = ", unknown tokens spelled" if result.text.num_unknown else ""
        print(f"gluon-deeprnn: per word{spelled}: perplexity {perplexity:{',.1f' if perplexity < 1e6 else '.2e'}} "
              f"({result.text.num_words:,} words)", file=sys.stderr)
