"""A recurrent network as a predictor."""

from typing import Any, List, Optional, Tuple, Union

from gluon_deeprnn.devices import Context
from gluon_deeprnn.graph import context_of
from gluon_deeprnn.models.language_model import check_language_model
from gluon_deeprnn.models.plain import PlainModel, plain_model
from gluon_deeprnn.prediction.predictor import log_softmax
from mxnet import np
import numpy


class NetworkPredictor:
    """A language model that reads a text token by token, from the initial state on.

    Before the first token it expects all tokens alike.

    Parameters
    ----------
    model : RNNLM or RNNLMScratch
        The model.
    device : str or mxnet.context.Context, optional
        Where it is computed; default: the context of the parameters.

    Examples
    --------
    >>> from gluon_deeprnn import GRU, RNNLM
    >>> from gluon_deeprnn.prediction.network import NetworkPredictor
    >>> predictor = NetworkPredictor(RNNLM(GRU(num_hiddens=8), vocab_size=4))
    >>> predictor.log_probs().round(3).tolist()
    [-1.386, -1.386, -1.386, -1.386]
    >>> predictor.observe(3)
    >>> predictor.log_probs().shape
    (4,)
    """

    def __init__(self, model: Any, device: Optional[Union[str, Context]] = None) -> None:
        check_language_model(model)
        self.model, self.vocab_size = model, model.vocab_size
        self._ctx = context_of(model, device)
        self._log_probs = numpy.full(self.vocab_size, -numpy.log(self.vocab_size))
        self.state: Any = None
        """What was read so far; None before the first token."""
        self.renew()

    def renew(self) -> None:
        """Take the model's present parameters; the state stays as it is."""
        self._plain: Optional[PlainModel] = plain_model(self.model, self._ctx)
        if self._plain is None and not self.model.hybridized:
            self.model.hybridize()

    def log_probs(self) -> numpy.ndarray:
        """The log-probabilities of the next token, in nats, (V,)."""
        return self._log_probs

    def observe(self, token: int) -> None:
        """Read the next token."""
        self._log_probs, self.state = self.after(self.state, token)

    def after(self, state: Any, token: int) -> Tuple[numpy.ndarray, Any]:
        """The log-probabilities and the state after a token, in a state that stays as it is: that of this predictor, of
        a call before, or None.
        """
        if self._plain is not None:
            state = self._plain.first_state if state is None else state
            logits, state = self._plain.network.logits(numpy.array([token]), state)
        else:
            scores, state = self.model(np.array([[token]], dtype="int32", ctx=self._ctx), self.arrays(state))
            logits = scores.asnumpy()[0]  # (1, V)
        return log_softmax(logits[0]), state

    def arrays(self, state: Any) -> List[np.ndarray]:
        """A state that this predictor had, as the model takes it."""
        if state is None:
            return self.model.begin_state(1, self._ctx)
        return [np.array(array, ctx=self._ctx) for array in state] if isinstance(state, numpy.ndarray) else state
