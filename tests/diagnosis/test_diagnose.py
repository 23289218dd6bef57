"""What diagnose is asked, what it answers, and what it leaves alone."""

import dataclasses
import json
import warnings

import numpy as np
import pytest
from illnesses import NUMBERS, PRODUCT, X, Y, dense, model, regression, sequences, vanishing

import vgcore as vg
from vgcore.diagnosis import SYMPTOMS
from vgcore.flow.record import Walk


def diagnosed(network, *data, **options):
    return network.diagnose(*data, cures=False, **options)


def symptoms(diagnosis):
    return [finding.symptom for finding in diagnosis.illnesses]


def test_a_healthy_network_gets_a_clean_bill_with_numbers():
    diagnosis = diagnosed(dense(), X, Y)
    assert diagnosis.healthy and not diagnosis.illnesses
    assert diagnosis.verdict.startswith("Healthy")
    assert "share of dead units" in str(diagnosis)
    assert diagnosis.numbers["beta1"] == 0.9
    assert diagnosis.outcome.score > 0.85


def test_the_same_before_during_and_after_training():
    network, x, y = vanishing()
    for _ in range(3):
        assert symptoms(diagnosed(network, x, y))[0] == "vanishing_gradient"
        network.fit(x, y, epochs=2, verbose=0)


def test_the_model_is_left_as_it_is():
    network = dense(optimizer=vg.Momentum(0.05))
    network.fit(X, Y, epochs=1, verbose=0)
    twin = dense(optimizer=vg.Momentum(0.05))
    twin.fit(X, Y, epochs=1, verbose=0)
    threads, step, history = vg.get_num_threads(), network.step, network.history
    diagnosed(network, X, Y)
    assert (network.step, network.history) == (step, history)
    assert vg.get_num_threads() == threads
    for each in (network, twin):
        each.fit(X, Y, epochs=2, verbose=0)
    for name, value in twin.state_dict().items():
        np.testing.assert_array_equal(network.state_dict()[name], value)


def test_twice_is_the_same():
    first, second = (diagnosed(*vanishing()).to_dict() for _ in range(2))
    assert json.dumps(first) == json.dumps(second)


def test_where_is_said():
    network = dense(bias_initializer=vg.initializers.Constant(-10))
    finding = diagnosed(network, X, Y).findings[0]
    assert finding.symptom == "dead_layer"
    assert finding.certainty == "certain"
    assert set(finding.where.layers) == {"dense1", "dense2"}
    assert finding.measured.value == 1


def test_why_is_the_product_of_factors():
    finding = diagnosed(*vanishing()).findings[0]
    assert [factor.place for factor in finding.why][-1] == "dense1"
    product = np.prod([factor.total for factor in finding.why])
    parts = [f.weights * f.slopes * f.norms * f.skips for f in finding.why]
    np.testing.assert_allclose(np.prod(parts), product, rtol=1e-6)
    np.testing.assert_allclose(product, finding.measured.value, rtol=0.2)
    assert "sigmoid slopes (at most 0.25 each)" in finding.why_sentence


def test_not_finite_names_the_place():
    x = NUMBERS.copy()
    network = regression("relu", optimizer=vg.SGD(1e20))
    finding = next(f for f in diagnosed(network, x, PRODUCT).findings if f.symptom == "not_finite")
    assert "not finite at step" in finding.sentence.lower() and "sample" in finding.sentence


def test_json_holds_all_of_it():
    told = diagnosed(*vanishing()).to_dict()
    again = json.loads(json.dumps(told))
    assert again["format"] == "vgcore diagnosis 1"
    assert again["findings"][0]["symptom"] == "vanishing_gradient"
    assert len(again["findings"][0]["why"]) == 10
    assert again["cures"] == [] and again["best"] is None


def test_strict_json_holds_what_is_not_finite():
    diagnosis = regression(optimizer=vg.SGD(1e20)).diagnose(NUMBERS, PRODUCT, seconds=2)
    told = diagnosis.to_dict()
    again = json.loads(json.dumps(told, allow_nan=False))
    none = next(row for row in again["cures"] if row["kind"] == "none")
    assert none["diverged"] == none["seeds"] and none["loss"] is None and none["score"] is None
    assert [row.name for row in diagnosis.cures] == [row["change"] for row in again["cures"]]
    number = dataclasses.replace(diagnosis.findings[0].measured, value=float("nan"))
    finding = diagnosis.findings[0].with_(measured=number)
    assert json.loads(json.dumps(finding.to_dict(), allow_nan=False))["measured"]["value"] is None


def test_a_notebook_shows_names_and_not_tags():
    network = vg.Sequential(
        [*(vg.Dense(16, "sigmoid", name=f"<b>{i}</b>") for i in range(9)), vg.Dense(10, "softmax")],
        input_shape=64,
        seed=0,
    )
    network.compile("sparse_categorical_crossentropy", vg.SGD(0.1))
    shown = diagnosed(network, X, Y)._repr_html_()
    assert "&lt;b&gt;0&lt;/b&gt;" in shown and "<b>0</b>" not in shown


def test_of_a_record_alone():
    network, x, y = vanishing()
    flow = vg.GradientFlow()
    network.fit(x, y, epochs=3, track=flow, verbose=0)
    diagnosis = flow.diagnose()
    assert diagnosis.illnesses[0].symptom == "vanishing_gradient"
    assert "looks inside" in diagnosis.illnesses[0].why_sentence
    assert {"symmetric_units", "inputs_out_of_scale", "gates_shut"} <= set(diagnosis.not_looked_at)
    assert diagnosis.outcome is None


def test_of_a_record_that_somebody_else_has_filled():
    flow = vg.GradientFlow()
    flow.declare(["a", "b", "gru"], {"gru": Walk(("r", "z", "n"))})
    for step in range(30):
        time = {"time": {"gru": 0.1 ** np.arange(9)[::-1]}, "time_direct": {"gru": np.eye(9)[8]}}
        flow.add(step, loss=2.0, delta=[1e-6, 1e-3, 1.0], weight_norm=[1, 1, 1], time=time)
    found = set(symptoms(flow.diagnose()))
    assert {"vanishing_gradient", "vanishing_through_time"} <= found


def test_lengths_and_sequences():
    x, y = sequences(20)
    network = model([vg.GRU(16), vg.Dense(2, "softmax")], vg.Adam(0.01), shape=(None, 2))
    diagnosis = diagnosed(network, x, y, np.full(400, 15))
    assert diagnosis.healthy
    assert diagnosis.outcome.score > 0.95


def test_a_last_minibatch_of_one_row_is_left_out():
    network = model([vg.Dense(8, "relu"), vg.BatchNorm(), vg.Dense(10, "softmax")], vg.SGD(1e-6))
    assert "rate_too_low" in symptoms(network.diagnose(X[:33], Y[:33], seconds=2))


def test_a_custom_loss_is_judged_by_what_it_does():
    def f(y, h):
        return ((h - y) ** 2).mean(axis=1), 2 * (h - y) / h.shape[1]

    network = model([vg.Dense(16, "relu"), vg.Dense(1)], vg.Adam(0.01), vg.losses.Custom(f), 6)
    assert diagnosed(network, NUMBERS, PRODUCT).healthy


@pytest.mark.parametrize(
    ("options", "error", "text"),
    [
        ({"seconds": 0}, ValueError, "seconds: expected a finite number above 0"),
        ({"seconds": "long"}, TypeError, "seconds"),
        ({"cures": 3}, TypeError, "cures"),
        ({"history": [1, 2]}, TypeError, "history: expected a History"),
    ],
)
def test_bad_arguments(options, error, text):
    with pytest.raises(error, match=text):
        dense().diagnose(X, Y, **options)


def test_bad_models_and_data():
    plain = vg.Sequential([vg.Dense(10, "softmax")], input_shape=64)
    with pytest.raises(RuntimeError, match="compile"):
        plain.diagnose(X, Y)
    with pytest.raises(ValueError, match="x: expected"):
        dense().diagnose(X[:, :5], Y)
    with pytest.raises(ValueError, match="y: expected"):
        dense().diagnose(X, Y[:10])
    with pytest.raises(ValueError, match="flow: expected a record of at least one step"):
        vg.GradientFlow().diagnose()


def test_nothing_is_warned_of():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        diagnosed(regression(optimizer=vg.SGD(1e20)), NUMBERS, PRODUCT)


def test_every_rule_says_where_it_comes_from():
    for symptom in SYMPTOMS.values():
        assert symptom.rule and symptom.source and symptom.looks and symptom.thresholds
        assert 0 < symptom.weight <= 1


def test_too_little_time_is_said():
    network = dense(depth=3)
    network.fit(X, Y, epochs=2000, batch_size=800, verbose=0)
    found = diagnosed(network, X, Y, seconds=0.01)
    assert "Too little time: a copy was trained for" in str(found)
    assert found.notes == tuple(found.to_dict()["notes"])
    assert not diagnosed(dense(), X, Y).notes
