"""The book's text and vocabulary, on the package's own."""

import collections
import json
from typing import Any, Iterator, List, Optional, Sequence, Tuple

from gluon_deeprnn import _checks
from gluon_deeprnn.d2l.module import DataModule
from gluon_deeprnn.data import Vocab as _Vocab
from gluon_deeprnn.data import Windows, clean, tokenize
from gluon_deeprnn.data.corpora import time_machine
import gluonnlp
from mxnet import np
import numpy


class Vocab(_Vocab):
    """The package's `Vocab` with the book's order: tokens sorted by the alphabet.

    Parameters
    ----------
    tokens : sequence of str, or of sequences of str
        The tokens of a text.
    min_freq : int, default 0
        Tokens that occur less often are unknown.
    reserved_tokens : sequence of str
        Tokens to have in any case.

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
        """All indices, by token."""
        return self._vocab.token_to_idx

    @property
    def unk(self) -> int:
        """The index of the unknown token."""
        return self.unknown_index


class _Batches:
    """A batch source of the package, as the book hands batches out: (X, Y), each (batch_size, num_steps)."""

    def __init__(self, source: Any) -> None:
        self._source = source

    def __len__(self) -> int:
        return len(self._source)

    def __iter__(self) -> Iterator[Tuple[np.ndarray, np.ndarray]]:
        for x, y in self._source:
            yield np.array(x.T, dtype="int32"), np.array(y.T, dtype="int32")


class TimeMachine(DataModule):
    """*The Time Machine*, as the book uses it, cut into the package's `Windows`.

    Parameters
    ----------
    batch_size, num_steps : int
        Windows in a batch, and characters in each.
    num_train, num_val : int, default 10000 and 5000
        How many windows to train on, and to validate on.

    Attributes
    ----------
    vocab : Vocab
    X, Y : mxnet.np.ndarray
        All windows, (number of windows, num_steps), made when they are asked for; batches do not need them.

    Raises
    ------
    ValueError
        When the text is not on this machine and cannot be downloaded, with what to do about it.

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
        """The indices of a text, and the vocabulary, made of it unless one is given."""
        tokens = self._tokenize(self._preprocess(raw_text))
        vocab = Vocab(tokens) if vocab is None else vocab
        return vocab[tokens], vocab

    def get_dataloader(self, train: bool) -> _Batches:
        """The batches to train on, shuffled anew in every epoch, or those to validate on."""
        first, num = (0, self.num_train) if train else (self.num_train, self.num_val)
        return _Batches(Windows(self._tokens, first, num, batch_size=self.batch_size, num_steps=self.num_steps,
                                shuffle=train))

    @property
    def X(self) -> np.ndarray:
        """The windows."""
        return self._windows()[:, :-1]

    @property
    def Y(self) -> np.ndarray:
        """What follows each character of the windows."""
        return self._windows()[:, 1:]

    def _windows(self) -> np.ndarray:
        view = numpy.lib.stride_tricks.sliding_window_view(self._tokens, self.num_steps + 1)
        return np.array(view, dtype="int32")
