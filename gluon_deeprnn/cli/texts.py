"""What a command says about the texts that it has read."""

from typing import Sequence

from gluon_deeprnn.data import Source, Vocab
from gluon_deeprnn.data.cleaning import share_kept


def described(paths: Sequence[str], sources: Sequence[Source], vocab: Vocab) -> str:
    """The texts by their paths, each with the share of it that the cleaning of a run keeps."""
    if not vocab.cleaning:
        return ", ".join(paths)
    return ", ".join(f"{path} (cleaning {vocab.cleaning} keeps {share_kept(source.text, vocab.clean(source.text)):.1%})"
                     for path, source in zip(paths, sources))


def unknown_tokens(unknown: int, num_tokens: int) -> str:
    """How many of the tokens are not in the vocabulary, to append to the description; empty if none is."""
    return f"; {unknown} of {num_tokens} tokens are not in the vocabulary" if unknown else ""
