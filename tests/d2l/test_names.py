"""Every name that the book's sections on recurrent networks use is there."""

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
