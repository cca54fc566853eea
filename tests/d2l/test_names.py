"""Every name that the book's sections on recurrent networks use is there."""

import inspect
import json

import book
from gluon_deeprnn import d2l
import pytest

NAMES = json.loads(book.NAMES.read_text())


def test_the_list_of_names_is_that_of_all_sections():
    assert list(NAMES) == book.SECTIONS
    assert [section for section in NAMES if not NAMES[section]] == ["chapter_recurrent-neural-networks/bptt"]
    used = {name for names in NAMES.values() for name in names}
    assert len(used) > 30
    assert {"int64", "download", "DATA_URL", "plot", "RNNLMScratch"} <= used


@pytest.mark.parametrize("section", NAMES)
def test_every_name_of_a_section_is_there(section):
    assert [name for name in NAMES[section] if not hasattr(d2l, name)] == []


def test_the_names_for_the_exercises_are_there():
    for name in ("LSTM", "Timer", "set_figsize", "set_axes", "use_svg_display", "DATA_HUB", "Vocab", "RNN", "GRU"):
        assert hasattr(d2l, name)


def test_the_list_of_names_is_what_the_sources_say():
    if book.sources() is None:
        pytest.skip("needs the book's sources in the folder that GLUON_DEEPRNN_BOOK names")
    assert book.names_by_section(book.sources()) == NAMES


def test_names_are_read_from_the_branches_for_mxnet_alone():
    text = """
```{.python .input  n=1}
%%tab mxnet, pytorch
%matplotlib inline
if tab.selected('mxnet', 'jax'):
    x = d2l.ones(3)
if tab.selected('pytorch'):
    x = d2l.get_key()
else:
    x = d2l.zeros(3)
```

```{.python .input}
%%tab all
d2l.plot(d2l.sin(x))
```

```{.python .input}
%%tab jax
d2l.randn(3)
```
"""
    assert len(book.cells(text)) == 2
    assert book.names(book.cells(text)) == ["ones", "plot", "sin", "zeros"]


SIGNATURES = {
    "add_to_class": ["Class"], "HyperParameters": [], "Module": ["plot_train_per_epoch", "plot_valid_per_epoch"],
    "DataModule": ["root", "num_workers"], "Classifier": ["plot_train_per_epoch", "plot_valid_per_epoch"],
    "Trainer": ["max_epochs", "num_gpus", "gradient_clip_val"], "SGD": ["params", "lr"], "LinearRegression": ["lr"],
    "plot": ["X", "Y", "xlabel", "ylabel", "legend", "xlim", "ylim", "xscale", "yscale", "fmts", "figsize", "axes"],
    "set_axes": ["axes", "xlabel", "ylabel", "xlim", "ylim", "xscale", "yscale", "legend"], "set_figsize": ["figsize"],
    "use_svg_display": [], "Timer": [], "download": ["url", "folder", "sha1_hash"],
    "ProgressBoard": ["xlabel", "ylabel", "xlim", "ylim", "xscale", "yscale", "ls", "colors", "fig", "axes", "figsize",
                      "display"],
    "TimeMachine": ["batch_size", "num_steps", "num_train", "num_val"],
    "Vocab": ["tokens", "min_freq", "reserved_tokens"],
    "RNNScratch": ["num_inputs", "num_hiddens", "sigma"], "RNNLMScratch": ["rnn", "vocab_size", "lr"],
    "RNN": ["num_hiddens"], "RNNLM": ["rnn", "vocab_size", "lr"], "GRU": ["num_hiddens", "num_layers", "dropout"],
    "StackedRNNScratch": ["num_inputs", "num_hiddens", "num_layers", "sigma"], "try_gpu": ["i"],
    "num_gpus": [], "try_all_gpus": [],
    "LSTM": ["num_hiddens", "num_layers", "dropout"], "check_len": ["a", "n"], "check_shape": ["a", "shape"],
}


@pytest.mark.parametrize("name", SIGNATURES)
def test_names_have_the_books_signatures(name):
    assert list(inspect.signature(getattr(d2l, name)).parameters) == SIGNATURES[name]
