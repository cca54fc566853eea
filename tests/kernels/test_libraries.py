"""The compiled libraries: they hold what their names say, and one that does not work does no damage."""

import json
import os
from pathlib import Path
import re
import shutil
import subprocess
import sys
import types

from builds import FOLDER, PACKAGE, needs, settings, x86
from gluon_deeprnn import kernels
from gluon_deeprnn.kernels import libraries
import layers
from mxnet import autograd
import numpy
import pytest

COMPILED = sorted(FOLDER.glob("*.so"))

compiled = pytest.mark.skipif(not COMPILED, reason="needs the compiled libraries: install g++, then this package again")


def disassembled(library):
    """Its instructions: the bytes of each and its text."""
    done = subprocess.run(["objdump", "-d", "-w", "--insn-width=16", str(library)], capture_output=True, text=True,
                          check=True, timeout=120)
    found = re.findall(r"^ +[0-9a-f]+:\t((?:[0-9a-f]{2} )+) *\t(.*)$", done.stdout, re.M)
    assert len(found) > 100
    return [(bytes.fromhex(code), text) for code, text in found]


def is_evex(code):
    """Whether an instruction has the encoding that AVX-512 brought: 0x62 behind the prefixes that may precede it."""
    return code.lstrip(b"\x2e\x36\x3e\x26\x64\x65\x66\x67\xf2\xf3")[:1] == b"\x62"


def of_avx512(library):
    """The instructions that a processor without AVX-512 does not know."""
    return [text for code, text in disassembled(library)
            if is_evex(code) or re.search(r"%zmm|%k[0-7]\b|%[xy]mm(1[6-9]|2\d|3[01])\b", text)]


@compiled
@x86
@needs("objdump")
def test_each_library_holds_the_instructions_that_its_name_says():
    assert of_avx512(FOLDER / "layer.avx2.so") == []
    assert any("%ymm" in text for _, text in disassembled(FOLDER / "layer.avx2.so"))
    assert any("%zmm" in text for text in of_avx512(FOLDER / "layer.avx512.so"))
    every = " ".join(text for _, text in disassembled(FOLDER / "processor.any.so"))
    assert not re.search(r"%[yz]mm|\bv[a-z]+ps\b", every)


@x86
@needs("objdump", "g++")
def test_what_the_library_test_looks_for_is_found_where_it_is(tmp_path):
    (tmp_path / "a.s").write_text("vaddps %zmm1, %zmm2, %zmm3\nvaddps %ymm17, %ymm2, %ymm3\nkmovw %k1, %eax\n"
                                  "vaddps %ymm1, %ymm2, %ymm3{%k1}\n" + "vaddps %ymm1, %ymm2, %ymm3\n" * 100)
    subprocess.run(["g++", "-c", "a.s", "-o", "a.o"], cwd=tmp_path, check=True)
    assert len(of_avx512(tmp_path / "a.o")) == 4


@pytest.fixture
def package(tmp_path):
    """A copy of the package to damage, and a function that runs its command."""
    copy = tmp_path / "copy" / "gluon_deeprnn"
    shutil.copytree(PACKAGE, copy, ignore=shutil.ignore_patterns("__pycache__"))

    def run(*arguments, **environment):
        clean = {k: v for k, v in os.environ.items() if k != "GLUON_DEEPRNN_KERNELS"}
        return subprocess.run(
            [sys.executable, "-m", "gluon_deeprnn", *map(str, arguments)], capture_output=True, text=True, check=False,
            cwd=tmp_path, timeout=300, env={**clean, "PYTHONPATH": str(copy.parent), "XDG_CACHE_HOME": str(tmp_path),
                                            **environment})

    return types.SimpleNamespace(folder=copy / "kernels", run=run, cache=tmp_path / "gluon_deeprnn" / "libraries.json")


def fill_with_ud2(library):
    """Every instruction of a library becomes one that no processor knows."""
    listed = subprocess.run(["objdump", "-h", str(library)], capture_output=True, text=True, check=True).stdout
    size, offset = re.search(r" \.text +([0-9a-f]+) +[0-9a-f]+ +[0-9a-f]+ +([0-9a-f]+)", listed).groups()
    content = bytearray(library.read_bytes())
    start, count = int(offset, 16), int(size, 16)
    content[start:start + count] = (b"\x0f\x0b" * count)[:count]
    library.write_bytes(content)


TRAIN = ("train", "--max-epochs", "1", "--num-hiddens", "8", "--batch-size", "32", "--num-steps", "8", "--num-train",
         "200", "--num-val", "50", "--corpus", "python-docs", "--out", "run")
LAST_RESORT = "gluon-deeprnn: MXNet's own, slower, operators will compute the recurrent layers"


@pytest.mark.slow
@compiled
@x86
@needs("objdump")
def test_libraries_full_of_ud2_leave_training_working_with_one_line_that_says_so(package):
    for name in ("avx2", "avx512"):
        fill_with_ud2(package.folder / f"layer.{name}.so")
    for arguments in (TRAIN, ("train", "--resume", "--out", "run", "--max-epochs", "2")):  # then by the kept verdict
        done = package.run(*arguments)
        assert done.returncode == 0, done.stderr
        lines = [line for line in done.stderr.splitlines() if "will compute" in line]
        assert len(lines) == 1
        assert lines[0].startswith(LAST_RESORT)
        assert "SIGILL ended its trial" in lines[0]
    info = package.run("info").stdout
    assert "recurrent layers: MXNet" in info
    assert "compiled library avx2: SIGILL ended its trial" in info


def damage(package, how, library):
    path = package.folder / library
    if how == "truncated":
        path.write_bytes(path.read_bytes()[:5000])
    elif how == "text":
        path.write_text("this is no library")
    elif how == "empty":
        path.write_bytes(b"")
    else:
        fill_with_ud2(path)


@pytest.mark.slow
@compiled
@x86
@needs("objdump")
@pytest.mark.parametrize("library", ["processor.any.so", "layer.avx2.so"])
@pytest.mark.parametrize("how", ["truncated", "text", "empty", "ud2"])
def test_a_damaged_library_is_not_used_and_the_verdict_says_why(package, how, library):
    damage(package, how, library)
    if library != "processor.any.so":
        for other in set(package.folder.glob("layer.*.so")) - {package.folder / library}:
            other.unlink()
    done = package.run("info")
    assert done.returncode == 0
    assert len([line for line in done.stderr.splitlines() if line.startswith(LAST_RESORT)]) == 1
    assert re.search(r"compiled library \w+: (SIG\w+ ended its trial|its trial failed \(.+\))$", done.stdout, re.M)
    assert json.loads(package.cache.read_text())
    asked = package.run("info", GLUON_DEEPRNN_KERNELS="avx2")
    assert asked.returncode == 2
    assert asked.stderr.count("\n") == 1
    assert "GLUON_DEEPRNN_KERNELS must be mxnet, or a library that is compiled and works" in asked.stderr


@pytest.fixture
def tries(monkeypatch, tmp_path):
    """The libraries that were tried, in a cache of the test's own; each passes."""
    found = []
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(libraries, "_try", lambda library: (found.append(library.name), ("", True))[1])
    return found


def test_a_library_is_tried_once_for_each_build_and_processor(tries, tmp_path):
    library = tmp_path / "layer.any.so"
    library.write_bytes(b"a build")
    for _ in range(3):
        assert libraries._verdict(library, "a processor") == ""
    assert len(tries) == 1
    libraries._verdict(library, "another processor")
    library.write_bytes(b"another build")
    libraries._verdict(library, "a processor")
    assert len(tries) == 3
    for name in ("a processor", "another processor"):
        library.write_bytes(b"a build")
        libraries._verdict(library, name)
    assert len(tries) == 3


@pytest.mark.parametrize("content", ["", "[]", "{", '{"a": 1}', "null"])
def test_a_cache_that_cannot_be_read_is_written_again(tries, tmp_path, content):
    (tmp_path / "gluon_deeprnn").mkdir()
    (tmp_path / "gluon_deeprnn" / "libraries.json").write_text(content)
    library = tmp_path / "layer.any.so"
    library.write_bytes(b"a build")
    for _ in range(2):
        assert libraries._verdict(library, "a processor") == ""
    assert len(tries) == 1


def test_the_cache_does_not_grow_without_end(tries, tmp_path):
    library = tmp_path / "layer.any.so"
    for build in range(80):
        library.write_bytes(b"%d" % build)
        libraries._verdict(library, "a processor")
    assert len(json.loads((tmp_path / "gluon_deeprnn" / "libraries.json").read_text())) == 64


@compiled
def test_a_cache_that_cannot_be_written_stops_nothing(package, tmp_path):
    (tmp_path / "file").write_text("")
    done = package.run("info", XDG_CACHE_HOME=str(tmp_path / "file"))
    assert done.returncode == 0
    assert done.stderr == ""
    assert "recurrent layers: our operator" in done.stdout


def test_a_trial_that_was_interrupted_is_repeated(monkeypatch, tmp_path):
    monkeypatch.setattr(libraries, "_TRIAL_SECONDS", 0.001)
    verdict, is_final = libraries._try(COMPILED[0] if COMPILED else tmp_path)
    assert "could not be tried" in verdict
    assert not is_final
    monkeypatch.setattr(sys, "executable", "")
    assert libraries._try(tmp_path) == ("there is no Python interpreter that could try it", False)


def test_another_name_than_those_there_are_is_refused():
    done = subprocess.run([sys.executable, "-m", "gluon_deeprnn", "info"], capture_output=True, text=True,
                          env={**os.environ, "GLUON_DEEPRNN_KERNELS": "sse"}, timeout=60, check=False)
    assert done.returncode == 2
    assert "GLUON_DEEPRNN_KERNELS must be mxnet, or a library that is compiled and works" in done.stderr
    assert done.stderr.count("\n") == 1


@compiled
def test_a_processor_without_the_instructions_gets_mxnets_operator(monkeypatch):
    monkeypatch.setattr(libraries, "processor", lambda: ("an older one", []))
    monkeypatch.delenv("GLUON_DEEPRNN_KERNELS", raising=False)
    assert libraries._chosen.__wrapped__() is None
    assert "AVX2" in kernels.why_not()


EMULATED = """
import gluon_deeprnn as g, json, mxnet, sys
from gluon_deeprnn.data import Source
from gluon_deeprnn.kernels import libraries
mxnet.random.seed(1)
data = g.TextData([Source('fox', 'the quick brown fox ' * 40, '')], batch_size=45, num_steps=9)
model = g.RNNLM(g.GRU(12, 2), vocab_size=len(data.vocab), lr=1)
history = g.Trainer(max_epochs=2, gradient_clip_val=1, progress=False).fit(model, data)
print(json.dumps([libraries.processor(), libraries.loaded(), [row['train_ppl'] for row in history]]))
"""


@compiled
@x86
@needs("qemu-x86_64")
@pytest.mark.slow
def test_a_processor_with_avx2_only_trains_to_the_same_perplexity(tmp_path):
    environment = {**os.environ, "XDG_CACHE_HOME": str(tmp_path)}
    environment.pop("GLUON_DEEPRNN_KERNELS", None)

    def trained(*program, **settings):
        done = subprocess.run([*program, sys.executable, "-c", EMULATED], capture_output=True, text=True, check=False,
                              timeout=580, env={**environment, **settings})
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout.splitlines()[-1])

    (name, runs), library, perplexities = trained("qemu-x86_64", "-cpu", "max")
    assert "QEMU" in name
    assert (runs, library) == (["avx2"], "avx2")
    if "avx2" in libraries.processor()[1]:
        native = trained(GLUON_DEEPRNN_KERNELS="avx2", DNNL_MAX_CPU_ISA="AVX2", OPENBLAS_CORETYPE="Haswell")
        numpy.testing.assert_allclose(perplexities, native[2], rtol=1e-5)
    assert perplexities[1] < perplexities[0]


@pytest.fixture(scope="module")
def on_neon(tmp_path_factory):
    """The kernels for NEON, in a program that an emulator runs."""
    program = tmp_path_factory.mktemp("neon") / "run_layer"
    sources = [Path(__file__).parent / "run_layer.cc", FOLDER / "layer.cc", FOLDER / "layer_norm.cc"]
    subprocess.run(["aarch64-linux-gnu-g++", *settings("neon"), "-Werror", "-static", f"-I{FOLDER}",
                    *map(str, sources), "-o", str(program)], check=True, timeout=300)
    return program


@needs("aarch64-linux-gnu-g++", "qemu-aarch64")
@pytest.mark.slow
@pytest.mark.parametrize("sizes", [(1, 1, 1, 1), (7, 13, 28, 32), (3, 37, 33, 40), (4, 2, 300, 65)])
@pytest.mark.parametrize("mode", ["rnn_tanh", "rnn_relu", "lstm", "gru"])
def test_the_kernels_for_neon_equal_mxnets_operator(mode, sizes, on_neon, monkeypatch):
    _, batch_size, num_inputs, num_hiddens = sizes
    layer = layers.a_layer(mode, num_inputs, num_hiddens)
    inputs = layers.one_hot(*sizes[:3]) if num_inputs == 28 else layers.some(*sizes[:3])
    state = [layers.some(batch_size, num_hiddens, seed=i) for i in range(layer.num_states)]
    monkeypatch.setattr(kernels, "loaded", lambda: None)
    expected = layers.everything(layer, inputs, state)
    with autograd.pause():
        outputs, last = layer(inputs, state)
    slopes = [layers.some(*array.shape, seed=i) for i, array in enumerate([outputs, *last])]
    given = [inputs, layer.weights.data(), *state, *slopes]
    done = subprocess.run(
        ["qemu-aarch64", str(on_neon), mode, *map(str, sizes)],
        input=b"".join(array.asnumpy().tobytes() for array in given), capture_output=True, check=True, timeout=300)
    found = numpy.frombuffer(done.stdout, "float32")
    assert found.size == sum(array.size for array in expected)
    ends = numpy.cumsum([array.size for array in expected])[:-1]
    layers.assert_close([part.reshape(array.shape) for part, array in zip(numpy.split(found, ends), expected)],
                        expected, 3e-6)
