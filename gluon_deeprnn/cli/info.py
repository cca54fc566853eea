"""Print versions, contexts, threads and kernels of this machine."""

import argparse
import platform

from gluon_deeprnn import kernels, runtime
from gluon_deeprnn.devices import described_gpu, num_gpus, usable_gpus
from gluon_deeprnn.kernels import libraries
from mxnet import runtime as mxnet_runtime


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add no options: this command has none."""


def run(arguments: argparse.Namespace) -> None:
    """Print one line per item."""
    for name, version in runtime.versions().items():
        print(f"{name}: {version}")
    print("contexts: " + ", ".join(["cpu", *(f"gpu({i})" for i in usable_gpus())]))
    print(f"GPUs: {_gpus()}")
    threads = runtime.threads()
    print(f"threads: {'chosen by MXNet' if threads is None else threads} (usable cores: {runtime.usable_cores()})")
    count, set_by = runtime.spin_count()
    print(f"spin count of a waiting thread: {count or 'chosen by OpenMP'} ({set_by})")
    print(f"keeps freed memory: {'yes' if runtime.keeps_memory else 'no'}")
    print(f"processor: {libraries.processor()[0] or platform.machine()}")
    ours = kernels.loaded()
    print(f"recurrent layers: {f'our operator, {ours}' if ours else f'MXNet, as {kernels.why_not()}'}")
    if ours:
        print(f"one thread only: calls of our operators of up to {kernels.few_products():,} multiplications")
    for name, verdict in libraries.verdicts().items():
        print(f"compiled library {name}: {verdict or 'works on this processor'}")


def _gpus() -> str:
    """What the installed wheel of MXNet can do with GPUs, and with those of this machine."""
    features = mxnet_runtime.Features()
    if not features.is_enabled("CUDA"):
        return "none, since this wheel of MXNet is for CPUs"
    with_cudnn = "with" if features.is_enabled("CUDNN") else "without"
    found = [described_gpu(i) for i in range(num_gpus())]
    each = [f"gpu({i}): {gpu or 'not described by the driver'}"
            + (", for which this wheel has no code" if gpu is not None and not gpu.has_code else "")
            for i, gpu in enumerate(found)]
    return f"this wheel of MXNet is for CUDA, {with_cudnn} cuDNN; {'; '.join(each) or 'no GPU was found'}"
