"""Everything that a run is made of, in one table: the fields of recipes, the flags of ``train``, ``config.json``."""

import dataclasses
from typing import Any, Callable, Dict, Iterable, List, Mapping, Optional, Tuple

from gluon_deeprnn import _checks
from gluon_deeprnn.data.cleaning import CLEANINGS
from gluon_deeprnn.data.corpora import CORPORA
from gluon_deeprnn.data.text_data import PROTOCOLS
from gluon_deeprnn.data.tokenizers import TOKENIZERS
from gluon_deeprnn.errors import InputError
from gluon_deeprnn.models.cells import ACTIVATIONS, CELLS, RESETS, check_fused, layer_options
from gluon_deeprnn.models.initializers import INITIALIZERS
from gluon_deeprnn.training.optimizer import OPTIMIZERS
from gluon_deeprnn.training.schedules import SCHEDULES

IMPLEMENTATIONS = ("fused", "scratch")
_WITH_MOMENTUM = ("sgd", "nag", "signum")

Check = Callable[[str, Any], Any]


def _setting(default: Any, help: str, check: Check) -> Any:
    return dataclasses.field(default=default, metadata={"help": help, "check": check})


def _named(choices: Mapping[str, Any]) -> str:
    """The names that an option takes, each with what it means."""
    return "; ".join(f"{name}: {choice.about}" for name, choice in choices.items())


def _count(name: str, value: Any) -> int:
    return _checks.integer(name, value, at_least=1)


def _from_zero(name: str, value: Any) -> int:
    return _checks.integer(name, value, at_least=0)


def _choice(choices: Iterable[str]) -> Check:
    return lambda name, value: _checks.one_of(name, value, choices)


def _corpus(name: str, value: Any) -> Optional[str]:
    return None if value is None else _checks.one_of(name, value, CORPORA)


def _optional_choice(choices: Tuple[str, ...]) -> Check:
    return lambda name, value: _checks.one_of(name, value, ("default", *choices))


def _activations(name: str, value: Any) -> str:
    for each in _checks.text(name, value).split(","):
        _checks.one_of(name, each, ACTIVATIONS)
    return value


def _files(name: str, value: Any) -> Tuple[str, ...]:
    if not isinstance(value, (list, tuple)):
        raise InputError(name, "a list of files", value)
    return tuple(_checks.text(name, file) for file in value)


@dataclasses.dataclass(frozen=True)
class RunConfig:
    """The settings of a run; each is a field of a recipe and a flag of ``gluon-deeprnn train``.

    Raises
    ------
    ValueError
        "num_hiddens must be a positive integer; got 0", and likewise for the others.

    Examples
    --------
    >>> from gluon_deeprnn.runs import RunConfig
    >>> RunConfig(model='lstm', num_hiddens=64).num_layers
    2
    """

    corpus: Optional[str] = _setting(None, "time-machine or python-docs; the former if it can be had", _corpus)
    text: Tuple[str, ...] = _setting((), "a UTF-8 text file to train on instead, - for standard input (repeatable)",
                                     _files)
    protocol: str = _setting("d2l", "d2l: windows from a zero state; book: carried state and a test part",
                             _choice(PROTOCOLS))
    cleaning: str = _setting("d2l", _named(CLEANINGS), _choice(CLEANINGS))
    tokens: str = _setting("char", "a token is one of: " + _named(TOKENIZERS), _choice(TOKENIZERS))
    min_freq: int = _setting(0, "tokens that occur less often are unknown", _from_zero)
    num_train: int = _setting(10000, "training windows (d2l)", _count)
    num_val: int = _setting(5000, "validation windows (d2l)", _count)
    model: str = _setting("gru", "the cell: " + ", ".join(CELLS), _choice(CELLS))
    implementation: str = _setting("fused", "fused, or scratch: layers written out", _choice(IMPLEMENTATIONS))
    num_hiddens: int = _setting(32, "hidden units of a layer", _count)
    num_layers: int = _setting(2, "layers", _count)
    dropout: float = _setting(0.0, "share of outputs dropped between layers while training", _checks.fraction)
    input_dropout: float = _setting(0.0, "share of the first layer's inputs dropped", _checks.fraction)
    embedding_dropout: float = _setting(0.0, "share of the vocabulary whose inputs are dropped", _checks.fraction)
    weight_dropout: float = _setting(0.0, "share of the recurrent weights dropped", _checks.fraction)
    variational: bool = _setting(False, "dropout and input dropout draw one mask for a whole sequence", _checks.flag)
    embedding: int = _setting(0, "size of the token embedding; 0 for one-hot inputs", _from_zero)
    tied: bool = _setting(False, "the embedding is the output layer's weights too", _checks.flag)
    layer_norm: bool = _setting(False, "normalise what each layer but the first reads", _checks.flag)
    residual: bool = _setting(False, "add what a layer reads to what it gives, from the second on", _checks.flag)
    learned_state: bool = _setting(False, "learn the state before the first token", _checks.flag)
    initializer: str = _setting("default", "uniform (fused), normal (scratch), xavier or orthogonal",
                                _optional_choice(INITIALIZERS))
    recurrent_initializer: str = _setting("default", "the same for the weights between steps, if another",
                                          _optional_choice(INITIALIZERS))
    sigma: float = _setting(0.01, "standard deviation of the initial weights (scratch)", _checks.not_negative)
    forget_bias: float = _setting(0.0, "initial bias of an LSTM's forget gate", _checks.finite)
    activation: str = _setting("tanh", "of an rnn: tanh or relu, from scratch sigmoid, softsign or softrelu too; one "
                               "for all layers, or one for each, with commas", _activations)
    reset: str = _setting("after", "a GRU's reset: after the product, or before it (scratch)", _choice(RESETS))
    max_epochs: int = _setting(100, "passes over the training batches", _count)
    batch_size: int = _setting(1024, "sequences in a batch", _count)
    num_steps: int = _setting(32, "tokens in a sequence", _count)
    optimizer: str = _setting("sgd", ", ".join(OPTIMIZERS), _choice(OPTIMIZERS))
    lr: float = _setting(2.0, "learning rate", _checks.positive)
    momentum: float = _setting(0.0, "momentum of sgd, nag and signum", _checks.fraction)
    weight_decay: float = _setting(0.0, "weight decay", _checks.not_negative)
    clip: float = _setting(1.0, "largest global norm of the gradients; 0 for none", _checks.not_negative)
    schedule: str = _setting("constant", "constant, cosine, step or plateau", _choice(SCHEDULES))
    lr_factor: float = _setting(0.5, "what step and plateau multiply the learning rate by", lambda name, value:
                                _checks.number(name, value, "a number in (0, 1)", above=0, below=1))
    lr_epochs: int = _setting(10, "after how many epochs they do", _count)
    patience: int = _setting(0, "stop after so many epochs without a new best validation; 0: never", _from_zero)
    seed: int = _setting(0, "repeats initial weights, order of batches and dropout", _from_zero)
    checkpoint_seconds: float = _setting(60.0, "write a checkpoint inside of epochs that take longer than this",
                                         _checks.not_negative)
    ctx: str = _setting("auto", "cpu, gpu, gpu(N) or auto", _checks.text)
    prefix: str = _setting("it has", "what the sample continues", _checks.text)

    def __post_init__(self) -> None:
        for field in dataclasses.fields(self):
            object.__setattr__(self, field.name, field.metadata["check"](field.name, getattr(self, field.name)))
        if self.corpus and self.text:
            raise InputError("corpus", "left out when a text is given", self.corpus)
        self._check_cell()
        if self.implementation == "fused" and self.sigma != RunConfig.sigma:
            raise InputError("sigma", "left out for implementation fused", self.sigma)
        if self.tied and self.embedding != self.num_hiddens:
            raise InputError("embedding", f"num_hiddens, {self.num_hiddens}, if it is tied", self.embedding)
        if self.momentum and self.optimizer not in _WITH_MOMENTUM:
            raise InputError("momentum", f"0 for optimizer {self.optimizer}", self.momentum)

    def _check_cell(self) -> None:
        for cell in CELLS.values():
            for name in cell.options:
                if cell.name != self.model and getattr(self, name) != getattr(RunConfig, name):
                    raise InputError(name, f"left out for model {self.model}", getattr(self, name))
        if self.implementation == "fused":
            check_fused(self.model, layer_options(self.model, self.num_layers, self._own_options()), "model")

    def _own_options(self) -> Dict[str, Any]:
        """The options that only this model's cell has; one for each layer as a list."""
        found = {name: getattr(self, name) for name in CELLS[self.model].options}
        return {name: value.split(",") if CELLS[self.model].options[name].per_layer and "," in value else value
                for name, value in found.items()}

    def cell_options(self) -> Dict[str, Any]:
        """Those of them that the model's stack is made with."""
        options = CELLS[self.model].options
        return {name: value for name, value in self._own_options().items()
                if (options[name].is_free_when_fused or self.implementation != "fused")
                and (not options[name].initial or value != options[name].default)}

    def as_dict(self) -> Dict[str, Any]:
        """The settings as JSON takes them."""
        return {**dataclasses.asdict(self), "text": list(self.text)}

    def replace(self, **settings: Any) -> "RunConfig":
        """The same with other values for some settings; an unknown name is refused with a guess at what was meant."""
        known = [field.name for field in dataclasses.fields(self)]
        for name in settings:
            _checks.one_of("setting", name, known)
        if settings.get("text"):
            settings.setdefault("corpus", None)
        elif settings.get("corpus"):
            settings.setdefault("text", ())
        return dataclasses.replace(self, **settings)

    @classmethod
    def from_dict(cls, settings: Mapping[str, Any]) -> "RunConfig":
        """The settings that `as_dict` gave."""
        return cls().replace(**_checks.mapping("settings", settings))


def typed(name: str, value: str) -> Any:
    """A flag's text as the type of its setting; text that is no number stays text, for the check to refuse."""
    kind = type(getattr(RunConfig, name))
    if kind in (int, float):
        try:
            return kind(value)
        except ValueError:
            return value
    return value


def settings() -> List[Tuple[str, str, Any]]:
    """Name, meaning and default of every setting."""
    return [(field.name, field.metadata["help"], field.default) for field in dataclasses.fields(RunConfig)]
