"""Builds the texts, the batches, the model and the trainer of a run from its settings."""

from typing import Any, Dict, List, Optional, Union

from gluon_deeprnn import runtime
from gluon_deeprnn._checks import listed
from gluon_deeprnn.data import Source, TextData, Vocab, corpus, default_corpus, read_texts
from gluon_deeprnn.data.before import strip_records
from gluon_deeprnn.data.buckets import NUM_SHAPES
from gluon_deeprnn.data.tokenizers import TOKENIZERS
from gluon_deeprnn.devices import as_contexts
from gluon_deeprnn.errors import Advice, Argument, Described, InputError
from gluon_deeprnn.models import RNNLM, RecurrentCore, RNNLMScratch, StackedRNNScratch
from gluon_deeprnn.models.cells import CELLS, check_fused
from gluon_deeprnn.models.fused import FUSED
from gluon_deeprnn.runs.config import RunConfig
from gluon_deeprnn.training import Trainer
import mxnet

_KEPT_OF_LOGITS = 5
"""Numbers that are stored per logit for the backward pass; measured."""

_MOST_SEPARATE, _LEAST_CHARACTERS = 20, 20_000
"""Streams are separate by themselves for at most this number of texts, each of at least this length."""

_BYTES_OF_OPERATOR, _GRAPHS, _MOST_OPERATORS = 17_000, 2, 40_000
"""MXNet's memory per operator of a graph; the graphs, for training and validation; a limit of the operators, since the
compilation time is quadratic in their number."""

_OF_TRAINER = ("clip_value", "optimizer", "decay_biases", "schedule", "lr_factor", "lr_epochs", "warmup", "patience",
               "label_smoothing", "ar", "tar", "averaging", "asgd", "ctx", "seed")
"""The settings that are arguments of the trainer by the same name."""


def find_sources(config: RunConfig) -> List[Source]:
    """The texts of a run."""
    if config.text:
        return read_texts(config.text, **how_to_read(config))
    return [corpus(config.corpus) if config.corpus else default_corpus()]


def how_to_read(config: RunConfig) -> Dict[str, Any]:
    """How the files of a run are read: the options of `read_texts`."""
    return {"raw": TOKENIZERS[config.tokens].reads_bytes, "encoding": config.encoding, "reading": config.reading}


def with_records(config: RunConfig, sources: List[Source]) -> List[Source]:
    """The texts with records as the run has them: until reading 2, without white space at both ends."""
    if config.reading == 1 and config.records != "none":
        return [strip_records(source, config.records) for source in sources]
    return sources


def with_streams(config: RunConfig, sources: List[Source]) -> RunConfig:
    """The settings of a new run, with ``streams`` chosen for its texts if it is "auto".

    Many or short texts, such as the notes of a folder, are joined: they have too little text to be evaluated alone.
    """
    if config.streams != "auto":
        return config
    separate = config.protocol == "book" and config.records == "none" and (
        bool(config.source_weights) or config.source_token
        or (2 <= len(sources) <= _MOST_SEPARATE and min(len(source.text) for source in sources) >= _LEAST_CHARACTERS))
    return config.replace(streams="separate" if separate else "joined")


def build_data(config: RunConfig, sources: List[Source], vocab: Optional[Vocab] = None, *,
               extended: Optional[Vocab] = None) -> TextData:
    """The batches of a run: with its vocabulary, or a new one, or another one ``extended`` by the texts' tokens."""
    config = with_streams(config, sources)
    sources = with_records(config, sources)
    if extended is not None:
        own = build_data(config.replace(tokens=extended.kind), sources).vocab
        vocab = extended.extended(own.idx_to_token, own.sources, own.spelling)
    return TextData(sources, config.batch_size, config.num_steps, protocol=config.protocol, cleaning=config.cleaning,
                    tokens=config.tokens, records=config.records, min_freq=config.min_freq, num_train=config.num_train,
                    num_val=config.num_val, vocab=vocab, seed=config.seed, streams=config.streams,
                    source_weights=config.weights(), source_token=config.source_token, val_from=config.val_from,
                    val_fraction=config.val_fraction)


def build_model(config: RunConfig, vocab_size: int) -> Union[RNNLM, RNNLMScratch]:
    """The model of a run, with initial parameters from its seed."""
    mxnet.random.seed(config.seed)
    options: Dict[str, Any] = {name: getattr(config, name) for name in (
        "dropout", "input_dropout", "output_dropout", "weight_dropout", "variational", "layer_norm", "residual",
        "learned_state", "skip")}
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


def build_trainer(config: RunConfig, **options: Any) -> Trainer:
    """The trainer of a run."""
    unused = config.without_effect()  # a run of an earlier version may have settings that the trainer refuses
    named = {"momentum": config.momentum, "wd": config.weight_decay}
    optimizer_params = {name: value for name, value in named.items() if value}
    return Trainer(config.max_epochs, gradient_clip_val=config.clip, optimizer_params=optimizer_params,
                   **{name: getattr(config, name) for name in _OF_TRAINER if name not in unused}, **options)


def check_memory(config: RunConfig, vocab_size: int, *, training: bool = True) -> None:
    """Raise an error if a run would need more memory than this machine has, before any memory is allocated.

    The estimate is the size of the weights and their gradients.  For ``training``, it is 16 times the weights, as
    measured (``python -m benchmarks.width``: MXNet's operators store rearranged copies of them), plus the values that
    the layers store for the backward pass, with skip connections a copy of their outputs and its gradient, plus the
    compiled graphs of layers that are unrolled over time.
    """
    weights = num_weights(config, vocab_size)
    needed = 4 * 16 * weights + _for_steps(config, vocab_size) if training else 8 * weights
    runtime.check_memory(
        "num_hiddens, num_layers, batch_size and num_steps",
        f"{config.num_hiddens}, {config.num_layers}, {config.batch_size} and {config.num_steps}", needed)


def _for_steps(config: RunConfig, vocab_size: int) -> int:
    """The bytes that training needs for the steps of a batch: stored values and graphs.

    Raises
    ------
    ValueError
        For graphs of so many operators that compilation would take minutes.
    """
    cell, unrolled = CELLS[config.model], num_unrolled(config)
    operators = compiled = cell.operators_per_step * unrolled * config.num_steps
    if operators > _MOST_OPERATORS:
        raise InputError(
            "num_layers and num_steps", f"small enough for a graph of {_MOST_OPERATORS:,} operators from scratch",
            Described(f"{config.num_layers} and {config.num_steps}, {operators:,} operators"),
            Advice("compilation would take minutes", *(("; ", Argument("implementation", "fused"),
                    " has one operator per layer") if _can_be_fused(config) else ())))
    per_unit = (unrolled * cell.kept["scratch"]
                + (config.num_layers - unrolled) * cell.kept.get("fused", cell.kept["scratch"])
                + 2 * config.skip * config.num_layers)
    kept = config.batch_size * config.num_steps * (per_unit * config.num_hiddens + _KEPT_OF_LOGITS * vocab_size)
    if config.records != "none":  # graphs of 1/8, 2/8, ..., 8/8 of the steps
        kept, compiled = kept * (NUM_SHAPES + 1) // 2, operators * (NUM_SHAPES + 1) // 2
    return 4 * kept + _GRAPHS * _BYTES_OF_OPERATOR * compiled


def num_unrolled(config: RunConfig) -> int:
    """The number of layers that are unrolled over time: those from scratch that no operator computes."""
    if config.implementation == "fused":
        return 0
    device, kinds = as_contexts(config.ctx)[0], config.layer_kinds()
    unrolled = sum(not CELLS[config.model].scratch(1, 1, **own).fuses(device) for own in kinds)
    return unrolled * config.num_layers // len(kinds)


def _can_be_fused(config: RunConfig) -> bool:
    try:
        check_fused(config.model, config.layer_kinds())
    except InputError:
        return False
    return True


def num_weights(config: RunConfig, vocab_size: int) -> int:
    """The number of weights in the matrices of a model with these settings."""
    hiddens, inputs = config.num_hiddens, config.embedding or vocab_size
    stack = len(CELLS[config.model].gates) * hiddens * (inputs + hiddens + (config.num_layers - 1) * 2 * hiddens)
    outputs = hiddens * (config.num_layers if config.skip else 1)
    return stack + vocab_size * (config.embedding + (0 if config.tied else outputs))


def describe_model(config: RunConfig) -> str:
    """The cell, the number of layers and the number of hidden units of a run."""
    kind = CELLS[config.model].title
    if "activation" in CELLS[config.model].options:
        kind = f"{config.activation} {kind}"
    scratch = " from scratch" if config.implementation == "scratch" else ""
    return f"{kind}{scratch}, {config.num_layers} x {config.num_hiddens}"


def describe(config: RunConfig, recipe: Optional[str], texts: List[str]) -> str:
    """A one-line description of a run."""
    name = f"{recipe}: " if recipe else ""
    return f"{name}{describe_model(config)} hidden units, on {listed(texts)}"
