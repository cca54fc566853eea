"""The activity of hidden units on a text, and which units follow which features of the text."""

import dataclasses
from typing import Any, Dict, List, Mapping, Optional, Tuple, Union

from gluon_deeprnn import _checks
from gluon_deeprnn.data import Vocab
from gluon_deeprnn.devices import Context
from gluon_deeprnn.errors import Described, InputError
from gluon_deeprnn.evaluation.features import FEATURES, Feature
from gluon_deeprnn.evaluation.perplexity import on_device
from gluon_deeprnn.evaluation.reading import read
from gluon_deeprnn.graph import GraphBlock, context_of, unstack
from gluon_deeprnn.models.language_model import check_language_model
import numpy

_NUM_STEPS = 32
_LEAST_POSITIONS = 40
_LEAST_VARIATION = 1e-5
_NEAR, _CHANCE = 0.05, 0.999
KINDS = ("unit", "cell")
"""The arrays of a state: the hidden state, and the cell state of an LSTM."""


@dataclasses.dataclass(frozen=True, eq=False)
class Activities:
    """The states of a model after each token of a text.

    Attributes
    ----------
    text : str
        The cleaned text.
    starts, ends : numpy.ndarray
        (T,), the offsets of each token in the text.
    states : dict of str to numpy.ndarray
        ``unit``: the hidden states, (T, L, H); of an LSTM also ``cell``: the cell states, (T, L, H).  float32.
    """

    text: str
    starts: numpy.ndarray
    ends: numpy.ndarray
    states: Dict[str, numpy.ndarray]


@dataclasses.dataclass(frozen=True)
class FollowedFeature:
    """A feature of the text with the unit that follows it best.

    Attributes
    ----------
    feature : str
        The name of the feature.
    kind : {"unit", "cell"}
        Whether it is the hidden state or the cell state of the unit.
    layer, unit : int
        The unit: its layer and its number in the layer, from 1.
    r : float
        The correlation of the unit and the feature in the second half of the text, which was not used to choose it.
    chance : float
        The absolute correlation that one shifted feature in 1,000 exceeds.
    """

    feature: str
    kind: str
    layer: int
    unit: int
    r: float
    chance: float

    def __str__(self) -> str:
        return f"layer {self.layer}, {self.kind} {self.unit}: {self.feature} (r = {self.r:.2f})"


class _States(GraphBlock):
    """The states of a model after each of some steps: ``states, state = block(x, state)``; for the last logits too."""

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.model = model

    def hybrid_forward(self, F: Any, x: Any, state: List[Any]) -> Any:
        """Return the logits of the last step, (1, N, V), the last state, and all states, each (T, L, N, H)."""
        steps: List[List[Any]] = []
        for token in unstack(F, x, _NUM_STEPS):
            logits, state = self.model(F.np.expand_dims(token, axis=0), state)
            steps.append(state)
        return logits, state, [F.np.stack(list(arrays)) for arrays in zip(*steps)]


def activities(model: Any, vocab: Vocab, text: str, *, records: str = "none",
               device: Optional[Union[str, Context]] = None) -> Activities:
    """Compute the states of a model after every token of a text, which is read as one stream.

    The model is called for one step at a time, so these are the states that it returns.

    Parameters
    ----------
    model : RNNLM or RNNLMScratch
        The language model.
    vocab : Vocab
        The vocabulary with which it was trained.
    text : str
        The text; it is cleaned and tokenized like that of the vocabulary.
    records : {"none", "line", "paragraph", "blank-line"}, default "none"
        What a record is, for a vocabulary with boundaries: each is read from ``<bos>``, in the initial state.
    device : str or mxnet.context.Context, optional
        The context of the computation; default: that of the parameters.

    Returns
    -------
    Activities

    Examples
    --------
    >>> from gluon_deeprnn import LSTM, RNNLM, Vocab
    >>> from gluon_deeprnn.evaluation import activities
    >>> vocab = Vocab('the time machine')
    >>> model = RNNLM(LSTM(num_hiddens=8, num_layers=2), vocab_size=len(vocab))
    >>> {kind: states.shape for kind, states in activities(model, vocab, 'the machine').states.items()}
    {'unit': (11, 2, 8), 'cell': (11, 2, 8)}
    """
    check_language_model(model)
    if not isinstance(vocab, Vocab) or len(vocab) != model.vocab_size:
        raise InputError("vocab", f"a Vocab of the model's size, {model.vocab_size} tokens", vocab)
    if not isinstance(text, str):
        raise InputError("text", "a string", text)
    ctx = context_of(model, device)
    text, tokenized = read(vocab, text, records)
    # A record is read from <bos> on; nothing is read after its last token, which <eos> follows.
    begin, last = ([], None) if vocab.begin_index is None else ([vocab.begin_index], -1)
    block = _States(model)
    block.hybridize(children=False)
    found, spans = [], []
    for tokens in tokenized:
        indices = numpy.concatenate([begin, tokens.indices[:last]]).astype("int32")
        if len(indices) > len(begin):
            found.append([array[len(begin):] for array in _states(block, indices, ctx)])
            spans.append(tokens.spans[:last])
    if not found:
        raise InputError("text", "at least 1 token long", Described("0 tokens"))
    arrays = [numpy.concatenate(parts) for parts in zip(*found)]
    starts, ends = numpy.concatenate(spans).T
    return Activities(text, starts, ends, dict(zip(KINDS, arrays)))


def _states(block: _States, indices: numpy.ndarray, ctx: Context) -> List[numpy.ndarray]:
    """The states after each of some tokens, each (T, L, H), from the initial state."""
    padded = numpy.zeros((-(-len(indices) // _NUM_STEPS) * _NUM_STEPS, 1), dtype="int32")
    padded[:len(indices), 0] = indices
    state, found = block.model.begin_state(1, ctx), []
    for start in range(0, len(padded), _NUM_STEPS):
        x = on_device(padded[start:start + _NUM_STEPS], ctx, block.model.vocab_size)
        _, state, states = block(x, state)
        found.append(states)
    return [numpy.concatenate([array.asnumpy()[:, :, 0] for array in arrays])[:len(indices)] for arrays in zip(*found)]


def correlations(a: numpy.ndarray, b: numpy.ndarray) -> numpy.ndarray:
    """Pearson's correlation of each column of one array with each column of another.

    Parameters
    ----------
    a, b : numpy.ndarray
        (T, A) and (T, B)

    Returns
    -------
    numpy.ndarray
        (A, B), float64; NaN for a column that is constant.

    Examples
    --------
    >>> import numpy
    >>> from gluon_deeprnn.evaluation.units import correlations
    >>> a = numpy.array([[1.0, 5.0], [2.0, 5.0], [3.0, 5.0]])
    >>> correlations(a, -a[:, :1])
    array([[-1.],
           [nan]])
    """
    a, b = _standardized(a), _standardized(b)
    return a.T @ b / len(a)


def _standardized(columns: numpy.ndarray) -> numpy.ndarray:
    """The columns with mean 0 and variance 1; NaN where a column is constant, but for the rounding of float32."""
    columns = numpy.asarray(columns, dtype="float64")
    centred = columns - columns.mean(axis=0)
    deviation = numpy.sqrt((centred ** 2).mean(axis=0))
    constant = deviation <= _LEAST_VARIATION * numpy.maximum(1, abs(columns).max(axis=0))
    return numpy.where(constant, numpy.nan, centred / numpy.where(constant, 1, deviation))


def followed_features(activity: Activities, *, least: float = 0.4,
                      features: Optional[Mapping[str, Feature]] = None) -> List[FollowedFeature]:
    """Find the units that follow a feature of the text.

    For each feature, the unit with the largest absolute correlation in the first half of the text is chosen.  The
    correlation in the second half is the result; it counts if it has the same sign, is at least ``least``, and is above
    chance.  Chance is measured with the same unit and the same feature, the feature being shifted along the second
    half by every distance above 5% of it: it is the absolute correlation that one shift in 1,000 exceeds.  A shift
    keeps how slowly both vary, unlike a shuffled order, which would make slow units and features look related.

    Parameters
    ----------
    activity : Activities
        The states, as returned by `activities`; at least 40 tokens.
    least : float in [0, 1), default 0.4
        The least absolute correlation.
    features : mapping of str to function, optional
        The features by name, each a function from a text to one number per character; default:
        `gluon_deeprnn.evaluation.features.FEATURES`.

    Returns
    -------
    list of FollowedFeature
        The strongest first.

    Source
    ------
    Karpathy, Johnson and Fei-Fei, "Visualizing and Understanding Recurrent Networks", 2015 (such units).

    Examples
    --------
    >>> import numpy
    >>> from gluon_deeprnn.evaluation import Activities, followed_features
    >>> rng = numpy.random.default_rng(0)
    >>> text = ''.join(rng.choice(list('bcd '), size=400))
    >>> hidden = rng.normal(size=(400, 1, 3))
    >>> hidden[:, 0, 1] = [character == ' ' for character in text]
    >>> print(followed_features(Activities(text, numpy.arange(400), numpy.arange(1, 401), {'unit': hidden}))[0])
    layer 1, unit 2: at white space (r = 1.00)
    """
    if not isinstance(activity, Activities):
        raise InputError("activity", "an Activities, as activities returns it", activity)
    least = _checks.fraction("least", least)
    if len(activity.starts) < _LEAST_POSITIONS:
        raise InputError("text", f"at least {_LEAST_POSITIONS} tokens long",
                         Described(f"{len(activity.starts)} tokens"))
    features = FEATURES if features is None else _checks.mapping("features", features)
    owners, units = _columns(activity)
    values = feature_values(activity, features)
    half = len(units) // 2
    chosen = correlations(values[:half], units[:half])  # (F, U)
    found = []
    for i, name in enumerate(features):
        if numpy.isnan(chosen[i]).all():
            continue
        best = int(numpy.nanargmax(abs(chosen[i])))
        r, chance = _shifted(values[half:, i], units[half:, best])
        if r * numpy.sign(chosen[i, best]) >= least and abs(r) > chance:
            found.append(FollowedFeature(name, *owners[best], r, chance))
    return sorted(found, key=lambda each: -abs(each.r))


def feature_values(activity: Activities, features: Mapping[str, Feature]) -> numpy.ndarray:
    """The value of each feature, at the last character of each token: (T, F), float64."""
    values = numpy.array([feature(activity.text) for feature in features.values()], dtype="float64")
    return values[:, numpy.maximum(activity.ends - 1, activity.starts)].T


def _columns(activity: Activities) -> Tuple[List[Tuple[str, int, int]], numpy.ndarray]:
    """Kind, layer and number of every unit, and the states as columns, (T, U)."""
    owners = [(kind, layer + 1, unit + 1) for kind, states in activity.states.items()
              for layer, unit in numpy.ndindex(*states.shape[1:])]
    return owners, numpy.concatenate([states.reshape(len(states), -1) for states in activity.states.values()], axis=1)


def _shifted(feature: numpy.ndarray, unit: numpy.ndarray) -> Tuple[float, float]:
    """The correlation of a feature and a unit, and the absolute correlation at chance; (0, 1) if one is constant."""
    a, b = _standardized(feature[:, None])[:, 0], _standardized(unit[:, None])[:, 0]
    if numpy.isnan(a).any() or numpy.isnan(b).any():
        return 0.0, 1.0
    # The correlations at all circular shifts, by the convolution theorem.
    r = numpy.fft.irfft(numpy.fft.rfft(a) * numpy.conj(numpy.fft.rfft(b)), len(a)) / len(a)
    near = int(_NEAR * len(a))
    return float(r[0]), float(numpy.quantile(abs(r[near + 1:len(a) - near]), _CHANCE))
