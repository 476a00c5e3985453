"""Files of arrays: what a header declares is checked before anything is allocated."""

import ast
import hashlib
import io
import math
import mmap
import os
import struct
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from fewact.core.bounded import KIB, MIB, FileType, reason_of, size_text

BFLOAT16 = "BF16"
"""Type of safetensors that NumPy does not have: the first half of a float32."""

NUMBER_TYPES: Mapping[str, np.dtype[Any]] = {
    "BOOL": np.dtype("?"),
    "U8": np.dtype("u1"),
    "I8": np.dtype("i1"),
    "I16": np.dtype("<i2"),
    "U16": np.dtype("<u2"),
    "F16": np.dtype("<f2"),
    BFLOAT16: np.dtype("<u2"),
    "I32": np.dtype("<i4"),
    "U32": np.dtype("<u4"),
    "F32": np.dtype("<f4"),
    "I64": np.dtype("<i8"),
    "U64": np.dtype("<u8"),
    "F64": np.dtype("<f8"),
}
"""Types of numbers that are read, as the file has them."""

_MAX_HEADER = 64 * MIB
_MAX_AXES = 16
_MAX_NPY_HEADER = 10 * KIB
# Deflate cannot shrink noise; zeros shrink a thousandfold.
_MAX_RATIO = 200
_SMALL = 64 * MIB


def read_tensors(type: FileType, path: Path) -> tuple[dict[str, NDArray[Any]], dict[str, str]]:
    """Return the arrays of a safetensors file, and its metadata.

    The arrays are mapped to the file: a page is read when it is used, and copied when it is written
    to. Arrays in bfloat16 become copies in float32.
    """
    with type.open(path) as file:
        size = os.fstat(file.fileno()).st_size
        metadata, header = _check_header(type, file, size, str(path))
        begin = file.tell()
        content = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY)
    return {
        name: _array(facts, np.frombuffer(content, np.uint8)[begin:][slice(*facts["data_offsets"])])
        for name, facts in header.items()
    }, metadata


def parse_tensors(
    type: FileType, content: bytes, where: str
) -> tuple[dict[str, NDArray[Any]], dict[str, str]]:
    """Return copies of the arrays in the content of a safetensors file, and its metadata."""
    type.check_size(len(content), where)
    return _copied(type, io.BytesIO(content), len(content), where)


def copy_tensors(type: FileType, path: Path) -> tuple[dict[str, NDArray[Any]], dict[str, str]]:
    """Return copies of the arrays of a safetensors file, and its metadata."""
    with type.open(path) as file:
        return _copied(type, file, os.fstat(file.fileno()).st_size, str(path))


def _copied(
    type: FileType, file: BinaryIO, size: int, where: str
) -> tuple[dict[str, NDArray[Any]], dict[str, str]]:
    """Return the arrays in a safetensors file of a size, each in its own memory, and its metadata.

    They are aligned like all arrays, so that sums of them have equal rounding.
    """
    metadata, header = _check_header(type, file, size, where)
    arrays: dict[str, NDArray[Any]] = {}
    for name, facts in header.items():
        begin, end = facts["data_offsets"]
        numbers = np.empty(end - begin, np.uint8)
        if file.readinto(numbers.data) != len(numbers):  # type: ignore[attr-defined]
            type.refuse(where, type.other, "fewer bytes than before")
        arrays[name] = _array(facts, numbers)
    return arrays, metadata


def _array(facts: Mapping[str, Any], content: NDArray[np.uint8]) -> NDArray[Any]:
    """Return the array that the facts of a header declare, with the content of its numbers."""
    numbers = content.view(NUMBER_TYPES[facts["dtype"]])
    if facts["dtype"] == BFLOAT16:
        numbers = (numbers.astype(np.uint32) << 16).view(np.float32)
    return np.require(numbers, requirements="A").reshape(facts["shape"])


def save_tensors(
    arrays: Mapping[str, NDArray[Any]], metadata: Mapping[str, str] | None = None
) -> bytes:
    """Return the content of a safetensors file."""
    from safetensors.numpy import save

    # The memory of an array is written as it is: its numbers must be in order.
    ordered = {name: np.asarray(value, order="C") for name, value in arrays.items()}
    return save(ordered, None if metadata is None else dict(metadata))


def sha256_of(arrays: Mapping[str, NDArray[Any]]) -> str:
    """Return the SHA-256 of arrays: of their names, types, shapes and numbers."""
    digest = hashlib.sha256()
    for name in sorted(arrays):
        value = arrays[name]
        # The types have the names of torch's.
        digest.update(repr((name, f"torch.{value.dtype.name}", value.shape)).encode())
        digest.update(np.ascontiguousarray(value).reshape(-1).view(np.uint8).data)
    return digest.hexdigest()


def read_metadata(type: FileType, path: Path) -> dict[str, str]:
    """Return the metadata of a safetensors file; its tensors are not read."""
    with type.open(path) as file:
        return _check_header(type, file, os.fstat(file.fileno()).st_size, str(path))[0]


def check_tensors(type: FileType, path: Path) -> None:
    """Check that the tensors that a safetensors file declares are in it."""
    with type.open(path) as file:
        _check_header(type, file, path.stat().st_size, str(path))


def _check_header(
    type: FileType, file: BinaryIO, size: int, where: str
) -> tuple[dict[str, str], dict[str, Any]]:
    """Return the metadata of a safetensors file of a size, and the checked facts of each tensor.

    The tensors are in the order of their numbers in the file, which leave no byte out.
    """
    fault = type.other
    head = file.read(8)
    length = int.from_bytes(head, "little")
    if len(head) < 8 or length > min(size - 8, _MAX_HEADER):
        type.refuse(where, fault, f"{size} bytes, and a header of {length} bytes")
    header = type.parse(type.decode(file.read(length), where), where)
    if not isinstance(header, dict):
        type.refuse(where, fault, "a header without names")
    metadata = header.pop("__metadata__", {})
    if not isinstance(metadata, dict) or not all(isinstance(v, str) for v in metadata.values()):
        type.refuse(where, fault, "metadata that are not texts")
    available = size - 8 - length
    for name, facts in header.items():
        problem = _problem(facts, available)
        if problem:
            type.refuse(f"{where}, {name[:80]}", fault, problem)
    ordered = dict(sorted(header.items(), key=lambda entry: entry[1]["data_offsets"]))
    position = 0
    for name, facts in ordered.items():
        begin, end = facts["data_offsets"]
        if begin != position:
            type.refuse(f"{where}, {name[:80]}", fault, f"numbers from {begin} to {end}")
        position = end
    if position != available:
        type.refuse(where, fault, f"{available} bytes of numbers; the header declares {position}")
    return metadata, ordered


def _problem(facts: Any, available: int) -> str:
    """Return why a tensor cannot be in a file with this number of bytes; empty if it can."""
    if not isinstance(facts, dict):
        return "no facts of the tensor"
    dtype: Any = facts.get("dtype")
    shape: Any = facts.get("shape")
    offsets: Any = facts.get("data_offsets")
    if not isinstance(dtype, str) or dtype not in NUMBER_TYPES:
        return f"numbers of type {str(dtype)[:20]}; expected: {', '.join(NUMBER_TYPES)}"
    if not _are_sizes(shape) or len(shape) > _MAX_AXES:
        return f"the shape {str(shape)[:80]}"
    if not _are_sizes(offsets) or len(offsets) != 2 or not offsets[0] <= offsets[1] <= available:
        return f"the position {str(offsets)[:80]} in {available} bytes"
    if (
        max(shape, default=0) > available
        or math.prod(shape) * NUMBER_TYPES[dtype].itemsize != offsets[1] - offsets[0]
    ):
        return f"the shape {shape} of {dtype} in {offsets[1] - offsets[0]} bytes"
    return ""


def _are_sizes(numbers: Any) -> bool:
    return isinstance(numbers, list) and all(
        type(number) is int and number >= 0 for number in numbers
    )


def read_array(type: FileType, path: Path, name: str) -> tuple[NDArray[Any] | None, list[str]]:
    """Return an array of an .npz file, or None, and the names of all of its arrays.

    Pickled arrays are refused. The declared shape is compared with the size before memory is
    allocated; the ceiling of the type of file holds for the array too.
    """
    with type.open(path) as file, _as_refusals(type, path), zipfile.ZipFile(file) as archive:
        names = [member.removesuffix(".npy") for member in archive.namelist()]
        if name not in names:
            return None, names
        info = archive.getinfo(f"{name}.npy")
        _check_member(info, type.ceiling)
        with archive.open(info) as member:
            return _read_npy(member, info.file_size), names


@contextmanager
def _as_refusals(type: FileType, path: Path) -> Iterator[None]:
    """Turn the errors of damaged, encrypted and unknown archives and arrays into one refusal."""
    try:
        yield
    except KeyError:
        type.refuse(path, type.other, "an array that is no .npy file")
    except (
        *(zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError),
        *(ValueError, SyntaxError, TypeError, MemoryError, struct.error),
    ) as error:
        if isinstance(error, type.refusal):
            raise
        type.refuse(path, type.other, reason_of(error) or "damaged")


def _check_member(info: zipfile.ZipInfo, ceiling: int) -> None:
    """Refuse a member that is encrypted, compressed by another method, or too large."""
    if info.flag_bits & 1:
        raise ValueError(f"{info.filename} is encrypted")
    if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise ValueError(f"{info.filename} is compressed by method {info.compress_type}")
    large = info.file_size > max(_SMALL, _MAX_RATIO * info.compress_size)
    if large or info.file_size > ceiling:
        raise ValueError(
            f"{info.filename} has {size_text(info.file_size)}, of {size_text(info.compress_size)}"
        )


def _read_npy(member: Any, size: int) -> NDArray[Any]:
    """Read an .npy file whose header parses, of numbers or text, and of the size that it says."""
    version = np.lib.format.read_magic(member)
    width = 2 if version == (1, 0) else 4
    length = int.from_bytes(member.read(width), "little")
    if length > _MAX_NPY_HEADER:
        raise ValueError(f"a header of {length} bytes")
    header = ast.literal_eval(member.read(length).decode("latin1"))
    if not isinstance(header, Mapping) or not isinstance(header.get("descr"), str):
        raise ValueError("an array that is not of numbers")
    dtype, shape = np.dtype(header["descr"]), header.get("shape")
    if dtype.hasobject:
        raise ValueError("pickled data, which could run code")
    if dtype.kind not in "fiubU" or not isinstance(shape, tuple) or not _are_sizes(list(shape)):
        raise ValueError(f"an array of {dtype} {str(shape)[:80]}")
    size_of_numbers = size - 8 - width - length
    if math.prod(shape) * dtype.itemsize != size_of_numbers:
        raise ValueError(f"the shape {str(shape)[:80]} of {dtype} in {size_of_numbers} bytes")
    content = bytearray(size_of_numbers)
    with memoryview(content) as view:
        filled = 0
        while filled < size_of_numbers and (count := member.readinto(view[filled:])):
            filled += count
    if filled < size_of_numbers or member.read(1):
        raise ValueError(f"{filled} of {size_of_numbers} bytes")
    array: NDArray[Any] = np.frombuffer(content, dtype)
    if header.get("fortran_order"):
        return array.reshape(shape[::-1]).transpose()
    return array.reshape(shape)
