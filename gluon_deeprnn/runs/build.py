"""From settings to what a run works with: texts, batches, a model."""

from typing import Any, Dict, List, Optional, Union

from gluon_deeprnn import _checks, runtime
from gluon_deeprnn.data import Source, TextData, Vocab, corpus, default_corpus, read_texts
from gluon_deeprnn.models import GRU, LSTM, RNN, RNNLM, RecurrentCore, RNNLMScratch, StackedRNNScratch
from gluon_deeprnn.models.fused import GATES
from gluon_deeprnn.runs.config import RunConfig
import mxnet

_FUSED = {"rnn": RNN, "lstm": LSTM, "gru": GRU}


def find_sources(config: RunConfig) -> List[Source]:
    """The texts that a run asks for."""
    if config.text:
        return read_texts(config.text)
    return [corpus(config.corpus) if config.corpus else default_corpus()]


def build_data(config: RunConfig, sources: List[Source], vocab: Optional[Vocab] = None) -> TextData:
    """The batches that a run asks for."""
    return TextData(sources, config.batch_size, config.num_steps, protocol=config.protocol, cleaning=config.cleaning,
                    tokens=config.tokens, min_freq=config.min_freq, num_train=config.num_train, num_val=config.num_val,
                    vocab=vocab, seed=config.seed)


def build_model(config: RunConfig, vocab_size: int) -> Union[RNNLM, RNNLMScratch]:
    """The model that a run asks for, with the initial parameters that its seed gives."""
    mxnet.random.seed(config.seed)
    options: Dict[str, Any] = {name: getattr(config, name) for name in (
        "dropout", "input_dropout", "weight_dropout", "variational", "layer_norm", "residual", "learned_state")}
    for name in ("initializer", "recurrent_initializer"):
        if getattr(config, name) != "default":
            options[name] = getattr(config, name)
    if config.model == "rnn":
        names = config.activation.split(",")
        options["activation"] = names if len(names) > 1 else names[0]
    if config.model == "lstm" and config.forget_bias:
        options["forget_bias"] = config.forget_bias
    if config.implementation == "fused":
        core: RecurrentCore = _FUSED[config.model](config.num_hiddens, config.num_layers, **options)
    else:
        core = StackedRNNScratch(config.embedding or vocab_size, config.num_hiddens, config.num_layers, config.sigma,
                                 cell=config.model, reset=config.reset, **options)
        if not (config.embedding or config.embedding_dropout):
            return RNNLMScratch(core, vocab_size, config.lr)
    return RNNLM(core, vocab_size, config.lr, embedding=config.embedding, embedding_dropout=config.embedding_dropout,
                 tied=config.tied)


def check_memory(config: RunConfig, vocab_size: int, *, training: bool = True) -> None:
    """Refuse settings that could not fit into this machine's memory, before any of it is asked for.

    Counted are the weights and their gradients; for ``training`` 16 times the weights, which is what was measured
    (``python -m benchmarks.width``: MXNet's operators rearrange them into copies of their own), and what the layers
    keep of a batch for the way back.
    """
    gates, hiddens, layers = len(GATES[config.model]), config.num_hiddens, config.num_layers
    weights = num_weights(config, vocab_size)
    kept = config.batch_size * config.num_steps * ((gates + 2) * hiddens * layers + 3 * vocab_size)
    needed, there = 4 * (16 * weights + kept if training else 2 * weights), runtime.memory_bytes()
    if needed > there:
        raise _checks.InputError(
            "num_hiddens, num_layers, batch_size and num_steps", f"small enough for this machine's {_gb(there)}",
            _checks.Described(f"{hiddens}, {layers}, {config.batch_size} and {config.num_steps}, which need about "
                              f"{_gb(needed)}"))


def num_weights(config: RunConfig, vocab_size: int) -> int:
    """How many weights a model of these settings has in its matrices."""
    hiddens, inputs = config.num_hiddens, config.embedding or vocab_size
    stack = len(GATES[config.model]) * hiddens * (inputs + hiddens + (config.num_layers - 1) * 2 * hiddens)
    return stack + vocab_size * (config.embedding + (0 if config.tied else hiddens))


def _gb(size: int) -> str:
    return f"{size / 1e9:.1f} GB of memory"


def describe(config: RunConfig, recipe: Optional[str], texts: List[str]) -> str:
    """A run in one line."""
    kind = {"rnn": f"{config.activation} RNN", "lstm": "LSTM", "gru": "GRU"}[config.model]
    scratch = " from scratch" if config.implementation == "scratch" else ""
    name = f"{recipe}: " if recipe else ""
    return f"{name}{kind}{scratch}, {config.num_layers} x {config.num_hiddens} hidden units, on {', '.join(texts)}"
