"""The book's text and vocabulary."""

import collections
import functools
import json
from typing import Any, Iterator, List, Optional, Sequence, Tuple

from gluon_deeprnn import _checks
from gluon_deeprnn.d2l.datamodule import DataModule
from gluon_deeprnn.data import Vocab as _Vocab
from gluon_deeprnn.data import Windows, clean, tokenize
from gluon_deeprnn.data.corpora import time_machine
import gluonnlp
from mxnet import np
import numpy


class Vocab(_Vocab):
    """The package's `Vocab` in the book's order: all tokens sorted.

    Parameters
    ----------
    tokens : sequence of str, or of sequences of str
        The tokens of a text.
    min_freq : int, default 0
        Tokens that occur less often become the unknown token.
    reserved_tokens : sequence of str
        Tokens that are always included.

    Source
    ------
    Dive into Deep Learning, section "Converting Raw Text into Sequence Data".

    Examples
    --------
    >>> from gluon_deeprnn import d2l
    >>> vocab = d2l.Vocab('the time')
    >>> vocab.idx_to_token
    [' ', '<unk>', 'e', 'h', 'i', 'm', 't']
    >>> vocab.to_tokens([2]), vocab.unk, vocab.token_freqs[0]
    (['e'], 1, ('t', 2))
    """

    def __init__(self, tokens: Sequence[Any] = (), min_freq: int = 0, reserved_tokens: Sequence[str] = ()) -> None:
        if tokens and isinstance(tokens[0], (list, tuple)):
            tokens = [token for line in tokens for token in line]
        super().__init__(tokens, min_freq, reserved_tokens)
        self.token_freqs = collections.Counter(tokens).most_common()
        order = sorted(self.idx_to_token)
        stored = json.loads(self._vocab.to_json())
        stored.update(idx_to_token=order, token_to_idx={token: i for i, token in enumerate(order)})
        self._vocab = gluonnlp.Vocab.from_json(json.dumps(stored))

    @property
    def token_to_idx(self) -> dict:
        """The index of each token."""
        return self._vocab.token_to_idx

    @property
    def unk(self) -> int:
        """Index of the unknown token."""
        return self.unknown_index


class _Batches:
    """The batches of a source of this package, batch first: (X, Y), each (batch_size, num_steps)."""

    def __init__(self, source: Any) -> None:
        self._source = source

    def __len__(self) -> int:
        return len(self._source)

    def __iter__(self) -> Iterator[Tuple[np.ndarray, np.ndarray]]:
        for x, y in self._source:
            yield np.array(x.T, dtype="int32"), np.array(y.T, dtype="int32")


class TimeMachine(DataModule):
    """*The Time Machine* in overlapping windows, the package's `Windows` batch first.

    Parameters
    ----------
    batch_size, num_steps : int
        Windows in a batch, and characters in a window.
    num_train, num_val : int, default 10000 and 5000
        Windows for training, and those after them for validation.

    Attributes
    ----------
    vocab : Vocab
        The vocabulary of the whole text.
    X, Y : mxnet.np.ndarray
        All windows and their targets, (number of windows, num_steps); computed on first use, as batches do not need
        them.

    Raises
    ------
    ValueError
        When the text is not on this machine and cannot be downloaded; the message says what to do.

    Source
    ------
    Dive into Deep Learning, section "Language Models".
    """

    def __init__(self, batch_size: int, num_steps: int, num_train: int = 10000, num_val: int = 5000) -> None:
        super().__init__()
        self.save_hyperparameters()
        for name in ("batch_size", "num_steps", "num_train", "num_val"):
            _checks.integer(name, getattr(self, name), at_least=1)
        self.corpus, self.vocab = self.build(self._download())
        self._tokens = numpy.array(self.corpus, dtype="int32")

    def _download(self) -> str:
        return time_machine().text

    def _preprocess(self, text: str) -> str:
        return clean(text)

    def _tokenize(self, text: str) -> List[str]:
        return tokenize(text)

    def build(self, raw_text: str, vocab: Optional[Vocab] = None) -> Tuple[List[int], Vocab]:
        """Indices of a text, and the vocabulary: the given one, or a new one of this text."""
        tokens = self._tokenize(self._preprocess(raw_text))
        vocab = Vocab(tokens) if vocab is None else vocab
        return vocab[tokens], vocab

    def get_dataloader(self, train: bool) -> _Batches:
        """The training batches, in another order in each epoch, or the validation batches."""
        first, num = (0, self.num_train) if train else (self.num_train, self.num_val)
        return _Batches(Windows(self._tokens, first, num, batch_size=self.batch_size, num_steps=self.num_steps,
                                shuffle=train))

    @functools.cached_property
    def X(self) -> np.ndarray:
        """All windows."""
        return self._windows[:, :-1]

    @functools.cached_property
    def Y(self) -> np.ndarray:
        """The character after each character of ``X``."""
        return self._windows[:, 1:]

    @functools.cached_property
    def _windows(self) -> np.ndarray:
        view = numpy.lib.stride_tricks.sliding_window_view(self._tokens, self.num_steps + 1)
        return np.array(view, dtype="int32")
