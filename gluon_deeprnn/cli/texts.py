"""The option for texts, and what a command says about the texts that it has read."""

import argparse
from typing import Sequence

from gluon_deeprnn._checks import listed
from gluon_deeprnn.data import Source, Vocab
from gluon_deeprnn.data.cleaning import share_kept


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


def unknown_tokens(unknown: int, num_tokens: int) -> str:
    """How many of the tokens are not in the vocabulary, to append to the description; empty if none is."""
    return f"; {unknown} of {num_tokens} tokens are not in the vocabulary" if unknown else ""
