"""The sequence tasks: built as their papers say, and guessing scores what `chance` says."""

from __future__ import annotations

import math
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from vgcore.data import (
    Text,
    adding_problem,
    chance,
    copy_memory,
    mnist,
    parity,
    sequential_mnist,
    split_tail,
    streams,
    temporal_order,
    text,
    windows,
)

X, Y, E, B = 4, 5, 6, 7  # columns of temporal_order
# Its relevant positions in hundredths of the length, and the shortest sequences
INTERVALS = {"6a": [(10, 20), (50, 60)], "6b": [(10, 20), (33, 43), (66, 76)]}
SHORTEST = {"6a": 5, "6b": 6}
BLANK, DELIMITER = 8, 9  # symbols of copy_memory
MANY = 100_000

SIZES = st.integers(1, 20)
SEEDS = st.integers(0, 2**31 - 1)


def assert_uniform(counts: NDArray[np.int64]) -> None:
    """Counts of equally likely outcomes lie within five standard deviations of their mean."""
    n, share = counts.sum(), 1 / len(counts)
    assert np.abs(counts - n * share).max() < 5 * math.sqrt(n * share * (1 - share))


def entropy(labels: NDArray[np.int64]) -> float:
    """The cross-entropy of the best constant prediction."""
    counts = np.bincount(labels.ravel())
    shares = counts[counts > 0] / labels.size
    return float(-(shares * np.log(shares)).sum())


def from_one_hot(x: NDArray[np.float32]) -> NDArray[np.int64]:
    """The symbols, once it is sure that there is one in each row."""
    assert x.dtype == np.float32 and x.flags.c_contiguous
    assert np.all((x == 0) | (x == 1)) and np.all(x.sum(axis=-1) == 1)
    symbols: NDArray[np.int64] = x.argmax(axis=-1)
    return symbols


GENERATORS: dict[str, Callable[..., tuple[NDArray[Any], NDArray[Any]]]] = {
    "adding_problem": adding_problem,
    "temporal_order": temporal_order,
    "copy_memory": copy_memory,
    "parity": parity,
}


@pytest.mark.parametrize("generate", GENERATORS.values(), ids=GENERATORS)
class TestAllGenerators:
    def test_the_seed_decides(
        self, generate: Callable[..., tuple[NDArray[Any], NDArray[Any]]]
    ) -> None:
        first, again, default, other = (
            generate(50, 40, **seed) for seed in ({"seed": 0}, {"seed": 0}, {}, {"seed": 1})
        )
        for part in range(2):
            np.testing.assert_array_equal(first[part], again[part], strict=True)
            np.testing.assert_array_equal(first[part], default[part], strict=True)
            assert not np.array_equal(first[part], other[part])

    def test_sequences_differ(
        self, generate: Callable[..., tuple[NDArray[Any], NDArray[Any]]]
    ) -> None:
        x, _ = generate(50, 40)
        assert len(np.unique(x, axis=0)) == 50

    @pytest.mark.parametrize(
        ("arguments", "error", "message"),
        [
            ((0, 40), ValueError, "n: expected an integer of at least 1, got 0"),
            ((2.0, 40), TypeError, "n: expected an integer, got 2.0"),
            ((2, "40"), TypeError, "(length|delay): expected an integer, got '40'"),
            ((2, True), TypeError, "(length|delay): expected an integer, got True"),
        ],
    )
    def test_wrong_sizes(
        self,
        generate: Callable[..., tuple[NDArray[Any], NDArray[Any]]],
        arguments: tuple[Any, ...],
        error: type[Exception],
        message: str,
    ) -> None:
        with pytest.raises(error, match=message):
            generate(*arguments)

    def test_wrong_seed(self, generate: Callable[..., tuple[NDArray[Any], NDArray[Any]]]) -> None:
        with pytest.raises(ValueError, match="seed: expected an integer of at least 0, got -1"):
            generate(2, 40, seed=-1)
        with pytest.raises(TypeError, match="seed: expected an integer, got None"):
            generate(2, 40, seed=None)


class TestAddingProblem:
    @given(n=SIZES, length=st.integers(2, 60), seed=SEEDS)
    def test_one_mark_in_each_half_and_their_sum(self, n: int, length: int, seed: int) -> None:
        x, y = adding_problem(n, length, seed)
        assert x.shape == (n, length, 2) and x.dtype == np.float32 and x.flags.c_contiguous
        assert y.shape == (n, 1) and y.dtype == np.float32 and y.flags.c_contiguous
        numbers, marks = x[..., 0], x[..., 1]
        assert numbers.min() >= 0 and numbers.max() < 1
        assert np.all((marks == 0) | (marks == 1))
        assert np.all(marks[:, : length // 2].sum(axis=1) == 1)
        assert np.all(marks[:, length // 2 :].sum(axis=1) == 1)
        np.testing.assert_array_equal((numbers * marks).sum(axis=1), y[:, 0])

    def test_marks_stand_anywhere_in_their_half(self) -> None:
        x, _ = adding_problem(MANY, 9)
        counts = x[..., 1].sum(axis=0, dtype=np.int64)
        assert_uniform(counts[:4])
        assert_uniform(counts[4:])

    def test_chance(self) -> None:
        _, y = adding_problem(MANY, 10)
        errors = (y.astype(np.float64) - 1) ** 2
        # The fourth moment of y - 1 is 1/15.
        deviation = math.sqrt((1 / 15 - 1 / 36) / MANY)
        assert abs(errors.mean() - chance.adding_problem()) < 4 * deviation
        assert y.mean(dtype=np.float64) == pytest.approx(1, abs=4 / math.sqrt(6 * MANY))

    def test_too_short(self) -> None:
        with pytest.raises(ValueError, match="length: expected an integer of at least 2, got 1"):
            adding_problem(3, 1)


class TestTemporalOrder:
    @pytest.mark.parametrize("variant", INTERVALS)
    @given(n=SIZES, extra=st.integers(0, 200), seed=SEEDS)
    def test_as_the_paper_has_it(self, variant: str, n: int, extra: int, seed: int) -> None:
        length = SHORTEST[variant] + extra
        x, y = temporal_order(n, length, variant, seed)
        assert x.shape == (n, length, 8)
        assert y.shape == (n,) and y.dtype == np.int64
        symbols = from_one_hot(x)
        assert np.all(symbols[:, 0] == E) and np.all(symbols[:, -1] == B)
        assert not np.isin(symbols[:, 1:-1], (E, B)).any()

        intervals = INTERVALS[variant]
        rows, steps = np.nonzero((symbols == X) | (symbols == Y))
        assert rows.tolist() == np.repeat(np.arange(n), len(intervals)).tolist()
        for i, (low, high) in enumerate(intervals):
            hundredths = 100 * steps[i :: len(intervals)]
            assert np.all((low * length <= hundredths) & (hundredths <= high * length))

        order = "".join("XY"[s - X] for s in symbols[rows, steps])
        for row, label in enumerate(y):
            names = order[row * len(intervals) : (row + 1) * len(intervals)]
            assert label == int(names.replace("X", "0").replace("Y", "1"), 2)

    @pytest.mark.parametrize("variant", INTERVALS)
    def test_every_position_and_distractor_is_equally_likely(self, variant: str) -> None:
        x, _ = temporal_order(20_000, 100, variant)
        counts = x.sum(axis=(0, 1), dtype=np.float64).astype(np.int64)
        assert_uniform(counts[:4])
        assert_uniform(counts[[X, Y]])
        relevant = x[..., X : Y + 1].sum(axis=(0, 2), dtype=np.float64).astype(np.int64)
        for low, high in INTERVALS[variant]:
            assert_uniform(relevant[low : high + 1])

    @pytest.mark.parametrize(("variant", "classes"), [("6a", 4), ("6b", 8)])
    def test_chance(self, variant: str, classes: int) -> None:
        _, y = temporal_order(MANY, 10, variant)
        assert_uniform(np.bincount(y, minlength=classes))
        assert chance.temporal_order(variant) == math.log(classes)
        # What the frequencies of a sample give away is about (classes - 1) / 2n.
        assert entropy(y) == pytest.approx(chance.temporal_order(variant), abs=10 * classes / MANY)

    def test_6a_is_the_default(self) -> None:
        assert temporal_order(200, 20)[1].max() == 3
        assert chance.temporal_order() == math.log(4)

    @pytest.mark.parametrize(("variant", "shortest"), SHORTEST.items())
    def test_too_short(self, variant: str, shortest: int) -> None:
        message = f"length: expected an integer of at least {shortest}, got {shortest - 1}"
        with pytest.raises(ValueError, match=message):
            temporal_order(3, shortest - 1, variant)

    @pytest.mark.parametrize(
        "function", [lambda v: temporal_order(3, 20, v), chance.temporal_order]
    )
    def test_wrong_variant(self, function: Callable[[Any], object]) -> None:
        with pytest.raises(ValueError, match="variant: expected one of 6a, 6b; got '6c'"):
            function("6c")
        with pytest.raises(TypeError, match="variant: expected a name"):
            function(6)


class TestCopyMemory:
    @given(n=SIZES, delay=st.integers(1, 60), seed=SEEDS)
    def test_as_the_paper_has_it(self, n: int, delay: int, seed: int) -> None:
        x, y = copy_memory(n, delay, seed)
        assert x.shape == (n, delay + 20, 10)
        assert y.shape == (n, delay + 20) and y.dtype == np.int64 and y.flags.c_contiguous
        symbols = from_one_hot(x)
        data = symbols[:, :10]
        assert data.max() < BLANK
        tail = [BLANK] * (delay - 1) + [DELIMITER] + [BLANK] * 10
        assert np.all(symbols[:, 10:] == tail)
        assert np.all(y[:, :-10] == BLANK)
        np.testing.assert_array_equal(y[:, -10:], data)

    def test_as_integers(self) -> None:
        (x, y), (rows, same) = copy_memory(7, 5, one_hot=False), copy_memory(7, 5)
        assert x.dtype == np.int64 and x.flags.c_contiguous
        np.testing.assert_array_equal(x, rows.argmax(axis=-1), strict=True)
        np.testing.assert_array_equal(y, same, strict=True)

    def test_symbols_are_equally_likely_and_independent(self) -> None:
        x, _ = copy_memory(MANY, 1, one_hot=False)
        for step in range(9):
            pairs = 8 * x[:, step].astype(np.int64) + x[:, step + 1].astype(np.int64)
            assert_uniform(np.bincount(pairs, minlength=64))

    @pytest.mark.parametrize("delay", [1, 10, 100])
    def test_chance(self, delay: int) -> None:
        _, y = copy_memory(1000, delay)
        memoryless = np.zeros((delay + 20, 10))
        memoryless[:-10, BLANK] = 1
        memoryless[-10:, :8] = 1 / 8
        losses = -np.log(memoryless[np.arange(delay + 20), y])
        assert losses.mean() == pytest.approx(chance.copy_memory(delay), rel=1e-12)
        assert chance.copy_memory(delay) == 10 * math.log(8) / (delay + 20)
        # No other prediction from the step alone does better on the ten steps that count.
        best = np.mean([entropy(y[:, step]) for step in range(delay + 20)])
        assert best == pytest.approx(chance.copy_memory(delay), rel=0.01)

    @pytest.mark.parametrize("function", [lambda d: copy_memory(3, d), chance.copy_memory])
    def test_too_short(self, function: Callable[[Any], object]) -> None:
        with pytest.raises(ValueError, match="delay: expected an integer of at least 1, got 0"):
            function(0)

    def test_wrong_form(self) -> None:
        with pytest.raises(TypeError, match="one_hot: expected True or False, got 1"):
            copy_memory(3, 5, one_hot=1)  # type: ignore[arg-type]


class TestParity:
    @given(n=SIZES, length=st.integers(1, 60), seed=SEEDS)
    def test_each_one_turns_the_answer(self, n: int, length: int, seed: int) -> None:
        x, y = parity(n, length, seed)
        assert x.shape == (n, length, 1) and x.dtype == np.float32 and x.flags.c_contiguous
        assert y.shape == (n,) and y.dtype == np.int64
        assert np.all((x == 1) | (x == -1))
        for bits, label in zip(x[:, :, 0], y, strict=True):
            odd = False
            for bit in bits:
                odd ^= bit == 1
            assert label == odd

    def test_every_sequence_is_equally_likely(self) -> None:
        x, _ = parity(MANY, 3)
        assert_uniform(np.bincount((x[:, :, 0] == 1) @ np.array([4, 2, 1]), minlength=8))

    def test_chance(self) -> None:
        x, y = parity(MANY, 3)
        assert_uniform(np.bincount(y, minlength=2))
        assert chance.parity() == math.log(2)
        # All bits but the last do not tell, either
        for first in (-1, 1):
            for second in (-1, 1):
                seen = (x[:, 0, 0] == first) & (x[:, 1, 0] == second)
                assert_uniform(np.bincount(y[seen], minlength=2))
                assert entropy(y[seen]) == pytest.approx(chance.parity(), abs=1e-3)

    def test_too_short(self) -> None:
        with pytest.raises(ValueError, match="length: expected an integer of at least 1, got 0"):
            parity(3, 0)


class TestSequentialMnist:
    @pytest.fixture
    def directory(self, tmp_path: Path) -> Path:
        """Both splits, of seven and three images of noise."""
        rng = np.random.default_rng(0)
        for prefix, n in (("train", 7), ("t10k", 3)):
            for kind, shape in (("images-idx3", (n, 28, 28)), ("labels-idx1", (n,))):
                header = struct.pack(f">BBBB{len(shape)}I", 0, 0, 8, len(shape), *shape)
                values = rng.integers(10, size=shape, dtype=np.uint8)
                (tmp_path / f"{prefix}-{kind}-ubyte").write_bytes(header + values.tobytes())
        return tmp_path

    @pytest.mark.parametrize(("split", "n"), [("test", 3), ("train", 7)])
    def test_a_pixel_a_step(self, directory: Path, split: str, n: int) -> None:
        x, y = sequential_mnist(directory, split)
        images, labels = mnist(directory, split)
        assert x.shape == (n, 784, 1) and x.dtype == np.float32 and x.flags.c_contiguous
        np.testing.assert_array_equal(x[:, :, 0], images)
        np.testing.assert_array_equal(y, labels, strict=True)

    def test_one_permutation_for_all(self, directory: Path) -> None:
        for split in ("test", "train"):
            x, y = sequential_mnist(directory, split, permutation_seed=3)
            images, labels = mnist(directory, split)
            assert x.shape == (len(y), 784, 1) and x.dtype == np.float32 and x.flags.c_contiguous
            order = np.random.default_rng(3).permutation(784)
            np.testing.assert_array_equal(x[:, :, 0], images[:, order])
            np.testing.assert_array_equal(y, labels, strict=True)

    def test_the_seed_decides(self, directory: Path) -> None:
        first, again, other, plain = (
            sequential_mnist(directory, permutation_seed=seed)[0] for seed in (0, 0, 1, None)
        )
        np.testing.assert_array_equal(first, again)
        assert not np.array_equal(first, other)
        assert not np.array_equal(first, plain)

    def test_chance(self, mnist_directory: Path) -> None:
        x, y = sequential_mnist(mnist_directory, permutation_seed=0)
        assert x.shape == (10000, 784, 1)
        assert chance.sequential_mnist() == math.log(10)
        assert 0 < chance.sequential_mnist() - entropy(y) < 0.002

    def test_wrong_seed(self, directory: Path) -> None:
        with pytest.raises(ValueError, match="permutation_seed: expected an integer of at least 0"):
            sequential_mnist(directory, permutation_seed=-1)
        with pytest.raises(TypeError, match="permutation_seed: expected an integer"):
            sequential_mnist(directory, permutation_seed=0.5)  # type: ignore[arg-type]

    def test_wrong_files_are_the_readers_business(self, tmp_path: Path) -> None:
        with pytest.raises(FileNotFoundError, match="directory: expected a folder"):
            sequential_mnist(tmp_path)
        with pytest.raises(ValueError, match="split: expected one of train, test"):
            sequential_mnist(tmp_path, "dev")


@pytest.fixture
def hello(tmp_path: Path) -> Text:
    path = tmp_path / "hello.txt"
    path.write_bytes("hällo\r\nwörld 🙂\n".encode())
    return text(path)


class TestText:
    def test_known_file(self, tmp_path: Path) -> None:
        path = tmp_path / "file"
        path.write_bytes(b"cabbage")
        codes, characters = text(str(path))
        assert characters == "abceg"
        np.testing.assert_array_equal(codes, np.array([2, 0, 1, 1, 0, 4, 3]), strict=True)

    @given(content=st.text(min_size=1))
    def test_nothing_is_lost(self, content: str, tmp_path_factory: pytest.TempPathFactory) -> None:
        path = tmp_path_factory.getbasetemp() / "any text"
        path.write_bytes(content.encode())
        read = text(path)
        assert read.codes.dtype == np.int64 and read.codes.shape == (len(content),)
        assert read.characters == "".join(sorted(set(content)))
        assert read.decode(read.codes) == content
        np.testing.assert_array_equal(read.encode(content), read.codes, strict=True)

    def test_encode_and_decode(self, hello: Text) -> None:
        assert hello.decode(hello.encode("wällö🙂")) == "wällö🙂"
        assert hello.decode([0, 1]) == "\n\r"
        assert hello.encode("").dtype == np.int64
        assert hello.decode(hello.encode("")) == ""

    @pytest.mark.parametrize("foreign", ["a", "z", "\0", "\U0010ffff", "\ud800"])
    def test_foreign_character(self, hello: Text, foreign: str) -> None:
        with pytest.raises(ValueError, match=r"string: expected .* got '.+' at index 2") as caught:
            hello.encode("hä" + foreign)
        assert f"got {foreign!r}" in str(caught.value)

    def test_string_of_wrong_type(self, hello: Text) -> None:
        with pytest.raises(TypeError, match="string: expected a str, got bytes"):
            hello.encode(b"hello")  # type: ignore[arg-type]

    @pytest.mark.parametrize(
        ("codes", "error", "message"),
        [
            ([0, 13], ValueError, "from 0 to 11, got 13 at index 1"),
            ([0, 1, -1], ValueError, "from 0 to 11, got -1 at index 2"),
            ([[0, 1]], ValueError, r"shape \(n,\), got shape \(1, 2\)"),
            (0, ValueError, r"shape \(n,\), got shape \(\)"),
            ([0.0], TypeError, "integers, got float64"),
            ([True], TypeError, "integers, got bool"),
        ],
    )
    def test_wrong_codes(
        self, hello: Text, codes: Any, error: type[Exception], message: str
    ) -> None:
        with pytest.raises(error, match=f"codes: expected .*{message}"):
            hello.decode(codes)

    def test_missing_file(self, tmp_path: Path) -> None:
        with pytest.raises(FileNotFoundError, match="nothing"):
            text(tmp_path / "nothing")

    def test_empty_file(self, tmp_path: Path) -> None:
        (tmp_path / "empty").touch()
        with pytest.raises(ValueError, match="empty: expected a text, got an empty file"):
            text(tmp_path / "empty")

    def test_a_byte_order_mark_is_no_character(self, tmp_path: Path) -> None:
        path = tmp_path / "marked"
        path.write_bytes(b"\xef\xbb\xbfab\xef\xbb\xbf")
        assert text(path).characters == "ab\ufeff"  # inside of a text it is one
        assert text(path).codes.tolist() == [0, 1, 2]
        path.write_bytes(b"\xef\xbb\xbfab\xff")
        with pytest.raises(ValueError, match="got byte 0xff at offset 5"):
            text(path)
        path.write_bytes(b"\xef\xbb\xbf")
        with pytest.raises(ValueError, match="got an empty file"):
            text(path)

    @pytest.mark.parametrize(
        ("content", "got"),
        [
            (b"caf\xe9 au lait", "0xe9 at offset 3"),
            (b"cut \xf0\x9f\x99", "0xf0 at offset 4"),
            (b"\xed\xa0\x80", "0xed at offset 0"),
        ],
        ids=["latin-1", "cut", "surrogate"],
    )
    def test_invalid_utf8(self, tmp_path: Path, content: bytes, got: str) -> None:
        (tmp_path / "odd").write_bytes(content)
        with pytest.raises(ValueError, match=f"odd: expected a text in UTF-8, got byte {got}"):
            text(tmp_path / "odd")

    def test_path_of_wrong_type(self) -> None:
        with pytest.raises(TypeError, match=r"path: expected a path .* got int"):
            text(0)  # type: ignore[arg-type]

    def test_shakespeare(self, shakespeare: Path) -> None:
        codes, characters = text(shakespeare)
        assert codes.shape == (1115394,)
        assert len(characters) == 65 and characters.startswith("\n !$&',-.3:;?ABC")
        # Knowing the frequencies of the characters is already better than knowing nothing.
        assert entropy(codes) < chance.text(len(characters))

    @pytest.mark.parametrize("size", [1, 2, 65])
    def test_chance(self, size: int) -> None:
        y = np.arange(10 * size) % size
        assert chance.text(size) == pytest.approx(entropy(y), abs=1e-12)
        assert chance.text(size) / math.log(2) == pytest.approx(math.log2(size))

    def test_chance_without_characters(self) -> None:
        with pytest.raises(ValueError, match="characters: expected an integer of at least 1"):
            chance.text(0)


class TestSplitTail:
    @pytest.mark.parametrize(("held_out", "n_test"), [(0.1, 2), (0.25, 5), (0.95, 20)])
    def test_beginning_and_end(self, held_out: float, n_test: int) -> None:
        codes = np.arange(21, dtype=np.int32)
        train, test = split_tail(codes, held_out=held_out)
        assert train.dtype == test.dtype == np.int64
        assert train.tolist() == list(range(21 - n_test))
        assert test.tolist() == list(range(21 - n_test, 21))

    def test_a_tenth_is_the_default(self) -> None:
        assert [len(part) for part in split_tail(range(100))] == [90, 10]

    def test_parts_are_copies(self) -> None:
        codes = np.ones(10, np.int64)
        for part in split_tail(codes):
            part[:] = 0
        assert codes.min() == 1

    @pytest.mark.parametrize("held_out", [0, 1, -0.1, float("nan")])
    def test_share_out_of_range(self, held_out: float) -> None:
        with pytest.raises(ValueError, match="held_out: expected a finite number above 0"):
            split_tail(np.arange(10), held_out=held_out)

    @pytest.mark.parametrize(("n", "held_out"), [(1, 0.5), (10, 0.01), (10, 0.99)])
    def test_empty_part(self, n: int, held_out: float) -> None:
        with pytest.raises(ValueError, match=f"held_out: expected .* which parts {n} into"):
            split_tail(np.arange(n), held_out=held_out)


class TestWindows:
    @given(data=st.data(), length=st.integers(1, 20))
    def test_targets_follow(self, data: st.DataObject, length: int) -> None:
        n = data.draw(st.integers(length + 1, 100), "n")
        step = data.draw(st.none() | st.integers(1, 30), "step")
        x, y = windows(np.arange(n), length, step=step)
        for part in (x, y):
            assert part.dtype == np.int64 and part.flags.c_contiguous and part.flags.writeable
        np.testing.assert_array_equal(y, x + 1, strict=True)
        step = step or length
        np.testing.assert_array_equal(
            x, np.arange(0, n - length, step)[:, None] + np.arange(length)
        )
        assert len(x) == (n - 1 - length) // step + 1

    def test_known_text(self) -> None:
        x, y = windows([3, 1, 4, 1, 5, 9, 2], 3)
        assert x.tolist() == [[3, 1, 4], [1, 5, 9]]
        assert y.tolist() == [[1, 4, 1], [5, 9, 2]]

    def test_pairs_are_copies(self) -> None:
        codes = np.arange(10)
        for part in windows(codes, 3, step=1):
            part[:] = -1
        assert codes.tolist() == list(range(10))

    def test_shorter_than_a_window(self) -> None:
        with pytest.raises(
            ValueError, match=r"codes: expected at least 6, for a window of 5 .* got 5"
        ):
            windows(np.arange(5), 5)

    def test_wrong_sizes(self) -> None:
        with pytest.raises(ValueError, match="length: expected an integer of at least 1"):
            windows(np.arange(5), 0)
        with pytest.raises(ValueError, match="step: expected an integer of at least 1"):
            windows(np.arange(5), 2, step=0)


class TestStreams:
    @given(data=st.data(), length=st.integers(1, 12), batch_size=st.integers(1, 6))
    def test_each_row_goes_on(self, data: st.DataObject, length: int, batch_size: int) -> None:
        minibatch = length * batch_size
        n = data.draw(st.integers(minibatch + 1, 6 * minibatch), "n")
        x, y = streams(np.arange(n), length, batch_size)
        for part in (x, y):
            assert part.dtype == np.int64 and part.flags.c_contiguous and part.flags.writeable
        np.testing.assert_array_equal(y, x + 1, strict=True)
        assert x.size == (n - 1) // minibatch * minibatch
        # Minibatch by minibatch, row i reads one stretch of the text, and all rows read it once.
        by_row = x.reshape(-1, batch_size, length).swapaxes(0, 1).reshape(batch_size, -1)
        np.testing.assert_array_equal(by_row.ravel(), np.arange(x.size))

    def test_known_text(self) -> None:
        x, y = streams(np.arange(14), 2, 3)
        assert x.tolist() == [[0, 1], [4, 5], [8, 9], [2, 3], [6, 7], [10, 11]]
        assert y.tolist() == [[1, 2], [5, 6], [9, 10], [3, 4], [7, 8], [11, 12]]

    def test_streams_are_copies(self) -> None:
        codes = np.arange(10)
        for part in streams(codes, 9, 1):
            part[:] = -1
        assert codes.tolist() == list(range(10))

    def test_shakespeare(self, shakespeare: Path) -> None:
        read = text(shakespeare)
        train, test = split_tail(read.codes)
        x, y = streams(train, 100, 32)
        assert x.shape == y.shape == (313 * 32, 100)
        assert read.decode(x[::32].ravel()[:35]) == "First Citizen:\nBefore we proceed an"
        assert read.decode(y[::32].ravel()[:34]) == "irst Citizen:\nBefore we proceed an"
        assert len(windows(test, 100)[0]) == 1115

    def test_shorter_than_a_minibatch(self) -> None:
        with pytest.raises(
            ValueError, match=r"codes: expected at least 13, for 3 windows of 4 .* got 12"
        ):
            streams(np.arange(12), 4, 3)

    def test_wrong_sizes(self) -> None:
        with pytest.raises(ValueError, match="length: expected an integer of at least 1"):
            streams(np.arange(5), 0, 1)
        with pytest.raises(TypeError, match="batch_size: expected an integer, got 2"):
            streams(np.arange(5), 1, 2.0)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "function", [split_tail, lambda c: windows(c, 2), lambda c: streams(c, 2, 2)]
)
class TestWrongCodes:
    def test_not_integers(self, function: Callable[[Any], object]) -> None:
        with pytest.raises(TypeError, match="codes: expected integers, got <U1"):
            function(list("characters"))

    def test_not_a_vector(self, function: Callable[[Any], object]) -> None:
        with pytest.raises(ValueError, match=r"codes: expected shape \(n,\), got shape \(4, 5\)"):
            function(np.zeros((4, 5), np.int64))
