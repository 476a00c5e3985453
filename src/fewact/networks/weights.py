"""Weights of a network: how they are read and checked.

No pickle is read, and a network either gets the requested weights or an error is raised.
"""

import hashlib
import math
import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any, get_args

import numpy as np
from numpy.typing import NDArray

from fewact.core.array_api import all_finite
from fewact.core.arrays import read_tensors
from fewact.core.bounded import GIB, MIB, FileType
from fewact.core.errors import WeightsError
from fewact.core.machine import cache_folder
from fewact.core.paths import user_path
from fewact.networks.hub import download, hub_client
from fewact.video.resizing import Interpolation

EXPECTED_WEIGHTS = "default, random, hf-hub:owner/name, local-dir:folder, or a .safetensors file"
PICKLES = (".pth", ".pt", ".bin", ".ckpt", ".pkl", ".tar")
CONVERT = (
    "A pickle can run code when it is read. Convert a file that you trust once: "
    "safetensors.torch.save_file(torch.load(FILE, weights_only=True), 'weights.safetensors')"
)
COUNTER = "num_batches_tracked"
"""Name of the training steps that batch norm counts; features do not depend on the number."""

RANDOM_SEED = 0
WEIGHTS_FILE = FileType("safetensors file", WeightsError, 64 * GIB, EXPECTED_WEIGHTS)
CONFIG = FileType("configuration of a network", WeightsError, 16 * MIB)
CONFIGS = ("config.json", "processor_config.json", "preprocessor_config.json")
NETWORK = "network/"
"""Start of the names of a network's tensors in a file that has other tensors too."""

CONFIG_ENTRY = CONFIGS[0]
"""Entry of a file's header with the content of config.json, for a file outside of its folder."""

Arrays = Mapping[str, NDArray[Any]]
"""Tensors by name."""

Fault = tuple[str, list[str]]


@dataclass(frozen=True)
class Weights:
    """Tensors of a weights file as arrays, and the configurations in its folder.

    Args:
        tensors: Tensors by name, in the layout of their file.
        source: Text that names the weights, for the card and for messages.
        metadata: Header of the file.
        sha256: Digest of the network's tensors where it is known; empty where it is not.
        config: Content of config.json, or of the header's entry of this name; empty if there is
            none.
        preprocessor: Content of preprocessor_config.json, or the entry ``image_processor`` of
            processor_config.json; empty if there is none.
    """

    tensors: Arrays
    source: str
    metadata: Mapping[str, str] = field(default_factory=dict)
    sha256: str = ""
    config: Mapping[str, Any] = field(default_factory=dict)
    preprocessor: Mapping[str, Any] = field(default_factory=dict)


def read(weights: str | Path) -> Weights:
    """Read weights from a file, a folder or the hub.

    Args:
        weights: ``hf-hub:owner/name``, ``hf-hub:owner/name@revision``, ``local-dir:folder`` or a
            .safetensors file.

    Raises:
        WeightsError: There are no weights, or they cannot be read.
    """
    text = str(weights)
    if text.startswith(("hf-hub:", "local-dir:")):
        content = _read_folder(folder_of(text), text)
        _remember(text)
        return content
    path = user_path(text, WeightsError)
    if path.is_dir():
        raise WeightsError(
            "this is a folder",
            where=text,
            expected=EXPECTED_WEIGHTS,
            hint=f'Say "local-dir:{text}".',
        )
    content = _read_file(path, text)
    _remember(text)
    return content


def were_read(weights: str) -> bool:
    """Return whether weights need no file of this machine, or were read from there before.

    A model of someone else may name a file that happens to exist here. The user's own file was
    read by ``teach``, or when its new location was passed.
    """
    if weights in ("default", "random") or weights.startswith("hf-hub:"):
        return True
    mark = _mark(weights)
    return mark is not None and mark.exists()


def _remember(weights: str) -> None:
    mark = None if weights.startswith("hf-hub:") else _mark(weights)
    if mark is not None and not mark.exists():
        with suppress(OSError):  # then the location has to be passed each time
            mark.parent.mkdir(parents=True, exist_ok=True)
            mark.touch()


def _mark(weights: str) -> Path | None:
    """Return the file that exists once these weights were read; None without a cache folder."""
    folder = cache_folder()
    path = user_path(weights.removeprefix("local-dir:"), WeightsError).absolute()
    name = hashlib.sha256(os.fsencode(path)).hexdigest()
    return None if folder is None else folder / "weights" / "read" / name


def folder_of(weights: str | Path, files: Iterable[str] = ()) -> Path:
    """Return the folder of weights; from the hub, they are downloaded with these files."""
    text = str(weights)
    if text.startswith("hf-hub:"):
        return _download(text.removeprefix("hf-hub:"), (*CONFIGS, *files))
    if text.startswith("local-dir:"):
        return user_path(text.removeprefix("local-dir:"), WeightsError)
    return user_path(text, WeightsError).parent


def fitting(
    tensors: Arrays,
    shapes: Mapping[str, tuple[int, ...]],
    *,
    of: str,
    source: str,
    expected: str,
) -> dict[str, NDArray[np.float32]]:
    """Return all tensors of a network in float32 and in its order, and no others.

    Args:
        tensors: Tensors of a file; the counters of batch norm are left out.
        shapes: Shape of each tensor of the network by its name.
        of: Name of the network in messages.
        source: Text that names the weights.
        expected: Weights that the network can read.

    Raises:
        WeightsError: A tensor is missing, unknown, of another shape or type, or not finite.
    """
    new = {name: tensor for name, tensor in tensors.items() if not name.endswith(COUNTER)}
    missing, unexpected = shapes.keys() - new.keys(), new.keys() - shapes.keys()
    if missing or unexpected:
        differences = [f"{len(missing)} missing ({_first(missing)})"] if missing else []
        differences += [f"{len(unexpected)} unknown ({_first(unexpected)})"] if unexpected else []
        raise WeightsError(
            f"these are not weights of {of}",
            where=source,
            got=f"of its {len(shapes)} tensors " + ", ".join(differences),
            expected=expected,
        )
    with np.errstate(over="ignore"):  # a large float64 is infinite in the network
        single = {name: np.asarray(new[name], np.float32) for name in shapes}
    for fault, names in _faults(new, single, shapes):
        if names:
            raise WeightsError(
                f"tensors are {fault}",
                where=source,
                got=f"{len(names)} of {len(shapes)}: {_first(names)}",
            )
    return single


def _faults(
    new: Arrays,
    single: Mapping[str, NDArray[np.float32]],
    shapes: Mapping[str, tuple[int, ...]],
) -> Iterator[Fault]:
    """Yield each fault that tensors can have, with the names of the faulty tensors."""
    yield (
        "of another shape",
        [
            f"{name} {tensor.shape} for {shapes[name]}"
            for name, tensor in new.items()
            if tensor.shape != shapes[name]
        ],
    )
    yield "not floating-point", [name for name, tensor in new.items() if tensor.dtype.kind != "f"]
    yield "not finite", [name for name, tensor in single.items() if not all_finite(tensor)]
    variances = {name: x for name, x in single.items() if name.endswith("running_var")}
    yield "negative variances", [name for name, tensor in variances.items() if tensor.min() < 0]


def random(shapes: Mapping[str, tuple[int, ...]]) -> dict[str, NDArray[np.float32]]:
    """Return seeded random tensors by which activations keep their scale (He et al., 2015).

    Weights and variances of batch norm are 1, other tensors of one axis are 0.
    """
    rng = np.random.default_rng(RANDOM_SEED)
    tensors = {}
    for name, shape in shapes.items():
        if len(shape) > 1:
            tensors[name] = rng.standard_normal(shape, np.float32)
            tensors[name] *= np.float32((2 / np.prod(shape[1:])) ** 0.5)
        else:
            value = float(name.endswith((".weight", ".running_var")))
            tensors[name] = np.full(shape, value, np.float32)
    return tensors


def digest(tensors: Arrays) -> str:
    """Return the SHA-256 of the tensors' bytes as float32, in the order of their names."""
    sha = hashlib.sha256()
    for _, tensor in sorted(tensors.items()):
        sha.update(np.ascontiguousarray(tensor, np.float32).data)
    return sha.hexdigest()


def header_facts(weights: Weights) -> dict[str, Any]:
    """Return the facts of a card that the header of a weights file states.

    They are ``licence``, ``trained_on``, ``mean`` and ``std`` (separated by commas) and
    ``interpolation``.
    """
    header = weights.metadata
    data = [entry.strip() for entry in header.get("trained_on", "").split(",")]
    facts = {
        "mean": _three(weights, "mean"),
        "std": _three(weights, "std"),
        "interpolation": _interpolation(weights),
        "licence": header.get("licence", header.get("license")),
        "trained_on": tuple(filter(None, data)) or None,
    }
    return {name: value for name, value in facts.items() if value is not None}


def _interpolation(weights: Weights) -> str | None:
    """Return the interpolation that the header names; None if it names none."""
    name = weights.metadata.get("interpolation")
    interpolations = get_args(Interpolation)
    if name is not None and name not in interpolations:
        raise WeightsError(
            "the interpolation of images is not supported",
            where=f"{weights.source}, interpolation",
            got=name[:80],
            expected=", ".join(interpolations),
        )
    return name


def _three(weights: Weights, name: str) -> tuple[float, float, float] | None:
    """Return three numbers of the header, one a channel; None if it has none."""
    text = weights.metadata.get(name)
    if text is None:
        return None
    try:
        first, second, third = numbers = tuple(float(number) for number in text.split(","))
        if not all(map(math.isfinite, numbers)) or (name == "std" and min(numbers) <= 0):
            raise ValueError(text)
    except ValueError:
        raise WeightsError(
            "these are not three numbers",
            where=f"{weights.source}, {name}",
            got=text[:80],
            expected="a number for each of red, green and blue, separated by commas",
        ) from None
    return first, second, third


def _first(names: Iterable[str]) -> str:
    ordered = sorted(names)
    return ", ".join(ordered[:3]) + (", …" if len(ordered) > 3 else "")


def _read_file(path: Path, source: str) -> Weights:
    if path.suffix.lower() in PICKLES:
        raise WeightsError("pickle files are not read", where=source, hint=CONVERT)
    if not path.exists():
        raise WeightsError("there is no such file", where=source, expected=EXPECTED_WEIGHTS)
    tensors, metadata = read_tensors(WEIGHTS_FILE, path)
    network = {n.removeprefix(NETWORK): x for n, x in tensors.items() if n.startswith(NETWORK)}
    tensors = network or tensors
    text = metadata.get(CONFIG_ENTRY)
    config = _entries(CONFIG.parse(text, f"{source}, {CONFIG_ENTRY}")) if text else {}
    return Weights(tensors, source, metadata, config=config)


def _read_folder(folder: Path, source: str) -> Weights:
    """Read model.safetensors of a folder, or its only .safetensors file."""
    if not folder.is_dir():
        raise WeightsError("there is no such folder", where=source)
    files = sorted(folder.glob("*.safetensors"))
    preferred = [path for path in files if path.name == "model.safetensors"]
    if not files:
        pickles = sorted(path.name for path in folder.iterdir() if path.suffix in PICKLES)
        raise WeightsError(
            "there is no .safetensors file in this folder",
            where=source,
            got=_first(pickles) or "none",
            hint=CONVERT if pickles else "",
        )
    if (folder / "model.safetensors.index.json").exists() and not preferred:
        raise WeightsError(
            "the weights are in several files",
            where=source,
            got=_first(path.name for path in files),
            hint="Save them in one file: save_pretrained(FOLDER, max_shard_size='100GB').",
        )
    if len(files) > 1 and not preferred:
        raise WeightsError(
            "there are several .safetensors files in this folder",
            where=source,
            got=_first(path.name for path in files),
            hint="Name one of them, or rename it to model.safetensors.",
        )
    weights = _read_file((preferred or files)[0], source)
    config, processor, preprocessor = (_read_config(folder / name) for name in CONFIGS)
    # The processors of transformers 5 write one file, which takes precedence there, too.
    images = _entries(processor.get("image_processor")) or preprocessor
    metadata = weights.metadata
    if "model_type" not in config:
        metadata = {**_of_open_clip(_read_config(folder / "open_clip_config.json")), **metadata}
    return replace(weights, config=config or weights.config, preprocessor=images, metadata=metadata)


def _of_open_clip(config: Mapping[str, Any]) -> dict[str, str]:
    """Return the facts of OpenCLIP's configuration as entries of a header; none without one."""
    if not config:
        return {}
    model, images = (_entries(config.get(name)) for name in ("model_cfg", "preprocess_cfg"))
    entries = {
        "hidden_act": "quick_gelu" if model.get("quick_gelu") else "gelu",
        "head_width": str(_entries(model.get("vision_cfg")).get("head_width", "")),
    }
    for name in ("mean", "std"):
        if isinstance(images.get(name), list):
            entries[name] = ", ".join(map(str, images[name]))
    if "interpolation" in images:
        entries["interpolation"] = str(images["interpolation"])
    return {name: text for name, text in entries.items() if text}


def _read_config(path: Path) -> dict[str, Any]:
    return _entries(CONFIG.json(path)) if path.exists() else {}


def _entries(config: Any) -> dict[str, Any]:
    return config if isinstance(config, dict) else {}


def _download(repository: str, files: Iterable[str]) -> Path:
    """Download model.safetensors and other files of a repository; return their folder."""
    name, _, revision = repository.partition("@")
    expected = "hf-hub:owner/name[@revision] of a repository with model.safetensors"
    with hub_client(WeightsError, f"hf-hub:{repository}", expected) as hub:
        fetch = partial(hub.hf_hub_download, name, revision=revision or None)

        def fetch_all(local: bool) -> Path:
            file = fetch("model.safetensors", local_files_only=local)
            for further_file in files:
                with suppress(hub.errors.EntryNotFoundError):
                    fetch(further_file, local_files_only=local)
            return Path(file).parent

        return download(hub, fetch_all)
