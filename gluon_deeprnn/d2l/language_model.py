"""The book's language models, batch first: any recurrent module between one-hot tokens and an output layer."""

from typing import Any, List, Optional, Sequence, Union

from gluon_deeprnn import _checks
from gluon_deeprnn.d2l.arrays import stack
from gluon_deeprnn.d2l.classifier import Classifier
from gluon_deeprnn.devices import Context, as_context
from gluon_deeprnn.errors import InputError
from gluon_deeprnn.models.language_model import most_likely
from mxnet import gluon, np, npx


class RNNLMScratch(Classifier):
    """A language model from scratch: one-hot tokens, a recurrent module, a linear output layer of bare arrays.

    Parameters
    ----------
    rnn : Module
        ``outputs, state = rnn(inputs, state)`` on inputs (T, N, V), with an attribute ``num_hiddens``; ``sigma``, the
        standard deviation of the initial weights, is 0.01 where the module has none.
    vocab_size : int
        Number of tokens V.
    lr : float, default 0.01
        Learning rate.

    Shapes
    ------
    X : (N, T), indices of tokens
    logits : (N, T, V)

    Source
    ------
    Dive into Deep Learning, section "Recurrent Neural Network Implementation from Scratch".

    Examples
    --------
    >>> from gluon_deeprnn import d2l
    >>> model = d2l.RNNLMScratch(d2l.RNNScratch(28, 32), vocab_size=28)
    >>> model(d2l.ones((4, 35), dtype=d2l.int64)).shape
    (4, 35, 28)
    """

    def __init__(self, rnn: Any, vocab_size: int, lr: float = 0.01) -> None:
        super().__init__()
        self.save_hyperparameters()
        self.init_params()

    def init_params(self) -> None:
        """Make the parameters of the output layer."""
        self.W_hq = np.random.randn(self.rnn.num_hiddens, self.vocab_size) * getattr(self.rnn, "sigma", 0.01)
        self.b_q = np.zeros(self.vocab_size)
        for array in (self.W_hq, self.b_q):
            array.attach_grad()

    def training_step(self, batch: Any) -> Any:
        """The loss of a training batch; its perplexity is plotted."""
        loss = self.loss(self(*batch[:-1]), batch[-1])
        self.plot("ppl", np.exp(loss), train=True)
        return loss

    def validation_step(self, batch: Any) -> None:
        """Plot the perplexity of a validation batch."""
        self.plot("ppl", np.exp(self.loss(self(*batch[:-1]), batch[-1])), train=False)

    def one_hot(self, X: np.ndarray) -> np.ndarray:
        """Indices (N, T) as one-hot vectors (T, N, V)."""
        return npx.one_hot(X.T, self.vocab_size)

    def output_layer(self, rnn_outputs: Any) -> np.ndarray:
        """Outputs (T, N, H), an array or a list of T arrays, as logits (N, T, V)."""
        return (np.dot(stack(rnn_outputs), self.W_hq) + self.b_q).swapaxes(0, 1)

    def forward(self, X: np.ndarray, state: Optional[Any] = None) -> np.ndarray:
        """Logits (N, T, V) of the token after each token of X, (N, T)."""
        rnn_outputs, _ = self.rnn(self.one_hot(X), state)
        return self.output_layer(rnn_outputs)

    def predict(self, prefix: Union[str, Sequence[str]], num_preds: int, vocab: Any,
                device: Optional[Union[str, Context]] = None) -> str:
        """Append the ``num_preds`` most likely tokens to ``prefix``, one after the other; never the unknown token.

        One token is read at a time, so one compiled graph serves every prefix.

        Parameters
        ----------
        prefix : str or sequence of str
            The tokens to continue: the characters of a string, or any tokens, such as ``["it", "has"]``.
        num_preds : int
            The number of tokens to append.
        vocab : Vocab
            The vocabulary of the model.
        device : str or mxnet.context.Context, optional
            The device; default: the CPU.

        Returns
        -------
        str
            All tokens, joined without spaces, as in the book.
        """
        num_preds = _checks.integer("num_preds", num_preds, at_least=0)
        ctx = as_context("cpu" if device is None else device)
        indices: List[int] = [vocab[token] for token in prefix]
        if not indices:
            raise InputError("prefix", "at least one token", prefix)
        state = None
        for position in range(len(prefix) + num_preds - 1):
            X = np.array([[indices[position]]], dtype="int32", ctx=ctx)
            rnn_outputs, state = self.rnn(self.one_hot(X), state)
            if position >= len(prefix) - 1:
                logits = self.output_layer(rnn_outputs)[0, -1].asnumpy()
                indices.append(most_likely(logits, vocab["<unk>"]))
        return "".join(prefix) + "".join(vocab.idx_to_token[index] for index in indices[len(prefix):])


class RNNLM(RNNLMScratch):
    """The concise language model: as `RNNLMScratch`, with a dense output layer of Gluon's.

    Parameters
    ----------
    rnn : Module
        As for `RNNLMScratch`.
    vocab_size : int
        Number of tokens V.
    lr : float, default 0.01
        Learning rate.

    Source
    ------
    Dive into Deep Learning, section "Concise Implementation of Recurrent Neural Networks".

    Examples
    --------
    >>> from gluon_deeprnn import d2l
    >>> model = d2l.RNNLM(d2l.GRU(num_hiddens=32, num_layers=2), vocab_size=28)
    >>> model(d2l.ones((4, 35), dtype='int32')).shape
    (4, 35, 28)
    """

    def init_params(self) -> None:
        """Make the output layer, and initialize all parameters."""
        self.linear = gluon.nn.Dense(self.vocab_size, flatten=False)
        self.initialize()

    def output_layer(self, hiddens: Any) -> np.ndarray:
        """Outputs (T, N, H) as logits (N, T, V)."""
        return self.linear(stack(hiddens)).swapaxes(0, 1)
