"""Sequence to sequence: translation by one stack, its source read forwards and in reverse.

Sutskever, Vinyals and Le (2014) had an LSTM read a sentence and write its translation, English to French
(WMT'14, 12 million pairs, four layers of 1,000 units). Reading the source from its last word to its first
lowered the perplexity of test sentences from 5.8 to 4.7 and raised BLEU from 25.9 to 30.6 (section 3.3):
the first words of both sentences come to stand close together, so that "backpropagation has an easier time".
What was read in reverse did much better on long sentences. Cho et al. (2014) saw an encoder and decoder of
gated units get worse with the length of the source.

Here the stack is one: source words, a separator and target words are one sequence, through Embedding, a
recurrent layer and a softmax at every timestep; the loss is that of the target's steps alone, by
``sample_weight``. Its data, unless a file of pairs is given, are numbers in words from English to German,
where "twenty four" is "vier und zwanzig": a small language without ambiguities, so that perplexities are near
1 and whole translations can be right. A model translates as a user would have it, word by word, each fed
back.

The gradient that explains it is dL_t/dx_s, L_t the loss of the target's word t and x_s the source's word s in
front of the recurrent layer. Before training its norm tells how far back an error reaches.

With any of the seeds 0 to 4, reversal lowers the perplexity of all three cells and raises the share of whole
sentences that are right of LSTM and GRU; the simple cell gets next to none in either order.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from vgcore import _validate, plot
from vgcore.data import Pairs, SentencePairs, sentence_pairs
from vgcore.data.sentence_pairs import END, PADDING
from vgcore.experiments import base, numerals
from vgcore.experiments.base import (
    About,
    Claim,
    KeepFolder,
    Meter,
    Table,
    fit_callback,
    reading,
    silent,
    verdict,
)
from vgcore.experiments.keep import Keep
from vgcore.experiments.time import CELLS, COLOURS
from vgcore.layers import Dense, Embedding
from vgcore.model import Sequential
from vgcore.optimizers import Adam
from vgcore.schedules import Cosine

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Array = NDArray[Any]

ABOUT = About(
    "Translation by one stack: which source words an output word's gradient reaches, and what is learned",
    "I. Sutskever, O. Vinyals, Q. V. Le, NIPS 2014, arXiv:1409.3215, sections 3.3 and 3.7; K. Cho et al., "
    "arXiv:1409.1259 (2014)",
)

_EMBEDDED, _LEARNING_RATE, _CLIP_NORM, _BATCH_SIZE = 32, 5e-3, 1.0, 64
_GROUPS = 7  # of lengths
_FEW = 1000  # pairs of a language, of which what is measured says little
_MEASURED = 128  # held-out pairs that a gradient is measured on
_SHOWN = 8  # words of the source whose gradient is drawn, at most
_DASHES = {False: "--", True: "-"}
_ORDERS = {False: "forwards", True: "reversed"}
_DRAWN = "rnn", "lstm"  # whose gradients are drawn


class Scale(NamedTuple):
    """How much of it: numbers, their digits, words of a sentence of a file, units, epochs."""

    pairs: int
    digits: int
    longest: int
    units: int
    epochs: int


DEFAULT, FULL = Scale(16_000, 9, 12, 64, 5), Scale(100_000, 9, 30, 256, 10)


@dataclass(frozen=True)
class Course:
    """One cell's course, in one order of the source.

    Attributes
    ----------
    cell : str
        A key of `CELLS`.
    reverse : bool
        Whether the source is read in reverse.
    right : ndarray of bool, (held out,)
        Which held-out sentences are translated word for word.
    tokens : ndarray of float, (held out,)
        The share of each one's words that are told right after the right ones before them.
    perplexity : float
        Of the words of the held-out targets.
    first : float
        Norm of the gradient that the loss of the target's first word sends to the source's first one before
        training, a mean over held-out pairs.
    start, end : ndarray, (target words and the end, source words)
        Norms of dL_t/dx_s of one held-out pair before and after training, the source in reading order.
    """

    cell: str
    reverse: bool
    right: Array
    tokens: Array
    perplexity: float
    first: float
    start: Array
    end: Array

    @property
    def name(self) -> str:
        """For people."""
        return f"{self.cell.upper()}, {_ORDERS[self.reverse]}"


@dataclass(frozen=True, repr=False)
class Result(base.Result):
    """What was measured.

    Attributes
    ----------
    courses : list of Course
        Every cell, the source forwards, then in reverse.
    lengths : ndarray of int, (held out,)
        Words of each held-out source.
    source, target : list of str
        The pair whose gradients are kept.
    about : str
        What was translated.
    """

    courses: list[Course]
    lengths: Array
    source: list[str]
    target: list[str]
    about: str

    def course(self, cell: str, reverse: bool) -> Course:
        """One of them."""
        return next(each for each in self.courses if (each.cell, each.reverse) == (cell, reverse))

    @property
    def groups(self) -> list[tuple[int, int]]:
        """Lengths of sources, first and last of each group, of which each has about as many."""
        edges = np.quantile(self.lengths, np.linspace(0, 1, _GROUPS + 1), method="lower")
        firsts = np.unique(edges[:-1])
        return list(zip(firsts, [*(firsts[1:] - 1), self.lengths.max()], strict=True))

    def by_length(self, values: Array) -> Array:
        """The mean of held-out sentences' values in each group."""
        within = ((first <= self.lengths) & (self.lengths <= last) for first, last in self.groups)
        return np.array([values[where].mean() for where in within])

    def claims(self) -> list[Claim]:
        """What reversal does, and what long sentences do."""
        lstm, back = self.course("lstm", False), self.course("lstm", True)
        gru, rnn = self.course("gru", False), self.course("rnn", False)
        middle = np.median(self.lengths)
        short = self.lengths <= middle
        (few, many), (few_back, many_back) = (
            [float(each.right[where].mean()) for where in (short, ~short)] for each in (lstm, back)
        )
        data = f"other data: {self.about}"
        return [
            Claim(
                "Read in reverse, the source leaves an LSTM less perplexed by held-out targets",
                "perplexity 5.8, reversed 4.7",
                f"{lstm.perplexity:.3f}, reversed {back.perplexity:.3f}",
                verdict(False, back.perplexity < 0.98 * lstm.perplexity),
                data,
            ),
            Claim(
                "and its translations are better",
                "BLEU 25.9, reversed 30.6",
                f"{lstm.right.mean():.0%} right word for word, reversed {back.right.mean():.0%}",
                verdict(False, _surely(back.right, lstm.right)),
                f"{data}, on which whole sentences can be right",
            ),
            Claim(
                "most of all on long sentences",
                "much better on long sentences",
                f"right: {few:.0%}, reversed {few_back:.0%} up to {middle:.0f} words; {many:.0%}, "
                f"reversed {many_back:.0%} above",
                verdict(False, many_back * few > few_back * many),
                data,
            ),
            Claim(
                "Gated units get worse with the length of the source",
                "BLEU falls with the length",
                f"GRU, right: {gru.right[short].mean():.0%} up to {middle:.0f} words, "
                f"{gru.right[~short].mean():.0%} above",
                verdict(False, bool(gru.right[short].mean() > gru.right[~short].mean())),
                data,
            ),
            Claim(
                "A simple cell is hard to train on such dependencies, where an LSTM may succeed",
                "no number",
                f"{rnn.right.mean():.1%} right, LSTM {lstm.right.mean():.0%}",
                verdict(False, _surely(lstm.right, rnn.right)),
                "the source argues so, and trains no simple cell",
            ),
            Claim(
                "Reversed, first words are close: the error finds it easier to reach the source",
                "no number",
                f"LSTM before training, first word to first: {lstm.first:.1e}, reversed {back.first:.1e}",
                verdict(False, back.first > lstm.first),
                "the source argues so, and measures no gradient",
            ),
        ]

    def tables(self) -> list[Table]:
        """All courses, then the share of sentences and of words that are right, by length."""
        rows = [
            (
                each.name,
                f"{each.perplexity:.3f}",
                f"{each.tokens.mean():.1%}",
                f"{each.right.mean():.1%}",
                f"{each.first:.1e}",
            )
            for each in self.courses
        ]
        columns = "cell", "perplexity", "words right", "sentences right", "‖dL₁/dx₁‖ at the start"
        return [
            Table(f"{len(self.lengths):,} held-out sentences", columns, rows),
            self._by_length("Sentences that are translated word for word", "right"),
            self._by_length("Words that are told after the right ones", "tokens"),
        ]

    def _by_length(self, title: str, field: str) -> Table:
        groups = (f"{first}" if first == last else f"{first}-{last}" for first, last in self.groups)
        rows = [
            (each.name, *(f"{share:.0%}" for share in self.by_length(getattr(each, field))))
            for each in self.courses
        ]
        return Table(f"{title}, by words of the source", ("cell", *groups), rows)

    def notes(self) -> list[str]:
        """How to read it."""
        return [
            f"Translated: {self.about}. A sentence is right if all of its words and its end are, each told "
            "after what the model itself has written.",
            "Gradients: of the loss of each word of the translation, to each word of its source as the "
            "recurrent layer reads it; before training. Read forwards, a source's first word is the "
            "farthest from the translation's first; in reverse it is the nearest.",
        ]

    def picture(self) -> Figure:
        """What is right by length, and the gradients that output words send to source words."""
        from matplotlib.ticker import PercentFormatter

        figure = plot.blank(14, 6.6)
        grid = figure.add_gridspec(2, 3, width_ratios=(1.3, 1, 1))
        ax = figure.add_subplot(grid[:, 0])
        self._draw_right(ax)
        ax.yaxis.set_major_formatter(PercentFormatter(1))
        courses = [self.course(cell, reverse) for cell in _DRAWN for reverse in _ORDERS]
        axes = [
            figure.add_subplot(place) for place in (grid[0, 1], grid[0, 2], grid[1, 1], grid[1, 2])
        ]
        norms = np.array([course.start for course in courses])
        for ax, course in zip(axes, courses, strict=True):
            limits: dict[str, Any] = {"vmin": norms.min(), "vmax": norms.max(), "norm": "log"}
            image = ax.imshow(course.start, aspect="auto", **limits)
            ax.set_title(course.name)
            ax.set_xticks(range(len(self.source)), self.source, rotation=45, ha="right")
            ax.set_yticks(range(len(self.target) + 1), [*self.target, "(end)"])
            ax.tick_params(labelbottom=ax in axes[2:], labelleft=ax in axes[::2])
        bar = figure.colorbar(image, ax=axes)
        bar.set_label("‖dL$_t$/dx$_s$‖ before training")
        figure.suptitle(
            "Translation: how far each output word's error reaches into its source, and what is learned"
        )
        return figure

    def _draw_right(self, ax: Axes) -> None:
        """What is right by length."""
        groups = [(first <= self.lengths) & (self.lengths <= last) for first, last in self.groups]
        middles = [self.lengths[where].mean() for where in groups]
        for each in self.courses:
            look: dict[str, Any] = {"color": COLOURS[each.cell], "linestyle": _DASHES[each.reverse]}
            ax.plot(middles, self.by_length(each.right), marker="o", label=each.name, **look)
        ax.set_ylim(-0.02, 1.02)
        ax.set_xlabel("words of the source")
        ax.set_title("Held-out sentences translated word for word")
        ax.legend(loc="upper right")


def _surely(right: NDArray[np.bool_], other: NDArray[np.bool_]) -> bool:
    """Whether more of the same sentences are right, by two standard errors of the difference at least."""
    more = right.astype(float) - other
    return bool(more.mean() > 2 * more.std() / np.sqrt(len(more)))


def run(
    pairs: Annotated[
        Path | None,
        "A file of sentence pairs as of Tatoeba. Left out, numbers in words, English to German.",
    ] = None,
    seed: Annotated[int, "Seeds the numbers, what is held out, and the first weights."] = 0,
    full: Annotated[
        bool, "100,000 numbers, or all of a file's pairs of up to 30 words; 256 units."
    ] = False,
    keep: KeepFolder = None,
    meter: Meter = silent,
) -> Result:
    """Train an RNN, an LSTM and a GRU to translate, the source forwards and in reverse.

    What it takes and raises is said in `vgcore.experiments.base`.
    """
    seed = _validate.integer("seed", seed, minimum=0)
    full = _validate.boolean("full", full)
    return measured(pairs, FULL if full else DEFAULT, seed, keep, meter)


def measured(
    pairs: Path | None, scale: Scale, seed: int, keep: Path | None, meter: Meter
) -> Result:
    """What `run` does, of any scale."""
    read = [] if pairs is None else [pairs]
    for path in read:
        with reading("pairs", path), open(path, "rb"):
            pass
    kept = Keep(keep, "translation", data=read, seed=seed, scale=str(tuple(scale)))
    given: Any = numerals.pairs(scale.pairs, scale.digits, seed, meter) if pairs is None else pairs
    options: dict[str, Any] = {
        "longest": 4 * scale.digits if pairs is None else scale.longest,
        "most": scale.pairs,
        "least": 1 if pairs is None else 2,
        "seed": seed,
    }
    courses = []
    for reverse in _ORDERS:
        data = sentence_pairs(given, reverse=reverse, **options)
        for cell in CELLS:
            work = partial(_course, cell, data, scale, seed, kept, meter)
            courses.append(kept.part(f"{cell}-{_ORDERS[reverse]}", Course, work))
    held_out = data.held_out
    lengths = np.array(list(map(len, held_out.sources)))
    row = _shown(lengths)
    courses.sort(key=lambda course: list(CELLS).index(course.cell))
    about = (
        f"{scale.pairs:,} numbers of up to {scale.digits} digits in words, English to German"
        if pairs is None
        else f"{len(data.train.x):,} pairs of {Path(pairs).name}"
        + (", too few to learn a language from" if len(data.train.x) < _FEW else "")
    )
    return Result(courses, lengths, list(held_out.sources[row]), list(held_out.targets[row]), about)


def _course(
    cell: str, data: SentencePairs, scale: Scale, seed: int, kept: Keep, meter: Meter
) -> Course:
    train, held_out = data.train, data.held_out
    model = network(cell, len(data.words), scale.units, seed)
    steps = scale.epochs * -(-len(train.x) // _BATCH_SIZE)
    optimizer = Adam(Cosine(_LEARNING_RATE, steps))
    model.compile("sparse_categorical_crossentropy", optimizer, clip_norm=_CLIP_NORM)
    row = _shown(np.array(list(map(len, held_out.sources))))
    first, start = _first(model, data), reach(model, data, row)
    name = f"{cell.upper()}, {_ORDERS[data.reverse]}"
    trained = kept.fit(
        f"{cell}-{_ORDERS[data.reverse]}",
        model,
        train.x,
        train.y,
        sample_weight=train.sample_weight,
        lengths=train.lengths,
        epochs=scale.epochs,
        batch_size=_BATCH_SIZE,
        callbacks=[fit_callback(meter, name)],
    )
    model = trained.model
    odds = model.predict(held_out.x, lengths=held_out.lengths)
    counts = held_out.sample_weight > 0
    told = np.take_along_axis(odds, held_out.y[..., np.newaxis], 2)[..., 0][counts]
    hits = (odds.argmax(axis=2) == held_out.y) & counts
    written = translate(model, data, held_out)
    return Course(
        cell,
        data.reverse,
        np.array([mine == right for mine, right in zip(written, held_out.targets, strict=True)]),
        hits.sum(axis=1) / counts.sum(axis=1),
        float(np.exp(-np.log(np.maximum(told, np.finfo(np.float32).tiny)).mean())),
        first,
        start,
        reach(model, data, row),
    )


def network(cell: str, vocabulary: int, units: int, seed: int) -> Sequential:
    """A new model, not compiled."""
    return Sequential(
        [
            Embedding(vocabulary, _EMBEDDED, name="words"),
            CELLS[cell](units, return_sequences=True, name=cell),
            Dense(vocabulary, "softmax"),
        ],
        input_shape=(None,),
        dtype="float32",
        seed=seed,
    )


def translate(model: Sequential, data: SentencePairs, pairs: Pairs) -> list[tuple[str, ...]]:
    """Let a model write translations, each time the most likely word, which it reads as the next one.

    A translation ends at the model's own end, or where the longest right one of the pairs does.
    """
    begin = data.encode(pairs.sources)
    most = max(map(len, pairs.targets)) + 1
    rows, lengths = np.arange(len(begin.x)), begin.lengths.copy()
    x = np.pad(begin.x, ((0, 0), (0, most)), constant_values=PADDING)
    written = np.full((len(x), most), END)
    for step in range(most):
        odds = model.predict(x[:, : lengths.max()], lengths=lengths)
        written[:, step] = x[rows, lengths] = odds[rows, lengths - 1].argmax(axis=1)
        lengths += 1
        if np.all((written[:, : step + 1] == END).any(axis=1)):
            break
    return [data.decode(row) for row in written]


def reach(model: Sequential, data: SentencePairs, row: int) -> Array:
    """Norms of the gradient that the loss of each target word of a held-out pair sends to its source's words.

    Returns
    -------
    ndarray, (target words and the end, source words)
        The source in reading order.
    """
    pairs = data.held_out
    source, steps = len(pairs.sources[row]), len(pairs.targets[row]) + 1
    x, y = (
        np.repeat(each[row : row + 1, : source + steps], steps, axis=0)
        for each in (pairs.x, pairs.y)
    )
    weight = np.zeros(x.shape, np.float32)
    weight[np.arange(steps), source + np.arange(steps)] = (
        1  # each row has the loss of one step alone
    )
    inside = model.internals(x, y, sample_weight=weight, layers="words")["words"]
    assert inside.dh is not None
    norms: Array = np.linalg.norm(inside.dh[:, :source], axis=2)
    return norms[:, ::-1] if data.reverse else norms


def _first(model: Sequential, data: SentencePairs) -> float:
    """The mean norm of the gradient that a target's first word sends to the first word of its source."""
    pairs = data.held_out
    rows = np.linspace(0, len(pairs.x) - 1, min(_MEASURED, len(pairs.x)), dtype=int)
    x, y, lengths = (each[rows] for each in (pairs.x, pairs.y, pairs.lengths))
    begin = np.array([len(pairs.sources[row]) for row in rows])
    weight = np.zeros(x.shape, np.float32)
    weight[np.arange(len(x)), begin] = 1
    inside = model.internals(x, y, sample_weight=weight, lengths=lengths, layers="words")["words"]
    assert inside.dh is not None
    place = begin - 1 if data.reverse else np.zeros_like(begin)
    return float(np.linalg.norm(inside.dh[np.arange(len(x)), place], axis=1).mean())


def _shown(lengths: Array) -> int:
    """The last of the longest held-out pairs that have room in a picture."""
    fit = np.where(lengths <= _SHOWN, lengths, 0)
    return int(np.flatnonzero(fit == fit.max())[-1])
