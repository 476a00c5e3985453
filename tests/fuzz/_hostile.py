"""Hostile versions of the files that the package reads, those with a valid hash too."""

import gzip
import hashlib
import io
import json
import os
import struct
import tempfile
import zipfile
from collections.abc import Callable
from copy import deepcopy
from pathlib import Path
from random import Random
from typing import Any

VALUES: tuple[Any, ...] = (
    *(None, True, -1, 0, 1, 2, 10**9, 10**18, -(10**18), 10**30, 0.5, -0.5, 1e300),
    *(float("nan"), float("inf"), -float("inf"), "", "a", "x" * 10_000, "../../out", "/etc/passwd"),
    *("\ud800", "\x00", "a\nb", "😀", "\u202e", [], {}, [[]], [None], [[[[1]]]], {"a": {"b": 1}}),
)
TEXTS = (
    b"",
    b"\x00" * 100,
    b"\xff\xfe\x00",
    b"[" * 100_000,
    b'{"a":' * 50_000,
    b"1" * 5_000,
    b'{"format": 1' + b"0" * 5_000 + b"}",
    b"a" * (2 << 20),
    b"a,b\n" + b'"' + b"x" * (1 << 20),
    b"a\t" * 100_000,
    b"a" + b".a" * 20_000 + b" = 1\n",
    "path,label\n~nobody/é\ud800.mp4,x\n".encode(errors="surrogatepass"),
    b"PK\x05\x06" + b"\x00" * 18,
    gzip.compress(b"a" * (1 << 20)),
    b"\x80\x04cposix\nsystem\nq\x00X\x04\x00\x00\x00true\x85R.",
)


Way = Callable[[Path, bytes, Random], None]


def place(path: Path, content: bytes, random: Random) -> str:
    """Put a hostile version of a file in its place; return what was done."""
    way = random.choice([_special, _text, *_ways(path, content)])
    if path.is_dir() and not path.is_symlink():
        path.rmdir()
    else:
        path.unlink(missing_ok=True)
    way(path, content, random)
    return way.__name__.strip("_")


def damaged(name: Path, content: bytes, random: Random) -> bytes:
    """Return a hostile version of the content of a file of this name."""
    way = random.choice([_text, *_ways(name, content)])
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, name.name)
        way(path, content, random)
        return path.read_bytes()


def _ways(path: Path, content: bytes) -> list[Way]:
    """Return what can be done to the content of a file, the likelier the more often."""
    if content[:1] in b"{[":
        return [_bytes] * 2 + [_json] * 8
    if path.suffix == ".safetensors":
        return [_bytes] * 2 + [_tensors] * 8
    if path.suffix == ".npz":
        return [_bytes] * 2 + [_archive] * 8
    return [_bytes] * 2 + [_words] * 6


def _special(path: Path, content: bytes, random: Random) -> None:
    which = random.randrange(7)
    if which == 0:
        os.mkfifo(path)
    elif which == 1:
        path.mkdir()
    elif which == 2:
        path.symlink_to(random.choice(("/dev/zero", "/dev/random", "/dev/stdin", "/proc/self/mem")))
    elif which == 3:
        path.symlink_to(path.name)
    elif which == 4:
        with path.open("wb") as file:
            file.write(content[:100])
            file.truncate(5 << 30)
    elif which == 5:
        path.symlink_to("nowhere")


def _text(path: Path, content: bytes, random: Random) -> None:
    path.write_bytes(random.choice(TEXTS))


def _bytes(path: Path, content: bytes, random: Random) -> None:
    changed = bytearray(content)
    for _ in range(random.choice((1, 1, 4, 30))):
        if not changed:
            break
        at = random.randrange(len(changed))
        what = random.randrange(4)
        if what == 0:
            changed[at] ^= 1 << random.randrange(8)
        elif what == 1:
            del changed[at : at + random.choice((1, 8, 100, len(changed)))]
        elif what == 2:
            changed[at:at] = random.randbytes(random.choice((1, 8, 100)))
        else:
            changed[at : at + 4] = random.choice((b"\xff" * 4, bytes(4), b"\x7f\xff\xff\xff"))
    path.write_bytes(changed)


def _words(path: Path, content: bytes, random: Random) -> None:
    """Change a cell, a line or a number of a table or a TOML file."""
    lines = content.decode(errors="replace").splitlines()
    for _ in range(random.choice((1, 1, 3))):
        if not lines:
            break
        at = random.randrange(len(lines))
        parts = lines[at].replace(",", "\t").split("\t")
        value = random.choice(
            (*map(str, VALUES), '"', "'''", "-", "1e999", "NaN", "0x1", "1:99:99")
        )
        parts[random.randrange(len(parts))] = value.encode(errors="replace").decode()
        lines[at] = random.choice(
            ("\t".join(parts), lines[at] * 2, "", f"{lines[at]}\n{lines[at]}")
        )
        if "=" in lines[at]:
            name = lines[at].partition("=")[0]
            lines[at] = f"{name}= {json.dumps(random.choice(VALUES))}"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8", errors="replace")


def changed_json(content: Any, random: Random) -> Any:
    """Change one value of JSON, and give it the hash that the package would give it."""
    at, parents = content, []
    while isinstance(at, dict | list) and at and random.random() < 0.85:
        key = random.choice(list(at) if isinstance(at, dict) else range(len(at)))
        parents.append((at, key))
        at = at[key]
    if not parents:
        return deepcopy(random.choice(VALUES))
    parent, key = parents[-1]
    what = random.randrange(6)
    if what == 0:
        del parent[key]
    elif what == 1 and isinstance(parent, list):
        parent.append(deepcopy(parent[key]))
    elif what == 1:
        parent[f"{key}x"] = deepcopy(parent[key])
    elif what == 2 and isinstance(at, int | float):
        parent[key] = random.choice((at + 1, at - 1, -at, at * 10**6, float(at), str(at)))
    else:
        parent[key] = deepcopy(random.choice(VALUES))
    return content


def _json(path: Path, content: bytes, random: Random) -> None:
    if path.suffix == ".jsonl":
        lines = content.decode().splitlines()
        at = random.randrange(len(lines))
        lines[at] = json.dumps(changed_json(json.loads(lines[at]), random))
        path.write_text("\n".join(lines) + "\n")
        return
    made = json.loads(content)
    for _ in range(random.choice((1, 1, 2))):
        made = changed_json(made, random)
    path.write_text(json.dumps(signed(made)))


def signed(content: Any) -> Any:
    """Return JSON with the hash of its content, by both of the package's rules."""
    if isinstance(content, dict) and isinstance(content.get("sha256"), str):
        rest = {name: value for name, value in content.items() if name != "sha256"}
        compact = "files" in content  # a saved classifier
        separators = (",", ":") if compact else None
        text = json.dumps(rest, sort_keys=True, separators=separators)
        return {**rest, "sha256": hashlib.sha256(text.encode()).hexdigest()}
    return content


def _tensors(path: Path, content: bytes, random: Random) -> None:
    """Change the header of a safetensors file, its metadata, or its numbers."""
    length = int.from_bytes(content[:8], "little")
    header, data = json.loads(content[8 : 8 + length]), content[8 + length :]
    names = [name for name in header if name != "__metadata__"]
    what = random.randrange(7)
    name = random.choice(names)
    facts = header[name]
    if what == 0:
        facts["dtype"] = random.choice(("F64", "I64", "I32", "BOOL", "U8", "F8_E4M3", "F4", "BF16"))
    elif what == 1:
        sizes = (*facts["shape"], 0, 1, -1, 10**9, 10**18)
        facts["shape"] = [random.choice(sizes) for _ in range(random.randrange(6))]
    elif what == 2:
        facts["shape"] = [1, *facts["shape"]] if random.random() < 0.5 else facts["shape"][::-1]
    elif what == 3:
        size = facts["data_offsets"][1] - facts["data_offsets"][0]
        new = struct.pack("<f", random.choice((float("nan"), float("inf"), 3e38)))
        begin = facts["data_offsets"][0]
        data = data[:begin] + (new * (size // 4 + 1))[:size] + data[begin + size :]
    elif what == 4 and len(names) > 1:
        other = random.choice(names)
        header[name], header[other] = header[other], header[name]
    elif what == 5:
        header["x" + name] = header.pop(name)
    else:
        metadata = header.get("__metadata__", {})
        for key, text in metadata.items():
            try:
                metadata[key] = json.dumps(changed_json(json.loads(text), random))
            except ValueError:
                metadata[key] = "[" * 5000
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    path.write_bytes(len(text).to_bytes(8, "little") + text + data)


def _archive(path: Path, content: bytes, random: Random) -> None:
    """Change the header of an array in an archive, or how the archive holds it."""
    with zipfile.ZipFile(io.BytesIO(content)) as old:
        member = bytearray(old.read("features.npy"))
    what = random.randrange(5)
    if what == 0:
        head = random.choice(
            ("'<f8'", "'|O'", "'<i4'", "'<c8'", "'|S99'", "[('a','<f2')]", "('" * 900)
        )
        member = bytearray(bytes(member).replace(b"'<f4'", head.encode()))
    elif what == 1:
        shape = random.choice(("(10000000000000000, 4, 4)", "(-1, 4, 4)", "(0, 10000000000)", "()"))
        begin, end = member.index(b"(", 40), member.index(b")", 40) + 1
        member[begin:end] = shape.encode()
    elif what == 2:
        member = bytearray(random.randbytes(100))
    file = io.BytesIO()
    methods = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_LZMA, zipfile.ZIP_BZIP2)
    with zipfile.ZipFile(file, "w", random.choice(methods)) as made:
        made.writestr(random.choice(("features.npy", "features.npy", "features", "f.npy")), member)
    packed = bytearray(file.getvalue())
    if what == 3:
        for at in (6, packed.index(b"PK\1\2") + 8):
            packed[at] |= 1
    elif what == 4:
        at = random.randrange(40, len(packed))
        packed[at : at + 4] = random.randbytes(4)
    path.write_bytes(packed)
