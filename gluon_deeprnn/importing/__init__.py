"""Brings models in: parameters that torch, D2L, MXNet or gluonnlp stored become a run folder."""

import dataclasses
import hashlib
from pathlib import Path
import re
from typing import Any, Dict, List, Mapping, Optional, Sequence, Tuple

from gluon_deeprnn import _checks, storage
from gluon_deeprnn.data import Vocab
from gluon_deeprnn.data.vocab import UNKNOWN
from gluon_deeprnn.errors import Advice, Argument, Described, InputError
from gluon_deeprnn.importing import mxnet_files, names, torch_files, vocabulary
from gluon_deeprnn.models.interchange import Weights
from gluon_deeprnn.runs.imported import write_imported
import numpy

FORMATS = {"torch": "a state_dict of torch, or its safetensors",
           "mxnet": "a .params file of MXNet 1.x, and its -symbol.json if there is one"}
ACTIVATIONS = ("tanh", "relu")
_PARTS = {"": "", "output": "output.weight", "bias": "output.bias", "embedding": "embedding.weight"}
"""The names under which the parts that are named are found."""

_PART_OF_LAYER = re.compile(r"layer\d{1,9}\.(i2h|h2h)_(weight|bias)")


@dataclasses.dataclass(frozen=True)
class Imported:
    """What an import found.

    Attributes
    ----------
    names : dict
        For every part of the model, the names of the arrays of which it was made.
    left_out : list of str
        The arrays that were left out, as asked.
    vocab : Vocab
    added_unknown : bool
        Whether the vocabulary had no token for unknown ones, so that one was added, of a probability of about 2e-9.
    """

    names: Dict[str, List[str]]
    left_out: List[str]
    vocab: Vocab
    added_unknown: bool


def import_model(kind: str, files: Sequence[Any], out: Any, *, vocab: Any = None, like: Any = None,
                 tokens: Optional[str] = None, cleaning: Optional[str] = None, unknown: Optional[str] = None,
                 activation: Optional[str] = None, name: Optional[Mapping[str, str]] = None) -> Imported:
    """Make a run folder of parameters that another program stored.

    Parameters
    ----------
    kind : {"torch", "mxnet"}
        The format.
    files : sequence of str or path
        The file of the parameters, and for MXNet its graph, if there is one.
    out : str or path
        The run folder to write.
    vocab : str or path, optional
        A JSON file with the tokens by index: a list, a mapping of tokens to indices, or a vocabulary of gluonnlp or of
        this package.  The safetensors of this package contain theirs.
    like : Run, optional
        A run whose vocabulary, residual connections and activation the model has.
    tokens : {"char", "word", "word-unicode", "word-exact", "byte"}, optional
        How a text becomes tokens; by default what the tokens look like.
    cleaning : {"none", "d2l", "unicode"}, optional
        How texts are cleaned; by default they are not.
    unknown : str, optional
        The token for unknown ones, if it is not ``<unk>``.
    activation : {"tanh", "relu"}, optional
        That of a plain RNN, if neither a graph nor ``like`` tells it; by default tanh.  Omitted for other cells.
    name : mapping of str to str, optional
        For names that are not understood: ``output``, ``bias``, ``embedding``, a part of a layer such as
        ``layer0.i2h_weight``, or "" to leave an array out.

    Returns
    -------
    Imported

    Raises
    ------
    ValueError
        For files that are damaged or not of this format, arrays that do not fit, a vocabulary of another size, and a
        folder that contains a run.

    Examples
    --------
    >>> from gluon_deeprnn.importing import import_model
    >>> import_model('torch', ['no-such-file.pt'], 'runs/old')
    Traceback (most recent call last):
    ...
    gluon_deeprnn.errors.DamagedFileError: no-such-file.pt must be a file that torch.save(model.state_dict(), FILE) \
wrote (torch 1.6 or later); got No such file or directory
    """
    paths = [Path(file) for file in files]
    arrays, about, found = _read(_checks.one_of("format", kind, FORMATS), paths)
    arrays, left_out = _named(arrays, name or {})
    if activation is not None:
        found = _checks.one_of("activation", activation, ACTIVATIONS)
    elif about is not None:
        found = str(about["layers"][0])[len("rnn_"):]
    elif like is not None and found is None:
        found = like.config.activation
    residual = about["residual"] if about is not None else like is not None and like.config.residual
    model = names.find(arrays, found if found in ACTIVATIONS else "tanh", residual=residual)
    computes = model.weights.layers[0].computes
    if about is not None and (computes != about["layers"][0]
                              or (model.weights.norms and abs(about["epsilon"] - names.EPSILON) > 1e-9)):
        raise InputError("the metadata", f"of this model, {computes}", Described(str(about["layers"][0])))
    if activation is not None and not computes.startswith("rnn_"):
        raise InputError("activation", f"omitted for {computes}", activation)
    foreign, own = _vocabulary(model.weights, about, vocab, like, tokens, cleaning, unknown)
    weights = vocabulary.in_order(model.weights, foreign, own, unknown)
    write_imported(out, weights, own, [{"name": path.name, "sha1": _sha1(path)} for path in paths])
    return Imported(model.names, left_out, own, weights.vocab_size > model.weights.vocab_size)


def _sha1(path: Path) -> str:
    try:
        return hashlib.sha1(storage.read_file(path, 2**33)).hexdigest()
    except OSError as error:
        raise InputError("FILE", "there as long as it is read", Described(error.strerror or str(error))) from None


def _read(kind: str, paths: Sequence[Path]) -> Tuple[Dict[str, numpy.ndarray], Any, Optional[str]]:
    """The arrays, the metadata of this package, and the activation that a graph tells."""
    graphs = [path for path in paths if path.suffix == ".json"] if kind == "mxnet" else []
    files = [path for path in paths if path not in graphs]
    if len(files) != 1 or len(graphs) > 1:
        raise InputError("FILE", "one file of parameters" + (", and at most one graph" if kind == "mxnet" else ""),
                         Described(", ".join(map(str, paths)) or "none"))
    if kind == "torch":
        arrays, about = torch_files.read_torch(files[0])
        return arrays, None if about is None else torch_files.described(about), None
    arrays = mxnet_files.read_params(files[0])
    if not graphs:
        return arrays, None, None
    arrays, activation = mxnet_files.unpacked(graphs[0], arrays)
    return arrays, None, activation


def _named(arrays: Mapping[str, numpy.ndarray], given: Mapping[str, str]) -> Tuple[Dict[str, numpy.ndarray], List[str]]:
    """The arrays under names that are understood, and the names of those that are left out."""
    for theirs, part in given.items():
        if theirs not in arrays:
            raise InputError("name", "that of an array in the file", theirs, _checks.did_you_mean(theirs, arrays))
        if part not in _PARTS and not _PART_OF_LAYER.fullmatch(part):
            raise InputError(f"name of {theirs}", "output, bias, embedding, or a part of a layer, layer0.i2h_weight",
                             part)
    left_out = [theirs for theirs in given if not given[theirs]]
    found: Dict[str, numpy.ndarray] = {}
    for theirs, array in arrays.items():
        if theirs not in left_out:
            ours = _PARTS.get(given[theirs], given[theirs]) if theirs in given else theirs
            if ours in found:
                raise InputError("name", "given to one array", ours)
            found[ours] = array
    return found, left_out


def _vocabulary(weights: Weights, about: Any, path: Any, like: Any, kind: Optional[str], cleaning: Optional[str],
                unknown: Optional[str]) -> Tuple[List[str], Vocab]:
    """The tokens by the index in the weights, and the vocabulary."""
    if path is None and like is None and about is None:
        raise InputError("vocab", "a file with the tokens of the model, by index", None,
                         Advice(f"a list of {weights.vocab_size} tokens in JSON; or ", Argument("like", None),
                                ", a run with the same vocabulary"))
    if path is not None and like is not None:
        raise InputError("vocab", "omitted with like", str(path))
    found = vocabulary.read_tokens(Path(path)) if path is not None else None
    if not isinstance(found, list):
        for name, value in (("tokens", kind), ("cleaning", cleaning), ("unknown", unknown)):
            if value is not None:
                raise InputError(name, "omitted with a vocabulary that says it", value)
    if like is not None:
        return list(like.vocab.idx_to_token), like.vocab
    if isinstance(found, Vocab):
        return list(found.idx_to_token), found
    if found is not None:
        return found, vocabulary.made(found, kind, cleaning, unknown)
    if any(index != about["tokens"].index(UNKNOWN) for index in about["special"]):
        raise InputError("the metadata", "of a model without tokens for boundaries or sources", Described("these"),
                         "an export in the format zip keeps a run with them as it is")
    return about["tokens"], vocabulary.made(about["tokens"], about["kind"], about["cleaning"])
