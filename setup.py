"""Builds the engine: leaf kernels once per CPU level, and one extension per src/*.pyx."""

import os
import platform
from pathlib import Path

from Cython.Build import cythonize
from setuptools import Extension, setup

SOURCES = Path("src")
FLAGS = ["-std=gnu11", "-O3", "-fno-math-errno", "-fno-trapping-math"]
LEVELS = {"baseline": []}
if platform.machine() in ("x86_64", "AMD64"):
    LEVELS["avx2"] = ["-mavx2", "-mfma"]
    LEVELS["avx512"] = [
        *LEVELS["avx2"],
        *("-mavx512f", "-mavx512dq", "-mavx512vl", "-mavx512bw", "-mprefer-vector-width=512"),
    ]

everything = sorted(map(str, SOURCES.glob("**/*.[ch]"))) + sorted(map(str, SOURCES.glob("*.p*")))


def leaf_library(level, flags):
    """A static library of the leaf kernels of one CPU level, for both dtypes."""
    sources = [f"src/simd/levels/{level}_{dtype}.c" for dtype in ("f32", "f64")]
    return (
        f"vg_leaf_{level}",
        {
            "sources": sources,
            "cflags": FLAGS + flags,
            "obj_deps": {"": sorted(map(str, (SOURCES / "simd").glob("*.h")))},
        },
    )


def staged_sources():
    """src/ under its package's path, where Cython looks for the .pxd of vgcore._core."""
    stage = Path("build/cython/vgcore/_core")
    stage.parent.mkdir(parents=True, exist_ok=True)
    if not stage.is_symlink():
        stage.symlink_to(os.path.relpath(SOURCES, stage.parent))
    return sorted(stage.glob("*.pyx"))


EXTRA_SOURCES = {"simd": ["src/simd/levels.c"], "team": ["src/team.c", "src/pace.c"]}

extensions = [
    Extension(
        f"vgcore._core.{path.stem}",
        [str(path), *EXTRA_SOURCES.get(path.stem, [])],
        include_dirs=["src"],
        extra_compile_args=[*FLAGS, "-pthread"],
        extra_link_args=["-pthread"],
        depends=everything,
    )
    for path in staged_sources()
]

setup(
    libraries=[leaf_library(level, flags) for level, flags in LEVELS.items()],
    ext_modules=cythonize(
        extensions,
        build_dir="build/c",
        include_path=["build/cython"],
        compiler_directives={"language_level": 3, "cdivision": True},
    ),
)
