"""The settings of a run in one table, for the fields of recipes, the options of ``train`` and ``config.json``."""

import copy
import dataclasses
from typing import Any, Callable, Dict, Iterable, List, Mapping, Optional, Tuple

from gluon_deeprnn import _checks
from gluon_deeprnn.data.apart import STREAMS, check_streams
from gluon_deeprnn.data.cleaning import CLEANINGS
from gluon_deeprnn.data.corpora import CORPORA
from gluon_deeprnn.data.encodings import check_encoding
from gluon_deeprnn.data.files import READINGS, check_reading
from gluon_deeprnn.data.positions import VAL_FRACTION
from gluon_deeprnn.data.records import RECORDS, check_split
from gluon_deeprnn.data.text_data import PROTOCOLS
from gluon_deeprnn.data.tokenizers import TOKENIZERS
from gluon_deeprnn.errors import InputError
from gluon_deeprnn.models.cells import ACTIVATIONS, CELLS, RESETS, check_fused, layer_options
from gluon_deeprnn.models.initializers import INITIALIZERS
from gluon_deeprnn.training.averaging import Averaging
from gluon_deeprnn.training.optimizer import OPTIMIZERS
from gluon_deeprnn.training.schedules import SCHEDULES, WITH_STEPS

IMPLEMENTATIONS = ("fused", "scratch")
_WITH_MOMENTUM = ("sgd", "nag", "signum")

_BEFORE: Mapping[str, Any] = {
    "streams": "joined",
    "reading": 1,
    "decay_biases": lambda given: bool(given.get("weight_decay")) and given.get("optimizer") != "adamw",
}
"""What a run means that was written before there was the setting, if that is not its default: a value, or a function
that computes it from the settings that the run has."""

Check = Callable[[str, Any], Any]


@dataclasses.dataclass(frozen=True)
class Setting:
    """What is known about a setting, for ``--help`` and the pages.

    Attributes
    ----------
    name, group, help : str
        ``group`` is one of the titles under which ``train --help`` lists the options.
    default : object
    choices : tuple of str
        Its values, if there is a fixed set of them.
    """

    name: str
    group: str
    help: str
    default: Any
    choices: Tuple[str, ...]


def _setting(group: Optional[str]) -> Callable[[Any, str, Check], Any]:
    return lambda default, help, check: dataclasses.field(
        default=default, metadata={"group": group, "help": help, "check": check})


_text, _model, _regularisation = _setting("text"), _setting("model"), _setting("regularisation")
_initialization, _training, _run = _setting("initialization"), _setting("training"), _setting("run")


def _named(choices: Mapping[str, Any]) -> str:
    """The allowed values of an option, each with its meaning."""
    return "; ".join(f"{name}: {choice.about}" for name, choice in choices.items())


def _count(name: str, value: Any) -> int:
    return _checks.integer(name, value, at_least=1)


def _from_zero(name: str, value: Any) -> int:
    return _checks.integer(name, value, at_least=0)


class _Choice:
    """The check of a setting with a fixed set of values."""

    def __init__(self, choices: Iterable[str]) -> None:
        self.choices = tuple(choices)

    def __call__(self, name: str, value: Any) -> str:
        return _checks.one_of(name, value, self.choices)


def _corpus(name: str, value: Any) -> Optional[str]:
    return None if value is None else _checks.one_of(name, value, CORPORA)


def _encoding(name: str, value: Any) -> Optional[str]:
    return None if value is None else check_encoding(name, value)


def _activations(name: str, value: Any) -> str:
    for each in _checks.text(name, value).split(","):
        _checks.one_of(name, each, ACTIVATIONS)
    return value


def _list_of(what: str) -> Check:
    def check(name: str, value: Any) -> Tuple[str, ...]:
        if not isinstance(value, (list, tuple)):
            raise InputError(name, f"a list of {what}", value)
        return tuple(_checks.text(name, each) for each in value)
    return check


def _weights(name: str, value: Any) -> str:
    for each in _as_numbers(name, value):
        _checks.positive(name, each)
    return value


def _as_numbers(name: str, value: str) -> Tuple[float, ...]:
    try:
        return tuple(float(each) for each in value.split(",")) if value != "" else ()
    except (AttributeError, ValueError):
        raise InputError(name, "numbers above 0, separated by commas", value) from None


@dataclasses.dataclass(frozen=True)
class RunConfig:
    """The settings of a run; each is a field of recipes and an option of ``gluon-deeprnn train``, except ``reading``.

    Raises
    ------
    ValueError
        "num_hiddens must be a positive integer; got 0", "num_train must be omitted for protocol book; got 500", and
        similar messages for other settings.

    Examples
    --------
    >>> from gluon_deeprnn.runs import RunConfig
    >>> RunConfig(model='lstm', num_hiddens=64).num_layers
    2
    """

    corpus: Optional[str] = _text(None, "time-machine or python-docs; the former if it is available", _corpus)
    text: Tuple[str, ...] = _text((), "texts to train on instead: files, folders or patterns, - for standard input",
                                     _list_of("files"))
    encoding: Optional[str] = _text(None, "encoding of the texts that are not UTF-8 and have no byte-order mark, "
                                          "such as CP949 or CP1252", _encoding)
    protocol: str = _text("d2l", "d2l: windows with a zero initial state; book: carried state, with test data",
                             _Choice(PROTOCOLS))
    cleaning: str = _text("d2l", _named(CLEANINGS) + "; for --text without --recipe: none", _Choice(CLEANINGS))
    tokens: str = _text("char", "kind of tokens: " + _named(TOKENIZERS), _Choice(TOKENIZERS))
    records: str = _text("none", "independent pieces of the text (protocol book): " + _named(RECORDS), _Choice(RECORDS))
    streams: str = _text("auto", "several texts (protocol book): joined: one after the other; separate: each by "
                         "itself, with its own perplexity; auto: separate for 2 to 20 texts of at least 20,000 "
                         "characters", _Choice(("auto", *STREAMS)))
    source_weights: str = _text("", "how often each of the texts is read in an epoch, separated by commas, such as 1,3 "
                                "or 1,0.5; for separate texts", _weights)
    source_token: bool = _text(False, "read a token that names the text before each of its streams, so that generate "
                               "--source can write like it; for separate texts", _checks.flag)
    val_from: Tuple[str, ...] = _text((), "the names of the texts with a validation and a test part; the others are "
                                      "for training as a whole (protocol book)", _list_of("names of texts"))
    val_fraction: float = _text(VAL_FRACTION, "fraction of the text for validation, just before the test data "
                                "(protocol book)", _checks.fraction)
    min_freq: int = _text(0, "tokens that occur less often are mapped to the unknown token", _from_zero)
    num_train: int = _text(10000, "number of training windows (d2l)", _count)
    num_val: int = _text(5000, "number of validation windows (d2l)", _count)
    model: str = _model("gru", "the cell: " + ", ".join(CELLS), _Choice(CELLS))
    implementation: str = _model("fused", "layers: fused, or from scratch", _Choice(IMPLEMENTATIONS))
    num_hiddens: int = _model(32, "number of hidden units per layer", _count)
    num_layers: int = _model(2, "number of layers", _count)
    dropout: float = _regularisation(0.0, "dropout probability between layers", _checks.fraction)
    input_dropout: float = _regularisation(0.0, "dropout probability of the first layer's inputs", _checks.fraction)
    output_dropout: float = _regularisation(0.0, "dropout probability of the last layer's outputs", _checks.fraction)
    embedding_dropout: float = _regularisation(0.0, "dropout probability of whole tokens' inputs", _checks.fraction)
    weight_dropout: float = _regularisation(0.0, "dropout probability of the recurrent weights", _checks.fraction)
    variational: bool = _regularisation(False, "sample the masks of these three kinds of dropout once per sequence",
                                        _checks.flag)
    embedding: int = _model(0, "size of the token embedding; 0 for one-hot inputs", _from_zero)
    tied: bool = _model(False, "tie the output layer's weights to the embedding", _checks.flag)
    layer_norm: bool = _model(False, "layer normalisation of the inputs of each layer but the first", _checks.flag)
    residual: bool = _model(False, "residual connections, from the second layer on", _checks.flag)
    learned_state: bool = _model(False, "learn the initial state", _checks.flag)
    skip: bool = _model(False, "skip connections from every layer to the output layer", _checks.flag)
    initializer: str = _initialization("default", "uniform, normal, xavier or orthogonal; default: uniform for "
                                       "fused layers, normal from scratch", _Choice(("default", *INITIALIZERS)))
    recurrent_initializer: str = _initialization("default", "a different initializer of the recurrent weights; "
                                                 "default: as initializer", _Choice(("default", *INITIALIZERS)))
    sigma: float = _initialization(0.01, "standard deviation of the initial weights (scratch)", _checks.not_negative)
    forget_bias: float = _initialization(0.0, "initial bias of an LSTM's forget gate", _checks.finite)
    activation: str = _model("tanh", "of an rnn: tanh or relu; from scratch also sigmoid, softsign or softrelu; one "
                               "for all layers, or one per layer, separated by commas", _activations)
    reset: str = _model("after", "a GRU's reset gate: after the product, or before it (scratch)", _Choice(RESETS))
    max_epochs: int = _training(100, "number of epochs", _count)
    batch_size: int = _training(1024, "number of sequences in a batch", _count)
    num_steps: int = _training(32, "number of tokens in a sequence", _count)
    optimizer: str = _training("sgd", ", ".join(OPTIMIZERS), _Choice(OPTIMIZERS))
    lr: float = _training(2.0, "learning rate", _checks.positive)
    momentum: float = _training(0.0, "momentum of sgd, nag and signum", _checks.fraction)
    weight_decay: float = _regularisation(0.0, "weight decay of matrices and embeddings; adamw decouples it from the "
                                          "gradients", _checks.not_negative)
    decay_biases: bool = _regularisation(False, "weight decay of biases, normalisations and learned initial states too",
                                         _checks.flag)
    label_smoothing: float = _regularisation(0.0, "share of each target distributed equally among all tokens",
                                             _checks.fraction)
    ar: float = _regularisation(0.0, "penalty on the mean square of the last layer's outputs", _checks.not_negative)
    tar: float = _regularisation(0.0, "penalty on the mean square of their differences from step to step",
                                 _checks.not_negative)
    clip: float = _training(1.0, "maximum global norm of the gradients; 0 for no clipping", _checks.not_negative)
    clip_value: float = _training(0.0, "maximum absolute value of each element of the gradients, clipped before the "
                                       "norm; 0 for no clipping", _checks.not_negative)
    schedule: str = _training("constant", "constant, cosine, step or plateau", _Choice(SCHEDULES))
    lr_factor: float = _training(0.5, "factor of the schedules step and plateau", lambda name, value:
                                _checks.number(name, value, "a number in (0, 1)", above=0, below=1))
    lr_epochs: int = _training(10, "step: epochs between reductions; plateau: epochs without a new best before one",
                               _count)
    warmup: int = _training(0, "number of steps in which the learning rate grows linearly from almost 0", _from_zero)
    patience: int = _training(0, "stop after this number of epochs without a new best validation perplexity; 0: never",
                             _from_zero)
    averaging: float = _training(0.0, "decay of a moving average of the parameters, which is evaluated and stored in "
                                      "their place, such as 0.998; 0: none", _checks.fraction)
    asgd: int = _training(0, "average the parameters uniformly after this number of epochs without a new best "
                             "validation perplexity; 0: never", _from_zero)
    seed: int = _training(0, "seed of initial weights, order of batches and dropout", _from_zero)
    checkpoint_seconds: float = _run(60.0, "write checkpoints during epochs that take longer than this, in seconds",
                                     _checks.not_negative)
    ctx: str = _run("auto", "cpu, gpu, gpu(N) or auto; several share each batch: gpu(0),gpu(1)", _checks.text)
    prefix: str = _run("it has", "the prefix of the samples", _checks.text)
    sample_length: int = _run(200, "number of tokens of the sample", _count)
    reading: int = _setting(None)(READINGS[-1], "the rules by which texts are read, of the version that began the run",
                                  check_reading)

    def __post_init__(self) -> None:
        self._check()
        self.check_effect(field.name for field in dataclasses.fields(self))

    def _check(self) -> None:
        for field in dataclasses.fields(self):
            object.__setattr__(self, field.name, field.metadata["check"](field.name, getattr(self, field.name)))
        if self.corpus and self.text:
            raise InputError("corpus", "omitted if a text is given", self.corpus)
        if self.encoding is not None and not self.text:
            raise InputError("encoding", "omitted without a text", self.encoding)
        if self.encoding is not None and TOKENIZERS[self.tokens].reads_bytes:
            raise InputError("encoding", f"omitted for tokens {self.tokens}", self.encoding,
                             "they are read from any file as it is")
        check_split(self.protocol, self.records, self.val_fraction)
        check_streams(self.streams, self.protocol, self.records, weights=self.source_weights, token=self.source_token,
                      val_from=self.val_from)
        self._check_cell()
        if self.implementation == "fused" and self.sigma != RunConfig.sigma:
            raise InputError("sigma", "omitted for implementation fused", self.sigma)
        if self.tied and self.skip and self.num_layers > 1:  # the output layer reads num_layers * num_hiddens numbers
            raise InputError("tied", "False with skip connections", self.tied)
        if self.tied and self.embedding != self.num_hiddens:
            raise InputError("embedding", f"num_hiddens, {self.num_hiddens}, with tied weights", self.embedding)
        Averaging(self.averaging, self.asgd)
        if self.decay_biases and not self.weight_decay:
            raise InputError("decay_biases", "False without weight decay", self.decay_biases)
        if self.momentum and self.optimizer not in _WITH_MOMENTUM:
            raise InputError("momentum", f"0 for optimizer {self.optimizer}", self.momentum)

    def without_effect(self) -> Dict[str, str]:
        """The settings that have no effect beside the others, each with the reason."""
        found: Dict[str, str] = {}

        def omitted(reason: str, *names: str) -> None:
            found.update(dict.fromkeys(names, reason))

        if self.protocol != "d2l":
            omitted(f"for protocol {self.protocol}", "num_train", "num_val")
        if self.records != "none":
            omitted(f"for records {self.records}, whose samples are whole records", "prefix")
        if TOKENIZERS[self.tokens].alphabet:
            omitted(f"for tokens {self.tokens}, which are all in the vocabulary", "min_freq")
        if self.num_layers == 1:
            omitted("for one layer", "dropout", "layer_norm", "residual", "skip")
        if not (self.input_dropout or self.output_dropout or (self.dropout and self.num_layers > 1)):
            omitted("without dropout, input_dropout and output_dropout", "variational")
        drawn = {self.initializer, self.initializer if self.recurrent_initializer == "default" else
                 self.recurrent_initializer}  # the output layer of RNNLMScratch is drawn with sigma too
        if not drawn & {"default", "normal"} and (self.embedding or self.embedding_dropout):
            omitted("without normal initial weights", "sigma")
        if self.schedule not in WITH_STEPS:
            omitted(f"for schedule {self.schedule}", "lr_factor", "lr_epochs")
        return found

    def check_effect(self, given: Iterable[str]) -> None:
        """Check that settings, by name, have an effect beside the others, or their defaults.

        Raises
        ------
        ValueError
            "num_train must be omitted for protocol book; got 500", and the like.
        """
        given = set(given)
        for name, reason in self.without_effect().items():
            if name in given and getattr(self, name) != getattr(RunConfig, name):
                raise InputError(name, f"omitted {reason}", getattr(self, name))

    def _check_cell(self) -> None:
        for cell in CELLS.values():
            for name in cell.options:
                if cell.name != self.model and getattr(self, name) != getattr(RunConfig, name):
                    raise InputError(name, f"omitted for model {self.model}", getattr(self, name))
        kinds = self.layer_kinds()
        if self.implementation == "fused":
            check_fused(self.model, kinds, "model")

    def layer_kinds(self) -> List[Dict[str, Any]]:
        """The cell-specific options of each layer; those of one layer if they are the same for all."""
        options = self._own_options()
        differ = any(isinstance(value, list) for value in options.values())
        return layer_options(self.model, self.num_layers if differ else 1, options)

    def _own_options(self) -> Dict[str, Any]:
        """The options that are specific to this cell; a list if there is one value per layer."""
        found = {name: getattr(self, name) for name in CELLS[self.model].options}
        return {name: value.split(",") if CELLS[self.model].options[name].per_layer and "," in value else value
                for name, value in found.items()}

    def cell_options(self) -> Dict[str, Any]:
        """The cell-specific options for the constructor of the stack."""
        options = CELLS[self.model].options
        return {name: value for name, value in self._own_options().items()
                if (options[name].is_free_when_fused or self.implementation != "fused")
                and (not options[name].initial or value != options[name].default)}

    def as_dict(self) -> Dict[str, Any]:
        """The settings as a dict for JSON."""
        return {name: list(value) if isinstance(value, tuple) else value
                for name, value in dataclasses.asdict(self).items()}

    def weights(self) -> Tuple[float, ...]:
        """The numbers of ``source_weights``."""
        return _as_numbers("source_weights", self.source_weights)

    def replace(self, **settings: Any) -> "RunConfig":
        """Return a copy with different values of some settings; the error for an unknown name suggests a known one."""
        replaced = self.with_settings(settings)
        replaced.check_effect(settings)
        return replaced

    def with_settings(self, settings: Mapping[str, Any]) -> "RunConfig":
        """The same with the settings of a run that there is already, some of which may have no effect."""
        settings = dict(settings)
        known = [field.name for field in dataclasses.fields(self)]
        for name in settings:
            _checks.one_of("setting", name, known)
        if settings.get("text"):
            settings.setdefault("corpus", None)
        elif settings.get("corpus"):
            settings.setdefault("text", ())
            settings.setdefault("encoding", None)
        replaced = copy.copy(self)
        for name, value in settings.items():
            object.__setattr__(replaced, name, value)  # not by the constructor, whose arguments must have an effect
        replaced._check()
        return replaced

    @classmethod
    def from_dict(cls, settings: Mapping[str, Any]) -> "RunConfig":
        """Return the settings from the output of `as_dict`; it lacks those that were added after it was written."""
        given = _checks.mapping("settings", settings)
        before = {name: meaning(given) if callable(meaning) else meaning for name, meaning in _BEFORE.items()}
        return cls().with_settings({**before, **given})


def typed(name: str, value: str) -> Any:
    """Convert an option's text to the type of its setting; invalid numbers remain text, which validation rejects."""
    kind = type(getattr(RunConfig, name))
    if kind in (int, float):
        try:
            return kind(value)
        except ValueError:
            return value
    return value


def settings() -> List[Setting]:
    """The settings that a user chooses, in the order in which recipes list them."""
    return [Setting(field.name, field.metadata["group"], field.metadata["help"], field.default,
                    getattr(field.metadata["check"], "choices", ()))
            for field in dataclasses.fields(RunConfig) if field.metadata["group"]]
