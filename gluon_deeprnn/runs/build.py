"""From settings to what a run works with: texts, batches, a model."""

from typing import Any, Dict, List, Optional, Union

from gluon_deeprnn import runtime
from gluon_deeprnn.data import Source, TextData, Vocab, corpus, default_corpus, read_texts
from gluon_deeprnn.errors import Described, InputError
from gluon_deeprnn.models import RNNLM, RecurrentCore, RNNLMScratch, StackedRNNScratch
from gluon_deeprnn.models.cells import CELLS
from gluon_deeprnn.models.fused import FUSED
from gluon_deeprnn.runs.config import RunConfig
import mxnet

_KEPT_OF_LOGITS = 5
"""Numbers that a training keeps for each logit: measured."""

_BYTES_OF_OPERATOR, _GRAPHS, _MOST_OPERATORS = 17_000, 2, 40_000
"""What MXNet takes for an operator of a graph, graphs for training and validation; its time grows with the square."""


def find_sources(config: RunConfig) -> List[Source]:
    """The texts that a run asks for."""
    if config.text:
        return read_texts(config.text, raw=config.tokens == "byte")
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
    options.update(config.cell_options())
    if config.implementation == "fused":
        core: RecurrentCore = FUSED[config.model](config.num_hiddens, config.num_layers, **options)
    else:
        core = StackedRNNScratch(config.embedding or vocab_size, config.num_hiddens, config.num_layers, config.sigma,
                                 cell=config.model, **options)
        if not (config.embedding or config.embedding_dropout):
            return RNNLMScratch(core, vocab_size, config.lr)
    return RNNLM(core, vocab_size, config.lr, embedding=config.embedding, embedding_dropout=config.embedding_dropout,
                 tied=config.tied)


def check_memory(config: RunConfig, vocab_size: int, *, training: bool = True) -> None:
    """Refuse settings that could not fit into this machine's memory, before any of it is asked for.

    Counted are the weights and their gradients; for ``training`` 16 times the weights, which is what was measured
    (``python -m benchmarks.width``: MXNet's operators rearrange them into copies of their own), what the layers keep of
    a batch for the backward pass, and, for layers from scratch, the graphs that are compiled.
    """
    hiddens, layers = config.num_hiddens, config.num_layers
    weights = num_weights(config, vocab_size)
    kept = config.batch_size * config.num_steps * (
        CELLS[config.model].kept[config.implementation] * hiddens * layers + _KEPT_OF_LOGITS * vocab_size)
    operators = num_operators(config)
    needed = 4 * (16 * weights + kept) + _GRAPHS * _BYTES_OF_OPERATOR * operators if training else 8 * weights
    there = runtime.memory_bytes()
    if training and operators > _MOST_OPERATORS:
        raise InputError(
            "num_layers and num_steps", f"small enough for a graph of {_MOST_OPERATORS:,} operators from scratch",
            Described(f"{layers} and {config.num_steps}, {operators:,} operators"),
            "it would take minutes to compile; --implementation fused has one for each layer")
    if needed > there:
        raise InputError(
            "num_hiddens, num_layers, batch_size and num_steps", f"small enough for this machine's {_gb(there)}",
            Described(f"{hiddens}, {layers}, {config.batch_size} and {config.num_steps}, which need about "
                              f"{_gb(needed)}"))


def num_operators(config: RunConfig) -> int:
    """About how many operators the recurrent layers of a compiled graph have, where they grow with the steps."""
    if config.implementation == "fused":
        return 0
    return CELLS[config.model].operators_per_step * config.num_layers * config.num_steps


def num_weights(config: RunConfig, vocab_size: int) -> int:
    """How many weights a model of these settings has in its matrices."""
    hiddens, inputs = config.num_hiddens, config.embedding or vocab_size
    stack = len(CELLS[config.model].gates) * hiddens * (inputs + hiddens + (config.num_layers - 1) * 2 * hiddens)
    return stack + vocab_size * (config.embedding + (0 if config.tied else hiddens))


def _gb(size: int) -> str:
    return f"{size / 1e9:.1f} GB of memory"


def describe(config: RunConfig, recipe: Optional[str], texts: List[str]) -> str:
    """A run in one line."""
    kind = CELLS[config.model].title
    if "activation" in CELLS[config.model].options:
        kind = f"{config.activation} {kind}"
    scratch = " from scratch" if config.implementation == "scratch" else ""
    name = f"{recipe}: " if recipe else ""
    return f"{name}{kind}{scratch}, {config.num_layers} x {config.num_hiddens} hidden units, on {', '.join(texts)}"
