"""Every public parameter rejects invalid values with one form of error, before any work is done.

The parameters are read from the signatures, so that new ones cannot be forgotten.
"""

import inspect

import gluon_deeprnn
from gluon_deeprnn import (
    GRU,
    LSTM,
    RNN,
    RNNLM,
    RNNLMScratch,
    StackedRNNScratch,
    TextData,
    TimeMachine,
    Trainer,
    Vocab,
    evaluate,
    generate,
    load_run,
    try_gpu,
)
from gluon_deeprnn.data import Records, Source, Stream, Windows, clean, read_texts
from gluon_deeprnn.devices import as_context
from gluon_deeprnn.evaluation import activities, followed_features, references, score, score_texts
from gluon_deeprnn.evaluation.references import ngram_log_probs
from gluon_deeprnn.models import RecurrentStack, as_fused, as_scratch
from gluon_deeprnn.models.cells import GRUScratch, LSTMScratch, RNNScratch
from gluon_deeprnn.models.initializers import Initial
from gluon_deeprnn.plotting import (
    plot_architecture,
    plot_gradient_flow,
    plot_gradient_norms,
    plot_history,
    plot_runs,
    plot_surprisal,
    plot_units,
    surprisal_page,
)
from gluon_deeprnn.training.diagnosis import gradient_flow
from gluon_deeprnn.training.optimizer import Optimizer, clip_global_norm
from gluon_deeprnn.training.schedules import Schedule
from mxnet import np
import numpy
import pytest

NAN, INF, HUGE = float("nan"), float("inf"), 10**400
POSITIVE = ([0, -1, 2.5, "3", True, None, 2**63, HUGE], "a positive integer")
FROM_ZERO = ([-1, 1.5, "x", True, None, HUGE], "a non-negative integer")
SHARE = ([1, -0.1, "half", NAN, None, True, HUGE], r"a number in \[0, 1\)")
FLAG = ([1, "yes", None], "True or False")
NOT_NEGATIVE = ([-1, NAN, INF, "x", None, HUGE], "a number, at least 0")
ABOVE = ([0, -1, NAN, INF, "x", HUGE], "a number above 0")
CONTEXT = (["gpu(99)", "tpu", "cpu(x)", 3], "a context that this machine has|cpu, gpu, ")
TOKENS = [numpy.array([0.5, 1.5]), [1, 2], "ab", numpy.array([-1, 2] * 50)]
MODEL = ([None, "gru", GRU], "an? ")
BATCH = numpy.zeros((3, 2), dtype="int32")
TEXT = numpy.array([0, 1, 0])
ROW = {"epoch": 1, "train_ppl": 2.0, "val_ppl": 2.0, "clipped": 0.0, "layer_gradient_norms": {"layer 1": [1.0]},
       "seconds": 1.0}


def name_of(*known):
    return ["nothing-of-the-kind", 3, None], "one of " + ", ".join(known[:1])


# Invalid values by parameter name; by (owner, name) where a name has a different meaning.
BAD = {
    "num_hiddens": POSITIVE, "num_layers": POSITIVE, "num_inputs": POSITIVE, "batch_size": POSITIVE,
    "num_steps": POSITIVE, "vocab_size": POSITIVE, "max_epochs": POSITIVE, "num_train": POSITIVE, "num_val": POSITIVE,
    "num": POSITIVE, "lr_epochs": POSITIVE, "length": FROM_ZERO, "num_preds": FROM_ZERO, "top_k": FROM_ZERO,
    "seed": FROM_ZERO, "embedding": FROM_ZERO, "min_freq": FROM_ZERO, "patience": FROM_ZERO, "first": FROM_ZERO,
    "i": FROM_ZERO, "dropout": SHARE, "input_dropout": SHARE, "output_dropout": SHARE,
    "weight_dropout": SHARE, "embedding_dropout": SHARE,
    "averaging": SHARE, "asgd": FROM_ZERO, "warmup": FROM_ZERO, "ar": NOT_NEGATIVE, "tar": NOT_NEGATIVE,
    "label_smoothing": SHARE,
    "variational": FLAG, "layer_norm": FLAG, "residual": FLAG, "learned_state": FLAG, "tied": FLAG, "hybridize": FLAG,
    "skip": FLAG, "decay_biases": FLAG, "progress": FLAG, "raw": FLAG, "shuffle": FLAG, "skip_unknown": FLAG,
    "sigma": NOT_NEGATIVE,
    "temperature": NOT_NEGATIVE, "top_p": ([0, 1.5, NAN, "x", HUGE], r"a number in \(0, 1\]"), "min_p": SHARE,
    "repetition_penalty": ABOVE, "beam": FROM_ZERO, "length_penalty": NOT_NEGATIVE,
    "no_copy": ([12, "12"], "a RunLimit"), "boundaries": FLAG,
    "stop": ([[""], [3], 3], "strings, none|a string or several"),
    "gradient_clip_val": NOT_NEGATIVE, "clip_value": NOT_NEGATIVE, "lr": ABOVE,
    "forget_bias": ([NAN, INF, "1", HUGE], "a finite number"),
    "lr_factor": ([0, 1, "x", NAN, HUGE], r"a number in \(0, 1\)"),
    "cell": name_of("rnn"), "reset": name_of("after"), "initializer": name_of("uniform"),
    "recurrent_initializer": (["orthogonl", 3], "one of uniform"), "weights": name_of("uniform"),
    "recurrent": (["eye", 3], "one of uniform"), "schedule": name_of("constant"), "optimizer": name_of("sgd"),
    "records": name_of("none"), "begin": FROM_ZERO,
    "streams": ([*name_of("joined")[0], "separate"], "one of joined|joined for protocol"), "source_token": FLAG,
    "source_weights": ([3, "1", [1], [HUGE]], "numbers|omitted for protocol d2l"),
    "val_fraction": ([0, 5e-324, 0.6, "x", None, True, HUGE], "a number from 0.001 to 0.5"),
    "val_from": (["x", [3], ["x"]], "a sequence of names|omitted for protocol d2l"),
    "source": (["a.txt", 3], "omitted for a vocabulary"),
    ("Vocab", "sources"): ([3, "ab", [1]], "a sequence of names"),
    ("score_texts", "sources"): ([3, {1: "a"}, {"a": "x"}], "a mapping|omitted for a vocabulary"),
    "protocol": name_of("d2l"), "cleaning": name_of("none"), "tokens": name_of("char"), "kind": name_of("char"),
    "activation": (["tan", ["tanh"] * 5, 3], "one of tanh|one name, or one for each"),
    "ctx": CONTEXT, "device": CONTEXT, "num_gpus": ([-1, 0.5, "1", HUGE], "a non-negative integer"),
    "optimizer_params": ([{"no_such_option": 1}, 3, {1: 2}, {"wd": HUGE}],
                         "options of MXNet's|a mapping|a finite number"),
    "callbacks": ([3, [3], "x"], "a sequence of Callback"),
    "workers": ([3, None], "the workers of this process"), "model": MODEL, "rnn": (MODEL[0], "a "),
    "vocab": (["ab", 3], "a Vocab|of the model's size|None or a Vocab"),
    "prefix": (["", "xyz", 3, None], "made of tokens|at least one token|a string"),
    "data": ([None, [1, 2]], "a source of batches"), "batches": ([None, [1, 2]], "a batch source"),
    "resume": ([({}, {}), 3, ({"a": 1}, {})], "one of this training|a checkpoint"),
    "sources": ([[], ["text"], "text", 3], "a sequence of Source"), "text": ([3, None], "a string"),
    "encoding": (["cp94", "", 3], "an encoding that Python knows"), "reading": ([0, "2", None, True], "1 or 2"),
    "paths": (["a.txt", [3], 3], "a list of files"), "path": (["no-such-folder", 3, None], "a run folder|the path of"),
    "name": (["tpu", 3], "cpu, gpu, gpu"), "reserved_tokens": ([3, "ab", [1]], "a sequence of strings"),
    "state": ([[], [np.zeros((1, 2, 3))], 3], "a list of|an array of shape"),
    "inputs": ([np.zeros((3, 4)), np.zeros((0, 2, 5)), np.zeros((3, 2, 5), dtype="float64"), numpy.zeros((3, 2, 5)),
                "x", None], "an array|float32|an mxnet"),
    "lengths": ([[1], [9, 9], "ab", 3, [-1, 2], [HUGE, 1]], "2 integers from 0 to 3|omitted"),
    "history": ([[], [{}], 3, None], "rows with"), "flow": ([[1.0], [[NAN]], "x"], "an array|finite"),
    "x": ([[1], numpy.zeros((2, 2)), numpy.full((3, 2), 99), "x"], "an array|indices from|token|as many"),
    "y": ([[1], numpy.zeros((3, 2)), numpy.full((3, 2), 99), "x"], "an array|indices from|token"),
    "initial": ([3, "uniform"], "an Initial"), "layers": ([[], [3], None, "gru"], "a sequence of layers"),
    "language": (["korean", 3], "one of en, ko"),
    "title": ([3, None], "a string"), "ax": ([3, "x"], "axes"), "clip": NOT_NEGATIVE,
    "gradients": ([[], [3], None], "a sequence of arrays"),
    "texts": ([[], ["text"], "text", 3], "a sequence of Source, not empty"), "carried": FLAG, "least": SHARE,
    "activity": ([3, None, numpy.zeros(50)], "an Activities"), "features": ([["a"], {1: len}, 3], "a mapping with"),
    "found": ([["a"], "a", 3], "a sequence of FollowedFeature"), "num_units": POSITIVE,
    "scored": (["text", None], "a ScoredText"), "first_line": ([0, 1.5, "1", None, 9], "a positive|a line of the text"),
    "num_lines": ([0, -1, 1.5, "1"], "a positive integer"),
    "train": ([[1, 2], None, numpy.array([0, 9]), numpy.array([0])], "an array of integers|indices from|at least 2"),
    "order": ([0, -1, 2.5, "3", True], "a positive integer"), "validation": ([[1, 2], numpy.array([0])],
                                                                            "an array of integers|at least 2"),
    "histories": ([{}, {"a": []}, {"b": [ROW]}, [ROW], {"a": ROW}], "a mapping with|of the same runs|rows with"),
    "parameters": ([{}, {"a": 0}, {"b": 3}, [3]], "a mapping with|of the same runs|a positive integer"),
    # names with a different meaning
    ("references", "text"): ([[1, 2], None, numpy.array([0, 9])], "an array of integers|indices from"),
    ("ngram_log_probs", "text"): ([[1, 2], None, numpy.array([0, 9])], "an array of integers|indices from"),
    ("Vocab", "tokens"): ([3, [1, 2], {"a": "x"}, {"a": -1}, {"a": HUGE}], "strings|a string|a non-negative"),
    ("Vocab", "cleaning"): (["d2", 3], "one of none"), ("GRU", "num_inputs"): FROM_ZERO,
    ("LSTM", "num_inputs"): FROM_ZERO, ("RNN", "num_inputs"): FROM_ZERO, ("RecurrentStack", "num_inputs"): FROM_ZERO,
    **{(source, "text"): ([3, "abc"], "None or an EvaluatedText") for source in ("Windows", "Stream", "Records")},
    ("Windows", "tokens"): (TOKENS, "an array of integers|indices from"),
    ("Stream", "tokens"): (TOKENS, "an array of integers|indices from"),
    ("Records", "tokens"): ([*TOKENS, numpy.array([2, 1])], "an array of integers|indices from|records that begin"),
    ("RNNLM.__call__", "tokens"): ([np.zeros((3,), dtype="int32"), np.zeros((3, 2)), np.full((3, 2), 9, dtype="int32"),
                                    np.full((3, 2), -1, dtype="int32"), np.zeros((0, 2), dtype="int32"), BATCH, "x"],
                                   "an array|indices from 0 to 4|an mxnet"),
    ("Vocab.encode_prefix", "prefix"): (["", "xyz", 3, None], "made of tokens|at least one token|a string"),
    ("Schedule", "name"): name_of("constant"), ("Schedule", "lr"): ABOVE, ("Optimizer", "optimizer"): name_of("sgd"),
    ("Optimizer", "options"): ([{"no_such_option": 1}], "options of MXNet's"),
    ("plot_architecture", "num_steps"): ([0, 1, 2.5, "3", True, None], "an integer, at least 2"),
    ("Schedule", "factor"): ([0, 1, "x", NAN], r"a number in \(0, 1\)"), ("Schedule", "epochs"): POSITIVE,
}
FREE = {  # parameters that cannot be invalid, or are checked by Python
    ("Optimizer", "parameters"),
}


def vocab():
    return Vocab("the dog")


def language_model():
    return RNNLM(GRU(4, 2), len(vocab()))


def small_data():
    return TextData([Source("fox", "the quick brown fox " * 20, "")], 8, 6)


def five():
    return RNNLM(GRU(4, 2), 5)


def scored_text():
    return score(language_model(), vocab(), "the dog")


def activity():
    return activities(language_model(), vocab(), "the dog" * 9)


def gru():
    core = GRU(4, 2, num_inputs=5)
    core.initialize()
    return core


def stream():
    return Stream(numpy.arange(50, dtype="int32") % 5, batch_size=2, num_steps=5)


# The callables by name, with valid values of all required arguments.
CALLED = {
    "RNN": (RNN, {"num_hiddens": 4}), "LSTM": (LSTM, {"num_hiddens": 4}), "GRU": (GRU, {"num_hiddens": 4}),
    "StackedRNNScratch": (StackedRNNScratch, {"num_inputs": 5, "num_hiddens": 4, "num_layers": 2}),
    "RecurrentStack": (RecurrentStack, {"layers": [RNNScratch(5, 4)], "num_inputs": 5, "num_hiddens": 4}),
    "RNNScratch": (RNNScratch, {"num_inputs": 5, "num_hiddens": 4}),
    "LSTMScratch": (LSTMScratch, {"num_inputs": 5, "num_hiddens": 4}),
    "GRUScratch": (GRUScratch, {"num_inputs": 5, "num_hiddens": 4}),
    "Initial": (Initial, {"num_hiddens": 4}), "as_fused": (as_fused, {}), "as_scratch": (as_scratch, {}),
    "RNNLM": (RNNLM, {"rnn": gru(), "vocab_size": 5}), "RNNLMScratch": (RNNLMScratch, {"rnn": gru(), "vocab_size": 5}),
    "RNNLM.__call__": (five().__call__, {"tokens": np.zeros((3, 2), dtype="int32")}),
    "RNNLM.begin_state": (five().begin_state, {"batch_size": 2}),
    "RNNLM.predict": (language_model().predict, {"prefix": "the", "num_preds": 2, "vocab": vocab()}),
    "GRU.__call__": (gru().__call__, {"inputs": np.zeros((3, 2, 5))}),
    "GRU.begin_state": (gru().begin_state, {"batch_size": 2}),
    "Trainer": (Trainer, {"max_epochs": 1}), "Trainer.fit": (Trainer(1, progress=False).fit, {
        "model": RNNLM(GRU(4), len(small_data().vocab)), "data": small_data()}),
    "TextData": (TextData, {"sources": small_data().sources, "batch_size": 8, "num_steps": 6}),
    "TextData.from_files": (TextData.from_files, {"paths": [__file__], "batch_size": 8, "num_steps": 6}),
    "TimeMachine": (TimeMachine, {"batch_size": 8, "num_steps": 6}),
    "Vocab": (Vocab, {}), "Vocab.encode_prefix": (vocab().encode_prefix, {"prefix": "the"}),
    "Windows": (Windows, {"tokens": numpy.arange(99), "first": 0, "num": 5, "batch_size": 2, "num_steps": 3}),
    "Stream": (Stream, {"tokens": numpy.arange(99), "batch_size": 2, "num_steps": 3}),
    "Records": (Records, {"tokens": numpy.array([1, 5, 2, 1, 2]), "begin": 1, "batch_size": 2, "num_steps": 3}),
    "generate": (lambda *a, **k: list(generate(*a, **k)), {
        "model": language_model(), "vocab": vocab(), "prefix": "the", "length": 2}),
    "evaluate": (evaluate, {"model": five(), "batches": stream()}),
    "score": (score, {"model": language_model(), "vocab": vocab(), "text": "the dog"}),
    "score_texts": (score_texts, {"model": language_model(), "vocab": vocab(), "texts": [Source("a", "the dog", "")]}),
    "activities": (activities, {"model": language_model(), "vocab": vocab(), "text": "the dog"}),
    "followed_features": (followed_features, {"activity": activity()}),
    "references": (references, {"train": TEXT, "text": TEXT, "vocab_size": 2}),
    "ngram_log_probs": (ngram_log_probs, {"train": TEXT, "text": TEXT, "vocab_size": 2, "order": 2}),
    "plot_runs": (plot_runs, {"histories": {"a": [ROW]}, "parameters": {"a": 3}}),
    "plot_surprisal": (plot_surprisal, {"scored": scored_text()}),
    "surprisal_page": (surprisal_page, {"scored": scored_text()}),
    "plot_units": (plot_units, {"activity": activity()}),
    "load_run": (load_run, {}), "try_gpu": (try_gpu, {}),
    "as_context": (as_context, {}), "clean": (clean, {"text": "x"}), "read_texts": (read_texts, {"paths": []}),
    "clip_global_norm": (clip_global_norm, {"gradients": [np.ones(3)], "clip": 1}),
    "Schedule": (Schedule, {"name": "constant", "lr": 1.0, "max_epochs": 3}),
    "Optimizer": (Optimizer, {"parameters": dict(five().named_parameters()), "optimizer": "sgd"}),
    "gradient_flow": (gradient_flow, {"model": five(), "x": BATCH, "y": BATCH}),
    "plot_history": (plot_history, {"history": [ROW]}),
    "plot_gradient_norms": (plot_gradient_norms, {"history": [ROW]}),
    "plot_gradient_flow": (plot_gradient_flow, {"flow": [[1.0, 2.0]]}),
    "plot_architecture": (plot_architecture, {"model": gru()}),
}
SIGNATURES = {"generate": generate}


def parameters(owner):
    """The names of all parameters, except ``**options``, which other entries cover."""
    found = []
    for name, parameter in inspect.signature(SIGNATURES.get(owner, CALLED[owner][0])).parameters.items():
        if parameter.kind is not inspect.Parameter.VAR_KEYWORD:
            found.append(name)
    return found


def cases():
    for owner in CALLED:
        for name in parameters(owner):
            if (owner, name) not in FREE:
                values, rule = BAD[(owner, name) if (owner, name) in BAD else name]  # KeyError: a new parameter
                yield from ((owner, name, value, rule) for value in values)


CASES = list(cases())


def test_all_public_names_are_covered():
    public = {name for name in vars(gluon_deeprnn) if not name.startswith("_")
              and getattr(getattr(gluon_deeprnn, name), "__module__", "").startswith("gluon_deeprnn")}
    assert public <= CALLED.keys()
    assert len(CASES) > 400


def described(case):
    owner, name, value, _ = case
    return f"{owner}-{name}-{str(value)[:20]}".replace("\n", " ")


@pytest.mark.parametrize("case", CASES, ids=map(described, CASES))
def test_a_bad_value_is_refused_in_one_form(case):
    owner, name, value, rule = case
    called, good = CALLED[owner]
    with pytest.raises(ValueError, match=rf"^[\w ,.\[\]'/-]+ must be ({rule}).*; got "):
        called(**{**good, name: value})
