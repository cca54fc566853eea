"""Parameters in MXNet's files: they are loaded exactly, and into the same architecture only."""

import itertools
import json
import os

from gluon_deeprnn import GRU, LSTM, RNN, RNNLM, RNNLMScratch, StackedRNNScratch
from mxnet import nd, np, npx, util
from mxnet.gluon import HybridBlock
from mxnet.gluon.nn import HybridSequential
import numpy
import pytest

CORES = {
    "lstm 8 over 2": lambda: LSTM(8, num_inputs=2), "gru 8 over 6": lambda: GRU(8, num_inputs=6),
    "gru 8 over 6, 2 layers": lambda: GRU(8, 2, num_inputs=6), "lstm 8 over 6": lambda: LSTM(8, num_inputs=6),
    "tanh 24 over 8": lambda: RNN(24, num_inputs=8), "relu 24 over 8": lambda: RNN(24, num_inputs=8, activation="relu"),
    "gru 6 over 8": lambda: GRU(6, num_inputs=8), "norm": lambda: GRU(8, 2, num_inputs=6, layer_norm=True),
    "scratch": lambda: StackedRNNScratch(6, 8, 1, cell="gru"),
    "scratch before": lambda: StackedRNNScratch(6, 8, 1, cell="gru", reset="before"),
}


def initialized(name):
    core = CORES[name]()
    core.initialize()
    return core


def arrays(block):
    return [parameter.data().asnumpy() for _, parameter in block.named_parameters()]


@pytest.mark.parametrize("name", CORES)
def test_parameters_are_loaded_bitwise_identical(name, tmp_path):
    core = initialized(name)
    for path in (tmp_path / "core.params", str(tmp_path / "core2.params")):
        core.save_parameters(path)
        for other in (initialized(name), CORES[name]()):
            other.load_parameters(path)
            for one, two in zip(arrays(core), arrays(other)):
                numpy.testing.assert_array_equal(one, two)


def test_weights_of_another_architecture_are_refused_and_nothing_is_changed(tmp_path):
    seen = 0
    for one, other in itertools.permutations(CORES, 2):
        path = tmp_path / "one.params"
        initialized(one).save_parameters(path)
        core = initialized(other)
        before = arrays(core)
        with pytest.raises(ValueError, match=r"must be (parameters of|those of the model|float32 of shape)"):
            core.load_parameters(path)
        for was, now in zip(before, arrays(core)):
            numpy.testing.assert_array_equal(was, now)
        seen += 1
    assert seen == 90


def test_the_error_names_the_cell_of_the_file_and_of_the_model(tmp_path):
    initialized("lstm 8 over 2").save_parameters(tmp_path / "lstm")
    with pytest.raises(ValueError, match="lstm must be parameters of gru at layer0; got lstm at layer0"):
        initialized("gru 8 over 6").load_parameters(tmp_path / "lstm")


def test_the_name_of_a_cell_in_files_of_earlier_versions_is_understood(tmp_path):
    core = initialized("scratch before")
    core.save_parameters(tmp_path / "new.params")
    file = npx.load(str(tmp_path / "new.params"))
    about = bytes(file["gluon_deeprnn"].asnumpy().tolist()).decode()
    assert json.loads(about) == {"cells": {"layer0": "gru_reset_before"}}
    former = about.replace("gru_reset_before", "gru with the reset before the product").encode()
    npx.save(str(tmp_path / "old.params"), {**file, "gluon_deeprnn": np.array(list(former), dtype="uint8")})
    loaded = initialized("scratch before")
    loaded.load_parameters(tmp_path / "old.params")
    for one, other in zip(arrays(core), arrays(loaded)):
        numpy.testing.assert_array_equal(one, other)
    with pytest.raises(ValueError, match="must be parameters of gru at layer0; got gru_reset_before at layer0"):
        initialized("scratch").load_parameters(tmp_path / "old.params")


def test_an_unknown_number_of_inputs_is_inferred_from_the_file(tmp_path):
    core = initialized("gru 8 over 6")
    core.save_parameters(tmp_path / "core")
    for other in (GRU(8), GRU(8)):
        if other is not core:
            other.load_parameters(tmp_path / "core")
        assert other.num_inputs == 6
        x = np.ones((3, 2, 6))
        numpy.testing.assert_array_equal(other(x)[0].asnumpy(), core(x)[0].asnumpy())


MODELS = {
    "gru": lambda: RNNLM(GRU(6, 2), 9), "embedded": lambda: RNNLM(LSTM(6), 9, embedding=5),
    "tied": lambda: RNNLM(LSTM(6), 9, embedding=6, tied=True), "learned": lambda: RNNLM(GRU(6, learned_state=True), 9),
    "scratch": lambda: RNNLMScratch(StackedRNNScratch(9, 6, 2), 9),
}


@pytest.mark.parametrize("name", MODELS)
def test_language_models_are_loaded_and_files_name_the_parts(name, tmp_path):
    model, other = MODELS[name](), MODELS[name]()
    model.save_parameters(tmp_path / "model")
    other.hybridize()
    tokens = np.zeros((3, 2), dtype="int32")
    other(tokens)
    other.load_parameters(tmp_path / "model", ctx="cpu")
    numpy.testing.assert_allclose(other(tokens)[0].asnumpy(), model(tokens)[0].asnumpy(), atol=1e-7)
    names = set(npx.load(str(tmp_path / "model")))
    assert "gluon_deeprnn" in names
    assert ("rnn.layer0.W_xh" if name == "scratch" else "rnn.layer0.i2h_weight") in names


@pytest.mark.parametrize("name", ["gru", "embedded", "scratch"])
def test_files_in_gluons_own_format_can_be_loaded(name, tmp_path):
    model, other = MODELS[name](), MODELS[name]()
    HybridBlock.save_parameters(model, str(tmp_path / "model"))
    other.load_parameters(tmp_path / "model")
    for one, two in zip(arrays(model), arrays(other)):
        numpy.testing.assert_array_equal(one, two)
    with pytest.raises(ValueError, match="must be parameters of this model; got"):
        RNNLM(GRU(7), 9).load_parameters(tmp_path / "model")


def test_a_file_that_was_written_without_numpy_mode_loads(tmp_path):
    model, other = MODELS["gru"](), MODELS["gru"]()
    HybridBlock.save_parameters(model, str(tmp_path / "model"))
    content = {name: array.as_nd_ndarray() for name, array in npx.load(str(tmp_path / "model")).items()}
    with util.np_array(False), util.np_shape(False):
        nd.save(str(tmp_path / "old"), content)
    other.load_parameters(tmp_path / "old")
    for one, two in zip(arrays(model), arrays(other)):
        numpy.testing.assert_array_equal(one, two)


def test_gluons_containers_write_and_read_gluons_format(tmp_path):
    nets = []
    for _ in range(2):
        net = HybridSequential()
        net.add(GRU(8, num_inputs=6))
        net.initialize()
        nets.append(net)
    nets[0].save_parameters(str(tmp_path / "net"))
    nets[1].load_parameters(str(tmp_path / "net"))
    numpy.testing.assert_array_equal(nets[0][0].layers[0].weights.data().asnumpy(),
                                     nets[1][0].layers[0].weights.data().asnumpy())


def test_missing_and_extra_parameters_are_refused_unless_allowed(tmp_path):
    model = MODELS["gru"]()
    model.save_parameters(tmp_path / "model")
    content = npx.load(str(tmp_path / "model"))
    content["more"] = content.pop("dense.bias")
    npx.save(str(tmp_path / "changed"), content)
    other = MODELS["gru"]()
    bias = other.dense.bias.data().asnumpy()
    with pytest.raises(ValueError, match=r"different names: dense\.bias, more"):
        other.load_parameters(tmp_path / "changed")
    with pytest.raises(ValueError, match="different names: more"):
        other.load_parameters(tmp_path / "changed", allow_missing=True)
    other.load_parameters(tmp_path / "changed", allow_missing=True, ignore_extra=True)
    numpy.testing.assert_array_equal(other.dense.bias.data().asnumpy(), bias)
    numpy.testing.assert_array_equal(other.dense.weight.data().asnumpy(), model.dense.weight.data().asnumpy())


@pytest.mark.parametrize("content", [b"", b"no parameters", b"\x12\x01" + b"\0" * 30])
def test_other_files_are_one_error(content, tmp_path):
    (tmp_path / "file").write_bytes(content)
    for path in (tmp_path / "file", tmp_path / "missing", tmp_path):
        with pytest.raises(ValueError, match="must be a complete file of parameters; got") as caught:
            MODELS["gru"]().load_parameters(path)
        assert "\n" not in str(caught.value)


def test_a_truncated_file_is_refused(tmp_path):
    MODELS["gru"]().save_parameters(tmp_path / "model")
    whole = (tmp_path / "model").read_bytes()
    for size in range(0, len(whole), 97):
        (tmp_path / "cut").write_bytes(whole[:size])
        with pytest.raises(ValueError, match="must be a complete file of parameters; got"):
            MODELS["gru"]().load_parameters(tmp_path / "cut")


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs /dev/full")
def test_a_file_that_cannot_be_written_is_an_error(tmp_path):
    with pytest.raises(ValueError, match="must be a file that can be written"):
        MODELS["gru"]().save_parameters(tmp_path / "none" / "model")
