"""The page of Keras's and PyTorch's words: its names exist, and it says what errors say."""

import inspect
import re
from pathlib import Path
from typing import get_origin

import pytest
from code_blocks import run

import vgcore as vg
from vgcore import activations, foreign, initializers, losses, metrics, optimizers

PAGE = Path(__file__).parents[2] / "docs" / "keras_pytorch.md"
TEXT = PAGE.read_text(encoding="utf-8")
EXCEPTIONS = {
    "fit_many.timeout": "no other library has fit_many",
    "fit_many.flows": "no other library has fit_many",
    "fit.flow": "a slip in vgcore's own words",
}
MODEL = vg.Sequential([vg.RNN(2), vg.BatchNorm(), vg.Dense(3)], input_shape=(4, 2))


def plain(word):
    return re.sub(r"[^a-z0-9]", "", word.lower())


def rows():
    """Of each row of a table the words of others, vgcore's, and all of the row."""
    here = None
    for line in TEXT.splitlines():
        if not line.startswith("|"):
            here = None
            continue
        cells = [each.strip() for each in line.strip("|").split("|")]
        if here is None:
            here = cells.index("here")
        elif set(line) - set("|-: "):
            theirs = re.findall(r"`([^`]+)`", " ".join(cells[:here] + cells[here + 1 :]))
            yield theirs, re.findall(r"`([^`]+)`", cells[here]), line


ROWS = list(rows())


def known(name):
    """Whether a str is a name of a loss, a metric, an optimizer, an activation or an initializer."""
    for get in (
        lambda word: losses.get(word, "mean", "identity"),
        metrics.get,
        optimizers.get,
        activations.get,
        lambda word: initializers.get(word, activations.get("relu"), "weight_initializer"),
    ):
        try:
            get(name)
        except ValueError:
            continue
        return True
    return False


def parameters():
    """All keywords of what is public."""
    kinds = [getattr(vg, name) for name in vg.__all__]
    kinds += [getattr(room, n) for room in (initializers, vg.callbacks) for n in room.__all__]
    kinds += [getattr(vg.schedules, name) for name in vg.schedules.__all__]
    kinds += [getattr(vg.Sequential, name) for name in ("compile", "fit", "gradients")]
    kinds.append(vg.layers.recurrent.Recurrent.__init__)
    return {
        name
        for each in kinds
        if inspect.isroutine(each) or (inspect.isclass(each) and get_origin(each) is None)
        for name in inspect.signature(each).parameters
    }


def exists(name):
    """Whether what the page calls vgcore's is there."""
    if name.startswith("vg."):
        found = vg
        for part in name[3:].split("."):
            found = getattr(found, part)
        return True
    if name.startswith("model."):
        return name[6:] in dir(vg.Sequential)
    if name.startswith("layer."):
        return any(hasattr(each, name[6:]) for each in MODEL.layers)
    if name.endswith("="):
        return name[:-1] in parameters()
    return known(name.strip("'"))


def test_names_exist():
    for _, ours, line in ROWS:
        for name in ours:
            assert exists(name), line
    for name in re.findall(r"`((?:vg|model)\.[A-Za-z0-9_.]+)", TEXT):
        assert exists(name), name


def answered():
    """Each word that is answered with a name, and that name as the page writes it."""
    for word, answer in foreign.ATTRIBUTES.items():
        if re.fullmatch(r"vg[\w.]+", answer) and hasattr(vg, answer.split(".")[1]):
            yield word, answer
    for word, answer in foreign.KEYWORDS.items():
        if answer.isidentifier():
            yield word, f"{answer}="
    for owner, table in foreign.MEMBERS.items():
        for word, answer in table.items():
            if answer.isidentifier():
                yield f"{owner}.{word}", answer
    for argument, table in foreign.NAMES.items():
        for word, answer in table.items():
            if found := re.match(r"'\w+'", answer):
                yield f"{argument}.{word}", found[0]


@pytest.mark.parametrize(("word", "answer"), [e for e in answered() if e[0] not in EXCEPTIONS])
def test_words_stand_beside_their_answers(word, answer):
    last = plain(word.rpartition(".")[2])
    ending = re.compile(rf"(?:^|\.){re.escape(answer.strip('='))}=?$")
    assert any(
        last in {plain(each).removesuffix("loss") for each in theirs} | set(map(plain, theirs))
        and any(ending.search(name) for name in ours)
        for theirs, ours, _ in ROWS
    ), f"{word} -> {answer}"


def test_exceptions_are_answered():
    assert EXCEPTIONS.keys() <= {word for word, _ in answered()}


def test_error_is_as_shown():
    with pytest.raises(AttributeError) as told:
        vg.Linear  # noqa: B018
    assert f"AttributeError: {told.value}" in TEXT


def test_code_runs(tmp_path, monkeypatch):
    names = run(PAGE, tmp_path, monkeypatch)
    assert names["history"]["val_accuracy"][-1] > 0.8
