"""Builds the engine: leaf kernels once per CPU level and dtype, and one extension per src/*.pyx.

As many translators, then compilers, run at once as there are CPUs, or as `build_ext --parallel` says. Debug
information is half of the time and most of the bytes: it is there for `build_ext --debug`.
"""

import os
import platform
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
CALLER_FLAGS = [*FLAGS, "-O1", "-pthread"]
LEVELS = {"baseline": []}
if platform.machine() in ("x86_64", "AMD64"):
    LEVELS["avx2"] = ["-mavx2", "-mfma"]
    LEVELS["avx512"] = [
        *LEVELS["avx2"],
        *("-mavx512f", "-mavx512dq", "-mavx512vl", "-mavx512bw", "-mprefer-vector-width=512"),
    ]
LEAF_SOURCES = {
    f"src/simd/levels/{level}_{dtype}.c": flags
    for level, flags in reversed(LEVELS.items())  # the widest takes longest: it starts first
    for dtype in ("f32", "f64")
}
# Apart from the interpreter's objects: leaf kernels know no Python
LEAF_OBJECTS = f"build/leaf.{sysconfig.get_platform()}"
LEAF_HEADERS = sorted(map(str, SOURCES.glob("simd/*.h")))

EXTRA_SOURCES = {
    "simd": ["src/simd/levels.c", "src/simd/caches.c"],
    "team": ["src/team.c", "src/pace.c"],
}


def cpus():
    """CPUs that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()


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
        simd = next(ext for ext in self.extensions if ext.name.endswith(".simd"))
        pool = ThreadPoolExecutor(self.parallel)
        try:
            leaf = [pool.submit(self.leaf_object, *item) for item in LEAF_SOURCES.items()]
            rest = [pool.submit(self.build_extension, e) for e in self.extensions if e is not simd]
            simd.extra_objects = [job.result() for job in leaf]
            simd.depends = [*simd.depends, *simd.extra_objects]
            self.build_extension(simd)
            for job in rest:
                job.result()
        finally:
            pool.shutdown(cancel_futures=True)

    def leaf_object(self, source, flags):
        """The object file of the leaf kernels of one level and dtype, compiled if it is out of date."""
        [made] = self.compiler.object_filenames([source], output_dir=LEAF_OBJECTS)
        if self.force or newer_group([source, *LEAF_HEADERS, "setup.py"], made):
            self.compiler.compile(
                [source],
                output_dir=LEAF_OBJECTS,
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
            extra_compile_args=CALLER_FLAGS,
            extra_link_args=["-pthread"],
            depends=["setup.py"],  # and the .pxd and headers that Cython finds in the sources
        )
        for path in staged_sources()
    ]
    setup(
        cmdclass={"build_ext": BuildEngine},
        ext_modules=cythonize(
            extensions,
            nthreads=cpus(),
            build_dir="build/c",
            include_path=["build/cython"],
            compiler_directives={"language_level": 3, "cdivision": True},
        ),
    )
