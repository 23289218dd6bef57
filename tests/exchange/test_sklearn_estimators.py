"""Estimators: what scikit-learn checks of one, what its tools do with one, and beside its own models."""

from __future__ import annotations

import os
import sys
import warnings
from typing import Any

import joblib
import numpy as np
import pandas as pd
import pytest
from processes import run_python
from scipy import optimize
from sklearn.base import clone
from sklearn.datasets import load_digits, load_iris, make_moons
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import check_estimator

import vgcore as vg

Classifier, Regressor = vg.sklearn.Classifier, vg.sklearn.Regressor


def bits(estimator: Any) -> list[bytes]:
    """Every parameter of its network."""
    return [values.tobytes() for values in estimator.model_.state_dict().values()]


@pytest.fixture
def moons() -> tuple[Any, Any]:
    x, y = make_moons(200, noise=0.1, random_state=0)
    return x, np.array(["outer", "inner"])[y]


# An own `max_iter` the checks would set to 1000; 200 epochs of two steps are too few for one of them
@pytest.mark.parametrize(
    "estimator",
    [
        Classifier(epochs=500),
        Classifier([vg.Dense(16, "tanh")], epochs=500, optimizer=vg.Adam(0.005)),
        Classifier(epochs=500, dtype="float32"),
        Regressor(),
        Regressor([vg.Dense(16, "relu"), vg.LayerNorm()], optimizer=vg.Adam(0.01)),
    ],
    ids=repr,
)
def test_all_checks_of_scikit_learn_pass(estimator: Any) -> None:
    expected = {}
    if estimator.dtype == "float32":
        expected["check_sample_weight_equivalence_on_dense_data"] = "equal in float64 alone"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # among them those that the checks provoke
        results = check_estimator(
            estimator, expected_failed_checks=expected, on_skip=None, on_fail=None
        )
    failed = [each for each in results if each["status"] == "failed"]
    assert not failed, failed
    assert {each["check_name"] for each in results if each["status"] == "xfail"} == {*expected}
    assert {each["check_name"] for each in results if each["status"] == "skipped"} <= {
        "check_array_api_input"
    }
    assert len(results) > 50


@pytest.mark.parametrize("estimator", [Classifier(batch_size=8), Regressor(batch_size=8)])
def test_weights_are_repetitions_on_average_alone_with_minibatches(estimator: Any) -> None:
    """What the documentation names as the check that fails."""
    name = "check_sample_weight_equivalence_on_dense_data"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        results = check_estimator(estimator, on_skip=None, on_fail=None)
    failed = {each["check_name"] for each in results if each["status"] == "failed"}
    assert name in failed
    assert failed <= {name, "check_class_weight_classifiers"}


def test_it_is_the_network_that_fit_trains() -> None:
    x, y = load_digits(return_X_y=True)
    x = x[:300] / 16
    layers = [vg.Dense(20, "tanh"), vg.Dense(20, "tanh")]
    ours = Classifier(layers, epochs=3, random_state=5, compile_options={"clip_norm": 1.0})
    ours.fit(x, y[:300])
    seed = int(np.random.RandomState(5).randint(2**31 - 1))
    copies = [layer.copy() for layer in layers]
    model = vg.Sequential(
        [*copies, vg.Dense(10, "softmax")], input_shape=64, dtype="float64", seed=seed
    )
    model.compile("sparse_categorical_crossentropy", "adam", clip_norm=1.0)
    flow = vg.GradientFlow()
    history = model.fit(x, y[:300], epochs=3, verbose=0, track=flow)
    assert np.array_equal(ours.predict_proba(x), model.predict(x))
    assert ours.history_["loss"] == history["loss"]
    assert np.array_equal(ours.flow_.delta, flow.delta)
    assert ours.flow_.layers == ["dense1", "dense2", "dense3"]
    assert not layers[0].views and layers[0].name is None


@pytest.mark.parametrize("loss", ["sparse_categorical_crossentropy", "binary_crossentropy"])
def test_without_hidden_layers_it_is_logistic_regression(loss: str) -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(300, 3))
    y = np.where(x @ [1.0, -0.5, 0.2] + rng.normal(size=300) > 0.8, "yes", "no")
    weights = rng.integers(0, 3, size=300).astype(float)
    options: dict[str, Any] = {"class_weight": {"yes": 3.0, "no": 0.5}}
    theirs = LogisticRegression(C=np.inf, tol=1e-10, solver="newton-cholesky", **options).fit(
        x, y, weights
    )
    ours = Classifier(
        loss=loss, optimizer=vg.SGD(1.0), epochs=1500, batch_size=300, random_state=0, **options
    )
    ours.fit(x, y, sample_weight=weights)
    assert list(ours.classes_) == ["no", "yes"]
    np.testing.assert_allclose(ours.predict_proba(x), theirs.predict_proba(x), atol=1e-5)
    assert ours.score(x, y) == theirs.score(x, y)


@pytest.mark.parametrize("outputs", [None, 2])
def test_without_hidden_layers_it_is_linear_regression(outputs: int | None) -> None:
    rng = np.random.default_rng(1)
    x = rng.normal(size=(100, 4))
    y = x @ rng.normal(size=(4, outputs or 1)) + rng.normal(size=(100, outputs or 1))
    y = y if outputs else y[:, 0]
    weights = rng.uniform(0, 2, size=100)
    theirs = LinearRegression().fit(x, y, weights)
    ours = Regressor(optimizer=vg.SGD(0.1), epochs=1000, batch_size=100, random_state=0)
    ours.fit(x, y, weights)
    np.testing.assert_allclose(ours.predict(x), theirs.predict(x), atol=1e-6)
    np.testing.assert_allclose(ours.score(x, y), theirs.score(x, y))


def test_poisson_predicts_the_rate() -> None:
    """The likeliest rates softplus(w x + b), found by SciPy."""
    rng = np.random.default_rng(2)
    x = rng.uniform(-1, 1, size=500)
    y = rng.poisson(np.logaddexp(0, 2 * x + 1))
    best = optimize.minimize(
        lambda p: (rate := np.logaddexp(0, p[0] * x + p[1])).mean() - (y * np.log(rate)).mean(),
        [0.0, 0.0],
        tol=1e-10,
    ).x
    ours = Regressor(
        loss="poisson", optimizer=vg.SGD(0.5), epochs=1000, batch_size=500, random_state=0
    ).fit(x[:, np.newaxis], y)
    rates = np.logaddexp(0, best[0] * x + best[1])
    np.testing.assert_allclose(ours.predict(x[:, np.newaxis]), rates, rtol=1e-4)


class TestWithScikitLearnsTools:
    def test_pipeline_and_cross_validation(self) -> None:
        x, y = load_iris(return_X_y=True)
        pipe = make_pipeline(StandardScaler(), Classifier([vg.Dense(10, "relu")], random_state=0))
        assert cross_val_score(pipe, x, y, cv=3).mean() > 0.93

    def test_grid_search_in_processes(self, moons: tuple[Any, Any]) -> None:
        grid = {
            "layers": [[], [vg.Dense(16, "tanh")]],
            "optimizer": ["sgd", vg.Adam(0.02)],
        }
        alone, both = (
            GridSearchCV(Classifier(epochs=100, random_state=0), grid, cv=3, n_jobs=jobs).fit(
                *moons
            )
            for jobs in (1, 2)
        )
        assert both.best_params_["layers"][0].units == 16
        assert both.best_score_ > 0.95
        for name in ("mean_test_score", "std_test_score"):
            assert np.array_equal(alone.cv_results_[name], both.cv_results_[name])
        assert bits(alone.best_estimator_) == bits(both.best_estimator_)
        assert len(both.best_estimator_.flow_)

    @pytest.mark.skipif(sys.platform != "linux", reason="how workers are seen differs")
    def test_workers_use_their_share_of_threads(self) -> None:
        """In a process of its own, where no number of threads was chosen."""
        run = run_python(
            "-c",
            "import joblib, numpy as np, vgcore as vg\n"
            "def threads():\n"
            "    x = np.eye(4)\n"
            "    vg.sklearn.Regressor(epochs=1).fit(x, x[:, 0])\n"
            "    return vg.get_num_threads()\n"
            "def in_two():\n"
            "    return joblib.Parallel(n_jobs=2)(joblib.delayed(threads)() for _ in range(4))\n"
            "cpus = joblib.cpu_count()\n"
            "assert in_two() == [max(1, cpus // 2)] * 4\n"
            "for most in (1, 2):\n"
            "    with joblib.parallel_config('loky', inner_max_num_threads=most):\n"
            "        assert in_two() == [min(most, cpus)] * 4, most\n",
            env={name: v for name, v in os.environ.items() if not name.endswith("NUM_THREADS")},
        )
        assert run.returncode == 0, run.stderr

    def test_dumped_and_loaded(self, moons: tuple[Any, Any], tmp_path: Any) -> None:
        x, y = moons
        ours = Classifier([vg.Dense(8, "tanh")], epochs=3, random_state=0, warm_start=True)
        joblib.dump(ours.fit(x, y), tmp_path / "network.joblib")
        loaded = joblib.load(tmp_path / "network.joblib")
        assert np.array_equal(loaded.predict_proba(x), ours.predict_proba(x))
        assert loaded.history_["loss"] == ours.history_["loss"]
        assert np.array_equal(loaded.flow_.delta, ours.flow_.delta)
        assert bits(loaded.fit(x, y)) == bits(ours.fit(x, y))  # goes on with the same bits

    def test_a_clone_is_not_fitted(self, moons: tuple[Any, Any]) -> None:
        ours = Classifier([vg.Dense(8)], callbacks=[vg.callbacks.EarlyStopping("loss")], epochs=2)
        again = clone(ours.fit(*moons))
        assert again.layers[0] is not ours.layers[0] and again.layers[0].units == 8
        assert again.callbacks[0] is not ours.callbacks[0]
        with pytest.raises(NotFittedError):
            again.predict(moons[0])

    def test_names_of_columns(self) -> None:
        table = load_iris(as_frame=True)
        ours = Classifier(epochs=1).fit(table.data, table.target)
        assert list(ours.feature_names_in_) == list(table.data.columns)
        with pytest.raises(ValueError, match="feature names"):
            ours.predict(table.data.rename(columns=str.upper))
        assert isinstance(pd.Series(ours.predict(table.data)), pd.Series)

    def test_it_shows_itself(self) -> None:
        ours = Classifier([vg.Dense(8, "tanh")], epochs=3)
        assert repr(ours) == "Classifier(epochs=3, layers=[Dense(8, activation='tanh')])"
        assert "Classifier" in ours._repr_html_()


class TestGoingOn:
    def test_partial_fits_are_epochs(self, moons: tuple[Any, Any]) -> None:
        x, y = moons
        whole = Classifier([vg.Dense(8, "tanh")], epochs=4, random_state=0).fit(x, y)
        parts = Classifier([vg.Dense(8, "tanh")], random_state=0)
        for _ in range(4):
            parts.partial_fit(x, y, classes=["inner", "outer"])
        assert bits(parts) == bits(whole)
        assert parts.history_.epoch == [0, 1, 2, 3]
        assert parts.history_["loss"] == whole.history_["loss"]
        assert list(parts.flow_.step) == [0, 7, 14, 21]

    def test_warm_start_goes_on(self, moons: tuple[Any, Any]) -> None:
        x, y = moons
        whole = Classifier([vg.Dense(8, "tanh")], epochs=4, random_state=0).fit(x, y)
        warm = Classifier([vg.Dense(8, "tanh")], epochs=1, random_state=0, warm_start=True)
        warm.fit(x, y).set_params(epochs=3).fit(x, y)
        assert bits(warm) == bits(whole)
        assert warm.history_.epoch == whole.history_.epoch
        cold = clone(warm).set_params(warm_start=False, epochs=4)
        assert bits(cold.fit(x, y).fit(x, y)) == bits(whole)

    def test_partial_fit_of_a_class_at_a_time(self, moons: tuple[Any, Any]) -> None:
        x, y = moons
        ours = Classifier(random_state=0)
        with pytest.raises(ValueError, match="classes"):
            ours.partial_fit(x, y)
        ours.partial_fit(x[y == "inner"], y[y == "inner"], classes=["inner", "outer", "other"])
        ours.partial_fit(x[y == "outer"], y[y == "outer"])
        assert ours.predict_proba(x).shape == (200, 3)
        with pytest.raises(ValueError, match="y: expected classes of classes_"):
            ours.partial_fit(x, np.full(200, "strange"))

    def test_numbers_too(self) -> None:
        x, y = vg.data.sine(100, seed=0)
        parts = Regressor([vg.Dense(8, "tanh")], random_state=0)
        for _ in range(3):
            parts.partial_fit(x, y)
        assert bits(parts) == bits(clone(parts).set_params(epochs=3).fit(x, y))

    def test_an_interrupted_fit_keeps_what_it_has(self, moons: tuple[Any, Any]) -> None:
        def stop(epoch: int, logs: Any) -> None:
            if epoch == 1:
                raise KeyboardInterrupt

        ours = Classifier(epochs=5, callbacks=[stop], random_state=0)
        with pytest.raises(KeyboardInterrupt):
            ours.fit(*moons)
        assert ours.history_.epoch == [0, 1]
        assert ours.predict(moons[0]).shape == (200,)


class TestSequences:
    def test_a_recurrent_network(self) -> None:
        rng = np.random.default_rng(0)
        x = rng.normal(size=(200, 12, 2))
        y = np.where(x[:, :, 0].sum(axis=1) > 0, "up", "down")
        ours = Classifier(
            [vg.GRU(12)], optimizer=vg.Adam(0.01), epochs=30, random_state=0, dtype="float32"
        )
        assert cross_val_score(ours, x, y, cv=2).mean() > 0.85
        ours.fit(x, y)
        assert ours.n_features_in_ == 2
        assert ours.flow_.time["gru1"].shape[1] == 12
        with pytest.raises(ValueError, match=r"12, 2"):
            ours.predict(x[:, :, :1])

    def test_numbers_of_sequences(self) -> None:
        x, y = vg.data.adding_problem(300, 8, seed=0)
        ours = Regressor([vg.LSTM(16)], optimizer=vg.Adam(0.02), epochs=40, random_state=0)
        assert ours.fit(x, y.ravel()).score(x, y.ravel()) > 0.8
        assert ours.predict(x[:3]).shape == (3,)

    def test_tokens(self) -> None:
        rng = np.random.default_rng(0)
        x = rng.integers(10, size=(200, 6))
        y = (x == 3).any(axis=1)
        layers = [vg.Embedding(10, 8), vg.GlobalMaxPool()]
        ours = Classifier(layers, optimizer=vg.Adam(0.02), epochs=30, random_state=0).fit(x, y)
        assert ours.classes_.dtype == bool and ours.score(x, y) > 0.95

    def test_images(self) -> None:
        digits = load_digits()
        x = digits.images[:, np.newaxis] / 16
        layers = [vg.Conv2d(8, 3, activation="relu"), vg.MaxPool(2), vg.Flatten()]
        ours = Classifier(layers, epochs=15, random_state=0, dtype="float32")
        assert ours.fit(x[:1000], digits.target[:1000]).score(x[1000:], digits.target[1000:]) > 0.8
        assert ours.n_features_in_ == 1

    def test_outputs_at_every_timestep_are_refused(self) -> None:
        with pytest.raises(ValueError, match="layers: expected layers that make one vector"):
            Regressor([vg.GRU(3, return_sequences=True)]).fit(np.ones((4, 5, 2)), [1, 2, 3, 4])


class TestValidationAndRecords:
    def test_what_is_held_out_is_drawn_and_of_each_class(self) -> None:
        x, y = load_iris(return_X_y=True)  # sorted by class
        ours = Classifier(validation_split=0.2, epochs=3, random_state=0, batch_size=120).fit(x, y)
        assert len(ours.history_["val_loss"]) == 3
        assert np.isclose(ours.history_["val_accuracy"][-1] * 30 % 1, 0, atol=1e-6)
        again = clone(ours).fit(x, y)
        assert again.history_["val_loss"] == ours.history_["val_loss"]
        assert (
            clone(ours).set_params(random_state=1).fit(x, y).history_["val_loss"]
            != (ours.history_["val_loss"])
        )

    def test_early_stopping(self, moons: tuple[Any, Any]) -> None:
        stopping = vg.callbacks.EarlyStopping("val_loss", patience=2)
        ours = Classifier(
            [vg.Dense(8, "tanh")],
            validation_split=0.25,
            optimizer=vg.Adam(0.1),
            callbacks=[stopping],
            epochs=500,
            random_state=0,
        ).fit(*moons, sample_weight=np.linspace(0, 1, 200))
        assert stopping.stopped_epoch is not None
        assert len(ours.history_.epoch) == stopping.stopped_epoch + 1 < 500

    def test_about_two_hundred_steps_are_recorded(self, moons: tuple[Any, Any]) -> None:
        x, y = moons
        assert len(Classifier(epochs=10).fit(x, y).flow_) == 70
        assert 200 <= len(Classifier(epochs=100).fit(x, y).flow_) <= 400

    def test_what_is_recorded_can_be_chosen(self, moons: tuple[Any, Any]) -> None:
        x, y = moons
        track = vg.GradientFlow(every=3, distributions=True)
        ours = Classifier(epochs=3, track=track).fit(x, y)
        assert list(ours.flow_.step) == [0, 3, 6, 9, 12, 15, 18]
        assert ours.flow_.distribution("delta").counts.any()
        assert not track.layers
        assert not hasattr(ours.set_params(track=None).fit(x, y), "flow_")
        with pytest.raises(ValueError, match="track: expected an empty GradientFlow"):
            Classifier(track=Classifier().fit(x, y).flow_).fit(x, y)


@pytest.mark.parametrize(
    ("options", "kind", "message"),
    [
        ({"layers": vg.Dense(3)}, TypeError, "layers: expected a sequence of layers, got Dense"),
        ({"layers": ["relu"]}, TypeError, "layers: expected layers, got 'relu'"),
        ({"loss": "mse"}, ValueError, "loss: expected one of sparse_categorical_crossentropy"),
        ({"loss": "binary_crossentropy"}, ValueError, "for 3 classes, got 'binary_crossentropy'"),
        ({"epochs": 0}, ValueError, "epochs: expected an integer of at least 1, got 0"),
        ({"batch_size": 1.5}, TypeError, "batch_size: expected an integer"),
        ({"dtype": "int8"}, ValueError, "dtype: expected float32 or float64"),
        ({"validation_split": 1}, ValueError, "validation_split: expected a finite number above 0"),
        ({"track": True}, TypeError, "track: expected 'auto', None or a GradientFlow, got bool"),
        ({"track": "all"}, ValueError, "track: expected one of auto"),
        ({"compile_options": "clip_norm"}, TypeError, "compile_options: expected a dict"),
        ({"compile_options": {"clip": 1}}, TypeError, "clip"),
        ({"warm_start": 1}, TypeError, "warm_start: expected True or False, got 1"),
        ({"optimizer": "adm"}, ValueError, "optimizer: expected one of"),
    ],
)
def test_bad_arguments(options: dict[str, Any], kind: type, message: str) -> None:
    x, y = load_iris(return_X_y=True)
    ours = Classifier(**{"epochs": 1, **options})
    with pytest.raises(kind, match=message):
        ours.fit(x, y)
    assert not hasattr(ours, "model_")


def test_one_class_and_no_weight() -> None:
    with pytest.raises(ValueError, match="two classes, got one class"):
        Classifier().fit(np.ones((3, 2)), [1, 1, 1])
    with pytest.raises(ValueError, match="weight"):  # from 1.8 on scikit-learn's own message
        Regressor().fit(np.ones((3, 2)), [1, 2, 3], sample_weight=[0, 0, 0])
    with pytest.raises(ValueError, match="sample_weight: expected some weight above 0"):
        Classifier(class_weight={0: 0, 1: 0}).partial_fit(np.eye(2), [0, 1], classes=[0, 1])
    with pytest.raises(ValueError, match=r"class_weight: .*partial_fit"):
        Classifier(class_weight="balanced").partial_fit(np.eye(2), [0, 1], classes=[0, 1])


def test_scikit_learn_is_imported_when_it_is_asked_for() -> None:
    run = run_python(
        "-c",
        "import sys, vgcore as vg\n"
        "assert 'sklearn' in dir(vg) and not {'sklearn', 'vgcore.exchange.sklearn'} & {*sys.modules}\n"
        "assert vg.sklearn is sys.modules['vgcore.exchange.sklearn']\n"
        "from vgcore import sklearn\n"
        "assert sklearn is vg.sklearn\n",
    )
    assert run.returncode == 0, run.stderr
    run = run_python(
        "-c",
        "import sys\n"
        "sys.modules['sklearn'] = None\n"
        "import vgcore as vg\n"
        "try:\n    vg.sklearn\n"
        "except ImportError as error:\n    print(error)\n",
    )
    assert "estimators need 1.6 or later of scikit-learn: " in run.stdout
