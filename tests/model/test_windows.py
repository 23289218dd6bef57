"""Time cut into windows: checkpoints, which change no bit, and truncated backpropagation."""

import itertools

import numpy as np
import pytest
from reference import assert_close, assert_same_bits

import vgcore as vg
from vgcore.model import planning, states, training

TIME_FIELDS = ("time", "time_direct", "time_cell", "time_gate", "time_saturated")
over_targets = pytest.mark.parametrize("sequences", [False, True], ids=["last", "sequences"])
over_lengths = pytest.mark.parametrize("padded", [False, True], ids=["whole", "padded"])


@pytest.fixture(autouse=True)
def _restore_threads():
    before = vg.get_num_threads()
    yield
    vg.set_num_threads(before)


def stack(sequences, *, start="zeros", stateful=False, optimizer="sgd", dtype="float64", **options):
    """All cells over each other, their variants among them."""
    layers = [
        vg.LSTM(17, peepholes=True, initial_state=start, stateful=stateful, return_sequences=True),
        vg.Dense(9, "gelu"),
        vg.GRU(7, stateful=stateful, return_sequences=True),
        vg.GRU(5, "softsign", reset_after=False, stateful=stateful, return_sequences=True),
        vg.RNN(6, stateful=stateful, return_sequences=sequences),
        vg.Dense(3, "softmax"),
    ]
    model = vg.Sequential(layers, input_shape=(None, 4), dtype=dtype, seed=0)
    model.compile("sparse_categorical_crossentropy", optimizer, **options)
    rng = np.random.default_rng(1)
    model.load_state_dict(
        {k: v + 0.3 * rng.normal(size=v.shape) for k, v in model.state_dict().items()}
    )
    return model


def samples(model, batch, times):
    rng = np.random.default_rng([batch, times])
    x = rng.normal(size=(batch, times, 4))
    y = rng.integers(0, 3, model.session.output_shape(x)[:-1])
    lengths = rng.integers(1, times + 1, batch)
    lengths[0], lengths[-1] = times, 1
    return x, y, lengths


def everything(model, x, y, **options):
    """All that a pass gives, by name."""
    outputs, states = model.predict(x, return_state=True, **options)
    loss, gradients, inputs = model.gradients(x, y, wrt_inputs=True, **options)
    evaluated = model.evaluate(x, y, **options)
    flow = model.gradient_flow(x, y, **options)
    found = {"outputs": outputs, "x": inputs.x, **gradients}
    found |= {name: getattr(flow, name) for name in vg.flow.FIELDS}
    for name in TIME_FIELDS:
        found |= {f"{name} {layer}": v for layer, v in getattr(flow, name).items()}
    for kind, nested in (("final", states), ("initial", inputs.initial_state)):
        arrays = itertools.chain(*(e if isinstance(e, tuple) else (e,) for e in nested))
        found |= {f"{kind} {place}": array for place, array in enumerate(arrays)}
    return {**found, "losses": np.array([*evaluated, loss, *flow.loss])}


# ---- checkpoints


@over_targets
@over_lengths
@pytest.mark.parametrize("window", range(1, 13))
def test_checkpoints_change_no_bit(window, padded, sequences):
    """The last window mostly a shorter one; one of as many timesteps as there are, and of more."""
    models = [stack(sequences, start="learned", checkpoint=each) for each in (window, None)]
    x, y, lengths = samples(models[0], 19, 11)
    options = {"lengths": lengths} if padded else {}
    assert_same_bits(*(everything(model, x, y, **options) for model in models))


@over_targets
@pytest.mark.parametrize("threads", [1, 2, 3])
@pytest.mark.parametrize("options", [{}, {"clip_norm": 0.1}], ids=str)
def test_training_with_checkpoints_changes_no_bit(options, threads, sequences):
    vg.set_num_threads(threads)
    found = []
    for checkpoint in (None, 4):
        model = stack(sequences, optimizer=vg.Adam(0.01), dtype="float32", checkpoint=checkpoint,
                      **options)  # fmt: skip
        x, y, lengths = samples(model, 50, 10)
        flow = vg.GradientFlow()
        model.fit(x, y, batch_size=20, epochs=2, lengths=lengths, track=flow)
        fields = {name: getattr(flow, name) for name in vg.flow.FIELDS}
        found.append({**model.session.vectors(), **fields})
    assert_same_bits(*found)


@over_lengths
@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize("options", [{}, {"checkpoint": 9}], ids=["at once", "in windows"])
def test_no_size_of_the_cache_changes_a_bit(options, threads, padded, cache_of):
    """Over how many rows gradients are summed at once, and for how many timesteps inputs are multiplied."""

    def found(size):
        cache_of(size)
        model = stack(True, **options)
        x, y, lengths = samples(model, 40, 23)
        return everything(model, x, y, **({"lengths": lengths} if padded else {}))

    vg.set_num_threads(threads)
    whole = found(2**30)
    for size in (2**9, 2**13, 2**15, 2**17):
        assert_same_bits(found(size), whole)


@pytest.mark.parametrize("units", [1, 3, 4, 20])
@pytest.mark.parametrize("rows", [1, 2, 40])
def test_rows_that_have_ended_stay_out_of_a_timestep_by_itself(units, rows, cache_of):
    """A small cache holds one; what a walk backwards starts from lies where their z would be."""
    layer = vg.Bidirectional(vg.RNN(units, return_sequences=True))
    model = vg.Sequential([layer], input_shape=(None, 6), dtype="float64", seed=0)
    model.load_state_dict({name: value + 0.5 for name, value in model.state_dict().items()})
    model.compile("mse", "sgd")
    rng = np.random.default_rng(units)
    x, lengths = rng.normal(size=(rows, 7, 6)), rng.integers(1, 8, rows)
    y = np.zeros((rows, 7, 2 * units))
    for row, length in enumerate(lengths):
        x[row, length:] = 1e200
    alone = [model.predict(x[row : row + 1, :length])[0] for row, length in enumerate(lengths)]
    _, whole = model.gradients(x, y, lengths=lengths)
    cache_of(2**9)
    together = model.predict(x, lengths=lengths)
    for row, length in enumerate(lengths):
        np.testing.assert_array_equal(together[row, :length], alone[row])
    _, parts = model.gradients(x, y, lengths=lengths)
    assert_same_bits(parts, whole)
    assert all(np.isfinite(each).all() for each in whole.values())


@pytest.mark.parametrize("threads", [1, 2])
def test_omega_of_one_timestep_is_none(threads):
    vg.set_num_threads(threads)
    model = vg.Sequential([vg.RNN(70, omega=0.1)], input_shape=(None, 3), seed=0)
    model.compile("mse", "sgd")
    x = np.random.default_rng(0).normal(size=(32, 1, 3))
    loss, gradients = model.gradients(x, np.zeros((32, 70)))
    padded, same = model.gradients(x, np.zeros((32, 70)), lengths=np.ones(32, int))
    assert loss == padded
    assert_same_bits(gradients, same)


def test_sequences_may_become_longer_and_shorter():
    for times in itertools.permutations([3, 7, 12]):
        models = [stack(False, checkpoint=each) for each in (3, None)]
        for each in times:
            x, y, _ = samples(models[0], 5, each)
            assert_same_bits(*(everything(model, x, y) for model in models))
            assert len({model.train_on_batch(x, y) for model in models}) == 1
        assert_same_bits(*(model.session.vectors() for model in models))


def test_auto_keeps_checkpoints_where_memory_is_short(monkeypatch):
    """Every square root of T timesteps, to the same bits."""
    monkeypatch.setattr(planning, "ARENA_LIMIT", 2**18)
    found, sizes = [], []
    for checkpoint, window in (("auto", 20), (None, 400)):
        model = stack(False, checkpoint=checkpoint)
        x, y, _ = samples(model, 3, 400)
        found.append(everything(model, x, y))
        program = model.session.program(3, 400)
        assert (program.times, program.longest) == (window, 400)
        sizes.append(program.arena_bytes)
    assert_same_bits(*found)
    assert sizes[0] < sizes[1] / 5
    monkeypatch.undo()  # half a GiB is enough
    assert stack(False).session.program(3, 400).times == 400


@pytest.mark.parametrize("layer", [vg.Bidirectional(vg.RNN(3)), vg.RNN(3, go_backwards=True)])
def test_auto_leaves_alone_what_cannot_be_cut(layer, monkeypatch):
    monkeypatch.setattr(planning, "ARENA_LIMIT", 1)
    model = vg.Sequential([layer], input_shape=(None, 2), seed=0)
    model.compile("mse")
    assert model.session.program(2, 50).times == 50


# ---- truncated backpropagation


def cuts(times, length):
    return [slice(begin, min(begin + length, times)) for begin in range(0, times, length)]


def pieces(model, x, y, lengths, length):
    """The chunks of a minibatch by themselves, each from the states that the one before ended in.

    Of each chunk: its share of all valid timesteps, its arguments of `gradients`, its samples. States are
    those that the model's parameters give when the chunk is asked for.
    """
    lengths = np.full(len(x), x.shape[1]) if lengths is None else lengths
    states = [np.zeros((len(x), n), model.dtype) for n in (17, 17, 7, 5, 6)]
    for cut in cuts(x.shape[1], length):
        rows = np.flatnonzero(lengths > cut.start)
        h, c, *others = [state[rows] for state in states]
        given = {
            "x": x[rows][:, cut],
            "lengths": np.minimum(lengths[rows], cut.stop) - cut.start,
            "initial_state": [(h, c), *others],
        }
        _, ((h, c), *others) = model.predict(**given, return_state=True)
        for state, final in zip(states, (h, c, *others), strict=True):
            state[rows] = final
        given["y"] = y[rows][:, cut] if y.ndim > 1 else y[rows]
        yield given["lengths"].sum() / lengths.sum(), given, rows


@over_lengths
@pytest.mark.parametrize("length", [1, 3, 4, 10, 11, 20])
def test_truncated_gradients_are_those_of_the_chunks(length, padded):
    """The last chunk a shorter one, where T is no multiple of their length."""
    plain, model = stack(True), stack(True, tbptt=length)
    x, y, lengths = samples(model, 9, 11)
    lengths = lengths if padded else None
    total, dx = 0, np.zeros_like(x)
    expected = {name: 0 * v for name, v in plain.state_dict().items()}
    parts = pieces(plain, x, y, lengths, length)
    for cut, (share, piece, rows) in zip(cuts(11, length), parts, strict=True):
        loss, gradients, inputs = plain.gradients(**piece, wrt_inputs=True)
        total += share * loss
        for name, gradient in gradients.items():
            expected[name] += share * gradient
        dx[rows, cut] = share * inputs.x
    loss, gradients, inputs = model.gradients(x, y, lengths=lengths, wrt_inputs=True)
    assert loss == pytest.approx(total, rel=1e-12)
    assert_close({**gradients, "x": inputs.x}, {**expected, "x": dx}, 1e-12)
    whole = plain.gradients(x, y, lengths=lengths)[1]["lstm1.weight_hh"]
    apart = np.abs(whole - gradients["lstm1.weight_hh"]).max()
    assert apart > 1e-6 if length < 11 else apart == 0


@over_lengths
@pytest.mark.parametrize("length", [3, 4])
def test_central_differences_of_truncated_gradients(length, padded):
    """The states between chunks are held as they are."""
    plain, model = stack(True), stack(True, tbptt=length)
    x, y, lengths = samples(model, 4, 8)
    lengths = lengths if padded else None
    _, gradients = model.gradients(x, y, lengths=lengths)
    parts = list(pieces(plain, x, y, lengths, length))
    values = plain.state_dict()
    rng = np.random.default_rng(0)
    for name, gradient in gradients.items():
        direction = rng.choice([-1, 1], gradient.shape)
        change = 0
        for sign in (1, -1):
            plain.load_state_dict({**values, name: values[name] + sign * 1e-5 * direction})
            change += sign * sum(share * plain.gradients(**piece)[0] for share, piece, _ in parts)
        slope = (gradient * direction).sum()
        assert change / 2e-5 == pytest.approx(slope, rel=1e-6, abs=1e-9), name


@pytest.mark.parametrize("length", [3, 4, 10])
def test_with_targets_at_the_end_gradients_reach_back_through_the_last_chunk(length):
    plain, model = stack(False), stack(False, optimizer=vg.SGD(0.5), tbptt=length)
    x, y, _ = samples(model, 9, 10)
    *_, (_, piece, _) = pieces(plain, x, y, None, length)
    loss, expected, last_inputs = plain.gradients(**piece, wrt_inputs=True)
    got, gradients, inputs = model.gradients(x, y, wrt_inputs=True)
    assert got == pytest.approx(loss, rel=1e-13)
    last = cuts(10, length)[-1]
    assert not inputs.x[:, : last.start].any()
    inside = {**gradients, "x": inputs.x[:, last]}
    assert_close(inside, {**expected, "x": last_inputs.x}, 1e-12)
    flow = model.gradient_flow(x, y).time["gru1"][0]
    assert not flow[: last.start].any() and flow[last].all()
    before = model.state_dict()
    assert model.train_on_batch(x, y) == got
    assert model.step == 1
    steps = {name: 2 * (before[name] - v) for name, v in model.state_dict().items()}
    assert_close(steps, gradients, 1e-9)


def test_a_learned_initial_state_learns_from_the_first_chunk_alone():
    options = {"start": "learned", "optimizer": vg.SGD(0.5)}
    plain, model = stack(True, **options), stack(True, **options, tbptt=4)
    x, y, _ = samples(model, 5, 10)
    expected, got = plain.gradients(x[:, :4], y[:, :4])[1], model.gradients(x, y)[1]
    before = model.state_dict()
    model.fit(x, y, batch_size=5)
    for name in ("lstm1.initial_h", "lstm1.initial_c"):
        np.testing.assert_allclose(got[name], 0.4 * expected[name], rtol=1e-11)
        step = 2 * (before[name] - model.state_dict()[name])
        np.testing.assert_allclose(step, expected[name], rtol=1e-9)


@over_lengths
@pytest.mark.parametrize("options", [{}, {"clip_norm": 0.1}], ids=str)
@pytest.mark.parametrize("optimizer", [vg.SGD(0.1), vg.Adam(0.01)], ids=["sgd", "adam"])
def test_truncated_training_is_that_of_the_chunks_by_hand(optimizer, options, padded):
    """A step for each chunk, from the states that the parameters before the last step led to."""
    fitted, batched, plain = (
        stack(True, optimizer=optimizer, **cut, **options) for cut in ({"tbptt": 4},) * 2 + ({},)
    )
    x, y, lengths = samples(plain, 12, 10)
    lengths[::6] = 10  # so that no chunk is all padding
    flow = vg.GradientFlow()
    fitted.fit(x, y, batch_size=6, shuffle=False, track=flow,
                         lengths=lengths if padded else None)  # fmt: skip
    losses = []
    for some in (slice(0, 6), slice(6, 12)):
        valid = lengths[some] if padded else None
        batched.train_on_batch(x[some], y[some], lengths=valid)
        parts = pieces(plain, x[some], y[some], valid, 4)
        losses += [plain.train_on_batch(**piece) for _, piece, _ in parts]
    np.testing.assert_allclose(flow.loss, losses, rtol=1e-12)
    assert fitted.step == batched.step == plain.step == 6
    assert_same_bits(fitted.session.vectors(), batched.session.vectors())
    if padded:  # by hand, rows that have ended do not stand between the others
        assert_close(fitted.session.vectors(), plain.session.vectors(), 1e-11)
    else:
        assert_same_bits(fitted.session.vectors(), plain.session.vectors())


@over_targets
@over_lengths
@pytest.mark.parametrize("options", [{}, {"tbptt": 4}, {"checkpoint": 4}], ids=str)
def test_the_loss_of_training_is_that_of_evaluation(options, padded, sequences):
    """A mean over the valid timesteps, however they are spread over minibatches and chunks."""
    model = stack(sequences, optimizer=vg.SGD(1e-300), **options)  # parameters stay as they are
    x, y, lengths = samples(model, 12, 10)
    lengths = lengths if padded else None
    expected = pytest.approx(model.evaluate(x, y, lengths=lengths).loss, rel=1e-12)
    assert model.gradients(x, y, lengths=lengths)[0] == expected
    assert model.train_on_batch(x, y, lengths=lengths) == expected
    assert model.fit(x, y, batch_size=5, lengths=lengths).history["loss"] == [expected]


@over_targets
@pytest.mark.parametrize("options", [{}, {"tbptt": 4}, {"checkpoint": 4}], ids=str)
def test_a_padded_sample_teaches_what_it_would_alone(options, sequences):
    """Its gradient counts as much as it has timesteps, or as any other with the target at the end."""
    model = stack(sequences, **options)
    x, y, lengths = samples(model, 9, 11)
    expected = {name: 0 * v for name, v in model.state_dict().items()}
    for i, length in enumerate(lengths):
        target = y[i : i + 1, :length] if sequences else y[i : i + 1]
        share = length / lengths.sum() if sequences else 1 / 9
        for name, gradient in model.gradients(x[i : i + 1, :length], target)[1].items():
            expected[name] += share * gradient
    assert_close(model.gradients(x, y, lengths=lengths)[1], expected, 1e-12)


@pytest.mark.parametrize("options", [{"tbptt": 12}, {"tbptt": 10**6}], ids=str)
def test_one_chunk_is_no_truncation(options):
    truncated, plain = stack(True, **options), stack(True)
    x, y, lengths = samples(plain, 7, 12)
    assert_same_bits(*(everything(m, x, y, lengths=lengths) for m in (truncated, plain)))
    assert len({m.train_on_batch(x, y, lengths=lengths) for m in (truncated, plain)}) == 1
    assert_same_bits(truncated.session.vectors(), plain.session.vectors())


@pytest.mark.parametrize("first", ["predict", "train_on_batch", "fit"])
def test_chunks_are_as_long_whatever_was_run_before(first):
    """Shorter sequences than a chunk, say."""
    model, fresh = stack(True, tbptt=4), stack(True, tbptt=4)
    x, y, _ = samples(model, 6, 11)
    short = {"predict": (x[:, :3],)}.get(first, (x[:, :3], y[:, :3]))
    getattr(model, first)(*short)
    fresh.load_state_dict(model.state_dict())
    before = model.step
    assert model.train_on_batch(x, y) == fresh.train_on_batch(x, y)
    assert (model.step, fresh.step) == (before + 3, 3)
    assert_same_bits(model.state_dict(), fresh.state_dict())


def test_a_chunk_longer_than_all_sequences_takes_no_memory():
    """However often the program is planned anew."""
    model = stack(True, tbptt=10**5)
    for batch in (2, 4):
        x, y, _ = samples(model, batch, 12)
        model.train_on_batch(x, y)
        assert model.session.program(batch, 12).times == 12


@pytest.mark.parametrize("threads", [1, 2, 3])
def test_stateful_truncated_training_is_one_long_sequence(threads):
    """Minibatches of a stateful layer carry on where the last chunk ended."""
    vg.set_num_threads(threads)
    cut = stack(True, stateful=True, optimizer=vg.Adam(0.01), dtype="float32", tbptt=4)
    long = stack(True, optimizer=vg.Adam(0.01), dtype="float32", tbptt=4)
    x, y, _ = samples(long, 25, 24)
    for part in np.split(np.arange(24), 3):
        cut.train_on_batch(x[:, part], y[:, part])
    long.train_on_batch(x, y)
    assert cut.step == long.step == 6
    assert_same_bits(cut.session.vectors(), long.session.vectors())


@pytest.mark.parametrize("options", [{"tbptt": 4}, {"checkpoint": 4}], ids=str)
@pytest.mark.parametrize("stateful", [False, True])
def test_fit_goes_on_after_each_return_from_the_engine(stateful, options, monkeypatch):
    """After each step, in the middle of a minibatch too, and whatever the callback runs meanwhile."""
    found = []
    for seconds in (np.inf, 0):
        monkeypatch.setattr(training, "_BREATH", seconds)
        model = stack(True, stateful=stateful, optimizer=vg.Adam(0.01), **options)
        x, y, lengths = samples(model, 12, 10)
        steps, flow = [], vg.GradientFlow()

        def look(progress, model=model, x=x, steps=steps):
            steps.append(progress.step)
            model.predict(x[:3], initial_state=[None] * len(states.recurrent(model.layers)))

        model.fit(
            x,
            y,
            batch_size=4,
            epochs=2,
            shuffle=not stateful,
            lengths=None if stateful else lengths,
            track=flow,
            callbacks=[vg.callbacks.OnProgress(look)],
        )
        each = 3 if "tbptt" in options else 1
        if stateful or each == 1:
            assert model.step == 6 * each
        assert steps == ([steps[0], model.step] if seconds else list(range(1, model.step + 1)))
        found.append({**model.session.vectors(), "delta": flow.delta, "time": flow.time["gru1"]})
    assert_same_bits(*found)


def test_outputs_do_not_depend_on_how_time_is_cut():
    """Truncated or not: evaluation and prediction see whole sequences."""
    found = []
    for options in ({}, {"tbptt": 4}, {"checkpoint": 3}):
        model = stack(True, **options)
        x, y, lengths = samples(model, 300, 11)
        outputs, states = model.predict(x, lengths=lengths, return_state=True)
        losses = np.array(model.evaluate(x, y, lengths=lengths))
        found.append({"outputs": outputs, "h": states[0][0], "c": states[0][1], "losses": losses})
    assert_same_bits(found[0], found[1])
    assert_same_bits(found[0], found[2])


@pytest.mark.parametrize("reduction", ["mean", "batchmean"])
@pytest.mark.parametrize("shuffle", [False, True])
def test_a_chunk_in_which_nobody_is_alive_is_no_step(shuffle, reduction):
    """Momentum, decay, schedules and the tracker see the chunks that somebody is alive in."""
    lengths = np.array([3, 12, 4, 1, 5, 8, 2, 4])
    rate = vg.schedules.Exponential(0.05, 0.7)
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(8, 12, 3)), rng.normal(size=(8, 12, 3))
    models, flows = [], [vg.GradientFlow(), vg.GradientFlow()]
    for _ in range(2):
        layers = [vg.RNN(5, return_sequences=True), vg.Dropout(0.2), vg.Dense(3)]
        models.append(vg.Sequential(layers, input_shape=(None, 3), dtype="float64", seed=0))
        models[-1].compile("mse", vg.Adam(rate, weight_decay=0.1), reduction=reduction, tbptt=4)
    whole, parts = models
    history = whole.fit(
        x, y, lengths=lengths, batch_size=2, epochs=2, shuffle=shuffle, track=flows[0]
    )
    losses = []
    for _ in range(2):
        order = parts.session.rng.permutation(8) if shuffle else np.arange(8)
        losses.append([])
        for pair in order.reshape(4, 2):
            until = lengths[pair].max()  # by hand: what is behind it is not there
            losses[-1] += [(parts.step, pair)]
            parts.fit(
                x[pair, :until], y[pair, :until], lengths=lengths[pair], batch_size=2, shuffle=False,
                track=flows[1],
            )  # fmt: skip
    assert whole.step == parts.step == len(flows[0])
    assert_same_bits(whole.session.vectors(), parts.session.vectors())
    np.testing.assert_array_equal(flows[0].loss, flows[1].loss)
    np.testing.assert_array_equal(flows[0].delta, flows[1].delta)
    assert history.history["learning_rate"][-1] == pytest.approx(0.05 * 0.7 ** (whole.step - 1))
    for found, epoch in zip(history.history["loss"], losses, strict=True):
        total = weight = 0.0
        for step, pair in epoch:
            chunks = np.arange(0, lengths[pair].max(), 4)
            counts = np.clip(lengths[pair][:, None] - chunks, 0, 4).sum(axis=0)
            part = flows[0].loss[step:][: len(chunks)]
            total += (part * counts).sum() if reduction == "mean" else 2 * part.sum()
            weight += counts.sum() if reduction == "mean" else 2
        np.testing.assert_allclose(found, total / weight, rtol=1e-12)
