"""Checkpoints of methods' public codes, converted to checkpoints of fewact."""

import hashlib
import io
import json
import re
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import torch
from safetensors.torch import save as save_tensors
from torch import Tensor

from fewact import methods, networks
from fewact.core.arrays import read_tensors
from fewact.core.atomic import write_bytes
from fewact.core.bounded import GIB, FileType
from fewact.core.errors import OutputError, WeightsError
from fewact.core.paths import user_path
from fewact.lab import methods as lab_methods
from fewact.lab.benchmarks.benchmarks import benchmark
from fewact.lab.evaluation.checkpoint import BEST, WITHIN, Header, TrainedOn, to_bytes
from fewact.lab.methods.base import TorchMethod
from fewact.lab.methods.clip_spm import PRESETS
from fewact.lab.networks.torch_weights import as_tensors, put, tensors_of
from fewact.lab.training.public_code import Code, Layout, PublicCheckpoint, code_of
from fewact.lab.training.recipe import read
from fewact.networks.card import Card, check_name
from fewact.networks.spec import BackboneSpec
from fewact.networks.weights import PICKLES

STATES: Final = ("model_state_dict", "model_state")
"""Names of the weights in a file of a public code."""

PUBLIC_CHECKPOINT = FileType(
    "checkpoint of a method's public code",
    WeightsError,
    16 * GIB,
    "a .safetensors file with the tensors of a checkpoint of a method's public code",
)

WRAPPERS = re.compile(r"^head\.|(?<=\.)module\.|^module\.")
"""Parts of names from wrappers, such as for several GPUs."""


class _Ignored:
    """Stand-in for NumPy's numbers in a file, such as the accuracy, which are not needed."""

    def __init__(self, *_: Any) -> None:
        pass

    def __setstate__(self, state: Any) -> None:
        pass


IGNORED = (
    *("numpy.core.multiarray.scalar", "numpy._core.multiarray.scalar", "numpy.dtype"),
    *("numpy.dtypes.Float64DType", "numpy.dtypes.Float32DType"),
)
"""Names of the types of NumPy's numbers in a file."""


def read_published(file: str | Path, sha256: str | None) -> PublicCheckpoint:
    """Read a checkpoint of the public code.

    Args:
        file: A .safetensors file, or a file of ``torch.save``. Only its tensors, texts and numbers
            are read.
        sha256: SHA-256 of the file, required for a file of ``torch.save``.

    Raises:
        WeightsError: The file cannot be read, has another hash, or holds something else.
    """
    path = user_path(file, WeightsError)
    tensors: Mapping[str, Any]
    settings: Mapping[str, Any] = {}
    if path.suffix.lower() not in PICKLES:
        mapped, _ = read_tensors(PUBLIC_CHECKPOINT, path)
        tensors, source = (
            {name: value.clone() for name, value in as_tensors(mapped).items()},
            path.name,
        )
    else:
        content = PUBLIC_CHECKPOINT.content(path)
        actual = hashlib.sha256(content).hexdigest()
        if actual != (sha256 or "").lower():
            raise WeightsError(
                "a file of torch.save is read only if its SHA-256 is known",
                where=str(path),
                got=actual,
                expected=sha256 or "--sha256",
                hint="Compare it with the SHA-256 at the file's source, and pass --sha256.",
            )
        tensors, settings = _weights_only(content, path)
        source = f"{path.name}, SHA-256 {actual}"
    short = {WRAPPERS.sub("", name): value.float() for name, value in tensors.items()}
    return PublicCheckpoint(source, short, settings)


def _weights_only(content: bytes, path: Path) -> tuple[Mapping[str, Tensor], Mapping[str, Any]]:
    """Return the weights and settings in a file of ``torch.save``; nothing it names is run."""
    try:
        with torch.serialization.safe_globals([(_Ignored, name) for name in IGNORED]):
            saved = torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
    except Exception as error:  # Damaged files raise errors of zip, pickle, struct and torch.
        PUBLIC_CHECKPOINT.refuse(
            path, "the file has more than tensors, or is damaged", _named(error)
        )
    content_by_name = saved if isinstance(saved, Mapping) else {}
    state = next(
        (content_by_name[name] for name in STATES if name in content_by_name),
        content_by_name or None,
    )
    if not isinstance(state, Mapping) or not all(isinstance(x, Tensor) for x in state.values()):
        raise WeightsError(
            "there are no weights in the file",
            where=str(path),
            got=", ".join(map(str, saved)) if isinstance(saved, Mapping) else type(saved).__name__,
            expected=f"tensors by name, or a dictionary of them named {STATES[0]}",
        )
    return state, _settings(content_by_name.get("cfg"), path)


def _named(error: Exception) -> str:
    """Return the type that a file names beside tensors; PyTorch's own advice would run it."""
    named = re.search(r"GLOBAL ([\w.]+)", str(error))
    return named[1] if named else type(error).__name__


def _settings(text: Any, path: Path) -> Mapping[str, Any]:
    """Return the settings that some public codes save beside the weights, as JSON."""
    if not isinstance(text, str):
        return {}
    try:
        settings = json.loads(text)
    except ValueError:
        settings = None
    if not isinstance(settings, dict):
        raise WeightsError(
            "the settings in the file are damaged", where=str(path), got=text[:60], expected="JSON"
        )
    return settings


def convert(
    file: str | Path,
    folder: str | Path,
    trained_on: str,
    *,
    sha256: str | None = None,
) -> tuple[Header, dict[str, Any]]:
    """Convert a checkpoint of a method's public code to the folder of a checkpoint.

    Args:
        file: File, as for ``read_published``.
        folder: Folder that is created; in an existing one only the checkpoint is replaced.
        trained_on: Benchmark of the checkpoint, one of ``PRESETS``: its recipe has what neither
            tensors nor settings in the file show, such as the frames that are taken.
        sha256: SHA-256 of the file, required for a file of ``torch.save``.

    Returns:
        Metadata of the checkpoint; and the options that the file does not show.

    Raises:
        WeightsError: The file cannot be read, or its weights are of something else.
        OptionError: The benchmark is unknown.
        OutputError: The folder cannot be written.
    """
    check_name("benchmark", trained_on, tuple(PRESETS))
    published = read_published(file, sha256)
    code, name = code_of(published), published.network
    layout = code.layout(published, trained_on)
    recipe = read(code.method, data=trained_on)
    method = _method(code, layout, recipe.method.options, published)
    bench = benchmark(recipe.data)
    backbone = recipe.backbone.model_copy(
        update={"name": name, "weights": WITHIN, "precision": "float32"}
    )
    pixels = zip(("MEAN", "STD"), code.pixels, strict=True)
    facts = {
        key.lower(): ", ".join(map(str, published.setting(f"DATA.{key}", default)))
        for key, default in pixels
    }
    facts["trained_on"] = ", ".join((*networks.describe(name).trained_on, bench.id))
    encoder = published.encoder()
    card = _card(backbone, encoder, facts)
    _check_widths(card, method, published.source)
    registry_name, options = methods.registered(method)
    header = Header(
        name=registry_name,
        options=options,
        temperature=1.0,
        recipe="",
        backbone=backbone,
        network_digest=card.network_digest,
        trained_on=TrainedOn(
            name=bench.id,
            sha256=bench.sha256["train"],
            videos={label.key: () for label in bench.classes["train"]},
        ),
        origin=f"public code of {code.title}, {published.source}; {code.selection}",
    )
    target = user_path(folder, OutputError) / BEST
    write_bytes(target, to_bytes(method, header, encoder, facts))
    return header, {option: options[option] for option in layout.hidden}


def _card(backbone: BackboneSpec, encoder: Mapping[str, Tensor], facts: Mapping[str, str]) -> Card:
    """Return the card of the backbone with the weights of the image encoder."""
    with tempfile.TemporaryDirectory() as temporary:
        weights = Path(temporary, "network.safetensors")
        weights.write_bytes(save_tensors(dict(encoder), dict(facts)))
        on_cpu = {"weights": str(weights), "engine": "torch", "device": "cpu"}
        return backbone.model_copy(update=on_cpu).create().card


def _check_widths(card: Card, method: TorchMethod, source: str) -> None:
    maps = card.maps or (card.vectors,)
    widths = {"vector_width": card.vectors, "map_channels": maps[0]}
    for option, width in widths.items():
        of_method = getattr(method.options, option, width)
        if of_method != width:
            raise WeightsError(
                "image encoder and method have vectors of different lengths",
                where=source,
                got=f"{width} and {of_method}",
            )


def _method(
    code: Code, layout: Layout, options: Mapping[str, Any], file: PublicCheckpoint
) -> TorchMethod:
    """Return the method with the weights of the public code, of their sizes.

    Raises:
        WeightsError: The weights are of something else.
    """
    method = lab_methods.create(code.method, **{**options, **layout.options})
    expected, head = tensors_of(method), file.head(layout)
    for name, tensor in head.items():
        ours = expected.get(name)
        # Some have axes of length 1 that fewact's have not.
        if ours is not None and tensor.squeeze().shape == ours.squeeze().shape:
            head[name] = tensor.reshape(ours.shape)
    unsaved = {n: x for n, x in expected.items() if n.startswith(layout.initial or "-")}
    weights = {n: x.detach().cpu().numpy() for n, x in (unsaved | head).items()}
    put(weights, method, of=code.title, source=file.source, expected=PUBLIC_CHECKPOINT.expected)
    return method
