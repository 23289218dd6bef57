"""What a model is made of, as a table."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from vgcore import _html, _validate

if TYPE_CHECKING:
    from vgcore.model.session import Session


_HEAD = ("layer", "type", "output", "parameters")


class Summary(NamedTuple):
    """Layers, parameters and memory of a model; prints as a table.

    Attributes
    ----------
    layers : list of (name, class, output shape, parameters)
        The parameters add up to those of the model.
    parameters : int
        Numbers that are trained.
    parameter_bytes : int
        Parameters, gradients and the optimizer's state.
    arena_bytes : int
        Everything else that training needs: activations, gradients of activations, taps.
    batch_size : int
        Rows of a minibatch the arena is planned for.
    statistics : int
        Numbers that layers keep by themselves, such as running means.
    """

    layers: list[tuple[str, str, tuple[int | None, ...], int]]
    parameters: int
    parameter_bytes: int
    arena_bytes: int
    batch_size: int
    statistics: int

    def __str__(self) -> str:
        """Lay out the table."""
        head = _HEAD
        rows = [
            (name, kind, _shape(shape), f"{count:,}") for name, kind, shape, count in self.layers
        ]
        widths = [max(len(row[i]) for row in (head, *rows)) for i in range(4)]
        lines = []
        for *texts, count in (head, *rows):
            cells = [f"{text:<{width}}" for text, width in zip(texts, widths, strict=False)]
            lines.append("  ".join([*cells, f"{count:>{widths[-1]}}"]))
        rule = "-" * len(lines[0])
        lines[1:1] = [rule]
        lines += [
            rule,
            f"parameters   {self.parameters:,}",
            *[f"statistics   {self.statistics:,}"] * (self.statistics > 0),
            f"memory       {_validate.size(self.parameter_bytes)} parameters, gradients and optimizer state",
            f"             {_validate.size(self.arena_bytes)} arena at batch size {self.batch_size}",
        ]
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        """Show the table in a notebook."""
        rows = [(name, kind, _shape(shape), count) for name, kind, shape, count in self.layers]
        foot = (
            f"{self.parameters:,} parameters; {_validate.size(self.parameter_bytes)} parameters, gradients "
            f"and optimizer state; {_validate.size(self.arena_bytes)} arena at batch size {self.batch_size}"
        )
        return _html.table("Summary", _HEAD, rows, foot)

    def __repr__(self) -> str:
        """Show the table."""
        return str(self)


def rows_of(session: Session) -> list[tuple[str, str, tuple[int | None, ...], int]]:
    """Name, class, output shape and number of trained parameters of each layer."""
    views = session.layout.views(session.values)
    counts = dict.fromkeys((str(layer.name) for layer in session.layers), 0)
    for name in session.layout.trained:
        counts[name.partition(".")[0]] += views[name].size
    return [
        (str(layer.name), type(layer).__name__, shape, counts[str(layer.name)])
        for layer, shape in zip(session.layers, session.shapes[1:], strict=True)
    ]


def _shape(shape: tuple[int | None, ...]) -> str:
    return f"(n, {', '.join(str(size or 'time') for size in shape)})"


def summary_html(session: Session) -> str:
    """The layers and parameters of a model, and what it is compiled with, for a notebook."""
    chosen = session.chosen
    compiled = "not compiled" if chosen is None else f"{chosen.loss.name}, {chosen.optimizer!r}"
    return _html.table(
        f"Sequential: input {_shape(session.input_shape)}, {session.dtype}",
        _HEAD,
        [(name, kind, _shape(shape), count) for name, kind, shape, count in rows_of(session)],
        f"{session.layout.count:,} parameters; {compiled}; {session.step:,} steps done",
    )


def summarize(session: Session, batch_size: int, times: int | None) -> Summary:
    """See `Sequential.summary`."""
    batch = _validate.integer("batch_size", batch_size, minimum=1)
    views = session.layout.views(session.values)
    given = session.input_shape[0] if session.takes_time else 1
    times = 100 if times is None else _validate.integer("times", times, minimum=1)
    steps = given or times
    vectors = 2 + len(session.states)
    return Summary(
        rows_of(session),
        session.layout.count,
        vectors * session.values.nbytes,
        session.stack.program(session.planned, batch, steps).arena_bytes,
        batch,
        sum(view.size for view in views.values()) - session.layout.count,
    )
