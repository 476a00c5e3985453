"""Files of tensors and arrays: what a header declares is checked before anything is allocated."""

import ast
import hashlib
import math
import os
import struct
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from fewact.core.bounded import KIB, MIB, FileType, reason_of, size_text
from fewact.core.errors import WeightsError

if TYPE_CHECKING:
    from torch import Tensor

TYPES = {
    "BOOL": (1, "bool"),
    "U8": (1, "uint8"),
    "I8": (1, "int8"),
    "I16": (2, "int16"),
    "U16": (2, "uint16"),
    "F16": (2, "float16"),
    "BF16": (2, "bfloat16"),
    "I32": (4, "int32"),
    "U32": (4, "uint32"),
    "F32": (4, "float32"),
    "I64": (8, "int64"),
    "U64": (8, "uint64"),
    "F64": (8, "float64"),
}
"""Types of numbers that are read: the bytes of one, and the name of the type in torch."""

_MAX_HEADER = 64 * MIB
_MAX_AXES = 16
_MAX_NPY_HEADER = 10 * KIB
# Deflate cannot shrink noise; zeros shrink a thousandfold.
_MAX_RATIO = 200
_SMALL = 64 * MIB


def read_tensors(type: FileType, path: Path) -> tuple[dict[str, "Tensor"], dict[str, str]]:
    """Return the tensors of a safetensors file, which stay mapped to it, and its metadata."""
    from safetensors import SafetensorError, safe_open

    check_tensors(type, path)
    try:
        with safe_open(path, framework="pt") as file:
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
            return tensors, file.metadata() or {}
    except (SafetensorError, OSError, ValueError, RuntimeError) as error:
        type.refuse(path, type.other, reason_of(error))


def parse_tensors(
    type: FileType, content: bytes, where: str
) -> tuple[dict[str, "Tensor"], dict[str, str]]:
    """Return copies of the tensors in the content of a safetensors file, and its metadata."""
    from io import BytesIO

    type.check_size(len(content), where)
    return _copied(type, BytesIO(content), len(content), where)


def copy_tensors(type: FileType, path: Path) -> tuple[dict[str, "Tensor"], dict[str, str]]:
    """Return copies of the tensors of a safetensors file, and its metadata."""
    with type.open(path) as file:
        return _copied(type, file, os.fstat(file.fileno()).st_size, str(path))


def _copied(
    type: FileType, file: Any, size: int, where: str
) -> tuple[dict[str, "Tensor"], dict[str, str]]:
    """Return the tensors in a safetensors file of a size, each in its own memory, and its metadata.

    They are aligned like all tensors, so that sums of them have equal rounding.
    """
    import torch

    metadata, header = _check_header(type, file, size, where)
    tensors: dict[str, Tensor] = {}
    position = 0
    for name, facts in sorted(header.items(), key=lambda entry: entry[1]["data_offsets"]):
        begin, end = facts["data_offsets"]
        value = torch.empty(facts["shape"], dtype=getattr(torch, TYPES[facts["dtype"]][1]))
        numbers = value.flatten().view(torch.uint8).numpy().data
        if begin != position or file.readinto(numbers) != len(numbers):
            type.refuse(f"{where}, {name[:80]}", type.other, f"numbers from {begin} to {end}")
        tensors[name], position = value, end
    return tensors, metadata


def sha256_of(tensors: Mapping[str, "Tensor"]) -> str:
    """Return the SHA-256 of tensors: of their names, types, shapes and numbers."""
    import torch

    digest = hashlib.sha256()
    for name in sorted(tensors):
        value = tensors[name].contiguous()
        digest.update(repr((name, str(value.dtype), tuple(value.shape))).encode())
        digest.update(value.flatten().view(torch.uint8).numpy().data)
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
    """Return the metadata of a safetensors file of a size, and the checked facts of each tensor."""
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
    end = max((facts["data_offsets"][1] for facts in header.values()), default=0)
    if end != available:
        type.refuse(where, fault, f"{available} bytes of numbers, of which the header knows {end}")
    return metadata, header


def _problem(facts: Any, available: int) -> str:
    """Return why a tensor cannot be in a file with this number of bytes; empty if it can."""
    if not isinstance(facts, dict):
        return "no facts of the tensor"
    dtype: Any = facts.get("dtype")
    shape: Any = facts.get("shape")
    offsets: Any = facts.get("data_offsets")
    if not isinstance(dtype, str) or dtype not in TYPES:
        return f"numbers of type {str(dtype)[:20]}; expected: {', '.join(TYPES)}"
    if not _are_sizes(shape) or len(shape) > _MAX_AXES:
        return f"the shape {str(shape)[:80]}"
    if not _are_sizes(offsets) or len(offsets) != 2 or not offsets[0] <= offsets[1] <= available:
        return f"the position {str(offsets)[:80]} in {available} bytes"
    if (
        max(shape, default=0) > available
        or math.prod(shape) * TYPES[dtype][0] != offsets[1] - offsets[0]
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


def packaged_tensors(package: str, file: str, sha256: str, what: str) -> dict[str, "Tensor"]:
    """Return the tensors of a safetensors file that comes with a package; ``what`` names them."""
    from safetensors.torch import load

    content = files(package).joinpath(file).read_bytes()
    if (digest := hashlib.sha256(content).hexdigest()) != sha256:
        raise WeightsError(
            f"{what} are not the expected file",
            where=file,
            got=f"SHA-256 {digest}",
            expected=sha256,
            hint="Install fewact again.",
        )
    return load(content)
