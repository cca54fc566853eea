"""Compiles the recurrent layer's operator (gluon_deeprnn/kernels) where that is possible; the rest is in setup.cfg."""

import importlib.util
from pathlib import Path
import platform

from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext

KERNELS = Path("gluon_deeprnn/kernels")
FLAGS = ["-O3", "-std=c++17", "-fopenmp", "-fno-math-errno", "-fno-trapping-math", "-ffp-contract=fast",
         "-Wno-ignored-attributes", "-Wno-attributes", "-g0"]
TARGETS = {
    "avx2": ["-mavx2", "-mfma", "-DLANES=8"],
    "avx512": ["-mavx512f", "-mavx512vl", "-mavx512dq", "-mavx512bw", "-mfma", "-mprefer-vector-width=512",
               "-DLANES=16"],
}


class Libraries(build_ext):
    """Libraries that MXNet loads, not modules that Python imports: their names carry no version of Python."""

    def finalize_options(self):
        """As many at a time as there are."""
        super().finalize_options()
        self.parallel = self.parallel or len(TARGETS)

    def get_ext_filename(self, fullname):
        """``gluon_deeprnn/kernels/layer.avx2.so``: two dots, so that nobody takes it for a module."""
        *folders, name = fullname.split(".")
        return str(Path(*folders, f"layer.{name}.so"))


def libraries():
    """One for each target; none where MXNet's headers or the processor are not there.  A compiler may fail."""
    mxnet = importlib.util.find_spec("mxnet")
    if mxnet is None or platform.system() != "Linux" or platform.machine() != "x86_64":
        return []
    home = Path(mxnet.submodule_search_locations[0])
    return [Extension(f"gluon_deeprnn.kernels.{name}", sorted(map(str, KERNELS.glob("*.cc"))),
                      include_dirs=[str(home), str(home / "include")], depends=sorted(map(str, KERNELS.glob("*.h"))),
                      extra_compile_args=[*FLAGS, *target], extra_link_args=["-fopenmp"], language="c++", optional=True)
            for name, target in TARGETS.items()]


setup(ext_modules=libraries(), cmdclass={"build_ext": Libraries})
