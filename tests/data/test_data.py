"""The readers of data sets: right on sound files, a ValueError on every other."""

from __future__ import annotations

import gzip
import hashlib
import re
import struct
import sys
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from processes import run_python

from vgcore._extras import missing
from vgcore.data import digits, idx, mnist, mnist_files, one_hot, train_test_split, uci_digits

CODES = {"u1": 0x08, "i1": 0x09, "i2": 0x0B, "i4": 0x0C, "f4": 0x0D, "f8": 0x0E}


def header(code: int, *shape: int) -> bytes:
    return struct.pack(f">BBBB{len(shape)}I", 0, 0, code, len(shape), *shape)


def idx_bytes(array: NDArray[Any]) -> bytes:
    big_endian = array.astype(array.dtype.newbyteorder(">"))
    return header(CODES[array.dtype.str[1:]], *array.shape) + big_endian.tobytes()


def sample_array(dtype: str = "i4", shape: tuple[int, ...] = (2, 3)) -> NDArray[Any]:
    values = np.random.default_rng(0).integers(-100, 100, shape)
    return values.astype(dtype)


def write_mnist(
    directory: Path,
    images: NDArray[Any],
    labels: NDArray[Any],
    *,
    prefix: str = "t10k",
    joint: str = "-",
    end: str = "",
) -> None:
    encode: Callable[[bytes], bytes] = gzip.compress if end == ".gz" else bytes
    for kind, array, rank in (("images", images, 3), ("labels", labels, 1)):
        path = directory / f"{prefix}-{kind}{joint}idx{rank}-ubyte{end}"
        path.write_bytes(encode(idx_bytes(array)))


@pytest.fixture
def images() -> NDArray[np.uint8]:
    return np.random.default_rng(1).integers(0, 256, (5, 28, 28), dtype=np.uint8)


@pytest.fixture
def labels() -> NDArray[np.uint8]:
    return np.array([3, 0, 9, 1, 4], np.uint8)


class TestIdx:
    @pytest.mark.parametrize("compress", [False, True], ids=["plain", "gzip"])
    @pytest.mark.parametrize("shape", [(7,), (2, 3), (2, 3, 4), (1, 2, 1, 3, 2), (0,), (0, 4)])
    @pytest.mark.parametrize("dtype", CODES)
    def test_reads_every_type_and_rank(
        self, tmp_path: Path, dtype: str, shape: tuple[int, ...], compress: bool
    ) -> None:
        expected = sample_array(dtype, shape)
        content = idx_bytes(expected)
        path = tmp_path / "name-tells-nothing"
        path.write_bytes(gzip.compress(content) if compress else content)

        array = idx.read(path)

        assert array.dtype == expected.dtype
        assert array.dtype.isnative
        assert array.flags.c_contiguous and array.flags.writeable
        np.testing.assert_array_equal(array, expected, strict=True)

    def test_bytes_of_a_known_file(self, tmp_path: Path) -> None:
        path = tmp_path / "file"
        path.write_bytes(bytes.fromhex("00000b02 00000001 00000003 0001 fffe 7fff"))
        assert idx.read(str(path)).tolist() == [[1, -2, 32767]]

    @pytest.mark.parametrize("compress", [False, True], ids=["plain", "gzip"])
    def test_cut_anywhere(self, tmp_path: Path, compress: bool) -> None:
        content = idx_bytes(sample_array())
        if compress:
            content = gzip.compress(content)
        path = tmp_path / "cut"
        for length in range(len(content)):
            path.write_bytes(content[:length])
            with pytest.raises(ValueError, match=r"cut: expected .* got"):
                idx.read(path)

    def test_gzip_damaged_anywhere(self, tmp_path: Path) -> None:
        expected = sample_array()
        content = gzip.compress(idx_bytes(expected))
        path = tmp_path / "damaged"
        for position in range(len(content)):
            for flip in (0x01, 0x80, 0xFF):
                damaged = bytearray(content)
                damaged[position] ^= flip
                path.write_bytes(damaged)
                try:
                    array = idx.read(path)
                except ValueError as error:
                    assert "damaged: expected" in str(error)
                else:  # a byte of the gzip header that carries no data, such as its date
                    np.testing.assert_array_equal(array, expected, strict=True)

    @pytest.mark.parametrize(
        "content",
        [
            b"",
            b"\x89PNG\r\n\x1a\n",
            b"<html>not found</html>",
            header(0x08, 1)[1:] + b"\0",
            header(0x0A, 1) + b"\0",
            header(0x08),
        ],
        ids=["empty", "png", "html", "shifted", "unknown type", "no dimensions"],
    )
    def test_foreign_file(self, tmp_path: Path, content: bytes) -> None:
        path = tmp_path / "foreign"
        path.write_bytes(content)
        with pytest.raises(ValueError, match="foreign: expected an IDX file"):
            idx.read(path)

    @pytest.mark.parametrize("compress", [False, True], ids=["plain", "gzip"])
    def test_trailing_bytes(self, tmp_path: Path, compress: bool) -> None:
        content = idx_bytes(sample_array()) + b"\0"
        path = tmp_path / "long"
        path.write_bytes(gzip.compress(content) if compress else content)
        with pytest.raises(ValueError, match=r"long: expected 24 bytes .* \(2, 3\), got more"):
            idx.read(path)

    def test_trailing_bytes_after_gzip(self, tmp_path: Path) -> None:
        path = tmp_path / "long"
        path.write_bytes(gzip.compress(idx_bytes(sample_array())) + b"more")
        with pytest.raises(ValueError, match="long: expected a whole gzip stream"):
            idx.read(path)

    @pytest.mark.parametrize("compress", [False, True], ids=["plain", "gzip"])
    def test_forged_size_allocates_nothing(self, tmp_path: Path, compress: bool) -> None:
        content = header(0x0E, 2**32 - 1, 2**32 - 1, 2**32 - 1) + b"\0" * 100
        path = tmp_path / "forged"
        path.write_bytes(gzip.compress(content) if compress else content)
        tracemalloc.start()
        try:
            with pytest.raises(ValueError, match=r"forged: expected \d{20,} bytes .* got 100"):
                idx.read(path)
            assert tracemalloc.get_traced_memory()[1] < 8 << 20
        finally:
            tracemalloc.stop()

    @pytest.mark.parametrize(
        "content",
        [header(0x08, 0, *[2**32 - 1] * 3), header(0x08, *[1] * 255) + b"\0"],
        ids=["too large", "too many dimensions"],
    )
    def test_shape_beyond_numpy(self, tmp_path: Path, content: bytes) -> None:
        path = tmp_path / "odd"
        path.write_bytes(content)
        with pytest.raises(ValueError, match="odd: expected a shape that NumPy can hold"):
            idx.read(path)

    def test_missing_file(self, tmp_path: Path) -> None:
        with pytest.raises(FileNotFoundError):
            idx.read(tmp_path / "nothing")


class TestMnist:
    def test_published_test_set(self, mnist_directory: Path) -> None:
        x, y = mnist(mnist_directory)
        assert x.shape == (10000, 784) and x.dtype == np.float32 and x.flags.c_contiguous
        assert y.shape == (10000,) and y.dtype == np.int64
        assert x.min() == 0 and x.max() == 1
        assert y[:10].tolist() == [7, 2, 1, 0, 4, 1, 4, 9, 5, 9]
        counts = [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]
        assert np.bincount(y).tolist() == counts
        assert x.mean(dtype=np.float64) == pytest.approx(0.1325, abs=1e-4)

    def test_published_checksums(self, mnist_directory: Path) -> None:
        for path in mnist_directory.glob("*.gz"):
            digest = hashlib.md5(path.read_bytes()).hexdigest()
            assert mnist_files._CHECKSUMS[path.name] == f"md5:{digest}"

    @pytest.mark.parametrize("end", ["", ".gz"])
    @pytest.mark.parametrize("joint", ["-", "."])
    def test_spellings(
        self,
        tmp_path: Path,
        images: NDArray[np.uint8],
        labels: NDArray[np.uint8],
        joint: str,
        end: str,
    ) -> None:
        write_mnist(tmp_path, images, labels, joint=joint, end=end)
        x, y = mnist(str(tmp_path))
        expected = (images.reshape(5, 784) / 255.0).astype(np.float32)
        np.testing.assert_array_equal(x, expected, strict=True)
        np.testing.assert_array_equal(y, labels.astype(np.int64), strict=True)

    def test_splits_are_different_files(
        self, tmp_path: Path, images: NDArray[np.uint8], labels: NDArray[np.uint8]
    ) -> None:
        write_mnist(tmp_path, images, labels, prefix="train")
        write_mnist(tmp_path, images[:2], labels[:2], prefix="t10k")
        assert len(mnist(tmp_path, split="train")[0]) == 5
        assert len(mnist(tmp_path)[0]) == 2

    def test_no_images(self, tmp_path: Path) -> None:
        write_mnist(tmp_path, np.empty((0, 28, 28), np.uint8), np.empty(0, np.uint8))
        x, y = mnist(tmp_path)
        assert x.shape == (0, 784) and y.shape == (0,)

    def test_unknown_split(self, tmp_path: Path) -> None:
        with pytest.raises(ValueError, match="split: expected one of train, test; got 'tests'"):
            mnist(tmp_path, split="tests")

    def test_directory_of_wrong_type(self) -> None:
        with pytest.raises(TypeError, match=r"directory: expected a path .* got int"):
            mnist(3)  # type: ignore[arg-type]

    def test_missing_directory(self, tmp_path: Path) -> None:
        with pytest.raises(FileNotFoundError, match="nowhere: no such directory"):
            mnist(tmp_path / "nowhere")

    def test_missing_files(
        self, tmp_path: Path, images: NDArray[np.uint8], labels: NDArray[np.uint8]
    ) -> None:
        write_mnist(tmp_path, images, labels)
        (tmp_path / "t10k-labels-idx1-ubyte").unlink()
        with pytest.raises(FileNotFoundError) as caught:
            mnist(tmp_path)
        message = str(caught.value)
        assert str(tmp_path) in message
        for name in ("t10k-labels-idx1-ubyte", "t10k-labels.idx1-ubyte"):
            assert f"{name}, {name}.gz" in message

    @pytest.mark.parametrize(
        ("wrong", "got"),
        [
            (np.zeros((5, 784), np.uint8), r"uint8 of shape \(5, 784\)"),
            (np.zeros((5, 28, 27), np.uint8), r"uint8 of shape \(5, 28, 27\)"),
            (np.zeros((5, 28, 28), np.int16), r"int16 of shape \(5, 28, 28\)"),
            (np.zeros(5, np.uint8), r"uint8 of shape \(5,\)"),
        ],
    )
    def test_wrong_images(
        self, tmp_path: Path, labels: NDArray[np.uint8], wrong: NDArray[Any], got: str
    ) -> None:
        write_mnist(tmp_path, wrong, labels)
        with pytest.raises(ValueError, match=f"t10k-images-.*: expected images, .* got {got}"):
            mnist(tmp_path)

    @pytest.mark.parametrize(
        ("wrong", "message"),
        [
            (np.zeros((5, 1), np.uint8), r"expected labels, .* got uint8 of shape \(5, 1\)"),
            (np.zeros(5, np.int32), r"expected labels, .* got int32 of shape \(5,\)"),
            (np.zeros(4, np.uint8), "expected 5 labels, .* got 4"),
            (
                np.array([0, 1, 2, 10, 255], np.uint8),
                "expected labels from 0 to 9, got 10 at index 3",
            ),
        ],
    )
    def test_wrong_labels(
        self, tmp_path: Path, images: NDArray[np.uint8], wrong: NDArray[Any], message: str
    ) -> None:
        write_mnist(tmp_path, images, wrong)
        with pytest.raises(ValueError, match=f"t10k-labels-.*: {message}"):
            mnist(tmp_path)

    @pytest.mark.parametrize("name", ["t10k-images-idx3-ubyte.gz", "t10k-labels-idx1-ubyte.gz"])
    def test_truncated_file(
        self, tmp_path: Path, images: NDArray[np.uint8], labels: NDArray[np.uint8], name: str
    ) -> None:
        write_mnist(tmp_path, images, labels, end=".gz")
        path = tmp_path / name
        path.write_bytes(path.read_bytes()[:-9])
        with pytest.raises(ValueError, match=f"{name}: expected a whole gzip stream"):
            mnist(tmp_path)


class FakeMirrors:
    """Stands for ``pooch.retrieve``: serves files from a folder, or fails, by address."""

    def __init__(self, source: Path, failures: dict[str, Exception]) -> None:
        self.source = source
        self.failures = failures
        self.calls: list[tuple[str, str]] = []

    def __call__(self, url: str, *, known_hash: str, fname: str, path: Path) -> str:
        self.calls.append((url, known_hash))
        for mirror, error in self.failures.items():
            if url.startswith(mirror):
                raise error
        assert url.endswith(f"/{fname}")
        assert Path(path).name == "vgcore"
        return str(self.source / fname)


class TestDownload:
    FIRST, SECOND = mnist_files._MIRRORS

    @pytest.fixture
    def serve(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., FakeMirrors]:
        pooch = pytest.importorskip("pooch")

        def install(failures: dict[str, Exception]) -> FakeMirrors:
            mirrors = FakeMirrors(tmp_path, failures)
            monkeypatch.setattr(pooch, "retrieve", mirrors)
            return mirrors

        return install

    @pytest.mark.parametrize(("split", "prefix"), [("train", "train"), ("test", "t10k")])
    def test_fetches_the_files_of_a_split(
        self,
        tmp_path: Path,
        images: NDArray[np.uint8],
        labels: NDArray[np.uint8],
        serve: Callable[..., FakeMirrors],
        split: str,
        prefix: str,
    ) -> None:
        write_mnist(tmp_path, images, labels, prefix=prefix, end=".gz")
        mirrors = serve({})
        x, y = mnist(split=split)
        assert x.shape == (5, 784)
        assert y.tolist() == labels.tolist()
        names = [f"{prefix}-images-idx3-ubyte.gz", f"{prefix}-labels-idx1-ubyte.gz"]
        assert mirrors.calls == [(self.FIRST + n, mnist_files._CHECKSUMS[n]) for n in names]

    @pytest.mark.parametrize("error", [OSError("refused"), ValueError("wrong checksum")])
    def test_second_mirror_serves_when_the_first_fails(
        self,
        tmp_path: Path,
        images: NDArray[np.uint8],
        labels: NDArray[np.uint8],
        serve: Callable[..., FakeMirrors],
        error: Exception,
    ) -> None:
        write_mnist(tmp_path, images, labels, end=".gz")
        mirrors = serve({self.FIRST: error})
        assert len(mnist()[0]) == 5
        assert mirrors.calls[1][0] == self.SECOND + "t10k-images-idx3-ubyte.gz"

    def test_no_network(self, serve: Callable[..., FakeMirrors]) -> None:
        last = OSError("no route to host")
        serve({self.FIRST: OSError("name not known"), self.SECOND: last})
        with pytest.raises(ConnectionError) as caught:
            mnist()
        message = str(caught.value)
        assert f"{self.FIRST}t10k-images-idx3-ubyte.gz: name not known" in message
        assert f"{self.SECOND}t10k-images-idx3-ubyte.gz: no route to host" in message
        assert "directory=" in message
        assert caught.value.__cause__ is last

    def test_unwritable_cache_is_not_a_network_error(
        self, serve: Callable[..., FakeMirrors]
    ) -> None:
        mirrors = serve({self.FIRST: PermissionError("cache")})
        with pytest.raises(PermissionError, match="cache"):
            mnist()
        assert len(mirrors.calls) == 1

    def test_without_pooch(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setitem(sys.modules, "pooch", None)
        with pytest.raises(
            ImportError, match=re.escape(missing("pooch", "data", "downloading MNIST needs"))
        ):
            mnist()


class TestDigits:
    def test_known_facts(self) -> None:
        x, y = digits()
        assert x.shape == (1797, 64) and x.dtype == np.float32 and x.flags.c_contiguous
        assert y.shape == (1797,) and y.dtype == np.int64
        assert x.min() == 0 and x.max() == 1
        assert y[:10].tolist() == list(range(10))
        assert np.bincount(y).tolist() == [178, 182, 177, 183, 181, 182, 181, 179, 174, 180]

    def test_as_scikit_learn_has_them(self) -> None:
        datasets = pytest.importorskip("sklearn.datasets")
        pixels, labels = datasets.load_digits(return_X_y=True)
        x, y = digits()
        np.testing.assert_array_equal(x, (pixels / 16).astype(np.float32), strict=True)
        np.testing.assert_array_equal(y, labels.astype(np.int64), strict=True)

    def test_they_are_the_callers(self) -> None:
        for part in digits():
            part[:] = 0
        assert digits()[0].max() == 1 and digits()[1].max() == 9

    def test_they_come_with_their_licence(self) -> None:
        notice = Path(uci_digits.__file__).with_name("digits.LICENSE").read_text(encoding="utf-8")
        assert "Alpaydin" in notice and "creativecommons.org/licenses/by/4.0" in notice


class TestTrainTestSplit:
    def test_every_row_goes_to_one_side_with_its_target(self) -> None:
        x = np.arange(20, dtype=np.float32).reshape(10, 2)
        y = np.arange(10)
        x_train, y_train, x_test, y_test = train_test_split(x, y, test=0.3)
        assert x_train.shape == (7, 2) and x_test.shape == (3, 2)
        assert x_train.dtype == np.float32 and y_train.dtype == y.dtype
        np.testing.assert_array_equal(x_train, x[y_train])
        np.testing.assert_array_equal(x_test, x[y_test])
        assert sorted([*y_train, *y_test]) == list(range(10))

    def test_the_seed_decides(self) -> None:
        rows = np.arange(100)
        parts = [train_test_split(rows, rows, seed=seed)[2].tolist() for seed in (0, 0, 1)]
        assert parts[0] == parts[1] != parts[2]

    def test_parts_are_copies(self) -> None:
        x = np.ones((10, 2))
        for part in train_test_split(x, x):
            part[:] = 0
        assert x.min() == 1

    def test_lists(self) -> None:
        x_train, y_train, x_test, y_test = train_test_split([[1.0], [2.0]], ["a", "b"], test=0.5)
        assert {(x_train.item(), y_train.item()), (x_test.item(), y_test.item())} == {
            (1.0, "a"),
            (2.0, "b"),
        }

    @pytest.mark.parametrize("test", [0, 1, -0.1, 1.5, float("nan")])
    def test_share_out_of_range(self, test: float) -> None:
        with pytest.raises(ValueError, match="test: expected a finite number above 0 and below 1"):
            train_test_split(np.ones(10), np.ones(10), test=test)

    @pytest.mark.parametrize(("n", "test"), [(0, 0.5), (1, 0.5), (10, 0.01), (10, 0.99)])
    def test_empty_part(self, n: int, test: float) -> None:
        with pytest.raises(ValueError, match=f"test: expected .* which parts {n} rows into"):
            train_test_split(np.ones(n), np.ones(n), test=test)

    def test_different_lengths(self) -> None:
        with pytest.raises(ValueError, match="y: expected 10 rows, one for each of x; got 9"):
            train_test_split(np.ones(10), np.ones(9))

    def test_scalar(self) -> None:
        with pytest.raises(ValueError, match="y: expected an array with one row per sample"):
            train_test_split(np.ones(10), 3)

    def test_wrong_seed(self) -> None:
        with pytest.raises(TypeError, match="seed: expected an integer"):
            train_test_split(np.ones(10), np.ones(10), seed=0.5)  # type: ignore[arg-type]
        with pytest.raises(ValueError, match="seed: expected an integer of at least 0"):
            train_test_split(np.ones(10), np.ones(10), seed=-1)


class TestTrainTestSplitAsInSklearn:
    """The same arguments; x and y of a part stay together."""

    @pytest.mark.parametrize(
        "sizes",
        [
            {},
            {"test_size": 0.3},
            {"test_size": 7},
            {"train_size": 0.61},
            {"train_size": 11},
            {"test_size": 0.21, "train_size": 0.37},
            {"test_size": 5, "train_size": 0.5},
            {"train_size": np.int64(4), "test_size": 0.7},
        ],
    )
    @pytest.mark.parametrize("n", [20, 23])
    def test_sizes(self, sizes: dict[str, Any], n: int) -> None:
        sklearn = pytest.importorskip("sklearn.model_selection")
        x = np.arange(n)
        split = train_test_split(x, x, **sizes)
        train, test = sklearn.train_test_split(x, **(sizes or {"test_size": round(0.2 * n)}))
        assert (len(split.x_train), len(split.x_test)) == (len(train), len(test))
        assert len({*split.x_train, *split.x_test}) == len(train) + len(test)
        assert split.y_train.tolist() == split.x_train.tolist()

    def test_without_shuffling(self) -> None:
        sklearn = pytest.importorskip("sklearn.model_selection")
        x = np.arange(23)
        for sizes in ({"test_size": 0.25}, {"train_size": 5, "test_size": 6}):
            split = train_test_split(x, x + 1, shuffle=False, **sizes)
            train, test = sklearn.train_test_split(x, shuffle=False, **sizes)
            np.testing.assert_array_equal(split.x_train, train)
            np.testing.assert_array_equal(split.y_test, test + 1)

    @pytest.mark.parametrize("test_size", [0.25, 0.4, 13])
    @pytest.mark.parametrize("dtype", [int, str])
    def test_strata(self, test_size: float, dtype: type) -> None:
        labels = np.repeat([0, 1, 2], [60, 25, 15]).astype(dtype)
        rows = np.arange(100)
        split = train_test_split(rows, labels, test_size=test_size, stratify=labels)
        counts = np.array([60, 25, 15])
        got = np.unique(split.y_test, return_counts=True)[1]
        assert np.abs(got - counts * len(split.y_test) / 100).max() < 1
        assert sorted([*split.x_train, *split.x_test]) == rows.tolist()
        np.testing.assert_array_equal(labels[split.x_test], split.y_test)
        assert split.x_test.tolist() != sorted(split.x_test)

    def test_strata_of_parts_of_the_rows(self) -> None:
        labels = np.repeat([0, 1], [60, 40])
        split = train_test_split(labels, labels, test_size=10, train_size=20, stratify=labels)
        assert (split.y_train.sum(), split.y_test.sum()) == (8, 4)

    def test_random_state_is_the_seed(self) -> None:
        x = np.arange(30)
        for one, other in zip(
            train_test_split(x, x, seed=3), train_test_split(x, x, random_state=3), strict=True
        ):
            np.testing.assert_array_equal(one, other)

    def test_the_order_is_said(self) -> None:
        split = train_test_split(np.arange(5), np.arange(5))
        assert split._fields == ("x_train", "y_train", "x_test", "y_test")
        with pytest.raises(TypeError, match="got 3; it returns x_train, y_train, x_test, y_test"):
            train_test_split(np.arange(5), np.arange(5), np.arange(5))
        assert "x_train, y_train, x_test, y_test" in str(train_test_split.__doc__)

    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            ({"test": 0.2, "test_size": 0.2}, "test_size: expected either test or test_size, got both"),
            ({"test": 0.2, "train_size": 5}, "train_size: expected either test or train_size, got both"),
            ({"seed": 0, "random_state": 0}, "random_state: expected either seed or random_state"),
            ({"test_size": 1.0}, "test_size: expected a finite number above 0 and below 1, got 1"),
            ({"test_size": 0}, "test_size: expected an integer of at least 1, got 0"),
            ({"test_size": 10}, "test_size: expected a number .* 10 rows into 0 and 10"),
            ({"train_size": 10}, "train_size: expected a number .* 10 rows into 10 and 0"),
            ({"train_size": 6, "test_size": 6}, "test_size: .* 10 rows into 6 and 6"),
            ({"stratify": np.ones(9)}, r"stratify: expected labels of shape \(10,\), got shape \(9,\)"),
            ({"stratify": np.arange(10)}, "stratify: expected two rows of each label .*got one of"),
            ({"stratify": np.arange(10) // 2}, "stratify: expected parts of 5 rows at least"),
            ({"stratify": np.ones(10), "shuffle": False}, "stratify: expected None with shuffle=False"),
        ],
    )  # fmt: skip
    def test_what_cannot_be(self, arguments: dict[str, Any], message: str) -> None:
        with pytest.raises(ValueError, match=message):
            train_test_split(np.ones(10), np.ones(10), **arguments)


class TestOneHot:
    @pytest.mark.parametrize("dtype", ["u1", "i1", "i8", "u8"])
    def test_rows(self, dtype: str) -> None:
        rows = one_hot(np.array([2, 0, 1], dtype))
        expected = np.array([[0, 0, 1], [1, 0, 0], [0, 1, 0]], np.float32)
        np.testing.assert_array_equal(rows, expected, strict=True)

    def test_more_classes_than_labels(self) -> None:
        rows = one_hot(np.array([1, 0], np.uint8), 300)
        assert rows.shape == (2, 300)
        assert rows.argmax(axis=1).tolist() == [1, 0]
        assert rows.sum() == 2

    def test_no_labels(self) -> None:
        empty = np.empty(0, np.int64)
        assert one_hot(empty, 10).shape == (0, 10)
        with pytest.raises(ValueError, match="classes: expected a number, as y is empty"):
            one_hot(empty)

    @pytest.mark.parametrize(
        ("y", "classes", "message"),
        [
            ([0, 3, 1], 3, "from 0 to 2, got 3 at index 1"),
            ([0, 1, -1], 3, "from 0 to 2, got -1 at index 2"),
            ([0, 1, -1], None, "from 0 to 1, got -1 at index 2"),
            ([[0, 1]], 3, r"of shape \(n,\), got shape \(1, 2\)"),
            (1, 3, r"of shape \(n,\), got shape \(\)"),
        ],
    )
    def test_wrong_labels(self, y: Any, classes: int | None, message: str) -> None:
        with pytest.raises(ValueError, match=f"y: expected labels {message}"):
            one_hot(y, classes)

    @pytest.mark.parametrize("y", [[0.0, 1.0], [True, False], ["a"]])
    def test_labels_that_are_no_integers(self, y: Any) -> None:
        with pytest.raises(TypeError, match="y: expected integer labels, got"):
            one_hot(y)

    def test_wrong_classes(self) -> None:
        with pytest.raises(TypeError, match="classes: expected an integer"):
            one_hot([0], 2.0)  # type: ignore[arg-type]
        with pytest.raises(ValueError, match="classes: expected an integer of at least 1"):
            one_hot([0], 0)


def test_import_leaves_the_extras_alone() -> None:
    unwanted = {"pooch", "requests", "scipy", "sklearn"}
    code = f"import sys, vgcore.data; vgcore.data.digits(); print({unwanted} & {{*sys.modules}})"
    done = run_python("-c", code)
    assert done.stdout.strip() == "set()"
