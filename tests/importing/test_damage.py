"""Damaged, foreign and malicious files end in one error, and take no more memory than they have bytes."""

import json
import pickle
import struct
import tracemalloc
import zipfile

from gluon_deeprnn.cli.main import main
from gluon_deeprnn.errors import DeepRNNError
from gluon_deeprnn.export import torch_format
from gluon_deeprnn.export.checking import missing
from gluon_deeprnn.importing import import_model
from gluon_deeprnn.importing.mxnet_files import read_params, unpacked
from gluon_deeprnn.importing.torch_files import read_torch
import models
from mxnet import np, npx
import numpy
import pytest
from written import write_state_dict

ARRAYS = {"rnn.weight_ih_l0": numpy.ones((6, 7), "float32"), "rnn.weight_hh_l0": numpy.ones((6, 6), "float32"),
          "linear.weight": numpy.ones((7, 6), "float32")}


@pytest.fixture
def params(tmp_path):
    npx.save(str(tmp_path / "x.params"), {name: np.array(array) for name, array in ARRAYS.items()})
    return tmp_path / "x.params"


@pytest.fixture
def state_dict(tmp_path, monkeypatch):
    write_state_dict(tmp_path / "x.pt", ARRAYS, monkeypatch)
    monkeypatch.undo()
    return tmp_path / "x.pt"


def refused(read, path, content):
    """Whether damaged content is refused; if not, it was read as other arrays, without another error."""
    path.write_bytes(content)
    try:
        read(path)
    except DeepRNNError:
        return True
    return False


@pytest.mark.parametrize("kind", ["params", "state_dict"])
def test_every_cut_and_every_changed_byte_is_refused_or_read(kind, request):
    path = request.getfixturevalue(kind)
    read = read_params if kind == "params" else read_torch
    whole = path.read_bytes()
    read(path)
    cut = [refused(read, path, whole[:n]) for n in range(0, len(whole), 7)]
    assert all(cut)
    draw, number = numpy.random.default_rng(1), 0
    for _ in range(400):
        at = int(draw.integers(0, len(whole)))
        changed = whole[:at] + bytes([whole[at] ^ int(draw.integers(1, 256))]) + whole[at + 1:]
        number += refused(read, path, changed)
    assert number > 40


@pytest.mark.skipif(bool(missing(["safetensors"])), reason="needs safetensors: pip install safetensors")
def test_damaged_safetensors_are_refused(tmp_path):
    path = tmp_path / "x.safetensors"
    torch_format.write_safetensors(models.of(models.made("lstm 8 layers, residual")), path)
    whole = path.read_bytes()
    assert all(refused(read_torch, path, whole[:n]) for n in range(0, len(whole), 997))
    for content in (b"", b"\xff" * 100, struct.pack("<Q", 2**60) + b"{}", struct.pack("<Q", 2) + b"{}",
                    struct.pack("<Q", 9) + b'{"a":"b"}', whole.replace(b'"tokens', b'"tikens', 1),
                    whole.replace(b"\\\"tokens", b"\\\"tikens", 1)):
        path.write_bytes(content)
        with pytest.raises(DeepRNNError):
            import_model("torch", [path], tmp_path / "run")
        assert not (tmp_path / "run").exists()


class Evil:
    """What a pickle would call."""

    def __init__(self, folder):
        self.folder = folder

    def __reduce__(self):
        import os
        return os.mkdir, (str(self.folder / "made"),)


def archive(path, content, **parts):
    with zipfile.ZipFile(path, "w") as made:
        made.writestr("x/data.pkl", content)
        for name, part in parts.items():
            made.writestr(f"x/data/{name}", part)


def test_a_pickle_is_never_executed(tmp_path):
    archive(tmp_path / "x.pt", pickle.dumps({"a": Evil(tmp_path)}, 2))
    with pytest.raises(DeepRNNError, match=r"got an object of (posix|nt)\.mkdir, beside dicts and arrays"):
        read_torch(tmp_path / "x.pt")
    assert not (tmp_path / "made").exists()


STORAGE = b"(X\x07\0\0\0storagectorch\nFloatStorage\nX\x01\0\0\x000X\x03\0\0\0cpuK\x04tQ"
REBUILD = b"\x80\x02}X\x01\0\0\0actorch._utils\n_rebuild_tensor_v2\n(" + STORAGE


BOMB = b")" + b"q\0h\0\x86" * 40  # a tuple of 2**40 members
AGAIN = REBUILD[len(b"\x80\x02}X\x01\0\0\0a"):]  # an array without numbers that is taken for the numbers of another one
TWICE = (b"\x80\x02}X\x01\0\0\0actorch._utils\n_rebuild_tensor_v2\n(" + AGAIN
         + b"K\0J\0\0\0\x10K\0\x86K\1K\1\x86\x89}tRK\0J\0\0\0\x10\x85K\1\x85\x89}tRs.")


@pytest.mark.parametrize(("content", "message"), [
    (REBUILD + b"K\0K\x04\x85K\x01\x85\x89}tRs.", None),
    (REBUILD + b"K\0K\x05\x85K\x01\x85\x89}tRs.", r"shape \(5,\) in 4 numbers"),
    (REBUILD + b"K\x01K\x04\x85K\x01\x85\x89}tRs.", r"shape \(4,\) in 4 numbers"),
    (REBUILD + b"K\0J\xff\xff\xff\x7f\x85K\0\x85\x89}tRs.", "in 4 numbers"),
    (REBUILD + b"K\0K\x04\x85J\xff\xff\xff\xff\x85\x89}tRs.", "not as many numbers of at least 0"),
    (REBUILD + b"K\0" + BOMB + b"K\x01\x85\x89}tRs.", "not as many numbers of at least 0"),
    (b"\x80\x02}" + BOMB + b"Ns.", "tuple in a place"), (b"\x80\x02})" + b"\x85" * 10**5 + b"Ns.", "tuple in a place"),
    (b"\x80\x02X\1\0\0\0a" + b"q\0h\0\x93" * 40 + b".", "_Global in a place"),
    (TWICE, "ndarray in a place"), (b"\x80\x02}X\1\0\0\0a(" + STORAGE[1:-1] + b"q\1Q" + b"h\1Q" * 10**5 + b"s.", ""),
    (b"\x80\x02}r\xff\xff\xff\x7f.", None), (b"\x80\x02" + b"(" * 10**5 + b"t" * 10**5 + b".", "not a dict"),
    (b"\x80\x02\x8b\xff\xff\xff\x7f.", ""), (b"\x80\x02cos\nsystem\n.", "not a dict"),
    (b"\x80\x02}}}s.", "dict in a place"), (b"0.", "the instruction POP"), (b".", "IndexError"),
    (b"", "without|exhausted"),
])
def test_malicious_pickles_are_one_error(tmp_path, content, message):
    archive(tmp_path / "x.pt", content, **{"0": b"\0" * 16})
    if message is None:
        read_torch(tmp_path / "x.pt")
    else:
        with pytest.raises(DeepRNNError, match=rf"x\.pt must be a file that torch\.save.*; got .*{message}"):
            read_torch(tmp_path / "x.pt")


def test_compressed_bombs_and_old_files_of_torch_are_refused(tmp_path):
    with zipfile.ZipFile(tmp_path / "x.pt", "w", zipfile.ZIP_DEFLATED) as made:
        made.writestr("x/data.pkl", b"\0" * 10**7)
    with pytest.raises(DeepRNNError, match="compressed or encrypted parts"):
        read_torch(tmp_path / "x.pt")
    (tmp_path / "x.pt").write_bytes(pickle.dumps(119547037146038801333356, 2))
    with pytest.raises(DeepRNNError, match=r"torch 1\.6 or later\); got BadZipFile"):
        read_torch(tmp_path / "x.pt")


def test_params_that_declare_gigabytes_are_refused_before_allocation(tmp_path):
    head = struct.pack("<QQ", 0x112, 0)
    array = struct.pack("<IiiqqiI", 0xF993FAC9, 0, 1, 2**40, 1, 0, 0)
    for content, message in ((head + struct.pack("<Q", 2**60), "entries declared"),
                             (head + struct.pack("<Q", 1) + array, "bytes declared"),
                             (head + struct.pack("<QI", 1, 10**9), "axes"), (b"PK\3\4" + b"\0" * 99, "begins differ"),
                             (head + struct.pack("<QIi", 1, 0xF993FAC9, 1), "sparse"), (b"", "an end in the middle")):
        (tmp_path / "x.params").write_bytes(content)
        with pytest.raises(DeepRNNError, match=rf"x\.params must be a \.params file of MXNet 1\.x; got .*{message}"):
            read_params(tmp_path / "x.params")


@pytest.mark.parametrize("content", [
    "[]", "{}", '{"nodes": 3}', '{"nodes": [{"op": "RNN", "name": "a", "attrs": {}, "inputs": []}]}', "[" * 10**5, "\0",
    json.dumps({"nodes": [{"op": "RNN", "name": "a", "attrs": {"mode": "lstm", "state_size": "x"},
                           "inputs": [[0], [0]]}]}),
    json.dumps({"nodes": [{"op": "null", "name": "p", "inputs": []},
                          {"op": "RNN", "name": "a", "attrs": {"mode": "lstm", "state_size": "999999999999",
                                                               "num_layers": "99999999999"}, "inputs": [[0], [0]]}]}),
])
def test_damaged_graphs_are_one_error(tmp_path, content):
    (tmp_path / "x.json").write_text(content)
    with pytest.raises(DeepRNNError, match=r"x\.json must be .*; got "):
        unpacked(tmp_path / "x.json", {"p": numpy.zeros(4, "float32")})


def test_no_more_memory_is_taken_than_a_few_times_the_file(tmp_path):
    """A storage that a pickle names 100,000 times is read once, and arrays that share it cannot multiply it."""
    array = AGAIN + b"K\0J\0\0\4\0\x85K\1\x85\x89}tR"
    whole = b"\x80\x02]" + array.replace(b"K\x04tQ", b"J\0\0\4\0tQ") * 200 + b"."
    archive(tmp_path / "x.pt", whole, **{"0": b"\0" * 2**20})
    tracemalloc.start()
    with pytest.raises(DeepRNNError, match=r"an array of shape \(262144,\) in 262144 numbers"):
        read_torch(tmp_path / "x.pt")
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert most < 10 * 2**20


def test_a_pickle_with_changed_bytes_ends_in_one_error_or_a_run(state_dict, tmp_path):
    """The bytes of the list of arrays are changed before the file gets its checksum, and what is read is imported."""
    (tmp_path / "v.json").write_text(json.dumps(["<unk>", *"abcdef"]))
    with zipfile.ZipFile(state_dict) as whole:
        content = whole.read("archive/data.pkl")
        parts = {name.split("/")[-1]: whole.read(name) for name in whole.namelist() if "/data/" in name}
    draw, refused_ones = numpy.random.default_rng(3), 0
    for i in range(300):
        at = int(draw.integers(0, len(content)))
        archive(tmp_path / "x.pt", content[:at] + bytes([int(draw.integers(0, 256))]) + content[at + 1:], **parts)
        try:
            import_model("torch", [tmp_path / "x.pt"], tmp_path / f"run{i}", vocab=tmp_path / "v.json")
        except DeepRNNError:
            refused_ones += 1
    assert 150 < refused_ones < 300


@pytest.mark.parametrize(("content", "message"), [
    ("[1, 2]", "not strings"), ('["a", "a"]', "occur twice"), ('{"a": 5}', "indices that are not 0, 1, 2"),
    ("{", "got "), ('{"a": "b", "c": 1}', "got "), ('{"vocab": 3}', "got "),
    ('["<unk>"]', "of the 7 tokens of the model; got 1 tokens"),
    (json.dumps(list("abcdefg")), None), ('["<unk>", "\\ud800"]', "surrogate"),
    (json.dumps({"idx_to_token": ["?", *"abcdef"], "unknown_token": "?"}), "added"),
])
def test_vocabularies_that_do_not_fit_are_one_error(state_dict, tmp_path, content, message, capsys):
    (tmp_path / "v.json").write_text(content)
    status = main(["import", "--format", "torch", str(state_dict), "--vocab", str(tmp_path / "v.json"), "--out",
                   str(tmp_path / "run")])
    said = capsys.readouterr()
    if message == "added":
        assert status == 0
        assert "one was added" not in said.out
    elif message is None:
        assert status == 0
        assert "no token for unknown ones; one was added, of a probability of about 2e-9" in said.out
    else:
        assert status == 2
        assert message in said.err
        assert said.err.count("\n") == 1
        assert not (tmp_path / "run").exists()
