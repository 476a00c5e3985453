"""Class names as prompts, and the embeddings of prompts and of classes by a text encoder."""

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

import torch
from torch import Tensor

from fewact.core.array_api import check_shape
from fewact.core.arrays import read_tensors, save_tensors
from fewact.core.atomic import write_bytes
from fewact.core.bounded import GIB, FileType
from fewact.core.errors import (
    DataError,
    OptionError,
    OutputError,
    ShapeError,
    UnknownNameError,
    did_you_mean,
)
from fewact.core.paths import user_path
from fewact.lab.networks.torch_weights import as_arrays, as_tensors
from fewact.networks.card import TextFacts

if TYPE_CHECKING:
    from fewact.lab.networks.text_encoder import TextEncoder

# Between a lower-case letter and a capital, and before the last of several capitals: "USBStick".
SEAM = re.compile(r"(?<=[a-z])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
BRACKETS = re.compile(r"\[(.*?)\]")


def words(name: str, *, something: str | None = None) -> str:
    """Return the name of a class as words.

    UCF-101 joins words by capitals, HMDB-51 and Kinetics by underscores; Something-Something has
    placeholders in brackets. Capitals are kept: the text encoders are case-insensitive.

    Args:
        name: Class name in the dataset or folder.
        something: Replacement for "[something]"; the brackets of other placeholders are removed.
            None keeps all brackets, as CLIP-FSAR does.

    >>> words("ApplyEyeMakeup"), words("brush_hair")
    ('Apply Eye Makeup', 'brush hair')
    >>> words("Pouring [something] out of [something]", something="an object")
    'Pouring an object out of an object'
    """
    spaced = SEAM.sub(" ", name.replace("_", " "))
    if something is not None:
        spaced = spaced.replace("[something]", something)
        spaced = BRACKETS.sub(r"\1", spaced)
    return " ".join(spaced.split())


SLOT = "{}"

TEMPLATES: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "name": ("{}",),
        "clip-fsar": ("a photo of {}",),
        "clip-spm": (
            "a photo of action {}",
            "a picture of action {}",
            "Human action of {}",
            "{}, an action",
            "{} this is an action",
            "{}, a video of action",
            "Playing action of {}",
            "{}",
            "Playing a kind of action, {}",
            "Doing a kind of action, {}",
            "Look, the human is {}",
            "Can you recognize the action of {}?",
            "Video classification of {}",
            "A video of {}",
            "The man is {}",
            "The woman is {}",
        ),
    }
)
"""Templates by name: the bare class name, CLIP-FSAR's (and A²M²-Net's), the 16 of CLIP-SPM."""


def templates(prompt_set: str | Sequence[str]) -> tuple[str, ...]:
    """Return templates by name, or check custom ones.

    Args:
        prompt_set: Name in ``TEMPLATES``; or one or several templates with the placeholder
            "{}" for the class name.

    Raises:
        UnknownNameError: There are no templates of this name.
        OptionError: There is no template, or a template does not have exactly one placeholder.

    >>> templates("clip-fsar"), templates("someone doing {}")
    (('a photo of {}',), ('someone doing {}',))
    """
    if isinstance(prompt_set, str) and SLOT not in prompt_set:
        if prompt_set not in TEMPLATES:
            raise UnknownNameError(
                "unknown templates",
                got=repr(prompt_set),
                expected=f"{', '.join(TEMPLATES)}, or a template with {SLOT}",
                hint=did_you_mean(prompt_set, TEMPLATES),
            )
        return TEMPLATES[prompt_set]
    forms = (prompt_set,) if isinstance(prompt_set, str) else tuple(prompt_set)
    wrong = [repr(form) for form in forms if form.count(SLOT) != 1]
    if wrong or not forms:
        raise OptionError(
            "a template must have one placeholder for the class name",
            where="templates",
            got=", ".join(wrong) or "none",
            expected=f"texts with one {SLOT}",
        )
    return forms


def fill(template: str, name: str) -> str:
    """Fill a class name into a template.

    >>> fill("a photo of {}", "brush hair")
    'a photo of brush hair'
    """
    return template.replace(SLOT, name)


FORMAT = "fewact text embeddings 1"
TENSOR = "embeddings"
HEADER = "fewact"
CACHED = FileType("file of text embeddings", DataError, 4 * GIB)


def embed(
    encoder: "TextEncoder", prompts: Sequence[str], *, folder: str | Path | None = None
) -> Tensor:
    """Compute embeddings of prompts; each distinct prompt is encoded once.

    Args:
        encoder: Text encoder.
        prompts: n texts.
        folder: Cache folder. The file name is a hash of the encoder and the prompts; a missing or
            damaged file is written again.

    Returns:
        (n d) float32, on the CPU.

    Raises:
        OptionError: There is no prompt.
        ShapeError: The encoder returns vectors of an undeclared shape.
        OutputError: The file cannot be written.
    """
    unique = sorted(set(prompts))
    if not unique:
        raise OptionError("no prompts", where="prompts")
    path = None
    if folder is not None:
        path = user_path(folder, OptionError) / f"{_key(encoder, unique)}.safetensors"
    vectors = None if path is None else _read(path, (len(unique), encoder.width))
    if vectors is None:
        vectors = encoder.encode(unique)
        check_shape(vectors, f"{len(unique)} {encoder.width}", "the encoder's vectors")
        if not vectors.isfinite().all():
            raise ShapeError("not finite", where="the encoder's vectors")
        if path is not None:
            _write(path, vectors, encoder, unique)
    rows = {prompt: row for row, prompt in enumerate(unique)}
    return vectors[[rows[prompt] for prompt in prompts]]


def _key(encoder: "TextEncoder", prompts: Sequence[str]) -> str:
    content = json.dumps([FORMAT, encoder.digest, list(prompts)])
    return hashlib.sha256(content.encode()).hexdigest()


def _sha256(vectors: Tensor) -> str:
    return hashlib.sha256(vectors.contiguous().numpy().tobytes()).hexdigest()


def _write(path: Path, vectors: Tensor, encoder: "TextEncoder", prompts: Sequence[str]) -> None:
    header = {
        "format": FORMAT,
        "encoder": encoder.digest,
        "prompts": list(prompts),
        "sha256": _sha256(vectors),
    }
    # The order of header entries is undefined: with one entry, the file is the same each time.
    write_bytes(path, save_tensors(as_arrays({TENSOR: vectors}), {HEADER: json.dumps(header)}))


def _read(path: Path, shape: tuple[int, int]) -> Tensor | None:
    """Return the content of the file; None if it is missing or damaged."""
    try:
        tensors, metadata = read_tensors(CACHED, path)
        vectors = as_tensors(tensors)[TENSOR]
        sha256 = CACHED.parse(metadata[HEADER], str(path))["sha256"]
    except (DataError, KeyError, TypeError):
        return None
    complete = vectors.shape == shape and vectors.dtype == torch.float32
    return vectors if complete and _sha256(vectors) == sha256 else None


PRECOMPUTED: Final = "precomputed"
"""Encoder of embeddings from outside, whose encoder is unknown."""


@dataclass(frozen=True)
class ClassTexts:
    """Embeddings of classes.

    Args:
        embeddings: (n d) float32.
        names: Names of the classes in words, as in the prompts; empty if unknown.
        facts: Description of the embeddings.
    """

    embeddings: Tensor
    names: tuple[str, ...]
    facts: TextFacts


def embed_classes(
    encoder: "TextEncoder",
    names: Sequence[str],
    prompt_set: str | Sequence[str] = "clip-fsar",
    *,
    folder: str | Path | None = None,
) -> ClassTexts:
    """Compute the embeddings of classes, each the mean over all templates, and describe them.

    Args:
        encoder: Text encoder.
        names: Names of n classes, in words.
        prompt_set: Name of templates, or custom templates.
        folder: Cache folder, see ``embed``; without write access nothing is cached.

    Raises:
        UnknownNameError: There are no templates of this name.
        OptionError: There is no class or no template, or a template has no placeholder.
    """
    forms = templates(prompt_set)
    prompts = [fill(form, name) for name in names for form in forms]
    try:
        vectors = embed(encoder, prompts, folder=folder)  # (n·p d)
    except OutputError:
        vectors = embed(encoder, prompts)
    embeddings = vectors.unflatten(0, (-1, len(forms))).mean(1)  # (n d)
    facts = TextFacts(encoder=encoder.name, sha256=encoder.digest, templates=forms)
    return ClassTexts(embeddings, tuple(names), facts)


def known_texts(text: ClassTexts | Tensor) -> ClassTexts:
    """Return embeddings (n d) with a description, which plain tensors don't have."""
    if isinstance(text, ClassTexts):
        return text
    check_shape(text, "n d", "text")
    content = text.detach().cpu().float().contiguous().numpy().tobytes()
    sha256 = hashlib.sha256(f"{tuple(text.shape)}\n".encode() + content).hexdigest()
    return ClassTexts(text, (), TextFacts(encoder=PRECOMPUTED, sha256=sha256))
