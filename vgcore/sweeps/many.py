"""fit_many: many networks trained side by side."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import ExitStack
from typing import Any, Literal

from vgcore import _answers, _validate
from vgcore.flow import GradientFlow
from vgcore.model import Sequential, progress, threads
from vgcore.model.callbacks import Callback, CSVLogger, check_takes
from vgcore.model.feeding import Feed, Passes
from vgcore.model.history import History
from vgcore.model.sources import Samples
from vgcore.model.training import Fit
from vgcore.sweeps.crew import Crew, Job, Told
from vgcore.sweeps.given import Given, repeated, spread

Callbacks = Iterable[Any] | Iterable[Sequence[Any]] | Callable[[Sequential], Iterable[Any]]


@_answers.answering
def fit_many(
    models: Iterable[Sequential],
    x: Any,
    y: Any = None,
    *,
    epochs: int = 1,
    batch_size: int = 32,
    shuffle: bool = True,
    lengths: Any = None,
    sample_weight: Any = None,
    class_weight: Any = None,
    validation_data: Any = None,
    validation_split: float | None = None,
    drop_last: bool = False,
    initial_epoch: int = 0,
    track: Iterable[GradientFlow | None] | None = None,
    callbacks: Callbacks | None = (),
    seconds: float | None = None,
    verbose: Literal["auto", 0, 1, 2] = "auto",
) -> list[History | Exception]:
    """Train many models side by side on all CPUs, each as `Sequential.fit` would train it alone.

    Each has one thread, or its share of them where there are fewer models than threads. A model's
    parameters, history and flow are, bit for bit, those of ``model.fit`` with the same arguments. Behind an
    epoch, and no sooner than after 50 ms (less where ``seconds`` are few), a model lets others go on: all get
    as much time, so that small models are ahead of large ones in epochs.

    Parameters
    ----------
    models : iterable of Sequential
        Compiled models of any shapes; each once, and with a seed of its own.
    x, y : array_like, or iterable of minibatches
        As in `Sequential.fit`, one for all models; or a list with one for each. A list is that if it holds
        arrays of samples or, without y, iterables of minibatches, and not samples or minibatches themselves.
    epochs : int, >= 1
    batch_size : int, >= 1
    shuffle : bool
        Draw a new order of the samples each epoch, from each model's own seed.
    lengths, sample_weight : array_like, optional
        As in `Sequential.fit`, one for all models; or a list with an array, or None, for each.
    class_weight : dict of int to float, or "balanced", optional
        As in `Sequential.fit`, for all models; or a list with one, or None, for each.
    validation_data : (x, y), (x, y, lengths), dict or iterable of minibatches, optional
        As in `Sequential.fit`, for all models; a list with one for each, where x is such a list.
    validation_split : float, 0 < validation_split < 1, optional
    drop_last : bool
    initial_epoch : int
        These three as in `Sequential.fit`, for all models.
    track : sequence of GradientFlow, optional
        One for each model, or None for those that are not tracked.
    callbacks : sequence, sequence of sequences, or function, optional
        As in `Sequential.fit`; they are told of every model, and their logs have "model", its place in the
        list. What keeps something of one training, such as `EarlyStopping`, is copied for each model
        (`Callback.for_model`). Or a list of callbacks for each model, or a function that takes a model and
        returns its callbacks: these are told themselves, so that what they keep can be read afterwards.
    seconds : float, > 0, optional
        Time that all of it may take. When it is over each model stops at the end of a step, or of the 50 ms
        that it is in, as if a callback had stopped it: its epoch ends there, and is validated.
    verbose : {"auto", 0, 1, 2}
        As in `Sequential.fit`. A bar is one of all models together: their steps, the epoch of those that are
        behind, the median of their losses. A line (2) is of one epoch of one model, and names its place.

    Returns
    -------
    list of History or Exception
        Of each model, in order. What a model's training raises, such as FloatingPointError with
        ``on_nonfinite="raise"`` or what a callback raises, ends that training, and is in its place; the
        others go on. `Sequential.history` has the course so far.

    Raises
    ------
    TypeError, ValueError, RuntimeError
        If an argument is wrong for one of the models, or one is not compiled; nothing is changed then.
    Exception
        What has ended the training of every model, if it is one and the same: a callback that cannot do
        what it is asked, for instance. Never a FloatingPointError, which is a result.

    Notes
    -----
    Ctrl-C stops all models within about 50 ms, or at the end of the step, and is raised; parameters, flows
    and `Sequential.history` have what was done. So does whatever a callback raises that is no Exception.

    One iterable of minibatches for several models, such as a DataLoader that shuffles, is asked by each of
    them: if what it gives depends on how often it was asked, a model gets others than it would alone. That
    of a list does not, nor does that of iterables of each model's own.

    Callbacks are called, and warnings are given, by the thread that has called, one at a time. Iterables of
    minibatches, and losses, metrics and schedules of one's own, are called by several threads at once.

    Examples
    --------
    >>> import vgcore as vg
    >>> x, y = vg.data.digits()
    >>> models = [
    ...     vg.Sequential([vg.Dense(30, "tanh"), vg.Dense(10, "softmax")], input_shape=64, seed=seed)
    ...     for seed in range(5)
    ... ]
    >>> for model in models:
    ...     model.compile("sparse_categorical_crossentropy", "adam")
    >>> flows = [vg.GradientFlow(every=10) for _ in models]
    >>> histories = vg.fit_many(models, x, y, epochs=10, track=flows)

    When each model has stopped:

    >>> stoppings = [vg.callbacks.EarlyStopping(patience=3) for _ in models]
    >>> own = [[stopping] for stopping in stoppings]
    >>> histories = vg.fit_many(models, x, y, epochs=10, validation_split=0.1, callbacks=own)
    >>> epochs = [stopping.stopped_epoch for stopping in stoppings]
    """
    begin = time.monotonic()
    members = _members(models)
    passes = Passes.checked(epochs, batch_size, shuffle, drop_last, initial_epoch)
    limit = math.inf if seconds is None else _validate.real("seconds", seconds, above=0)
    flows = _flows(track, len(members))
    feed = Feed(x, y, lengths, sample_weight, class_weight, validation_data, validation_split)
    given = Given(members, feed, passes)
    own = _callbacks(callbacks, members)
    crew = Crew(begin + limit)
    with progress.shown(verbose) as shown, ExitStack() as begun:
        together, each = ([], shown) if verbose == 2 else (shown, [])
        jobs = []
        for place, (model, mine) in enumerate(zip(members, own, strict=True)):
            try:
                told = Told(mine, [line.for_model(place) for line in each], crew, place)
                source, validation = given.opened(place)
                fit = Fit(model, source, passes.epochs, validation, flows[place], told)
            except (TypeError, ValueError, RuntimeError) as error:
                raise _named(place, error) from error
            jobs.append(Job(fit, told))
        if shuffle:
            _check_seeds(jobs)
        for job in jobs:
            begun.enter_context(job.fit.begun())
        crew.train(jobs, threads.startable(len(jobs)), together)
    results = [job.result for job in jobs if job.result is not None]
    first = results[0]
    if (
        isinstance(first, Exception)
        and not isinstance(first, FloatingPointError)
        and len({repr(result) for result in results}) == 1
    ):
        raise first
    return results


def _members(models: Iterable[Sequential]) -> list[Sequential]:
    """The models, each of which must be there once."""
    members: list[Sequential] = []
    if isinstance(models, Sequential):
        raise TypeError("models: expected a list of models, got one Sequential; pass [model]")
    if isinstance(models, Mapping):
        raise TypeError("models: expected a list of models, got a dict; pass list(models.values())")
    for place, model in enumerate(_validate.items("models", models, "a list of models")):
        if not isinstance(model, Sequential):
            raise TypeError(f"models[{place}]: expected a Sequential, got {_validate.kind(model)}")
        members.append(model)
    again = repeated(members)
    if again is not None:
        raise ValueError(
            f"models[{again[1]}]: expected each model once, got models[{again[0]}] again"
        )
    if not members:
        raise ValueError("models: expected at least one, got none")
    return members


def _flows(track: Any, number: int) -> list[GradientFlow | None]:
    """``track`` of each model."""
    if track is None:
        return [None] * number
    expected = f"a list with a GradientFlow or None for each of the {number} models"
    if isinstance(track, GradientFlow):  # which is iterable, too
        raise TypeError(f"track: expected {expected}, got one GradientFlow")
    flows: list[GradientFlow | None] = []
    for place, flow in enumerate(_validate.items("track", track, expected)):
        if flow is not None and not isinstance(flow, GradientFlow):
            raise TypeError(
                f"track[{place}]: expected a GradientFlow or None, got {_validate.kind(flow)}"
            )
        flows.append(flow)
    again = repeated(flows)
    if again is not None:
        raise ValueError(
            f"track[{again[1]}]: expected a record for each model, got track[{again[0]}] again"
        )
    if len(flows) != number:
        raise ValueError(f"track: expected {expected}, got {len(flows)}")
    return flows


def _callbacks(callbacks: Any, models: Sequence[Sequential]) -> list[list[Any]]:
    """The callbacks of each model."""
    expected = "a sequence of callbacks"
    if callable(callbacks) and not hasattr(callbacks, "on_epoch_end"):
        check_takes("callbacks", callbacks, ("model",), f"{expected}, or a function")
        each = [callbacks(model) for model in models]
    else:
        given = list(_validate.items("callbacks", () if callbacks is None else callbacks, expected))
        if not any(map(_is_list, given)):
            return [[_of_model(item, place) for item in given] for place in range(len(models))]
        for place, mine in enumerate(given):
            if mine is not None:
                _validate.items(f"callbacks[{place}]", mine, expected)
        each = [mine or () for mine in spread("callbacks", given, True, len(models))]
    own = [list(_validate.items("callbacks", mine, expected)) for mine in each]
    _check_own(own)
    return [
        [_of_model(item, place) if _names_models(item) else item for item in mine]
        for place, mine in enumerate(own)
    ]


def _names_models(callback: Any) -> bool:
    """Whether the name of a file of a callback's is to hold the model's place."""
    return isinstance(callback, CSVLogger) and "{model" in callback.path


def _is_list(item: Any) -> bool:
    """Whether it is a list of callbacks, and not a callback that is a list."""
    return isinstance(item, list | tuple) and not any(name.startswith("on_") for name in dir(item))


def _of_model(callback: Any, place: int) -> Any:
    """One of the callbacks for all models, as that at a place is told of."""
    return callback.for_model(place) if isinstance(callback, Callback) else callback


def _check_own(callbacks: Sequence[Sequence[Any]]) -> None:
    """Raise if a callback that keeps something of one training is given to several."""
    keeping = [
        (place, callback)
        for place, mine in enumerate(callbacks)
        for callback in mine
        if isinstance(callback, Callback) and type(callback).for_model is not Callback.for_model
    ]
    places: dict[int, int] = {}
    for place, callback in keeping:
        first = places.setdefault(id(callback), place)
        if first != place:
            raise ValueError(
                f"callbacks: expected each model's own, got one {type(callback).__name__} for "
                f"models[{first}] and models[{place}]"
            )


def _check_seeds(jobs: Sequence[Job]) -> None:
    """Raise if two models would draw their orders from one generator, in an order that nobody knows."""
    drawing = [job.fit if isinstance(job.fit.source, Samples) else None for job in jobs]
    again = repeated(fit and fit.session.rng.bit_generator for fit in drawing)
    if again is not None:
        raise ValueError(
            f"models[{again[1]}]: expected a seed of its own, from which orders of samples are drawn; got "
            f"the generator of models[{again[0]}]"
        )


def _named(place: int, error: Exception) -> Exception:
    """An error of a model's arguments, which says whose they are."""
    kinds = (TypeError, ValueError, RuntimeError)
    kind = next(each for each in kinds if isinstance(error, each))
    return kind(f"models[{place}]: {error}")
