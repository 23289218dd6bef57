"""Every rule names the network that has its illness, and not its healthy twin."""

import warnings

import pytest
from illnesses import CASES

from vgcore.diagnosis import SYMPTOMS


def diagnosed(case):
    model, *data = case()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return model.diagnose(*data, cures=False)


def test_every_symptom_has_its_network():
    assert set(CASES) == set(SYMPTOMS)


@pytest.mark.parametrize("name", CASES)
def test_the_illness_is_named(name):
    found = {finding.symptom: finding for finding in diagnosed(CASES[name][0]).findings}
    assert name in found
    assert found[name].ill == SYMPTOMS[name].ill or SYMPTOMS[name].where_learning != "ill"
    assert found[name].measured.beyond


@pytest.mark.parametrize("name", CASES)
def test_the_twin_is_not(name):
    diagnosis = diagnosed(CASES[name][1])
    assert name not in {finding.symptom for finding in diagnosis.findings}
    assert diagnosis.healthy, diagnosis
