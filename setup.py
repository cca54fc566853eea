"""Compiles the operators (gluon_deeprnn/kernels), where there is a C++ compiler; the rest is in setup.cfg."""

import copy
from pathlib import Path
import platform

from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext

KERNELS = Path("gluon_deeprnn/kernels")
FLAGS = ["-O3", "-std=c++17", "-fopenmp", "-fno-math-errno", "-fno-trapping-math", "-ffp-contract=fast",
         "-fvisibility=hidden", "-Wall", "-Wextra", "-g0"]
# -march takes back what the compiler's own settings may say, such as -march=native: a library holds no other
# instructions than its name says.
TARGETS = {
    "x86_64": {
        "processor": ["-march=x86-64"],
        "avx2": ["-march=x86-64", "-mavx2", "-mfma", "-DLANES=8"],
        "avx512": ["-march=x86-64", "-mavx512f", "-mavx512vl", "-mavx512dq", "-mavx512bw", "-mfma",
                         "-mprefer-vector-width=512", "-DLANES=16"],
    },
    "aarch64": {"processor": ["-march=armv8-a"], "neon": ["-march=armv8-a", "-DLANES=4"]},
}
MACHINE = {"AMD64": "x86_64", "arm64": "aarch64"}.get(platform.machine(), platform.machine())


ASKS = ("processor", "openmp")  # the files of the library that asks for the processor, which runs on every one


def sources(library):
    """The files that a library is made of."""
    return sorted(str(file) for file in KERNELS.glob("*.cc") if (file.stem in ASKS) == (library == "processor"))


class Libraries(build_ext):
    """Libraries that MXNet loads, not modules that Python imports: their names carry no version of Python."""

    def finalize_options(self):
        """As many at a time as there are."""
        super().finalize_options()
        self.parallel = self.parallel or 3

    def get_ext_filename(self, fullname):
        """``gluon_deeprnn/kernels/layer.avx2.so``: two dots, so that nobody takes it for a module."""
        *folders, name = fullname.split(".")
        return str(Path(*folders, "processor.any.so" if name == "processor" else f"layer.{name}.so"))

    def build_extension(self, ext):
        """In a folder of its own: all are compiled from the same files, at the same time."""
        own = copy.copy(self)
        own.build_temp = str(Path(self.build_temp) / ext.name)
        super(Libraries, own).build_extension(ext)


def libraries():
    """One for each set of vector instructions; none on other systems.  A compiler may be missing or fail."""
    targets = TARGETS.get(MACHINE, {}) if platform.system() == "Linux" else {}
    return [Extension(f"gluon_deeprnn.kernels.{name}", sources(name), depends=sorted(map(str, KERNELS.rglob("*.h"))),
                      extra_compile_args=[*FLAGS, *flags], language="c++", optional=True,
                      extra_link_args=["-ldl"] if name == "processor" else ["-fopenmp"])
            for name, flags in targets.items()]


setup(ext_modules=libraries(), cmdclass={"build_ext": Libraries})
