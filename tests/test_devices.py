import ctypes
import shutil
import subprocess

from gluon_deeprnn import Trainer, devices, try_gpu
from gluon_deeprnn.cli import info
from gluon_deeprnn.devices import GPU, as_context, as_contexts, num_gpus, try_all_gpus
import mxnet
import pytest


@pytest.mark.parametrize("name", ["cpu", "cpu(0)", mxnet.cpu(), mxnet.cpu(0)])
def test_names_and_contexts_are_understood(name):
    assert as_context(name) == mxnet.cpu()


def test_auto_and_try_gpu_use_a_gpu_only_if_there_is_one():
    assert as_context("auto") == try_gpu() == (mxnet.gpu() if num_gpus() else mxnet.cpu())
    assert try_gpu(999) == mxnet.cpu()
    assert try_all_gpus() == ([mxnet.gpu(i) for i in range(num_gpus())] or [mxnet.cpu()])


@pytest.mark.parametrize(("name", "message"), [
    ("gpu(999)", r"ctx must be a context that this machine has .*; got 'gpu\(999\)' \(use cpu or auto\)"),
    (mxnet.gpu(999), r"ctx must be a context that this machine has .*; got 'gpu\(999\)'"),
    ("cpuu", r"ctx must be cpu, gpu, gpu\(N\) or auto; got 'cpuu' \(did you mean 'cpu'\?\)"),
    (0, r"ctx must be cpu, gpu, gpu\(N\) or auto; got 0"),
])
def test_other_names_are_refused(name, message):
    with pytest.raises(ValueError, match="^" + message):
        as_context(name)


HOPPER, AMPERE = GPU("NVIDIA H100", (9, 0)), GPU("NVIDIA A100", (8, 0))


@pytest.fixture
def gpus(monkeypatch):
    """Gives this machine GPUs, as far as names of contexts are concerned."""
    def give(*found):
        monkeypatch.setattr(devices, "num_gpus", lambda: len(found))
        monkeypatch.setattr(devices, "described_gpu", lambda i: found[i])
        monkeypatch.setattr(info, "num_gpus", lambda: len(found))
        monkeypatch.setattr(info, "described_gpu", lambda i: found[i])

    return give


def test_a_gpu_without_code_in_mxnets_wheels_is_refused_with_the_reason(gpus):
    gpus(HOPPER)
    with pytest.raises(ValueError, match=r"^ctx must be a GPU that MXNet can use; got gpu, NVIDIA H100, compute "
                                         r"capability 9\.0: MXNet 1\.9\.1 has code for compute capabilities 5\.0 to "
                                         r"8\.9 only \(use cpu or auto\)$"):
        as_context("gpu")
    assert as_context("auto") == try_gpu() == mxnet.cpu()
    assert try_all_gpus() == [mxnet.cpu()]


def test_of_several_gpus_those_with_code_are_used(gpus, caplog):
    gpus(HOPPER, AMPERE, None, GPU("NVIDIA L4", (8, 9)), GPU("Tesla K80", (3, 7)))
    assert try_all_gpus() == [mxnet.gpu(1), mxnet.gpu(2), mxnet.gpu(3)]
    assert as_context("auto") == mxnet.gpu(1)
    assert try_gpu(0) == mxnet.cpu()
    assert "gpu(0) is not used: NVIDIA H100, compute capability 9.0: MXNet" in caplog.text
    assert as_contexts("gpu(1),gpu(3)") == [mxnet.gpu(1), mxnet.gpu(3)]
    assert Trainer(1, num_gpus=2).contexts == [mxnet.gpu(1), mxnet.gpu(2)]


def test_info_says_what_the_wheel_can_do_with_gpus(gpus, monkeypatch):
    if not mxnet.runtime.Features().is_enabled("CUDA"):
        assert info._gpus() == "none, since this wheel of MXNet is for CPUs"
    monkeypatch.setattr(mxnet.runtime.Features, "is_enabled", lambda self, name: True)
    gpus(HOPPER, AMPERE)
    assert info._gpus() == (
        "this wheel of MXNet is for CUDA, with cuDNN; gpu(0): NVIDIA H100, compute capability 9.0, for which this "
        "wheel has no code; gpu(1): NVIDIA A100, compute capability 8.0")
    gpus()
    assert info._gpus() == "this wheel of MXNet is for CUDA, with cuDNN; no GPU was found"


def test_the_driver_describes_a_gpu(monkeypatch, tmp_path):
    """A library with the functions of CUDA's driver that are called, for a GPU of compute capability 8.6."""
    (tmp_path / "driver.c").write_text("""
        #include <string.h>
        int cuInit(unsigned flags) { return flags; }
        int cuDeviceGet(int* device, int i) { *device = i + 7; return i > 0; }
        int cuDeviceGetName(char* name, int size, int device) { strncpy(name, "Some GPU", size); return device != 7; }
        int cuDeviceGetAttribute(int* value, int which, int device) { *value = which == 75 ? 8 : 6; return 0; }
    """)
    compiler = shutil.which("cc") or pytest.skip("needs a C compiler")
    library = tmp_path / "libcuda.so.1"
    subprocess.run([compiler, "-shared", "-fPIC", "-o", library, tmp_path / "driver.c"], check=True)
    original = ctypes.CDLL
    monkeypatch.setattr(ctypes, "CDLL", lambda name: original(library if name == "libcuda.so.1" else name))
    devices.described_gpu.cache_clear()
    try:
        assert devices.described_gpu(0) == GPU("Some GPU", (8, 6))
        assert devices.described_gpu(1) is None
        assert str(devices.described_gpu(0)) == "Some GPU, compute capability 8.6"
    finally:
        devices.described_gpu.cache_clear()
