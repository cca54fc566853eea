"""Exported models compute what the models compute: onnxruntime, torch and MXNet's symbols against ours."""

import itertools
import json
from pathlib import Path
import subprocess
import sys
import zipfile

from gluon_deeprnn import load_run
from gluon_deeprnn.cli.main import main
from gluon_deeprnn.data.evaluated_text import text_of
from gluon_deeprnn.errors import DeepRNNError, InputError, UnsupportedCellError
from gluon_deeprnn.export import FORMATS, checking, html_format, onnx_format, rounding, symbol_format, torch_format
from gluon_deeprnn.export.forward import logits_of, nll_of
from gluon_deeprnn.models.interchange import weights_of
from models import MODELS, OTHERS, VOCAB, made, of, tokens
import mxnet
from mxnet import np
import numpy
import pytest


@pytest.mark.onnx
@pytest.mark.parametrize("name", {**MODELS, **OTHERS})
def test_onnxruntime_computes_the_scores_and_states_of_the_model(name):
    onnx, runtime = pytest.importorskip("onnx"), pytest.importorskip("onnxruntime")
    model = made(name)
    exported = onnx_format.model_of(weights_of(model), VOCAB)
    onnx.checker.check_model(exported, full_check=True)
    session = runtime.InferenceSession(exported.SerializeToString(), providers=["CPUExecutionProvider"])
    for batch_size in (1, 3):
        batch = tokens(20, batch_size)
        expected, last = checking.ours(model, batch)
        state, logits = numpy.stack([array.asnumpy() for array in model.begin_state(batch_size)]), []
        for part in numpy.split(batch, [1, 8]):
            found, state = session.run(["logits", "next_state"], {"tokens": part, "state": state})
            logits.append(found)
        numpy.testing.assert_allclose(numpy.concatenate(logits), expected, atol=1e-5)
        numpy.testing.assert_allclose(state, last, atol=1e-5)


@pytest.mark.onnx
@pytest.mark.parametrize("name", {**MODELS, **OTHERS})
def test_onnxruntime_computes_with_int8_what_its_rounded_numbers_are(name):
    onnx, runtime = pytest.importorskip("onnx"), pytest.importorskip("onnxruntime")
    model = made(name)
    weights = weights_of(model)
    exported = onnx_format.model_of(weights, VOCAB, "int8")
    onnx.checker.check_model(exported, full_check=True)
    session = runtime.InferenceSession(exported.SerializeToString(), providers=["CPUExecutionProvider"])
    batch = tokens(20, 1)
    first = numpy.stack([array.asnumpy() for array in model.begin_state(1)])
    found, state = session.run(["logits", "next_state"], {"tokens": batch, "state": first})
    expected, last = logits_of(rounding.read_back(weights, "int8"), batch[:, 0])
    numpy.testing.assert_allclose(found[:, 0], expected, atol=1e-5)
    numpy.testing.assert_allclose(state[:, :, 0], last, atol=1e-5)
    assert abs(found[:, 0] - logits_of(weights, batch[:, 0])[0]).max() > 1e-4


@pytest.mark.onnx
def test_int8_is_a_quarter_of_the_size_and_its_loss_is_said(trained, tmp_path, capsys):
    onnx = pytest.importorskip("onnx")
    pytest.importorskip("onnxruntime")
    run = load_run(trained)
    for dtype in ("float32", "int8"):
        assert main(["export", "--run", str(trained), "--format", "onnx", "--dtype", dtype, "--out",
                     str(tmp_path / f"{dtype}.onnx")]) == 0
    said = capsys.readouterr()
    assert said.out.count("checked with onnxruntime") == 2
    about = {each.key: each.value for each in onnx.load(str(tmp_path / "int8.onnx")).metadata_props}
    bits, weights = json.loads(about["bits_per_character"]), weights_of(run.model)
    assert f"rounded to int8: {bits['stored']} bits per character, {bits['exact']} before" in said.err
    passage = checking.written_passage_of(run, 2000)
    tokens, text = run.vocab.encode(passage), text_of(run.vocab, passage)
    for name, each in (("exact", weights), ("stored", rounding.read_back(weights, "int8"))):
        assert float(bits[name]) == pytest.approx(text.bits_per_character(nll_of(each, tokens)), abs=6e-4)
    matrices = sum(array.size for name, array in rounding.named(weights).items() if array.ndim == 2)
    smaller = (tmp_path / "float32.onnx").stat().st_size - (tmp_path / "int8.onnx").stat().st_size
    assert smaller > 2 * matrices


@pytest.mark.onnx
def test_what_onnx_does_not_have_is_refused():
    pytest.importorskip("onnx")
    with pytest.raises(UnsupportedCellError, match=r"^model must be of cells that ONNX has: rnn, lstm, gru; got 'mgu'"):
        onnx_format.model_of(weights_of(made("mgu")), VOCAB)


@pytest.mark.torch
@pytest.mark.parametrize("name", MODELS)
def test_torch_computes_the_scores_and_states_of_the_model(name, tmp_path):
    pytest.importorskip("torch")
    pytest.importorskip("safetensors")
    run = of(made(name))
    torch_format.write_torch(run, tmp_path / "model.py")
    found = checking.compare(run.model, tokens()[:, 0], torch_format._CHECK_PROGRAM,
                             [str(tmp_path / "model.py"), str(tmp_path / "model.safetensors")], "torch")
    assert found.largest < 1e-5


@pytest.mark.parametrize("name", OTHERS)
def test_what_torch_does_not_have_is_refused(name, tmp_path):
    pytest.importorskip("safetensors")
    with pytest.raises(UnsupportedCellError, match=r"^model must be of layers that torch has, rnn_tanh, "):
        torch_format.write_torch(of(made(name)), tmp_path / "model.py")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.filterwarnings("ignore:Cannot decide type:UserWarning")  # MXNet's
@pytest.mark.parametrize("name", ["rnn kit", "lstm 1 layer, tied", "lstm scratch kit", "gru 8 layers kit",
                                  "gru reset before", "mgu"])
def test_mxnets_symbols_compute_the_scores_and_states_of_the_model(name, tmp_path):
    run = of(made(name))
    files = symbol_format.write(run, tmp_path / "model")
    takes_any = name not in ("gru reset before", "mgu")
    assert json.loads(files[2].read_text())["steps"] == ("any" if takes_any else "one")
    symbol = json.loads(files[0].read_text())
    assert not {node["op"] for node in symbol["nodes"] if "gluon_deeprnn" in node["op"]}
    num_states = len(run.model.begin_state(1))
    block = mxnet.gluon.SymbolBlock.imports(str(files[0]), [f"data{i}" for i in range(1 + num_states)], str(files[1]))
    batch = tokens()
    expected, last = checking.ours(run.model, batch)
    state, logits = run.model.begin_state(3), []
    for part in numpy.split(batch, [1, 8] if takes_any else range(1, len(batch))):
        found, *state = block(np.array(part, dtype="int32"), *state)
        logits.append(found.asnumpy())
    numpy.testing.assert_allclose(numpy.concatenate(logits), expected, atol=1e-5)
    numpy.testing.assert_allclose(numpy.stack([each.asnumpy() for each in state]), last, atol=1e-5)


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """The folder of a run, which no test changes."""
    top = tmp_path_factory.mktemp("runs")
    (top / "text.txt").write_text("The quick brown fox jumps over the lazy dog, and the dog does not care. " * 40)
    assert main(["train", "--text", str(top / "text.txt"), "--num-hiddens", "8", "--max-epochs", "1", "--batch-size",
                 "8", "--num-steps", "8", "--out", str(top / "run"), "--prefix", "the"]) == 0
    return top / "run"


PACKAGES = {"torch": ["safetensors"], "safetensors": ["safetensors"], "onnx": ["onnx"]}


@pytest.mark.parametrize("kind", FORMATS)
def test_export_writes_and_says_what_it_has_checked(kind, trained, tmp_path, capsys):
    if checking.missing(PACKAGES.get(kind, [])):
        pytest.skip(f"needs {PACKAGES[kind][0]}")
    path = tmp_path / f"model{FORMATS[kind].ending}"
    assert main(["export", "--run", str(trained), "--format", kind, "--out", str(path)]) == 0
    *files, last = capsys.readouterr().out.splitlines()
    assert sorted(files) == sorted(map(str, tmp_path.iterdir()))
    checker = {"torch": ["torch"], "safetensors": ["torch"], "onnx": ["onnxruntime"]}.get(kind, [])
    if kind == "html" and not html_format.browser():
        assert last.startswith("not checked: needs a browser, one of chromium, ")
    elif checking.missing(checker):
        assert last == f"not checked: needs {checker[0]}: pip install {checker[0]}"
    else:
        assert last.startswith("checked with ")
        assert float(last.rsplit(" ", 1)[1]) < (1e-4 if kind == "html" else 1e-5)


@pytest.mark.parametrize(("kind", "script", "message"), [
    ("zip", "raise SystemExit('no license')", "that torch runs; got no license"),
    ("zip", "import numpy; numpy.savez(sys.argv[2], logits=numpy.zeros(1), state=numpy.zeros(1))",
     "the same as ours, run by torch; got logits that differ by inf")])
def test_a_model_that_computes_something_else_is_an_error(kind, script, message):
    with pytest.raises(InputError, match=message):
        checking.compare(made("gru 1 layer"), tokens()[:, 0], script, [], "torch")


@pytest.mark.parametrize(("arguments", "message"), [
    (["--format", "pickle", "--out", "x"], "format must be one of torch, safetensors, onnx, symbol, html, zip; got "),
    (["--format", "zip", "--dtype", "int8", "--out", "x.zip"], "dtype must be float32 for format zip; got 'int8'"),
    (["--format", "onnx", "--dtype", "float16", "--out", "x.onnx"], "dtype must be float32 or int8 for format onnx"),
    (["--format", "zip", "--out", "x.txt"], "out must be a file that ends in .zip; got 'x.txt'")])
def test_what_cannot_be_exported_is_refused(arguments, message, trained, capsys):
    assert main(["export", "--run", str(trained), *arguments]) == 2
    assert message in capsys.readouterr().err


def test_a_missing_package_is_named_with_its_command(trained, tmp_path, capsys, monkeypatch):
    for name in ("safetensors", "safetensors.numpy", "onnx"):
        monkeypatch.setitem(sys.modules, name, None)
    monkeypatch.setattr(checking, "missing", list)
    for kind, ending, package in (("torch", ".py", "safetensors"), ("onnx", ".onnx", "onnx onnxruntime")):
        path = tmp_path / f"x{ending}"
        assert main(["export", "--run", str(trained), "--format", kind, "--out", str(path)]) == 2
        assert f"(pip install {package})" in capsys.readouterr().err
        assert not path.exists()


def test_a_bundle_does_what_the_run_does_without_its_text(trained, tmp_path, capsys):
    path = tmp_path / "run.zip"
    assert main(["export", "--run", str(trained), "--format", "zip", "--out", str(path)]) == 0
    assert b"quick brown fox" not in path.read_bytes()
    text = tmp_path / "other.txt"
    text.write_text("The dog does not care.")
    commands = (["generate", "--prefix", "the", "--length", "40"], ["score", "--text", str(text)],
                ["evaluate", "--text", str(text)])
    for command in commands:
        capsys.readouterr()
        printed = []
        for run in (trained, path):
            assert main([command[0], "--run", str(run), *command[1:]]) == 0
            printed.append(capsys.readouterr().out)
        assert printed[0] == printed[1]
    again = tmp_path / "again.zip"
    assert main(["export", "--run", str(path), "--format", "zip", "--out", str(again)]) == 0
    assert again.read_bytes() == path.read_bytes()


def damaged(path, content):
    """Files that are no bundles, made from one, each with a part of the message that says so."""
    with zipfile.ZipFile(path) as bundle:
        parts = {name: bundle.read(name) for name in bundle.namelist()}

    def packed(name, members):
        file = path.with_name(name)
        with zipfile.ZipFile(file, "w") as made:
            for member, data in members:
                made.writestr(member, data)
        return file

    path.with_name("cut.zip").write_bytes(content[:len(content) // 2])
    path.with_name("text.zip").write_text("hello")
    path.with_name("empty.zip").write_bytes(b"")
    flipped = bytearray(content)
    flipped[len(content) // 2] ^= 1
    path.with_name("flipped.zip").write_bytes(flipped)
    return [path.with_name(name) for name in ("cut.zip", "text.zip", "empty.zip", "flipped.zip")] + [
        packed("more.zip", [*parts.items(), ("../evil.txt", b"x")]),
        packed("less.zip", [item for item in parts.items() if item[0] != "vocab.json"]),
        packed("other.zip", [*((name, data) for name, data in parts.items() if name != "model.npz"),
                             ("model.npz", b"no arrays")])]


def test_damaged_bundles_end_in_one_line(trained, tmp_path, capsys):
    path = tmp_path / "run.zip"
    assert main(["export", "--run", str(trained), "--format", "zip", "--out", str(path)]) == 0
    for file in damaged(path, path.read_bytes()):
        capsys.readouterr()
        assert main(["generate", "--run", str(file), "--prefix", "the", "--length", "5"]) == 2, file
        error = capsys.readouterr().err
        assert error.startswith("gluon-deeprnn: error: "), file
        assert error.count("\n") == 1, file
    assert not (tmp_path.parent / "evil.txt").exists()


def test_a_bundle_with_any_byte_changed_is_refused_or_the_same(trained, tmp_path):
    path, broken = tmp_path / "run.zip", tmp_path / "broken.zip"
    assert main(["export", "--run", str(trained), "--format", "zip", "--out", str(path)]) == 0
    content, refused = path.read_bytes(), 0
    expected = checking.ours(load_run(path).model, tokens(5) % len(load_run(path).vocab))
    ends = (range(0, len(content), len(content) // 60), range(len(content) - 500, len(content), 9))
    for place in itertools.chain(*ends):
        broken.write_bytes(content[:place] + bytes([content[place] ^ 0x55]) + content[place + 1:])
        try:
            run = load_run(broken)
        except DeepRNNError:
            refused += 1
        else:  # such as a changed date, or the history
            found = checking.ours(run.model, tokens(5) % len(run.vocab))
            assert all((mine == other).all() for mine, other in zip(expected, found)), place
    assert refused > 60


def test_a_picture_of_a_bundle_needs_a_place(trained, tmp_path, capsys):
    path, picture = tmp_path / "run.zip", tmp_path / "curves.png"
    assert main(["export", "--run", str(trained), "--format", "zip", "--out", str(path)]) == 0
    assert main(["plot", "--run", str(path)]) == 2
    assert "out must be given for a run in one file, in which no picture can be stored" in capsys.readouterr().err
    assert main(["plot", "--run", str(path), "--out", str(picture)]) == 0
    assert picture.stat().st_size > 5000


@pytest.mark.torch
def test_the_exported_program_continues_a_text_without_this_package(trained, tmp_path):
    pytest.importorskip("torch")
    pytest.importorskip("safetensors")
    torch_format.write_torch(load_run(trained), tmp_path / "model.py")
    done = subprocess.run([sys.executable, tmp_path / "model.py", "the", "--length", "30"], capture_output=True,
                          text=True, check=True, cwd=tmp_path)
    assert done.stdout.startswith("the")
    assert len(done.stdout) == 3 + 30 + 1


@pytest.mark.onnx
def test_the_example_writes_a_text_with_onnxruntime_alone(trained, tmp_path):
    pytest.importorskip("onnxruntime")
    onnx_format.write(load_run(trained), tmp_path / "model.onnx")
    script = Path(__file__).parents[2] / "examples" / "onnx_text.py"
    program = "import sys; sys.modules['mxnet'] = sys.modules['gluon_deeprnn'] = None\n" \
              f"sys.argv = ['x', 'model.onnx', 'the', '30']\nexec(open({str(script)!r}).read())"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=tmp_path)
    assert done.stdout.startswith("the")
    assert len(done.stdout) == 3 + 30 + 1
    assert len(script.read_text().splitlines()) <= 35
