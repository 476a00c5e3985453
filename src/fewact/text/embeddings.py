"""Embeddings of prompts and of classes, kept in files that name what they were made from."""

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Literal, Protocol

import torch
from torch import Tensor
from torch.nn import functional as F

from fewact.errors import OptionError, ShapeError
from fewact.io.atomic import write_bytes
from fewact.shapes import check_shape
from fewact.text.templates import fill, templates

FORMAT = "fewact text embeddings 1"
TENSOR = "embeddings"
HEADER = "fewact"

Ensemble = Literal["mean", "unit-mean"]


class Encoder(Protocol):
    """What turns prompts into vectors, such as ``fewact.backbones.create_text()``."""

    @property
    def name(self) -> str:
        """For people."""

    @property
    def digest(self) -> str:
        """A hash over all that changes its vectors."""

    @property
    def width(self) -> int:
        """Length d of a vector."""

    def encode(self, prompts: Sequence[str]) -> Tensor:
        """Vectors (n d) of n prompts, float32, on the CPU."""


def embed(encoder: Encoder, prompts: Sequence[str], *, folder: str | Path | None = None) -> Tensor:
    """Embeddings of prompts; each different one is encoded once.

    Args:
        encoder: Makes them.
        prompts: n texts.
        folder: Keeps them: a file whose name is a hash of the encoder and the prompts is read
            where it is there and whole, otherwise written.

    Returns:
        (n d) float32, on the CPU.

    Raises:
        OptionError: There is no prompt.
        ShapeError: The encoder gives vectors of another shape than it says.
        OSError: The file cannot be written.
    """
    unique = sorted(set(prompts))
    if not unique:
        raise OptionError("there is no prompt to encode", where="prompts")
    path = None if folder is None else Path(folder) / f"{_key(encoder, unique)}.safetensors"
    found = None if path is None else _read(path, (len(unique), encoder.width))
    if found is None:
        found = encoder.encode(unique)
        check_shape(found, f"{len(unique)} {encoder.width}", "the encoder's vectors")
        if not found.isfinite().all():
            raise ShapeError("not finite", where="the encoder's vectors")
        if path is not None:
            _write(path, found, encoder, unique)
    place = {prompt: row for row, prompt in enumerate(unique)}
    return found[[place[prompt] for prompt in prompts]]


def ensemble(embeddings: Tensor, how: Ensemble = "mean") -> Tensor:
    """One embedding of several prompts.

    Args:
        embeddings: (… p d), of p prompts.
        how: ``mean`` of them as they are (CLIP-SPM, CLIP-FSAR); ``unit-mean``, the mean of them
            at length 1, itself at length 1 (CLIP's own zero-shot classifier).

    Returns:
        (… d).

    Raises:
        OptionError: Another ``how``.
        ShapeError: Another shape.
    """
    check_shape(embeddings, "… p d", "embeddings")
    if how == "mean":
        return embeddings.mean(-2)
    if how == "unit-mean":
        return F.normalize(F.normalize(embeddings, dim=-1).mean(-2), dim=-1)
    raise OptionError(
        "there is no such ensemble", where="ensemble", got=repr(how), expected="mean, unit-mean"
    )


def class_texts(
    encoder: Encoder,
    names: Sequence[str],
    chosen: str | Sequence[str] = "clip-fsar",
    *,
    how: Ensemble = "mean",
    folder: str | Path | None = None,
) -> Tensor:
    """Embeddings of classes, each over all templates.

    Args:
        encoder: Makes them.
        names: Of n classes, in words.
        chosen: Templates, by name or one's own.
        how: As in ``ensemble``.
        folder: As in ``embed``.

    Returns:
        (n d) float32, on the CPU.

    Raises:
        UnknownNameError: There are no templates of this name.
        OptionError: There is no class or no template, or one without a place for the name.
    """
    forms = templates(chosen)
    prompts = [fill(form, name) for name in names for form in forms]
    vectors = embed(encoder, prompts, folder=folder)  # (n·p d)
    return ensemble(vectors.unflatten(0, (-1, len(forms))), how)


def _key(encoder: Encoder, prompts: Sequence[str]) -> str:
    content = json.dumps([FORMAT, encoder.digest, list(prompts)])
    return hashlib.sha256(content.encode()).hexdigest()


def _sha256(vectors: Tensor) -> str:
    return hashlib.sha256(vectors.contiguous().numpy().tobytes()).hexdigest()


def _write(path: Path, vectors: Tensor, encoder: Encoder, prompts: Sequence[str]) -> None:
    from safetensors.torch import save

    header = {
        "format": FORMAT,
        "encoder": encoder.digest,
        "prompts": list(prompts),
        "sha256": _sha256(vectors),
    }
    # Entries of a header are written in any order: one entry makes the same file each time.
    write_bytes(path, save({TENSOR: vectors.contiguous()}, {HEADER: json.dumps(header)}))


def _read(path: Path, shape: tuple[int, int]) -> Tensor | None:
    """What the file holds; None where it is absent or damaged."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="pt") as file:
            vectors: Tensor = file.get_tensor(TENSOR)
            sha256 = json.loads(file.metadata()[HEADER])["sha256"]
    except (OSError, SafetensorError, ValueError, KeyError, TypeError):
        return None
    whole = vectors.shape == shape and vectors.dtype == torch.float32
    return vectors if whole and _sha256(vectors) == sha256 else None
