"""Imports run one way, and importing vgcore is cheap.

    simd → op → layer kernels → engine → program → layers → flow → model → theory → plot → experiments → cli

Read from the sources, the imports inside functions too; those for type checkers alone do not count.
"""

import ast
import re
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest
from processes import run_python

ROOT = Path(__file__).parents[1]
PACKAGE, ENGINE = ROOT / "vgcore", ROOT / "src"

# Floor by floor, from the ground up: a module imports from its own floor or from below. What is
# not named of the engine stands where "*" does; of a room, where the room does.
ENGINE_FLOORS = [
    ["simd"],
    ["function"],
    ["op", "arrays", "gradient_buffers", "team"],
    ["neighbours", "recurrent", "normalisation", "kernel_arrays"],
    ["*"],
    ["plan"],
    ["parameter_layout"],
    ["buffer_layout"],
    ["window"],
    ["record", "sights", "bins", "units"],
    ["treatment"],
    ["guard", "custom_loss"],
    ["engine"],
    ["program"],
]
FLOORS = [
    ["_core", "_version"],
    ["_locks"],
    ["foreign"],
    ["_answers"],
    [
        "_validate",
        "_settings",
        "_files",
        "_npz",
        "_safetensors",
        "_extras",
        "_frames",
        "_html",
        "_json",
        "consoles",
    ],
    ["_formulas", "_slopes"],
    ["activations", "losses", "schedules", "theory.meanfield", "theory", "data"],
    ["metrics", "initializers", "optimizers", "treatment", "layers"],
    ["flow"],
    [
        "model.parameters",
        "model.states",
        "model.state_names",
        "model.making",
        "model.turns",
        "model.cpus",
        "model.threadpools",
    ],
    ["model.threads", "model.generators"],
    [
        "model.inputs",
        "model.compiling",
        "model.records",
        "model.told",
        "model.history",
        "model.summary",
    ],
    ["model.planning", "model.steps", "model.custom_loss", "model.minibatches", "model.callbacks"],
    ["model.session", "model.progress"],
    ["model.divergence", "model.sources"],
    ["model.feeding"],
    ["model.inference", "model.storage"],
    ["model.training"],
    ["model.passes"],
    ["model.internals"],
    ["model.sequential", "model"],
    ["theory.cells", "theory.walks"],
    ["theory.jacobian", "theory.exponents", "theory.isometry", "zoo", "sweeps"],
    ["theory.starts", "theory.signal"],
    ["theory.units", "theory.softmax", "theory.data", "theory.drawn"],
    ["theory.place"],
    ["theory.rules", "theory.norms", "theory.blocks", "theory.recurrent"],
    ["theory.prediction"],
    ["plot"],
    ["diagnosis"],
    ["page"],
    ["reporting", "exchange"],
    ["live"],
    ["live.recording", "live.server", "live.widget"],
    ["experiments"],
    ["__init__"],
    ["running", "serving", "sweeping"],
    ["commands"],
    ["cli"],
    ["__main__"],
]
# Functions that reach upwards when they are called: what they make or draw lies above them
UPWARDS = {
    ("flow", "diagnosis"),
    ("flow", "plot"),
    ("model.callbacks", "model.storage"),
    ("model.history", "plot"),
    ("live", "live.recording"),
    ("live", "live.server"),
    ("live", "live.widget"),
    ("initializers", "layers"),
    ("initializers", "model"),
    ("initializers", "model.inputs"),
    ("model.sequential", "diagnosis"),
    ("model.training", "diagnosis"),
    ("model.sequential", "theory.jacobian"),
    ("model.storage", "model.sequential"),
}


def floor_of(module, floors):
    star = next((i for i, names in enumerate(floors) if "*" in names), None)
    found = next((i for i, names in enumerate(floors) if module in names), star)
    assert found is not None, f"{module} has no floor"
    return found


def module_name(path):
    """vgcore/layers/dense.py is vgcore.layers.dense."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {module_name(path): path for path in sorted(PACKAGE.rglob("*.py"))}
CORE = {f"vgcore._core.{path.stem}" for path in ENGINE.glob("*.pyx")}


def for_type_checkers(node):
    return isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"


def nodes_run(tree):
    for node in ast.iter_child_nodes(tree):
        if not for_type_checkers(node):
            yield node
            yield from nodes_run(node)


def imports(name):
    """The modules of vgcore that a module imports."""
    found = set()
    for node in nodes_run(ast.parse(MODULES[name].read_text())):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{name} imports relatively"
            for alias in node.names:
                inner = f"{node.module}.{alias.name}"
                found.add(inner if inner in MODULES.keys() | CORE else node.module)
    return {module for module in found if module.split(".")[0] == "vgcore"}


def short(module):
    """The part of vgcore a module belongs to, as FLOORS names it: itself, or its room."""
    _, *path = module.split(".")
    inner = ".".join(path[:2])
    if any(inner in names for names in FLOORS):
        return inner
    return path[0] if path else "__init__"


def engine_imports(path):
    """(modules of the engine, other modules) that a .pyx or .pxd file imports or cimports."""
    ours, others = set(), set()
    lines = re.findall(
        r"^\s*(?:from\s+(\S+)\s+c?import\s+(.+)|c?import\s+(\S+))", path.read_text(), re.MULTILINE
    )
    for source, names, plain in lines:
        if source == ".":
            ours.update(name.split()[0] for name in names.split(","))
        elif source.startswith("."):
            ours.add(source.removeprefix("."))
        else:
            others.add(source or plain)
    return ours, others


@pytest.mark.parametrize("name", MODULES)
def test_python_imports_run_one_way(name):
    for module in imports(name):
        mine, other = short(name), short(module)
        if (mine, other) not in UPWARDS:
            assert floor_of(other, FLOORS) <= floor_of(mine, FLOORS), f"{name} imports {module}"


def test_python_imports_have_no_cycles():
    graph = {
        name: {module for module in imports(name) if (short(name), short(module)) not in UPWARDS}
        for name in MODULES
    }
    assert {"vgcore.layers.base", "vgcore._core.dense"} <= graph["vgcore.layers.dense"]
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        pytest.fail(" ← ".join(error.args[1]))


def test_imports_upwards_are_still_needed():
    """An exception that nobody uses any more is taken off the list."""
    used = {(short(name), short(module)) for name in MODULES for module in imports(name)}
    assert used >= UPWARDS


@pytest.mark.parametrize("path", sorted(ENGINE.glob("*.p[yx][xd]")), ids=lambda path: path.name)
def test_engine_imports_run_one_way(path):
    ours, others = engine_imports(path)
    assert not [module for module in others if module.split(".")[0] == "vgcore"]
    assert others <= {"numpy", "os"} | {m for m in others if m.split(".")[0] in ("libc", "cpython")}
    for module in ours - {path.stem}:
        assert floor_of(module, ENGINE_FLOORS) <= floor_of(path.stem, ENGINE_FLOORS), module


def test_the_engine_knows_no_kind_of_layer():
    kernels = {path.stem for path in ENGINE.glob("*.pyx")}
    kernels -= {name for names in ENGINE_FLOORS for name in names}
    assert "dense" in kernels
    for path in ENGINE.glob("*.p[yx][xd]"):
        assert not engine_imports(path)[0] & (kernels - {path.stem}), path.name


def test_leaf_kernels_include_only_each_other():
    headers = {path.name for path in (ENGINE / "simd").glob("*.h")}
    for path in (ENGINE / "simd").rglob("*.[ch]"):
        for name in re.findall(r'#include "(.+)"', path.read_text()):
            assert Path(name).name in headers, f"{path.name} includes {name}"


def test_importing_vgcore_imports_numpy_alone():
    script = (
        "import sys, numpy; old = {*sys.modules}; import vgcore; print(*sys.modules.keys() - old)"
    )
    run = run_python("-c", script)
    roots = {module.split(".")[0] for module in run.stdout.split()}
    assert "vgcore" in roots
    unwanted = {"matplotlib", "sklearn", "rich", "typer", "click", "pooch", "scipy", "torch"}
    assert not roots & (unwanted | {"requests", "urllib3", "pandas", "jax", "PIL", "jinja2"})
    assert not roots & {"distributed", "sqlite3", "multiprocessing", "concurrent"}


def test_what_is_for_other_tools_is_imported_when_it_is_asked_for():
    script = (
        "import sys, vgcore as vg; assert 'vgcore.exchange' not in sys.modules; "
        "assert 'exchange' in dir(vg); vg.exchange.to_keras; from vgcore import exchange; "
        "foreign = {'keras', 'onnx', 'safetensors', 'torch'} & {m.split('.')[0] for m in sys.modules}; "
        "assert not foreign, foreign"
    )
    run = run_python("-c", script)
    assert run.returncode == 0, run.stderr
