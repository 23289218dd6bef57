"""Builds the engine: leaf kernels once per CPU level and dtype, and one extension per src/*.pyx.

As many translators, then compilers, run at once as there are CPUs, or as `build_ext --parallel` says. Debug
information is half of the time and most of the bytes: it is there for `build_ext --debug`.

The compiler is the interpreter's, or that of the environment variable CC; the machine that it compiles for
says which CPU levels there are. With CPython 3.11 or later, extensions keep to its stable ABI, so that one
build serves all of them.
"""

import os
import subprocess
import sys
import sysconfig
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from Cython.Build import cythonize
from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext
from setuptools.modified import newer_group

SOURCES = Path("src")
FLAGS = ["-std=gnu11", "-fno-math-errno", "-fno-trapping-math"]
LEAF_FLAGS = [*FLAGS, "-O3"]
# What Cython writes does no arithmetic to speak of: it calls leaf kernels, and no step is faster for more
CALLER_FLAGS = [*FLAGS, "-O1"]
AVX2 = ["-mavx2", "-mfma"]
AVX512 = ["-mavx512f", "-mavx512dq", "-mavx512vl", "-mavx512bw", "-mprefer-vector-width=512"]
# Flags by machine and level. What every CPU of a machine has is its baseline; 64-bit ARM needs no more
LEVELS = {
    "x86_64": {"baseline": [], "avx2": AVX2, "avx512": [*AVX2, *AVX512]},
    "wasm32": {"baseline": ["-msimd128"]},  # which every browser has
}
ANY_MACHINE = {"baseline": []}
NO_THREADS = ["wasm32"]
STABLE_ABI = sys.version_info >= (3, 11) and not sysconfig.get_config_var("Py_GIL_DISABLED")
LEAF_HEADERS = sorted(map(str, SOURCES.glob("simd/*.h")))

EXTRA_SOURCES = {
    "simd": ["src/simd/levels.c", "src/simd/caches.c"],
    "team": ["src/team.c", "src/pace.c"],
}


def cpus():
    """CPUs that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()


def leaf_sources(machine):
    """The leaf kernels' files for a machine, and the flags of each."""
    return {
        f"src/simd/levels/{level}_{dtype}.c": flags
        # the widest takes longest: it starts first
        for level, flags in reversed(LEVELS.get(machine, ANY_MACHINE).items())
        for dtype in ("f32", "f64")
    }


def staged_sources():
    """src/ under its package's path, where Cython looks for the .pxd of vgcore._core."""
    stage = Path("build/cython/vgcore/_core")
    stage.parent.mkdir(parents=True, exist_ok=True)
    if not stage.is_symlink():
        stage.symlink_to(os.path.relpath(SOURCES, stage.parent))
    return sorted(stage.glob("*.pyx"))


class BuildEngine(build_ext):
    """Extensions and leaf kernels, in one pool of compilers."""

    def finalize_options(self):
        super().finalize_options()
        self.parallel = self.parallel or cpus()

    def build_extensions(self):
        self.compiler.compiler_so.append("-g0")  # --debug comes behind it
        target = subprocess.check_output([*self.compiler.compiler_so, "-dumpmachine"], text=True)
        machine = target.partition("-")[0]
        if machine not in NO_THREADS:
            self.use_threads()
        # Apart from the interpreter's objects: leaf kernels know no Python
        self.leaf_objects = f"build/leaf.{target.strip()}"
        simd = next(ext for ext in self.extensions if ext.name.endswith(".simd"))
        pool = ThreadPoolExecutor(self.parallel)
        try:
            leaf = [pool.submit(self.leaf_object, *item) for item in leaf_sources(machine).items()]
            rest = [pool.submit(self.build_extension, e) for e in self.extensions if e is not simd]
            simd.extra_objects = [job.result() for job in leaf]
            simd.depends = [*simd.depends, *simd.extra_objects]
            self.build_extension(simd)
            for job in rest:
                job.result()
        finally:
            pool.shutdown(cancel_futures=True)

    def use_threads(self):
        """Compile and link extensions for threads."""
        for extension in self.extensions:
            extension.extra_compile_args.append("-pthread")
            extension.extra_link_args.append("-pthread")

    def leaf_object(self, source, flags):
        """The object file of the leaf kernels of one level and dtype, compiled if it is out of date."""
        [made] = self.compiler.object_filenames([source], output_dir=self.leaf_objects)
        if self.force or newer_group([source, *LEAF_HEADERS, "setup.py"], made):
            self.compiler.compile(
                [source],
                output_dir=self.leaf_objects,
                debug=self.debug,
                extra_postargs=[*LEAF_FLAGS, *flags],
            )
        return made


if __name__ == "__main__":  # not in Cython's worker processes, which may import this file
    extensions = [
        Extension(
            f"vgcore._core.{path.stem}",
            [str(path), *EXTRA_SOURCES.get(path.stem, [])],
            include_dirs=["src"],
            define_macros=[("Py_LIMITED_API", "0x030B0000")] if STABLE_ABI else [],
            py_limited_api=STABLE_ABI,
            extra_compile_args=[*CALLER_FLAGS],
            depends=["setup.py"],  # and the .pxd and headers that Cython finds in the sources
        )
        for path in staged_sources()
    ]
    setup(
        cmdclass={"build_ext": BuildEngine},
        options={"bdist_wheel": {"py_limited_api": "cp311"}} if STABLE_ABI else {},
        ext_modules=cythonize(
            extensions,
            nthreads=cpus(),
            build_dir="build/c",
            include_path=["build/cython"],
            compiler_directives={"language_level": 3, "cdivision": True},
        ),
    )
