"""Compiles the operators in gluon_deeprnn/kernels if there is a C++ compiler; all other settings are in setup.cfg."""

import copy
from pathlib import Path
import platform

from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext

KERNELS = Path("gluon_deeprnn/kernels")
FLAGS = ["-O3", "-std=c++17", "-fopenmp", "-fno-math-errno", "-fno-trapping-math", "-ffp-contract=fast",
         "-fvisibility=hidden", "-Wall", "-Wextra", "-g0"]
# -march overrides the user's own compiler flags, such as -march=native: a library must contain only the instructions
# of the target in its name.
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
    """The source files of a library."""
    return sorted(str(file) for file in KERNELS.glob("*.cc") if (file.stem in ASKS) == (library == "processor"))


class Libraries(build_ext):
    """Builds libraries that MXNet loads; Python does not import them, so their names contain no Python version."""

    def finalize_options(self):
        """Compile all libraries in parallel."""
        super().finalize_options()
        self.parallel = self.parallel or 3

    def get_ext_filename(self, fullname):
        """``gluon_deeprnn/kernels/layer.avx2.so``: with two dots it cannot be mistaken for a Python module."""
        *folders, name = fullname.split(".")
        return str(Path(*folders, "processor.any.so" if name == "processor" else f"layer.{name}.so"))

    def build_extension(self, ext):
        """Compile in a separate folder, since all libraries are compiled in parallel from the same files."""
        own = copy.copy(self)
        own.build_temp = str(Path(self.build_temp) / ext.name)
        super(Libraries, own).build_extension(ext)


def libraries():
    """One library per vector instruction set; none on other systems.  Optional: a compiler may be missing or fail."""
    targets = TARGETS.get(MACHINE, {}) if platform.system() == "Linux" else {}
    return [Extension(f"gluon_deeprnn.kernels.{name}", sources(name), depends=sorted(map(str, KERNELS.rglob("*.h"))),
                      extra_compile_args=[*FLAGS, *flags], language="c++", optional=True,
                      extra_link_args=["-ldl"] if name == "processor" else ["-fopenmp"])
            for name, flags in targets.items()]


setup(ext_modules=libraries(), cmdclass={"build_ext": Libraries})
