import json
import os
import stat
import sys

from gluon_deeprnn import storage
from gluon_deeprnn.errors import InputError
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
import numpy
import pytest

names = st.text("abc./_0", min_size=1, max_size=12)
any_array = hnp.arrays(st.sampled_from(["float32", "int64"]), hnp.array_shapes(min_dims=0))
arrays = st.dictionaries(names, any_array, max_size=4)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("storage")


@given(arrays=arrays)
def test_arrays_are_read_as_they_were_written(folder, arrays):
    storage.write_arrays(folder / "x.npz", arrays, {"epoch": 3})
    again, about = storage.read_arrays(folder / "x.npz")
    assert about == {"epoch": 3}
    assert again.keys() == arrays.keys()
    for name, array in arrays.items():
        assert (again[name].dtype, again[name].shape) == (array.dtype, array.shape)
        numpy.testing.assert_array_equal(again[name], array)


def test_numpy_reads_them_without_pickle(tmp_path):
    storage.write_arrays(tmp_path / "x.npz", {"rnn.layer0.h2h_weight": numpy.eye(3)})
    with numpy.load(tmp_path / "x.npz", allow_pickle=False) as archive:
        numpy.testing.assert_array_equal(archive["rnn.layer0.h2h_weight"], numpy.eye(3))


@pytest.mark.parametrize("bit", [1, 4, 128])
def test_a_flipped_bit_is_detected_or_has_no_effect(tmp_path, bit):
    array = numpy.arange(64.0)
    storage.write_arrays(tmp_path / "x.npz", {"a": array}, {"epoch": 3})
    whole = (tmp_path / "x.npz").read_bytes()
    refused = 0
    for position in range(len(whole)):
        (tmp_path / "x.npz").write_bytes(whole[:position] + bytes([whole[position] ^ bit]) + whole[position + 1:])
        try:
            arrays, about = storage.read_arrays(tmp_path / "x.npz")
            assert (arrays.keys(), about) == ({"a"}, {"epoch": 3})  # a date in the archive, for example
            assert (arrays["a"] == array).all()
        except InputError:
            refused += 1
    assert refused > 0.75 * len(whole)


@pytest.mark.parametrize("content", [None, b"", b"garbage", b"PK\x05\x06" + 18 * b"\0"])
def test_files_of_another_kind_are_refused(tmp_path, content):
    if content is not None:
        (tmp_path / "x.npz").write_bytes(content)
    with pytest.raises(ValueError, match=r"x\.npz must be a complete file that this package wrote; got "):
        storage.read_arrays(tmp_path / "x.npz")


def test_pickled_arrays_are_refused(tmp_path):
    numpy.savez(tmp_path / "x.npz", **{"a": numpy.array([{}], dtype=object)})
    with pytest.raises(ValueError, match=r"must be a complete file that this package wrote"):
        storage.read_arrays(tmp_path / "x.npz")


def test_a_file_that_cannot_be_replaced_is_unchanged(tmp_path, monkeypatch):
    path = tmp_path / "x.json"
    storage.write_json(path, {"a": 1})

    def full(handle):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    message = r"x\.json must be a file that can be written; got No space left on device \(the previous content"
    with pytest.raises(InputError, match=message):
        storage.write_json(path, {"a": 2})
    assert json.loads(path.read_text()) == {"a": 1}
    assert [p.name for p in tmp_path.iterdir()] == ["x.json"]


def test_files_have_the_permissions_of_the_umask(tmp_path):
    old = os.umask(0o022)
    try:
        storage.write_json(tmp_path / "x.json", {})
    finally:
        os.umask(old)
    assert stat.S_IMODE((tmp_path / "x.json").stat().st_mode) == 0o644


def test_a_file_name_that_is_not_utf_8_is_read_as_it_was_written(tmp_path):
    content = {"text": [os.fsdecode(b"caf\xe9.txt"), "봄.txt", r"C:\udce9"]}
    storage.write_json(tmp_path / "x.json", content)
    assert storage.read_json(tmp_path / "x.json") == content
    assert "봄.txt" in (tmp_path / "x.json").read_text(encoding="utf-8")


def interrupted_at(line, function, *arguments):
    """Call a function, with Ctrl-C before the given line of those that run here; whether there were so many."""
    passed = 0

    def trace(frame, event, argument):
        nonlocal passed
        if frame.f_code.co_filename != storage.__file__:
            return None
        if event == "line":
            passed += 1
            if passed == line:
                raise KeyboardInterrupt
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        function(*arguments)
    except KeyboardInterrupt:
        return True
    finally:
        sys.settrace(before)
    return False


@pytest.mark.filterwarnings("ignore:unclosed file", "ignore::pytest.PytestUnraisableExceptionWarning")
def test_ctrl_c_at_any_line_of_a_write_is_ctrl_c_and_leaves_one_whole_file(tmp_path):
    path, contents = tmp_path / "x.txt", []
    line = 1
    while True:
        storage.replace_file(path, b"old")
        if not interrupted_at(line, storage.replace_file, path, b"new"):
            break
        assert [each.name for each in tmp_path.iterdir()] == ["x.txt"]
        contents.append(path.read_bytes())
        line += 1
    assert set(contents) == {b"old", b"new"}
    assert contents == sorted(contents, reverse=True)  # once it is replaced, it stays so
    assert path.read_bytes() == b"new"


@pytest.mark.parametrize("moment", ["before", "after"])
def test_ctrl_c_around_the_replacement_is_ctrl_c(tmp_path, monkeypatch, moment):
    path, replace = tmp_path / "x.txt", os.replace
    storage.replace_file(path, b"old")

    def interrupted(source, target):
        if moment == "after":
            replace(source, target)
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "replace", interrupted)
    with pytest.raises(KeyboardInterrupt):
        storage.replace_file(path, b"new")
    assert path.read_bytes() == (b"new" if moment == "after" else b"old")
    assert [each.name for each in tmp_path.iterdir()] == ["x.txt"]
