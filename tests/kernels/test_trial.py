"""The trial of a compiled library finds faults in every part of it."""

import shutil
import subprocess
import sys

from builds import FOLDER, needs, settings, x86
from compiling import link
import pytest

FAULTS = {  # a file, what stands there, and what is wrong
    "gru-forward": ("cells/gru.h", "fresh + update * (", "fresh + reset * ("),
    "gru-backward": ("cells/gru.h", "return dh * update;", "return dh;"),
    "lstm-backward": ("cells/lstm.h", "store(step.d_memory, dc * forget);", "store(step.d_memory, dc * in);"),
    "tanh-backward": ("cells/rnn.h", "step.d_hidden * (1.f - y * y)", "step.d_hidden * (1.f - y)"),
    "ragged-end": ("vectors.h", "_mm256_maskstore_ps(to, first(count), __m256(v));", "store(to, v);"),
    "one-hot": ("panels.h", "found->index[count++] = k;", "found->index[count++] = 0;"),
    "sums": ("parallel.h", "for (int part = 1; part < num_parts", "for (int part = 2; part < num_parts"),
    "packing": ("transpose.h", "lower[j] = j & kDistance ? kLanes + j :", "lower[j] = j & kDistance ? j :"),
    "writing": ("layer_step.h", "a.inputs.tokens[first + i]", "a.inputs.tokens[first]"),
    "choosing": ("choosing.h", "place = next > best ? at : place;", "place = at;"),
    "output-layer": ("output_layer.h", "i * padded() + place, sums[p][i][v]", "i * padded() + place, sums[p][0][v]"),
    "tokens": ("forward.h", "size_t(tokens[i]) * S::kWidth", "size_t(tokens[0]) * S::kWidth"),
    "tokens-backward": ("backward_products.h", "sums + tokens[r] * stride", "sums + tokens[0] * stride"),
    "loss": ("cross_entropy.cc", "own.max[r] - std::log(own.sum[r])", "own.max[r] - std::log(own.sum[0])"),
    "loss-backward": ("cross_entropy.cc", "x[target] -= weight * (1 - a.smoothing);", "x[target] -= 1 - a.smoothing;"),
    "smoothing": ("cross_entropy.cc", "loss + a.smoothing * difference", "loss + difference"),
    "smoothing-backward": ("cross_entropy.cc", "* scale - of_each", "* scale"),
    "weight-dropout": ("weight_dropout.cc", "counter + i, low, high", "counter, low, high"),
    "activity": ("activity.cc", "t ? now - step : now;\n      Vector", "now;\n      Vector"),
    "activity-backward": ("activity.cc", "* (load(after + i, count) - x)", "* x"),
    "norm-backward": ("layer_norm.cc", "(g - mean_g - h * mean_gh)", "(g - mean_g)"),
}


@needs("g++")
@x86
@pytest.mark.slow
@pytest.mark.parametrize("fault", [None, *FAULTS])
def test_the_trial_finds_faults_in_every_part(fault, tmp_path, object_files):
    shutil.copytree(FOLDER, tmp_path, dirs_exist_ok=True, ignore=shutil.ignore_patterns("*.so", "__pycache__"))
    if fault:
        name, right, wrong = FAULTS[fault]
        text = (tmp_path / name).read_text()
        assert text.count(right) == 1
        (tmp_path / name).write_text(text.replace(right, wrong))
    files = [file for file in sorted(tmp_path.glob("*.cc")) if file.name not in ("processor.cc", "openmp.cc")]
    link(files, [*settings("avx2"), "-O1", "-fPIC"], tmp_path / "faulty.so", object_files, ["-shared"])
    done = subprocess.run([sys.executable, "-I", "-S", str(FOLDER / "trial"), str(tmp_path / "faulty.so")],
                          capture_output=True, text=True, check=False, timeout=60)
    if fault:
        assert done.returncode != 0
        assert done.returncode < 0 or "differ by" in done.stderr
    else:
        assert (done.returncode, done.stderr) == (0, "")


@needs("g++")
@x86
@pytest.mark.slow
@pytest.mark.parametrize("name", ["avx2", "avx512"])
def test_the_compiler_has_nothing_to_warn_of(name, tmp_path):
    subprocess.run(["g++", *settings(name), "-Werror", "-fPIC", "-c", *map(str, FOLDER.glob("*.cc"))], cwd=tmp_path,
                   check=True)
