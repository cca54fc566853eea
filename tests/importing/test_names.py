"""Names and shapes: what fits becomes a part of the model, and what does not is listed."""

import json

from gluon_deeprnn import load_run
from gluon_deeprnn.cli.main import main
from gluon_deeprnn.errors import InputError
from gluon_deeprnn.importing import import_model
from gluon_deeprnn.importing.names import find
from gluon_deeprnn.importing.vocabulary import kind_of, made
import models
from mxnet import np
import numpy
import pytest
from written import write_state_dict


def gru(hiddens=4, layers=2, size=6, inputs=None, start="rnn.", end=""):
    draw = numpy.random.default_rng(1)
    found = {}
    for i in range(layers):
        width = hiddens if i else inputs or size
        found.update({f"{start}weight_ih_l{i}{end}": draw.normal(size=(3 * hiddens, width)),
                      f"{start}weight_hh_l{i}{end}": draw.normal(size=(3 * hiddens, hiddens)),
                      f"{start}bias_ih_l{i}{end}": draw.normal(size=3 * hiddens),
                      f"{start}bias_hh_l{i}{end}": draw.normal(size=3 * hiddens)})
    return found


def test_layers_are_in_the_order_of_the_numbers_in_their_names():
    arrays = {"out.weight": numpy.zeros((4, 4))}
    for i in range(11, -1, -1):
        arrays.update(gru(layers=1, size=4, start=f"l.{i}."))
    found = find(arrays)
    assert [found.names[f"layer{i}.i2h_weight"] for i in range(12)] == [[f"l.{i}.weight_ih_l0"] for i in range(12)]


@pytest.mark.parametrize(("more", "parts"), [
    ({"linear.weight": (6, 4), "linear.bias": (6,)}, {"output": "linear.weight", "bias": "linear.bias"}),
    ({"encoder.weight": (6, 6), "decoder.weight": (6, 4)}, {"output": "decoder.weight", "embedding": "encoder.weight"}),
    ({"fc.weight": (6, 8)}, {"output": "fc.weight"}),  # skip connections from both layers
    ({"W_hq": (4, 6), "b_q": (6,)}, {"output": "W_hq", "bias": "b_q"}),
])
def test_output_layers_and_embeddings_are_known_by_names_and_shapes(more, parts):
    found = find({**gru(), **{name: numpy.ones(shape, "float32") for name, shape in more.items()}})
    assert {part: found.names[part] for part in ("output", "bias", "embedding") if part in found.names} == {
        part: [name] for part, name in parts.items()}
    assert found.weights.skip == ("fc.weight" in more)


def test_a_given_name_decides_between_matrices_that_fit():
    arrays = {**gru(), "output.weight": numpy.ones((6, 4)), "linear.weight": numpy.zeros((6, 4))}
    with pytest.raises(InputError, match=r"1 that do not fit: linear\.weight"):
        find(arrays)


def test_gates_of_different_shapes_and_surplus_biases_are_refused():
    gates = {f"lstm_l0_{of}_{gate}_weight": numpy.ones((5, 5)) for of in ("i2h", "h2h") for gate in "ifco"}
    gates["lstm_l0_i2h_f_weight"] = numpy.ones((5, 4))
    with pytest.raises(InputError, match="of the same shape for all gates"):
        find({**gates, "out.weight": numpy.ones((5, 5))})
    scratch = {"W_xh": numpy.ones((6, 4)), "W_hh": numpy.ones((4, 4)), "b_h": numpy.ones(4), "W_hq": numpy.ones((4, 6))}
    assert find(scratch).weights.layers[0].computes == "rnn_tanh"
    with pytest.raises(InputError, match="all those of one cell from scratch"):
        find({**scratch, "b_hh": numpy.ones(4)})


def test_one_matrix_for_both_is_tied():
    weights = find({**gru(inputs=4), "encoder.weight": numpy.ones((9, 4), "float32")}).weights
    assert weights.tied
    assert (weights.embedding == weights.output).all()
    with pytest.raises(InputError, match=r"one embedding of shape \(9, 3\), or one-hot inputs; got a first layer of 3"):
        find({**gru(inputs=3), "encoder.weight": numpy.ones((9, 4), "float32")})


@pytest.mark.parametrize(("change", "message"), [
    (lambda arrays: arrays.update(gru(end="_reverse")), r"in one direction, as a language model needs; got rnn"),
    (lambda arrays: arrays.update({"attention.weight": numpy.zeros((3, 3)), "scale": numpy.zeros(2)}),
     r"2 that do not fit: attention\.weight \(3, 3\), scale \(2,\) \(name=\{'THEIRS': 'PART'\} says"),
    (lambda arrays: arrays.pop("rnn.weight_hh_l1"), "complete: the weights of the inputs and of the states of layer1"),
    (lambda arrays: arrays.update({"rnn.bias_hh_l0": numpy.zeros(4)}), "arrays of layer0 must be of the shapes"),
    (lambda arrays: arrays.update({"rnn.weight_hh_l1": numpy.zeros((10, 5)), "rnn.weight_ih_l1": numpy.zeros((10, 4))}),
     "arrays of layer1 must be of the shapes of an RNN"),
    (lambda arrays: arrays.update({name.replace("l0", "l2"): array for name, array in gru(5, 1, inputs=4).items()}),
     "of the same number of hidden units"),
    (lambda arrays: arrays.pop("linear.weight"), "one matrix of an output layer, of 4 columns; got none"),
    (lambda arrays: arrays.update({"head.weight": numpy.zeros((6, 4))}), r"one matrix of an output.*got linear.*head"),
    (lambda arrays: [arrays.pop(name) for name in list(arrays) if "rnn" in name], "with recurrent layers; got linear"),
    (lambda arrays: arrays.update({"lstm_parameters": numpy.zeros(9)}), "do not fit: lstm_parameters"),
    (lambda arrays: arrays.update({"first_state": numpy.zeros((2, 2, 4))}), "first_state must be of shape"),
    (lambda arrays: arrays.update({"steps": numpy.zeros(1, "int64")}), "1 that do not fit: steps"),
    (lambda arrays: arrays.update({"linear.bias": numpy.full(6, numpy.nan)}), "linear.bias must be an array of finite"),
    (lambda arrays: arrays.update({"linear.bias": numpy.full(6, 1e300)}), "linear.bias must be an array of finite"),
    (lambda arrays: arrays.update({"rnn.weight_hh_l0": numpy.zeros((3, 0))}), "weight_hh_l0 must be an array of"),
    (lambda arrays: arrays.update({"rnn.weight_ih_l0": numpy.float32(3)}), "weight_ih_l0 must be an array of finite"),
    (lambda arrays: arrays.update(gru(layers=1, start="rnn2.")), "differ in numbers; got rnn.*rnn2"),
    (lambda arrays: arrays.update({"linear.weight": numpy.zeros((6, 4), "int8")}), "one matrix of an output layer"),
    (lambda arrays: arrays.update({"groupnorm1_gamma": numpy.ones(4), "groupnorm1_beta": numpy.ones(4)}), "do not fit"),
])
def test_what_does_not_fit_is_named(change, message):
    arrays = {**gru(), "linear.weight": numpy.zeros((6, 4)), "linear.bias": numpy.zeros(6)}
    find(arrays)
    change(arrays)
    with pytest.raises(InputError, match=message):
        find(arrays)


def test_names_can_be_given_and_arrays_left_out(tmp_path, monkeypatch, capsys):
    arrays = {**gru(), "weird": numpy.ones((6, 4)), "odd": numpy.ones(6), "steps": numpy.zeros(3, "int64")}
    write_state_dict(tmp_path / "x.pt", arrays, monkeypatch)
    monkeypatch.undo()
    (tmp_path / "vocab.json").write_text(json.dumps({token: i for i, token in enumerate("fedcb")} | {"<unk>": 5}))
    command = ["import", "--format", "torch", str(tmp_path / "x.pt"), "--vocab", str(tmp_path / "vocab.json"), "--out",
               str(tmp_path / "run"), "--name", "weird=output", "--name", "odd=bias"]
    assert main(command) == 2
    assert "got 1 that do not fit: steps (3,)" in capsys.readouterr().err
    assert main([*command, "--name", "steps="]) == 0
    said = capsys.readouterr().out
    assert "left out: steps\nGRU, 2 x 4 hidden units, from x.pt: one-hot inputs; 6 tokens, kind char" in said
    run = load_run(tmp_path / "run")
    assert run.vocab.idx_to_token == ["<unk>", *"fedcb"]
    for wrong, message in ((["--name", "none=output"], "name must be that of an array in the file; got 'none'"),
                           (["--name", "weird=elsewhere"], "name of weird must be output, bias, embedding"),
                           (["--name", "weird"], "name must be THEIRS=PART"), (["--like", "x"], "run must"),
                           (["--tokens", "x"], "kind must be one of"), (["--unknown", "?"], "one of the tokens"),
                           (["--activation", "relu"], "activation must be omitted for gru; got 'relu'"),
                           (["--name", "rnn.weight_ih_l0=layer0.i2h_weight"], "of names that differ in numbers")):
        others = ["--out", str(tmp_path / "other"), "--name", "odd=bias", "--name", "steps="]
        assert main([*command[:-6], *others, *wrong]) == 2
        said = capsys.readouterr().err
        assert message in said
        assert said.count("\n") == 1
    assert main([*command, "--name", "steps="]) == 2
    assert "out must be a folder without a run" in capsys.readouterr().err


@pytest.mark.parametrize("embedding", [None, 3])
def test_the_unknown_token_comes_first_and_an_added_one_is_never_likely(embedding, tmp_path, monkeypatch):
    arrays = {**gru(inputs=embedding), "linear.weight": numpy.ones((6, 4)), "linear.bias": numpy.arange(6.0)}
    if embedding:
        arrays["embedding.weight"] = numpy.random.default_rng(2).normal(size=(6, 3))
    write_state_dict(tmp_path / "x.pt", {name: array.astype("float32") for name, array in arrays.items()}, monkeypatch)
    monkeypatch.undo()
    found = {}
    for name, tokens, unknown in (("own", ["a", "b", "?", "d", "e", "f"], "?"), ("added", list("abcdef"), None)):
        (tmp_path / name).write_text(json.dumps(tokens))
        done = import_model("torch", [tmp_path / "x.pt"], tmp_path / f"run-{name}", vocab=tmp_path / name,
                            unknown=unknown)
        run = load_run(tmp_path / f"run-{name}")
        indices = numpy.array([[run.vocab[token]] for token in "abfed"], "int32")
        logits = run.model(np.array(indices))[0].asnumpy()[:, 0]
        found[name] = numpy.stack([logits[:, run.vocab[token]] for token in "abdef"])
        assert done.added_unknown == (name == "added")
        assert run.vocab.unknown_index == 0
        rest = numpy.delete(logits, 0, axis=1)
        share = numpy.exp(logits[:, 0]) / numpy.exp(logits).sum(1)
        assert (share < 3e-9).all() == (name == "added")
        assert (logits[:, 0] < rest.min(1)).all() or name == "own"
    assert (found["own"] == found["added"]).all()


def test_the_kind_of_tokens_is_what_they_look_like():
    assert kind_of(["<unk>", "<eos>", *"abcdefghi"]) == "char"
    assert kind_of(["<unk>", "the", "a", "I", "machine"]) == "word"
    assert made(["the", "<unk>", "machine"], None, "d2l").split("The machine!") == ["the", "machine"]
    with pytest.raises(InputError, match=r"^unknown must be one of the tokens of the vocabulary, which has no <un"):
        made(["a"], None, None, "?")


def test_an_imported_run_goes_on_training_and_says_that_it_has_no_text(tmp_path, monkeypatch, capsys, fox_file):
    write_state_dict(tmp_path / "x.pt", {name: array.astype("float32") for name, array in {
        **gru(size=models.V), "linear.weight": numpy.ones((models.V, 4))}.items()}, monkeypatch)
    monkeypatch.undo()
    (tmp_path / "vocab.json").write_text(models.VOCAB.to_json())
    run = str(tmp_path / "run")
    assert main(["import", "--format", "torch", str(tmp_path / "x.pt"), "--vocab", str(tmp_path / "vocab.json"),
                 "--out", run]) == 0
    capsys.readouterr()
    for command in (["evaluate", "--run", run], ["evaluate", "--run", run, "--dynamic"],
                    ["train", "--resume", "--out", run], ["generate", "--run", run, "--mixture", "--prefix", "the"]):
        assert main(command) == 2
        said = capsys.readouterr().err
        assert "run must be one that was trained here; got a model from x.pt, without a text (score reads any" in said
        assert said.count("\n") == 1
    assert main(["score", "--run", run, "--text", str(fox_file)]) == 0
    assert main(["generate", "--run", run, "--prefix", "the", "--length", "5"]) == 0
    assert main(["train", "--from", run, "--text", str(fox_file), "--out", str(tmp_path / "tuned"), "--max-epochs", "1",
                 "--protocol", "d2l", "--batch-size", "16", "--num-steps", "6", "--prefix", "the"]) == 0
    tuned = load_run(tmp_path / "tuned")
    assert tuned.config.num_hiddens == 4
    assert tuned.history[0]["val_ppl"] < 2 * len(tuned.vocab)
