"""What of a class is told: not again what its public base, or scikit-learn, tells of every class."""

import inspect
import sys

import vgcore as vg

BASES = (
    vg.callbacks.Callback,
    vg.initializers.Initializer,
    vg.layers.Layer,
    vg.losses.Loss,
    vg.metrics.Metric,
    vg.optimizers.Optimizer,
    vg.schedules.Schedule,
)


def skip(app, what, name, member, skipped, options):
    """Leave out what a base has by this name."""
    function = member.fget if isinstance(member, property) else inspect.unwrap(member)
    owner = getattr(function, "__qualname__", "").partition(".")[0]
    if str(getattr(function, "__module__", "")).startswith("sklearn."):
        return True
    held = getattr(sys.modules.get(getattr(function, "__module__", "")), owner, None)
    page = app.env.docname.rpartition(".")[2]
    for base in BASES:
        related = inspect.isclass(held) and (issubclass(held, base) or issubclass(base, held))
        if related and hasattr(base, name) and page != base.__name__:
            return True
    return None


def setup(app):
    """Tell Sphinx."""
    app.connect("autodoc-skip-member", skip)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
