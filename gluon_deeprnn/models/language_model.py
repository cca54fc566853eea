"""Language models: a recurrent core with an encoding of tokens as input and logits of the next token as output."""

import functools
from typing import Any, List, Optional, Union

from gluon_deeprnn import _checks, mxnet_private
from gluon_deeprnn.devices import Context
from gluon_deeprnn.errors import Described, InputError
from gluon_deeprnn.graph import GraphBlock, context_of, given_array, zeros_like_batch
from gluon_deeprnn.models.core import RecurrentCore
from gluon_deeprnn.models.parameters import DrawnParameter
from gluon_deeprnn.models.saved import SavedBlock
from mxnet import gluon, np
import numpy


class _LanguageModel(SavedBlock):
    """Base class of both language models: input encoding, state, prediction."""

    embedding_size = 0
    embedding_dropout = 0.0

    def __init__(self, rnn: RecurrentCore, vocab_size: int, lr: float = 0.01) -> None:
        if not isinstance(rnn, RecurrentCore):
            raise InputError("rnn", "a recurrent core, such as GRU(num_hiddens=32, num_layers=2)", rnn)
        super().__init__()
        self.vocab_size = _checks.integer("vocab_size", vocab_size, at_least=1)
        self.lr = _checks.positive("lr", lr)
        self.rnn = rnn

    def _encode(self, F: Any, tokens: Any) -> Any:
        """The inputs of the core, (T, N, D): embeddings of the tokens, or one-hot vectors."""
        inputs = self.embedding(tokens) if self.embedding_size else F.npx.one_hot(tokens, self.vocab_size)
        if self.embedding_dropout > 0:
            kept = F.npx.dropout(F.np.ones((self.vocab_size, 1)), p=self.embedding_dropout)
            inputs = inputs * F.npx.embedding(tokens, kept, input_dim=self.vocab_size, output_dim=1)  # (T, N, 1)
        return inputs

    def _initialize_now(self) -> None:
        """Initialize all uninitialized parameters; unknown sizes are inferred from one step."""
        for _, parameter in self.named_parameters():
            if not mxnet_private.is_initialized(parameter):
                parameter.initialize()
        self(np.zeros((1, 1), dtype="int32"))

    def begin_state(self, batch_size: int, ctx: Optional[Union[str, Context]] = "cpu") -> List[np.ndarray]:
        """The initial state of the core."""
        return self.rnn.begin_state(batch_size, ctx)

    def __call__(self, tokens: Any, state: Optional[List[Any]] = None) -> Any:
        """Compute the logits of the token that follows each token.

        Parameters
        ----------
        tokens : mxnet.np.ndarray
            Indices, (num_steps, batch_size), int32, each below ``vocab_size``.
        state : list of mxnet.np.ndarray, optional
            The state that an earlier call returned; default: the initial state.

        Returns
        -------
        logits : mxnet.np.ndarray
            (num_steps, batch_size, vocab_size)
        state : list of mxnet.np.ndarray
            The state after the last step.
        """
        if given_array("tokens", tokens):
            num_steps, batch_size = _checks.shape("tokens", tokens, (None, None))
            if num_steps == 0 or batch_size == 0:
                raise InputError("tokens", "an array with at least one step and one sequence",
                                         Described(f"shape {tokens.shape}"))
            _checks.indices("tokens", tokens.asnumpy(), self.vocab_size)
            state = self.rnn.checked_state(state, batch_size, tokens.ctx)
        elif state is None:
            state = self.rnn.symbolic_state(zeros_like_batch(tokens))
        return super().__call__(tokens, list(state))

    def predict(self, prefix: str, num_preds: int, vocab: Any, device: Optional[Union[str, Context]] = None) -> str:
        """Continue a prefix by greedy decoding: the most likely token at each step.

        `gluon_deeprnn.generate` is faster and can sample.

        Parameters
        ----------
        prefix : str
            The text to continue; its tokens must be in ``vocab``.
        num_preds : int
            Number of tokens to generate.
        vocab : Vocab
            The vocabulary with which the model was trained.
        device : str or mxnet.context.Context, optional
            The context of the computation; default: that of the parameters.

        Returns
        -------
        str
            The prefix and its continuation.

        Source
        ------
        Dive into Deep Learning, section "Recurrent Neural Network Implementation from Scratch", decoding.
        """
        num_preds = _checks.integer("num_preds", num_preds, at_least=0)
        if not hasattr(vocab, "encode_prefix") or len(vocab) != self.vocab_size:
            raise InputError("vocab", f"a Vocab of the model's size, {self.vocab_size} tokens", vocab)
        *read, token = vocab.encode_prefix(prefix)
        ctx = context_of(self, device)
        state, written = self.begin_state(1, ctx), []
        for before in read:
            _, state = self(np.array([[before]], dtype="int32", ctx=ctx), state)
        for _ in range(num_preds):
            logits, state = self(np.array([[token]], dtype="int32", ctx=ctx), state)
            token = most_likely(logits[0, 0].asnumpy(), vocab.unknown_index)
            written.append(token)
        return prefix + "".join(vocab.text(written))


class RNNLMScratch(_LanguageModel):
    r"""The chapter's language model from scratch: :math:`O_t = H_t^{(L)} W_{hq} + b_q` on one-hot inputs.

    Parameters
    ----------
    rnn : RecurrentCore
        Usually a `gluon_deeprnn.StackedRNNScratch` with ``num_inputs = vocab_size``.
    vocab_size : int
        Number of tokens V.
    lr : float, default 0.01
        Default learning rate of `gluon_deeprnn.Trainer`.

    Shapes
    ------
    tokens : (T, N), int32
    state : that of the core; default: its initial state
    logits : (T, N, V) and the next state

    Source
    ------
    Dive into Deep Learning, section "Recurrent Neural Network Implementation from Scratch".

    Examples
    --------
    >>> from gluon_deeprnn import RNNLMScratch, StackedRNNScratch
    >>> from mxnet import np
    >>> model = RNNLMScratch(StackedRNNScratch(28, 32, num_layers=2), vocab_size=28, lr=2)
    >>> logits, state = model(np.zeros((35, 4), dtype='int32'))
    >>> logits.shape
    (35, 4, 28)
    """

    def __init__(self, rnn: RecurrentCore, vocab_size: int, lr: float = 0.01) -> None:
        super().__init__(rnn, vocab_size, lr)
        if rnn.num_inputs not in (0, vocab_size):
            raise InputError("vocab_size", f"the num_inputs of rnn, {rnn.num_inputs}", vocab_size)
        with self.name_scope():
            draw = functools.partial(np.random.normal, 0, getattr(rnn, "sigma", 0.01))
            self.W_hq = DrawnParameter(self.params.prefix + "W_hq", draw, shape=(rnn.num_outputs, vocab_size))
            self.params.update({self.W_hq.name: self.W_hq})
            self.b_q = self.params.get("b_q", shape=(vocab_size,), init="zeros")
        self._initialize_now()

    def hybrid_forward(self, F: Any, tokens: Any, state: List[Any], W_hq: Any, b_q: Any) -> Any:
        """Compute the outputs; see the class."""
        outputs, state = self.rnn(self._encode(F, tokens), state)  # (T, N, H)
        logits = F.npx.fully_connected(outputs, W_hq.T, b_q, num_hidden=self.vocab_size, flatten=False)
        return logits, state  # (T, N, V)


class RNNLM(_LanguageModel):
    """The concise language model: one-hot or embedded tokens, a recurrent core, a dense layer.

    The constructor initializes the parameters; call `mxnet.random.seed` before it for reproducible initial values.

    Parameters
    ----------
    rnn : RecurrentCore
        For example ``GRU(num_hiddens=32, num_layers=2)``.
    vocab_size : int
        Number of tokens V.
    lr : float, default 0.01
        Default learning rate of `gluon_deeprnn.Trainer`.
    embedding : int, default 0
        Size of a learned embedding of the tokens; 0: one-hot vectors, as in the chapter.
    embedding_dropout : float in [0, 1), default 0
        Probability that the embedding (or one-hot vector) of a token is set to zero in training; sampled once per batch
        for each token of the vocabulary
        (Gal and Ghahramani, "A Theoretically Grounded Application of Dropout in Recurrent Neural Networks", 2016).
    tied : bool, default False
        Tie the weights of the output layer to the embedding, whose size must then be ``num_hiddens``
        (Press and Wolf, "Using the Output Embedding to Improve Language Models", 2017).

    Shapes
    ------
    tokens : (T, N), int32
    state : that of the core; default: its initial state
    logits : (T, N, V) and the next state

    Source
    ------
    Dive into Deep Learning, section "Concise Implementation of Recurrent Neural Networks".

    Examples
    --------
    >>> from gluon_deeprnn import GRU, RNNLM
    >>> from mxnet import np
    >>> model = RNNLM(GRU(num_hiddens=32, num_layers=2), vocab_size=28, lr=2)
    >>> logits, state = model(np.zeros((35, 4), dtype='int32'))
    >>> logits.shape, state[0].shape
    ((35, 4, 28), (2, 4, 32))
    """

    def __init__(self, rnn: RecurrentCore, vocab_size: int, lr: float = 0.01, *, embedding: int = 0,
                 embedding_dropout: float = 0, tied: bool = False) -> None:
        super().__init__(rnn, vocab_size, lr)
        self.embedding_size = _checks.integer("embedding", embedding, at_least=0)
        self.embedding_dropout = _checks.fraction("embedding_dropout", embedding_dropout)
        self.tied = _checks.flag("tied", tied)
        if rnn.num_inputs not in (0, embedding or vocab_size):
            raise InputError("vocab_size" if not embedding else "embedding",
                                     f"the num_inputs of rnn, {rnn.num_inputs}", embedding or vocab_size)
        if tied and embedding != rnn.num_outputs:
            of_rnn = "num_hiddens" if rnn.num_outputs == rnn.num_hiddens else "number of outputs"
            raise InputError("embedding", f"the {of_rnn} of rnn, {rnn.num_outputs}, with tied weights", embedding)
        with self.name_scope():
            if embedding:
                self.embedding = gluon.nn.Embedding(vocab_size, embedding)
            self.dense = gluon.nn.Dense(vocab_size, flatten=False, in_units=rnn.num_outputs,
                                        params=self.embedding.params if tied else None)
        self._initialize_now()

    def hybrid_forward(self, F: Any, tokens: Any, state: List[Any]) -> Any:
        """Compute the outputs; see the class."""
        outputs, state = self.rnn(self._encode(F, tokens), state)  # (T, N, H)
        return self.dense(outputs), state  # (T, N, V)


def check_language_model(model: Any) -> None:
    """Check that ``model`` is a language model, which maps tokens to logits and a state.

    Raises
    ------
    ValueError
        "model must be a language model, such as RNNLM(GRU(32, 2), 28); got ...".
    """
    if not isinstance(model, GraphBlock) or not hasattr(model, "vocab_size") or not hasattr(model, "begin_state"):
        raise InputError("model", "a language model, such as RNNLM(GRU(32, 2), 28)", model)


def check_logits(largest: numpy.ndarray) -> None:
    """Raise ``ValueError`` if the largest logits are not finite, as those of a model with non-finite parameters."""
    if not numpy.isfinite(largest).all():
        raise InputError("the model's logits", "finite numbers", Described(str(largest.min())),
                         "its training diverged")


def most_likely(logits: numpy.ndarray, unknown: int) -> int:
    """The index of the largest of the logits, (V,), excluding that of the unknown token."""
    check_logits(logits.max())
    if len(logits) > 1:
        logits = numpy.where(numpy.arange(len(logits)) == unknown, -numpy.inf, logits)
    return int(logits.argmax())
