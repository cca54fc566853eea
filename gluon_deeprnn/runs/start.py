"""Runs that begin with the parameters of another run: ``train --from``."""

from typing import Any, Dict

from gluon_deeprnn.data import Vocab
from gluon_deeprnn.data.tokenizers import tokenizer_for
from gluon_deeprnn.errors import DamagedFileError, Described, InputError
from gluon_deeprnn.models.extension import extend_vocabulary
from gluon_deeprnn.models.weights import set_parameters
from gluon_deeprnn.runs.build import build_model
from gluon_deeprnn.runs.config import RunConfig, settings
from gluon_deeprnn.runs.folder import RunFolder
from gluon_deeprnn.runs.run import Run
from gluon_deeprnn.runs.stored import StoredRun
import numpy

_SAME = ("tokens", "cleaning", "records", "embedding_dropout")


def settings_of(start: Run) -> Dict[str, Any]:
    """The settings that a run which begins with ``start`` has in common with it: those of the model and of tokens."""
    own = start.config.as_dict()
    return {each.name: own[each.name] for each in settings() if each.group == "model" or each.name in _SAME}


def check_same(config: Dict[str, Any], start: Run) -> None:
    """Check settings, by name, against those of the run with which a training begins.

    Raises
    ------
    ValueError
        "num_hiddens must be that of runs/mine, with which the training begins, 256; got 512 (omit it)", and the like.
    """
    tokens, cleaning = start.config.tokens, start.config.cleaning
    if tokenizer_for(tokens, cleaning, start.vocab.kind) != start.vocab.kind:
        raise InputError("from", f"a run whose tokens are of the kind that {tokens} with cleaning {cleaning} makes",
                         Described(start.vocab.kind), "import the model with a cleaning")
    for name, value in settings_of(start).items():
        if config.get(name, value) != value:
            raise InputError(name, f"that of {start.folder}, with which the training begins, {value!r}", config[name],
                             "omit it")


def initial_parameters(start: Run, config: RunConfig, vocab: Vocab) -> Dict[str, numpy.ndarray]:
    """The parameters with which the training begins: those of ``start``, for the larger vocabulary ``vocab``."""
    return extend_vocabulary(start.model, build_model(config, len(vocab)), start.vocab.unknown_index)


def set_initial(model: Any, stored: StoredRun, folder: RunFolder) -> None:
    """Set the parameters with which the training of a run began, if they are those of another run.

    Raises
    ------
    ValueError
        If their file is missing, although there is no checkpoint, or is of a different run.
    """
    if stored.began_from is None:
        return
    initial = folder.initial()
    if initial is not None:
        arrays, about = initial
        stored.own(about, folder.path / "initial.npz")
        set_parameters(model, arrays)
    elif not folder.has_checkpoint():
        raise DamagedFileError(str(folder.path / "initial.npz"), "in the folder of a run that began with another one",
                               Described("no such file"))
