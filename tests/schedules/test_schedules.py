"""Schedules of the learning rate: their rates, against PyTorch's, and training by them."""

import numpy as np
import pytest
from reference import assert_same_bits, network, samples

import vgcore as vg
from vgcore import schedules
from vgcore.schedules import (
    Constant,
    Cosine,
    Exponential,
    InverseTime,
    Linear,
    MultiStep,
    OneCycle,
    Polynomial,
    ReduceOnPlateau,
    Step,
    Warmup,
    per_epoch,
)

SPARSE = "sparse_categorical_crossentropy"
SCHEDULES = {
    "constant": Constant(0.3),
    "step": Step(0.3, 7),
    "multi-step": MultiStep(0.3, [4, 5, 30], factor=0.5),
    "exponential": Exponential(0.3, 0.9),
    "linear": Linear(0.3, 20, end_rate=0.01),
    "linear, rising": Linear(0.1, 20, end_rate=0.3),
    "polynomial": Polynomial(0.3, 20, power=0.9),
    "polynomial with a floor": Polynomial(0.3, 20, power=2, min_rate=0.05),
    "per epoch": per_epoch(Polynomial(0.3, 4)),
    "per epoch of four steps": per_epoch(Step(0.3, 2, 0.5), steps=4),
    "warm-up before epochs": Warmup(per_epoch(Exponential(0.3, 0.5)), 6),
    "per epoch, warmed up": per_epoch(Warmup(Cosine(0.3, 4), 2)),
    "inverse time": InverseTime(0.3, 0.2),
    "cosine": Cosine(0.3, 49, min_rate=0.01),
    "cosine, restarted": Cosine(0.3, 7, period_factor=1),
    "cosine, restarted ever later": Cosine(0.3, 3, min_rate=0.1, period_factor=2),
    "one cycle": OneCycle(0.3, 50),
    "one linear cycle": OneCycle(0.3, 50, 0.45, "linear", div_factor=4, final_div_factor=10),
    "warm-up": Warmup(Constant(0.3), 20, start_factor=0.25),
    "warm-up before a cosine": Warmup(Cosine(0.3, 41), 9, start_factor=0.1),
    "warm-up before a plateau": Warmup(ReduceOnPlateau(0.3, patience=2), 6),
    "plateau": ReduceOnPlateau(0.3, patience=1, cooldown=1, min_rate=0.001),
}
over_schedules = pytest.mark.parametrize("schedule", SCHEDULES.values(), ids=SCHEDULES)


def classifier(learning_rate, **options):
    return network((4, 9, 3), ("tanh", "softmax"), SPARSE, vg.SGD(learning_rate, momentum=0.9),
                   **options)  # fmt: skip


# ---- rates


def rates(schedule, *steps):
    return schedule.rates(np.array(steps)).tolist()


def test_rates_at_the_corners():
    assert rates(Step(1.0, 3), 0, 2, 3, 6) == pytest.approx([1, 1, 0.1, 0.01])
    assert rates(MultiStep(1.0, (2, 3)), 1, 2, 3, 999) == pytest.approx([1, 0.1, 0.01, 0.01])
    assert rates(Exponential(1.0, 0.5), 0, 1, 10) == [1, 0.5, 2**-10]
    assert rates(InverseTime(1.0, 0.5), 0, 2, 6) == [1, 0.5, 0.25]
    assert rates(Cosine(1.0, 10, 0.2), 0, 5, 10, 11, 99) == pytest.approx([1, 0.6, 0.2, 0.2, 0.2])
    assert rates(Cosine(1.0, 10, period_factor=3), 0, 10, 25, 39, 40, 10**9)[:5] == pytest.approx(
        [1, 1, 0.5, rates(Cosine(1.0, 30), 29)[0], 1]
    )
    assert rates(OneCycle(1.0, 10, 0.5), 0, 4, 9, 10, 99) == pytest.approx(
        [0.04, 1, 4e-6, 4e-6, 4e-6]
    )
    assert rates(OneCycle(1.0, 1), 0) == pytest.approx([4e-6])
    assert rates(OneCycle(1.0, 2, 0.5, "linear"), 0, 1) == pytest.approx([0.04, 4e-6])
    assert rates(Warmup(Step(1.0, 2), 4), 0, 1, 4, 5, 6) == pytest.approx([0, 0.25, 1, 1, 0.1])


@over_schedules
def test_rates_depend_on_the_step_alone(schedule):
    whole = schedule.rates(np.arange(1000))
    assert whole.dtype == np.float64
    assert (whole >= 0).all()
    assert [schedule.rates(np.array([step]))[0] for step in (0, 3, 20, 999)] == [
        whole[step] for step in (0, 3, 20, 999)
    ]
    assert schedule.rates(np.arange(0)).shape == (0,)


@over_schedules
def test_configurations_make_equal_schedules(schedule):
    assert schedules.from_config(schedule.config()) == schedule


# ---- against PyTorch

STEPS = 50


def torch_schedule(torch, rule, s):
    """PyTorch's schedule, told to work on an optimizer."""
    if isinstance(s, Constant):
        return torch.ConstantLR(rule, factor=1)
    if isinstance(s, Step):
        return torch.StepLR(rule, s.period, s.factor)
    if isinstance(s, MultiStep):
        return torch.MultiStepLR(rule, s.milestones, s.factor)
    if isinstance(s, Exponential):
        return torch.ExponentialLR(rule, s.factor)
    if isinstance(s, Linear):
        factor = s.end_rate / s.rate
        if factor > 1:  # which PyTorch leaves to LambdaLR
            return torch.LambdaLR(rule, lambda t: 1 + (factor - 1) * min(t / s.steps, 1))
        return torch.LinearLR(rule, 1, factor, total_iters=s.steps)
    if isinstance(s, Polynomial) and s.min_rate == 0:
        return torch.PolynomialLR(rule, s.steps, s.power)
    if isinstance(s, Polynomial):  # Keras's PolynomialDecay
        low = s.min_rate / s.rate
        return torch.LambdaLR(
            rule, lambda t: low + (1 - low) * (1 - min(t, s.steps) / s.steps) ** s.power
        )
    if isinstance(s, InverseTime):
        return torch.LambdaLR(rule, lambda step: 1 / (1 + s.decay * step))
    if isinstance(s, OneCycle):
        return torch.OneCycleLR(
            rule, s.rate, s.steps, pct_start=s.pct_start, anneal_strategy=s.anneal,
            cycle_momentum=False, div_factor=s.div_factor, final_div_factor=s.final_div_factor,
        )  # fmt: skip
    if isinstance(s, Warmup):
        warmup = torch.LinearLR(rule, start_factor=s.start_factor, total_iters=s.steps)
        return torch.SequentialLR(
            rule, [warmup, torch_schedule(torch, rule, s.schedule)], milestones=[s.steps]
        )
    if s.period_factor is None:
        return torch.CosineAnnealingLR(rule, s.steps, s.min_rate)
    return torch.CosineAnnealingWarmRestarts(rule, s.steps, s.period_factor, s.min_rate)


@pytest.mark.parity
@pytest.mark.filterwarnings("ignore:The epoch parameter in `scheduler.step:UserWarning")
@pytest.mark.parametrize(
    "name",
    [name for name in SCHEDULES if not {"plateau", "epoch", "epochs", "epoch,"} & {*name.split()}],
)
def test_rates_are_pytorchs(name):
    torch = pytest.importorskip("torch")
    schedule = SCHEDULES[name]
    first = schedule.schedule if isinstance(schedule, Warmup) else schedule
    rule = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=first.rate)
    theirs = torch_schedule(torch.optim.lr_scheduler, rule, schedule)
    expected = []
    for step in range(STEPS):
        expected.append(rule.param_groups[0]["lr"])
        rule.step()
        if step < STEPS - 1:
            theirs.step()
    np.testing.assert_allclose(schedule.rates(np.arange(STEPS)), expected, rtol=1e-10, atol=1e-17)


@pytest.mark.parity
@pytest.mark.parametrize("cooldown", [0, 3])
@pytest.mark.parametrize("patience", [0, 2])
def test_plateaus_are_pytorchs(patience, cooldown):
    torch = pytest.importorskip("torch")
    options = {"factor": 0.5, "patience": patience, "threshold": 0.05, "cooldown": cooldown}
    schedule = ReduceOnPlateau(0.3, min_rate=0.001, **options)
    rule = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=0.3)
    theirs = torch.optim.lr_scheduler.ReduceLROnPlateau(rule, min_lr=0.001, eps=0, **options)
    rng, seen = np.random.default_rng(0), schedule.start()
    for epoch in range(STEPS):
        loss = float(np.exp(-epoch / 10) + rng.uniform(0, 0.3)) if epoch != 7 else np.nan
        seen = schedule.after_epoch(seen, {"loss": loss})
        theirs.step(loss)
        assert seen.rate == pytest.approx(rule.param_groups[0]["lr"], rel=1e-10)
    assert seen.rate < 0.1


# ---- training


@over_schedules
def test_training_is_that_with_the_rates_assigned(schedule):
    """Epochs of four steps, the last of them short; rates behind a plateau's first are in its course."""
    model, twin = classifier(schedule), classifier(1.0)
    x, y = samples(model, 14)
    flow = vg.GradientFlow()
    seen, histories = schedule.start(), []
    history = model.fit(x, y, epochs=3, batch_size=4, shuffle=False, track=flow).history
    histories.append(history)
    histories.append(model.fit(x, y, epochs=2, batch_size=4, shuffle=False).history)
    losses = []
    for epoch in range(5):
        steps = np.arange(4 * epoch, 4 * epoch + 4)
        of_epoch = schedule.given(seen).rates(steps)
        for rate, begin in zip(of_epoch, range(0, 14, 4), strict=True):
            twin.optimizer.learning_rate = max(rate, 1e-300)
            losses.append(twin.train_on_batch(x[begin : begin + 4], y[begin : begin + 4]))
        mean = np.average(losses[-4:], weights=[4, 4, 4, 2])
        seen = schedule.after_epoch(seen, {"loss": mean})
        history = histories[epoch // 3]
        assert history["learning_rate"][epoch % 3] == of_epoch[-1]
    assert_same_bits(model.state_dict(), twin.state_dict())
    assert flow.loss.tolist() == losses[:12]


@over_schedules
def test_training_goes_on_bitwise_after_load(schedule, tmp_path):
    model = classifier(schedule)
    x, y = samples(model, 14)
    model.fit(x, y, epochs=4, batch_size=4)
    model.save(tmp_path / "model")
    loaded = vg.load(tmp_path / "model")
    assert loaded.optimizer == model.optimizer
    assert loaded.session.description() == model.session.description()
    one, other = (dict(each.fit(x, y, epochs=6, batch_size=4)) for each in (model, loaded))
    assert one.pop("seconds") and other.pop("seconds")
    assert one == other
    assert_same_bits(loaded.session.vectors(), model.session.vectors())
    model.compile(SPARSE, vg.SGD(schedule))
    assert model.session.description()["plateau"] == schedule.start()


def test_single_steps_have_the_rate_of_their_number():
    schedule = Exponential(0.5, 0.7)
    fitted, stepped = classifier(schedule), classifier(schedule)
    x, y = samples(fitted, 4)
    fitted.fit(x, y, epochs=6, shuffle=False)
    for _ in range(6):
        stepped.train_on_batch(x, y)
        stepped.gradients(x, y)
        stepped.predict(x)
    assert_same_bits(fitted.state_dict(), stepped.state_dict())


def test_epochs_are_counted_however_long_they_are():
    """Of 4 and of 1 steps, and of one that a callback stops."""
    model = classifier(per_epoch(Linear(0.4, 4, end_rate=0.2)))
    x, y = samples(model, 14)
    model.fit(x, y, epochs=2, batch_size=4)
    assert model.history.history["learning_rate"] == pytest.approx([0.4, 0.35])
    model.fit(x, y, batch_size=14)
    assert model.history.history["learning_rate"] == pytest.approx([0.3])
    stop = vg.callbacks.OnProgress(lambda progress: True)
    model.fit(x, y, epochs=5, batch_size=4, callbacks=[stop])
    assert model.history.history["learning_rate"] == pytest.approx([0.25])
    assert model.session.description()["plateau"] == (4,)
    model.fit(
        [(x[:5], y[:5]), (x[5:], y[5:])], epochs=2
    )  # nobody says how many minibatches there are
    assert model.history["learning_rate"] == pytest.approx([0.2, 0.2])
    assert model.session.description()["plateau"] == (6,)


@pytest.mark.parametrize("before", [0, 5])
def test_epochs_are_left_to_fit(before):
    """A schedule that counts them says so, and what single steps need."""
    model = classifier(
        Warmup(per_epoch(Step(0.5, 3)), before) if before else per_epoch(Step(0.5, 3))
    )
    x, y = samples(model, 4)
    start = model.state_dict()
    with pytest.raises(ValueError, match=r"learning_rate: .*only fit makes epochs.*steps=N"):
        model.train_on_batch(x, y)
    assert_same_bits(model.state_dict(), start)
    model.gradients(x, y)  # which no learning rate has a part in
    model.fit(x, y)
    stepped = classifier(per_epoch(Step(0.5, 3), steps=1))
    twin = classifier(Step(0.5, 3))
    for _ in range(7):
        stepped.train_on_batch(x, y)
        twin.train_on_batch(x, y)
    assert_same_bits(stepped.state_dict(), twin.state_dict())


def test_what_is_counted_is_said():
    assert repr(per_epoch(Exponential(0.5, 0.9))) == "per_epoch(Exponential(rate=0.5, factor=0.9))"
    shown = repr(vg.SGD(per_epoch(Constant(0.5), steps=10)))
    assert "learning_rate=per_epoch(Constant(rate=0.5), steps=10)" in shown


def test_truncated_steps_have_rates_of_their_own():
    """Of each chunk of a sequence, as of each minibatch."""

    def trained(learning_rate):
        model = vg.Sequential(
            [vg.RNN(5, return_sequences=True), vg.Dense(2)], input_shape=(6, 3), seed=0
        )
        model.compile("mse", vg.SGD(learning_rate), tbptt=2)
        rng = np.random.default_rng(0)
        model.train_on_batch(rng.normal(size=(4, 6, 3)), rng.normal(size=(4, 6, 2)))
        return model

    slow, one = trained(MultiStep(0.5, [1, 2], factor=1e-30)), trained(MultiStep(0.5, [1], 1e-30))
    assert slow.step == 3
    assert_same_bits(slow.state_dict(), one.state_dict())
    other = trained(MultiStep(0.5, [2], factor=1e-30)).state_dict()
    assert other["rnn1.weight_ih"].tobytes() != one.state_dict()["rnn1.weight_ih"].tobytes()


def test_a_number_may_be_assigned_in_place_of_a_schedule():
    optimizer = vg.SGD(Step(0.5, 1))
    model = network((4, 9, 3), ("tanh", "softmax"), SPARSE, optimizer)
    x, y = samples(model, 8)

    def end(progress):
        optimizer.learning_rate = 0.25

    history = model.fit(x, y, epochs=3, callbacks=[vg.callbacks.OnProgress(end)]).history
    assert history["learning_rate"] == [0.25, 0.25, 0.25]  # it was assigned before the epoch's end
    assert model.fit(x, y).history["learning_rate"] == [0.25]
    optimizer.learning_rate = Step(0.5, 1)
    assert model.fit(x, y).history["learning_rate"] == [0.5 * 0.1**4]


def test_a_plateau_that_is_assigned_has_seen_nothing():
    optimizer = vg.SGD(ReduceOnPlateau(0.3, patience=0, threshold=0.9))
    model = network((4, 9, 3), ("tanh", "softmax"), SPARSE, optimizer)
    x, y = samples(model, 8)
    rates = model.fit(x, y, epochs=3, batch_size=8).history["learning_rate"]
    assert rates == pytest.approx([0.3, 0.3, 0.03])
    optimizer.learning_rate = ReduceOnPlateau(0.5)
    assert model.fit(x, y).history["learning_rate"] == [0.5]


def test_models_that_share_a_plateau_each_have_their_own():
    optimizer = vg.SGD(ReduceOnPlateau(0.3, patience=0, threshold=0.9))
    one, other = (
        network((4, 9, 3), ("tanh", "softmax"), SPARSE, optimizer, seed=seed) for seed in (0, 1)
    )
    x, y = samples(one, 8)
    one.fit(x, y, epochs=5)
    assert other.fit(x, y).history["learning_rate"] == [0.3]


def test_a_plateau_of_the_validation_loss():
    model = classifier(ReduceOnPlateau(0.3, "val_loss", patience=0))
    x, y = samples(model, 20)
    xv, yv = x, (y + 1) % 3  # what is learned makes it worse
    history = model.fit(x, y, epochs=4, validation_data=(xv, yv)).history
    worse = np.diff(history["val_loss"]) > 0
    assert worse.any()
    expected = 0.3 * 0.1 ** np.concatenate([[0], [0], np.cumsum(worse)[:-1]])
    np.testing.assert_allclose(history["learning_rate"], expected)
    before = model.state_dict()
    with pytest.raises(ValueError, match=r"validation_data: expected .* val_loss; got None"):
        model.fit(x, y)
    assert_same_bits(model.state_dict(), before)


@pytest.mark.parametrize("threads", [2, 3])
def test_bits_do_not_depend_on_threads(threads):
    def trained(count):
        vg.set_num_threads(count)
        model = network((120, 131, 257, 10), ("tanh", "relu", "softmax"), SPARSE,
                        vg.AdamW(Warmup(Cosine(0.01, 9), 3)), dtype="float32")  # fmt: skip
        x, y = samples(model, 179)
        model.fit(x, y, epochs=3, batch_size=64)
        return model.state_dict()

    assert_same_bits(trained(threads), trained(1))


# ---- bad settings


@pytest.mark.parametrize(
    ("call", "error", "fragments"),
    [
        (lambda: Constant(-0.1), ValueError, ["rate: ", "at least 0", "-0.1"]),
        (lambda: Constant("0.1"), TypeError, ["rate: ", "number", "'0.1'"]),
        (lambda: Step(-0.1, 3), ValueError, ["rate: ", "at least 0", "-0.1"]),
        (lambda: Step(0.1, 0), ValueError, ["period: ", "at least 1", "got 0"]),
        (lambda: Step(0.1, 2.5), TypeError, ["period: ", "integer", "2.5"]),
        (lambda: Step(0.1, 2, -1), ValueError, ["factor: ", "above 0", "-1"]),
        (lambda: MultiStep(0.1, [3, 2]), ValueError, ["milestones: ", "rising", "[3, 2]"]),
        (lambda: MultiStep(0.1, [2, 2]), ValueError, ["milestones: ", "once", "[2, 2]"]),
        (lambda: MultiStep(0.1, []), ValueError, ["milestones: ", "[]"]),
        (lambda: MultiStep(0.1, 3), TypeError, ["milestones: ", "sequence", "3"]),
        (lambda: MultiStep(0.1, "12"), TypeError, ["milestones: ", "sequence", "'12'"]),
        (lambda: MultiStep(0.1, [0, 2]), ValueError, ["milestones: ", "at least 1", "0"]),
        (lambda: MultiStep(0.1, [1.5]), TypeError, ["milestones: ", "integer", "1.5"]),
        (lambda: Exponential(0.1, 0), ValueError, ["factor: ", "above 0", "got 0"]),
        (lambda: InverseTime(0.1, -1), ValueError, ["decay: ", "at least 0", "-1"]),
        (lambda: Cosine(0.1, -5), ValueError, ["steps: ", "at least 1", "-5"]),
        (lambda: Cosine(0.1, 5, 0.2), ValueError, ["min_rate: ", "at most", "0.1", "0.2"]),
        (lambda: Cosine(0.1, 5, -0.2), ValueError, ["min_rate: ", "at least 0", "-0.2"]),
        (
            lambda: Cosine(0.1, 5, period_factor=0),
            ValueError,
            ["period_factor: ", "at least 1", "got 0"],
        ),
        (lambda: OneCycle(0.1, 5, 1), ValueError, ["pct_start: ", "below 1", "got 1"]),
        (lambda: OneCycle(0.1, 5, anneal="cosine"), ValueError, ["anneal: ", "cos, linear"]),
        (lambda: OneCycle(0.1, 5, div_factor=0), ValueError, ["div_factor: ", "above 0"]),
        (lambda: Warmup(0.1, 5), TypeError, ["schedule: ", "Schedule", "0.1", "float"]),
        (lambda: Warmup(Constant(0.1), 0), ValueError, ["steps: ", "at least 1", "got 0"]),
        (lambda: Warmup(Constant(1), 5, 2), ValueError, ["start_factor: ", "at most 1", "got 2"]),
        (lambda: ReduceOnPlateau(0.1, "accuracy"), ValueError, ["monitor: ", "loss, val_loss"]),
        (lambda: ReduceOnPlateau(0.1, factor=1), ValueError, ["factor: ", "below 1", "got 1"]),
        (lambda: ReduceOnPlateau(0.1, patience=-1), ValueError, ["patience: ", "at least 0"]),
        (lambda: ReduceOnPlateau(0.1, cooldown=0.5), TypeError, ["cooldown: ", "integer", "0.5"]),
        (lambda: ReduceOnPlateau(0.1, threshold=1), ValueError, ["threshold: ", "below 1"]),
        (lambda: ReduceOnPlateau(0.1, min_rate=0.2), ValueError, ["min_rate: ", "at most"]),
        (lambda: Linear(0.1, 0), ValueError, ["steps: ", "at least 1", "got 0"]),
        (lambda: Linear(0.1, 5, -1), ValueError, ["end_rate: ", "at least 0", "-1"]),
        (lambda: Polynomial(0.1, 5, 0), ValueError, ["power: ", "above 0", "got 0"]),
        (lambda: Polynomial(0.1, 5, 1, 0.2), ValueError, ["min_rate: ", "at most", "0.2"]),
        (lambda: per_epoch(0.1), TypeError, ["schedule: ", "Schedule", "0.1", "float"]),
        (lambda: per_epoch(Step(1, 1), steps=0), ValueError, ["steps: ", "at least 1", "got 0"]),
        (
            lambda: per_epoch(Warmup(ReduceOnPlateau(0.1), 5)),
            ValueError,
            ["schedule: ", "counts steps", "ReduceOnPlateau"],
        ),
        (
            lambda: per_epoch(per_epoch(Step(1, 1))),
            ValueError,
            ["schedule: ", "counts steps", "per_epoch(Step("],
        ),
        (lambda: vg.SGD(Constant), TypeError, ["learning_rate: ", "Constant"]),
    ],
)
def test_bad_settings(call, error, fragments):
    with pytest.raises(error) as caught:
        call()
    assert all(fragment in str(caught.value) for fragment in fragments)


@over_schedules
def test_settings_are_fixed(schedule):
    for name in vars(schedule):
        with pytest.raises(AttributeError, match=f"{name}: "):
            setattr(schedule, name, 0.5)


@pytest.mark.parametrize("rates", [[0.1], [np.nan] * 4, [-0.1] * 4, [[0.1] * 4]])
def test_rates_of_a_schedule_of_ones_own_are_checked(rates):
    class Own(vg.schedules.Schedule):
        def rates(self, steps):
            return np.array(rates)

    model = vg.Sequential([vg.Dense(2)], input_shape=3, seed=0)
    model.compile("mse", vg.SGD(Own()))
    before = model.state_dict()
    with pytest.raises(ValueError, match=r"learning_rate: expected \d+ finite rates"):
        model.fit(np.ones((8, 3)), np.ones((8, 2)), batch_size=2)
    np.testing.assert_array_equal(model.state_dict()["dense1.weight"], before["dense1.weight"])


@pytest.mark.parametrize(
    "losses",
    [
        [np.nan, 3.0, 2.0, 1.0, 1.0, 1.0, 1.0],
        [np.nan, np.nan, 2.0, 1.0, 1.0, 1.0, 1.0],
        [np.inf, 3.0, 2.0, 1.0, 1.0, 1.0, 1.0],
        [3.0, np.nan, 2.0, 1.0, np.nan, 1.0, 1.0],
    ],
)
def test_a_plateau_recovers_from_nan(losses):
    """NaN is a bad epoch and never the best; what comes after it is compared with numbers."""
    schedule = ReduceOnPlateau(1.0, patience=2, factor=0.5)
    seen, rates = schedule.start(), []
    for loss in losses:
        seen = schedule.after_epoch(seen, {"loss": loss})
        assert seen.best is None or not np.isnan(seen.best)
        rates.append(seen.rate)
    assert seen.best == 1.0
    assert rates == [1.0] * 6 + [0.5]


def test_a_plateau_of_nan_alone_is_one():
    schedule = ReduceOnPlateau(1.0, patience=2, factor=0.5)
    seen = schedule.start()
    for _ in range(3):
        seen = schedule.after_epoch(seen, {"loss": np.nan})
    assert (seen.rate, seen.best) == (0.5, None)
