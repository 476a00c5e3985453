import io
import json
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from safetensors.torch import load, save

from fewact.core.arrays import (
    NUMBER_TYPES,
    copy_tensors,
    parse_tensors,
    read_array,
    read_metadata,
    read_tensors,
    save_tensors,
    sha256_of,
)
from fewact.core.bounded import MIB, FileType
from fewact.core.errors import DataError
from tests.refused import refused

FILE = FileType("file of numbers", DataError, 256 * MIB)


def safetensors(header: Any, data: bytes = b"") -> bytes:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + data


def entry(dtype: str = "F32", shape: Any = (2,), offsets: Any = (0, 8)) -> dict[str, Any]:
    return {"a": {"dtype": dtype, "shape": shape, "data_offsets": offsets}}


def arrays() -> dict[str, NDArray[Any]]:
    numbers = np.arange(6, dtype=np.float32).reshape(2, 3)
    return {"a": numbers, "b": np.zeros((0, 3), np.float32), "c": np.array(True)}


def test_tensors_and_metadata_are_read(tmp_path: Path) -> None:
    expected = arrays()
    content = save_tensors(expected, {"note": "x"})
    as_torch = {name: torch.from_numpy(array) for name, array in expected.items()}
    assert content == save(as_torch, {"note": "x"})
    (tmp_path / "f").write_bytes(content)
    found, metadata = read_tensors(FILE, tmp_path / "f")
    copies, again = copy_tensors(FILE, tmp_path / "f")
    parsed, parsed_metadata = parse_tensors(FILE, content, "f")
    assert metadata == again == parsed_metadata == read_metadata(FILE, tmp_path / "f")
    assert metadata == {"note": "x"}
    for got in (found, parsed, copies):
        assert got.keys() == expected.keys()
        for name, array in expected.items():
            assert (got[name].dtype, got[name].shape) == (array.dtype, array.shape)
            np.testing.assert_array_equal(got[name], array)
    found["a"][:] = 7  # changes neither the file nor what is read again
    np.testing.assert_array_equal(read_tensors(FILE, tmp_path / "f")[0]["a"], expected["a"])


def test_numbers_at_any_place_are_aligned(tmp_path: Path) -> None:
    header = {"b": {"dtype": "U8", "shape": (1,), "data_offsets": (0, 1)}} | entry(offsets=(1, 9))
    content = safetensors(header, b"\0" + np.array([1, 2], np.float32).tobytes())
    (tmp_path / "f").write_bytes(content)
    for found in (read_tensors(FILE, tmp_path / "f"), parse_tensors(FILE, content, "f")):
        assert found[0]["a"].flags.aligned
        assert found[0]["a"].tolist() == [1, 2]


def test_the_digest_of_tensors_is_of_names_types_shapes_and_numbers() -> None:
    tensors = arrays()
    digest = sha256_of(tensors)
    assert digest == "e01c6960a1da68bb9caf5e89a68c9c120ff2704e3e94e8797b9b6eb8ef07a6c2"
    assert digest == sha256_of(dict(reversed(tensors.items())))
    for other in (
        {"d": tensors["c"]},
        {"c": tensors["c"].view(np.uint8)},
        {"a": tensors["a"].reshape(3, 2)},
        {"a": tensors["a"] + 1},
        {"b": np.zeros((0, 4), np.float32)},
    ):
        assert sha256_of(tensors | other) != digest


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\xff" * 8,
        (1 << 62).to_bytes(8, "little") + b"{}",
        safetensors(b"[" * 5000),
        safetensors([]),
        safetensors({"__metadata__": {"a": 1}}),
        safetensors({"a": 1}),
        safetensors(entry("F8_E4M3"), bytes(8)),
        safetensors(entry("F4"), bytes(8)),
        safetensors(entry(dtype="F99"), bytes(8)),
        safetensors(entry(shape=[-2]), bytes(8)),
        safetensors(entry(shape=[10**18]), bytes(8)),
        safetensors(entry(shape=[0, 10**18], offsets=[0, 0]), bytes(8)),
        safetensors(entry(shape=[1] * 100, offsets=[0, 4]), bytes(8)),
        safetensors(entry(shape=[True, 2]), bytes(8)),
        safetensors(entry(offsets=[0, 16]), bytes(8)),
        safetensors(entry(offsets=[8, 0]), bytes(8)),
        safetensors(entry(offsets=[0]), bytes(8)),
        safetensors(entry(offsets=[1, 9]), bytes(9)),
        safetensors(entry() | {"b": entry(offsets=[4, 12])["a"]}, bytes(12)),
        safetensors(entry() | {"b": entry(offsets=[9, 17])["a"]}, bytes(17)),
        safetensors(entry(), bytes(7)),
    ],
)
def test_tensors_that_are_not_in_the_file_are_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "f"
    path.write_bytes(content)
    for read in (read_tensors, copy_tensors):
        with refused(DataError, where=str(path), what=FILE.other):
            read(FILE, path)
    with refused(DataError, where="f", what=FILE.other):
        parse_tensors(FILE, content, "f")


def test_all_types_of_numbers_are_read_as_safetensors_reads_them() -> None:
    content = bytes(range(1, 65))
    for name, dtype in NUMBER_TYPES.items():
        data = bytes(map(bool, content)) if name == "BOOL" else content
        header = entry(name, (64 // dtype.itemsize,), (0, 64))
        found = parse_tensors(FILE, safetensors(header, data), "f")[0]["a"]
        expected = load(safetensors(header, data))["a"]
        if expected.dtype == torch.bfloat16:
            expected = expected.float()
        assert str(expected.dtype) == f"torch.{found.dtype}"
        assert found.tobytes() == expected.numpy().tobytes()


@pytest.mark.parametrize("dtype", ["<f2", ">f4", "<f8", "|u1", "<i8", "|b1"])
@pytest.mark.parametrize("order", ["C", "F"])
def test_arrays_are_read_as_numpy_reads_them(tmp_path: Path, dtype: str, order: str) -> None:
    array = np.asarray(np.arange(24).reshape(2, 3, 4), dtype, order=order)  # type: ignore[call-overload]
    for write in (np.savez, np.savez_compressed):
        write(tmp_path / "f.npz", features=array, other=np.zeros(1))
        got, names = read_array(FILE, tmp_path / "f.npz", "features")
        assert got is not None
        assert got.dtype == array.dtype
        np.testing.assert_array_equal(got, array)
        assert names == ["features", "other"]
    assert read_array(FILE, tmp_path / "f.npz", "none")[0] is None


def npy(header: str, data: bytes = b"", version: bytes = b"\1\0") -> bytes:
    return b"\x93NUMPY" + version + len(header).to_bytes(2, "little") + header.encode() + data


def archive(member: bytes, method: int = zipfile.ZIP_DEFLATED) -> bytearray:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", method) as made:
        made.writestr("features.npy", member)
    return bytearray(file.getvalue())


HEADER = "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 2, 2)}"


def damaged(change: str) -> bytearray:
    packed = archive(npy(HEADER, np.random.default_rng(0).bytes(32)))
    first, central = 0, packed.index(b"PK\1\2")
    if change == "encrypted":
        packed[first + 6] |= 1
        packed[central + 8] |= 1
    elif change == "method":
        packed[first + 8] = packed[central + 10] = 99
    elif change == "deflate":
        packed[60:70] = b"\xff" * 10
    elif change == "checksum":
        packed[central + 16] ^= 1
    elif change == "size":
        packed[central + 24 : central + 28] = (1 << 31).to_bytes(4, "little")
    elif change == "cut":
        del packed[-30:]
    return packed


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"not a zip",
        npy(HEADER, bytes(32)),
        *(archive(npy(HEADER, bytes(size))) for size in (0, 31, 33)),
        archive(b""),
        archive(b"\x93NUMPY\7\7\1\0x"),
        archive(npy("(" * 3000)),
        archive(npy("{'descr': '<f4', 'fortran_order': False, 'shape': (1000000000000, 4, 4)}")),
        archive(npy("{'descr': '<f4', 'fortran_order': False, 'shape': (-1, 4, 4)}")),
        archive(npy("{'descr': '|O', 'fortran_order': False, 'shape': (1, 1, 1)}", b"cos\nsystem")),
        archive(npy("{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (1,)}", bytes(4))),
        archive(npy("{'descr': 'nonsense', 'shape': (1,)}", bytes(4))),
        archive(npy("__import__('os').getcwd()")),
        archive(npy(HEADER, bytes(32)), zipfile.ZIP_LZMA),
        archive(npy(HEADER, bytes(100 * MIB))),
        *map(damaged, ("encrypted", "method", "deflate", "checksum", "size", "cut")),
    ],
)
def test_arrays_that_could_hurt_are_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "f.npz"
    path.write_bytes(content)
    with refused(DataError, where=str(path), what="file of numbers"):
        read_array(FILE, path, "features")


def test_a_member_that_is_no_array_is_refused(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "f.npz", "w") as made:
        made.writestr("features", "text")
    with refused(DataError, got="no .npy file"):
        read_array(FILE, tmp_path / "f.npz", "features")
