"""Sentences and their translations come as numbers that say what they are."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import vgcore as vg
from vgcore.data.sentence_pairs import END, PADDING, SEPARATOR, UNKNOWN, split

LINES = [
    "Go.\tVa !\tCC-BY 2.0 (France) Attribution: tatoeba.org #2877272 (CM) & #1158250 (Wittydev)",
    "Go.\tBouge !\tCC-BY",
    "I don't see it.\tJe ne le vois pas.",
    "Who?\tQui ?",
    "Who?\tQui\u202f?",  # a narrow space: the same words
    "",
    "Well-known words are here.\tVoici des mots connus.",
]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "pairs.tsv"
    path.write_bytes(b"\xef\xbb\xbf" + "\r\n".join(LINES).encode())
    return path


def test_words_are_lower_case_and_punctuation_is_apart() -> None:
    assert split("Don't  stop, «Élan» e\u0301tat well-known!") == (
        *("don't", "stop", ",", "«", "élan", "»", "état", "well-known", "!"),
    )
    assert split("'Tis over- 3.5") == ("'", "tis", "over", "-", "3.5")
    assert split("It is 3,5 or 1,000.5, no. 7.") == (
        *("it", "is", "3,5", "or", "1,000.5", ",", "no", ".", "7", "."),
    )


def test_what_is_not_seen_is_no_word() -> None:
    assert split("\u200b") == split("\u00ad \ufeff") == ()
    assert split("co\u00adop\u200bhere\u200e.") == ("coop", "here", ".")
    assert split("می\u200cخواهم") == ("می\u200cخواهم",)  # where a joiner is part of the spelling


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_lines_end_as_on_any_system(end: str, tmp_path: Path) -> None:
    path = tmp_path / "some.tsv"
    path.write_bytes(end.join(["Go.\tVa !", "", "Who?\tQui ?", ""]).encode())
    pairs = vg.data.sentence_pairs(path, held_out=0.5)
    assert {*pairs.train.sources, *pairs.held_out.sources} == {("go", "."), ("who", "?")}


@pytest.mark.parametrize("reverse", [False, True])
def test_a_pair_is_one_sequence_that_counts_from_the_separator_on(
    file: Path, reverse: bool
) -> None:
    pairs = vg.data.sentence_pairs(file, held_out=0.25, reverse=reverse)
    assert pairs.words[:4] == ("<pad>", "<sep>", "<end>", "<unk>")
    both = pairs.train, pairs.held_out
    expected = ["go .", "go .", "i don't see it .", "well-known words are here .", "who ?"]
    assert sorted(" ".join(source) for part in both for source in part.sources) == expected
    for part in both:
        for row, (source, target) in enumerate(zip(part.sources, part.targets, strict=True)):
            length, begin = part.lengths[row], len(source)
            assert length == begin + 1 + len(target)
            x, y, weight = part.x[row], part.y[row], part.sample_weight[row]
            known = [word if word in pairs.words else "<unk>" for word in (*source, *target)]
            said = [pairs.words[code] for code in x[:begin]]
            assert (said[::-1] if reverse else said) == known[:begin]
            assert x[begin] == SEPARATOR and y[length - 1] == END
            assert list(pairs.decode(y[begin:])) == known[begin:]
            np.testing.assert_array_equal(y[: length - 1], x[1:length])
            assert np.all(x[length:] == PADDING) and np.all(y[length:] == PADDING)
            np.testing.assert_array_equal(np.flatnonzero(weight), np.arange(begin, length))


def test_all_translations_of_a_source_are_on_one_side() -> None:
    given = [(f"word{n % 30}", f"mot{n}") for n in range(90)]
    sides = [vg.data.sentence_pairs(given, held_out=0.2, seed=seed) for seed in (0, 0, 1)]
    for pairs in sides:
        assert len(pairs.held_out.x) == 18
        assert not set(pairs.train.sources) & set(pairs.held_out.sources)
    assert sides[0].held_out.sources == sides[1].held_out.sources != sides[2].held_out.sources


def test_exports_with_numbers_and_both_directions_are_read(tmp_path: Path) -> None:
    path = tmp_path / "export.tsv"
    path.write_text("12\tGo.\t34\tVa !\n13\tWho?\t35\tQui ?\n", encoding="utf-8")
    pairs = vg.data.sentence_pairs(path, held_out=0.5)
    back = vg.data.sentence_pairs(str(path), held_out=0.5, swap=True)
    assert set(pairs.train.sources + pairs.held_out.sources) == {("go", "."), ("who", "?")}
    assert set(back.train.sources + back.held_out.sources) == {("va", "!"), ("qui", "?")}


def test_long_and_rare_and_many_are_left_out(file: Path) -> None:
    short = vg.data.sentence_pairs(file, longest=2, held_out=0.5)
    assert {*short.train.sources, *short.held_out.sources} == {("go", "."), ("who", "?")}
    few = vg.data.sentence_pairs(file, most=3, held_out=0.5)
    assert len(few.train.x) + len(few.held_out.x) == 3
    rare = vg.data.sentence_pairs(file, least=2, held_out=0.25)
    words = [word for pair in zip(*rare.train[-2:], strict=True) for each in pair for word in each]
    assert set(rare.words[4:]) == {word for word in words if words.count(word) >= 2}
    assert UNKNOWN in rare.train.x


def test_a_source_alone_ends_where_a_model_begins(file: Path) -> None:
    pairs = vg.data.sentence_pairs(file, held_out=0.25, reverse=True)
    alone = pairs.encode([("who", "?"), ("?",)])
    assert alone.x[0, 2] == SEPARATOR and alone.lengths.tolist() == [3, 2]
    known = pairs.words.index("?") if "?" in pairs.words else UNKNOWN
    assert alone.x[1].tolist() == [known, SEPARATOR, PADDING]
    np.testing.assert_array_equal(alone.sample_weight, [[0, 0, 1], [0, 1, 0]])
    with pytest.raises(ValueError, match="targets: expected one for each source, got 1 for 2"):
        pairs.encode([("who",), ("go",)], [("qui",)])
    with pytest.raises(ValueError, match="codes: expected 0 to"):
        pairs.decode([99])
    with pytest.raises(TypeError, match="codes: expected a row of integers"):
        pairs.decode([0.5])


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (
            b"Go.\tVa !\nWho?\n",
            "line 2: expected two sentences with a tab between them, got 'Who\\?'",
        ),
        (b"Go.\t \n", "line 1: expected two sentences"),
        (b"Go.\tV\xe0\n", "line 1: expected text in UTF-8, got byte 0xe0"),
        (b"Go.\tVa !\n", "held_out: expected a share that leaves sources on both sides; got 0.1"),
        (b"", "pairs: expected pairs of sentences, got .*bad.tsv, which holds no pairs"),
        (b"\r\n\n", "pairs: expected pairs of sentences, got .*bad.tsv, which holds no pairs"),
        (b"Go.\t\xe2\x80\x8b\n", "line 1: expected two sentences"),
        (b"Go.\tVa !\rWho?\r", "line 2: expected two sentences"),
        (b"a a a a a a\t" + b"a " * 11, "longest: expected at least 11, the words of .*; got 10"),
    ],
)
def test_bad_files_are_refused(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "bad.tsv"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=message):
        vg.data.sentence_pairs(path)


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"pairs": 3}, TypeError, "pairs: expected a path, or pairs of sentences, got 3"),
        ({"pairs": ["ab"]}, TypeError, r"pairs\[0\]: expected two sentences, got 'ab'"),
        ({"pairs": "missing.tsv"}, FileNotFoundError, "missing.tsv"),
        ({"pairs": []}, ValueError, "pairs: expected pairs of sentences, got none"),
        ({"pairs": [("", "a")]}, ValueError, "pairs: expected pairs of sentences, got none"),
        ({"longest": 0}, ValueError, "longest: expected an integer of at least 1"),
        ({"most": 1}, ValueError, "most: expected an integer of at least 2"),
        ({"least": 0}, ValueError, "least: expected an integer of at least 1"),
        ({"held_out": 1.0}, ValueError, "held_out: expected"),
        ({"reverse": 1}, TypeError, "reverse: expected"),
        ({"seed": -1}, ValueError, "seed: expected"),
    ],
)
def test_bad_arguments_are_refused(options: dict[str, Any], error: Any, message: str) -> None:
    with pytest.raises(error, match=message):
        vg.data.sentence_pairs(**{"pairs": [("a", "b"), ("c", "d")], "held_out": 0.5, **options})
