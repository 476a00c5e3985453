"""Few-shot methods: from features of support and query videos to logits. One file per paper."""

import hashlib
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fewact.core.errors import OptionError, UserError, WeightsError, did_you_mean
from fewact.core.options import flatten_options, make_options
from fewact.core.registry import Registry

if TYPE_CHECKING:
    from fewact.methods.base import Method
    from fewact.networks.card import Card

DEFAULT_METHOD = "fusion"
IMPORT = "Pass the file that has the method with --import; in Python, import it before."
"""Hint for a saved method that is not registered: it was defined in a user's file."""

REGISTRY: "Registry[type[Any]]" = Registry(
    "method",
    {
        "fusion": "fewact.methods.fusion:Fusion",
        "fusion_vectors": "fewact.methods.fusion.vectors:FusionVectors",
        "fusion_joints": "fewact.methods.fusion.joints:FusionJoints",
        "a2m2": "fewact.lab.methods.a2m2:A2M2",
        "otam": "fewact.methods.otam:OTAM",
        "protonet": "fewact.methods.protonet:ProtoNet",
        "simpleshot": "fewact.lab.methods.simpleshot:SimpleShot",
        "ridge": "fewact.lab.methods.ridge:Ridge",
        "lda": "fewact.lab.methods.lda:Lda",
        "trx": "fewact.lab.methods.trx:TRX",
        "strm": "fewact.lab.methods.strm:STRM",
        "ta2n": "fewact.lab.methods.ta2n:TA2N",
        "cpm": "fewact.lab.methods.cpm:CPM",
        "safsar": "fewact.lab.methods.safsar:SAFSAR",
        "hyrsm": "fewact.lab.methods.hyrsm:HyRSM",
        "molo": "fewact.lab.methods.molo:MoLo",
        "team": "fewact.lab.methods.team:TEAM",
        "d2st": "fewact.lab.methods.d2st:D2ST",
        "clip_spm": "fewact.lab.methods.clip_spm:ClipSpm",
        "clip_fsar": "fewact.lab.methods.clip_fsar:ClipFsar",
        "semantic_prompt": "fewact.lab.methods.semantic_prompt:SemanticPrompt",
        "zero_shot": "fewact.lab.methods.zero_shot:ZeroShot",
        "pixels": "fewact.methods.pixels:Pixels",
    },
    group="fewact.methods",
)
"""Classes of methods over arrays, or of the lab's over tensors."""

register = REGISTRY.register


def names() -> tuple[str, ...]:
    """Return the registered names; ``create`` also accepts ``auto``."""
    return REGISTRY.names()


def name_of(method: Any) -> str | None:
    """Return the name under which a method's class is registered; None if it is not."""
    from fewact.methods.protocols import unwrapped

    return REGISTRY.name_of(unwrapped(method))


@cache
def code_of(method: type[Any]) -> str:
    """Return the name of the file that defines a custom method, and the file's SHA-256.

    Empty for a method of fewact, and for a class that is in no file. The file is read in the first
    call: an edit after that does not change the code that runs.
    """
    file = file_of(method)
    if method.__module__.partition(".")[0] == "fewact" or file is None or not file.is_file():
        return ""
    return f"{file.name}, SHA-256 {hashlib.sha256(file.read_bytes()).hexdigest()}"


def package_of(method: Any) -> str:
    """Return the package and version of a method that is not fewact's, and the file of its class.

    Empty for a method of fewact.
    """
    from fewact.methods.protocols import unwrapped

    package = REGISTRY.package_of(name_of(method) or "")
    return ", ".join(filter(None, (package, code_of(unwrapped(method)))))


def file_of(method: type[Any]) -> Path | None:
    """Return the file of the module that defines a method."""
    file = getattr(sys.modules.get(method.__module__), "__file__", None)
    return None if file is None else Path(file)


def registered(method: Any, refusal: type[UserError] = WeightsError) -> tuple[str, dict[str, Any]]:
    """Return the registered name and the options of a method that is to be saved.

    Raises:
        UserError: The method is not registered, so a file could not be loaded again; of the type
            ``refusal``.
    """
    name = name_of(method)
    if name is None:
        raise refusal(
            "cannot save a method that is not registered",
            got=type(method).__name__,
            expected=", ".join(names()),
            hint="Register its class under a name: fewact.methods.register.",
        )
    return name, flatten_options(method.options)


def resolve(name: str, card: "Card | None" = None, options: Mapping[str, Any] | None = None) -> str:
    """Return the name of the method that the default method is for a backbone.

    Args:
        name: One of ``names()``, or ``auto``. ``auto`` and ``fusion`` are ``fusion_joints`` for
            joints alone, and ``fusion_vectors`` for a backbone without the maps that ``fusion``
            compares.
        card: Card of the backbone; None for one with maps, or if only ``joints`` is known.
        options: Options that are set; ``joints`` names the layout of joints, alone or beside maps.
    """
    if name not in ("auto", DEFAULT_METHOD):
        return name
    joints = (options or {}).get("joints")
    if card is None:
        return "fusion_joints" if joints and name == "auto" else DEFAULT_METHOD
    if card.joints:
        return "fusion_joints"
    if card.has("middle") and card.has("maps"):
        return DEFAULT_METHOD
    return "fusion_joints" if joints else "fusion_vectors"


def fitting(
    method: str | type[Any],
    card: "Card",
    text_width: int | None = None,
    *,
    frames: int | None = None,
    options: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Return the options that a method must be created with to fit its features.

    Args:
        method: A name, which is resolved for the backbone, or a class.
        card: Card of the backbone.
        text_width: Length of the text embeddings, for methods that use text.
        frames: Number of vectors of each clip, if only this number is available.
        options: Options that are set already, and may need others.

    Returns:
        The following options, where the method has them: ``vector_width``; ``map_channels``, the
        length of the vectors if the backbone has no maps; ``frames``; ``joints``, if the card has
        their layout; ``text_width`` if texts and vectors differ in length, so that the method is
        trained to project the texts; and the options of ``protocols.Fits``.

    Raises:
        UnknownNameError: There is no method of this name.
        OptionError: An option that is set is invalid.
    """
    from fewact.methods.protocols import Fits

    of = "the method"
    if isinstance(method, str):
        name = resolve(method, card, options)
        of, method = f'method "{name}"', REGISTRY.get(name)
    channels = card.maps[0] if card.maps else card.vectors
    needed: dict[str, Any] = {"vector_width": card.vectors, "map_channels": channels}
    if frames is not None:
        needed["frames"] = frames
    if card.joints:
        needed["joints"] = card.joints
    if text_width is not None and text_width != card.vectors:
        needed["text_width"] = text_width
    existing = {option.name for option in fields(method.Options)}
    sizes = {option: value for option, value in needed.items() if option in existing}
    filled: Any = make_options(method.Options, {**sizes, **(options or {})}, of=of)
    return {**sizes, **(method.fitting(filled, card) if isinstance(method, Fits) else {})}


def create(name: str = "auto", card: "Card | None" = None, /, **options: Any) -> "Method":
    """Create a method over arrays; a lab's method is behind an adapter.

    Args:
        name: One of ``names()``, or ``auto``, see ``resolve``.
        card: Card of the backbone; with it, options that follow from the backbone need not be set.
        **options: Fields of the method's ``Options``.

    Raises:
        UnknownNameError: There is no method of this name.
        OptionError: There is no such option, its value is invalid, or the options together need
            too much memory.
        ExtraError: The method is part of the lab, and packages of the lab are not installed.

    >>> create("protonet", distance="euclidean").options.distance
    'euclidean'
    """
    return on_arrays(make(name, card, **options))


def make(name: str = "auto", card: "Card | None" = None, /, **options: Any) -> Any:
    """Create a method without an adapter: over arrays, or over tensors if it is the lab's."""
    from fewact.methods.protocols import LabClass

    name = resolve(name, card, options)
    if card is not None:
        options = {**fitting(name, card, options=options), **options}
    method, of = REGISTRY.get(name), f'method "{name}"'
    checked = make_options(method.Options, options, of=of)
    return method.created(checked, of=of) if isinstance(method, LabClass) else method(checked)


def weight_shapes(name: str, options: Mapping[str, Any]) -> dict[str, tuple[int, ...]]:
    """Return the shapes of a method's learned numbers; no memory is allocated for them."""
    from fewact.methods.protocols import LabClass

    method = REGISTRY.get(name)
    checked = make_options(method.Options, options, of=f'method "{name}"')
    return method.weight_shapes(checked) if isinstance(method, LabClass) else {}


def on_arrays(method: Any) -> "Method":
    """Return a method over arrays: a lab's method in its adapter, others as they are."""
    from fewact.methods.protocols import LabMethod

    over_arrays: Method = method.on_arrays() if isinstance(method, LabMethod) else method
    return over_arrays


@dataclass(frozen=True)
class Quality:
    """What a word for the time means.

    Args:
        size: Height and width that frames are resized to, by a network that reads several sizes;
            0 means the default of the backbone.
        backbone: Name of the backbone.
        options: Options of the method.
    """

    size: int = 0
    backbone: str = "auto"
    options: Mapping[str, Any] = field(default_factory=dict)


QUALITIES: Mapping[str, Quality] = {
    "fast": Quality(size=160, options={"frames": 5}),
    "normal": Quality(),
    "best": Quality(size=192, backbone="efficientnet-lite0-lite1", options={"motion_frames": 48}),
}
"""Times and accuracies are in docs/results/accuracy.md."""


def quality_of(quality: str, method: str) -> Quality:
    """Return what a quality of the default method means.

    Args:
        quality: ``fast``, ``normal`` or ``best``.
        method: Name of the method.

    Raises:
        OptionError: The quality is unknown, or the method has none besides ``normal``.

    >>> quality_of("best", "fusion").backbone
    'efficientnet-lite0-lite1'
    """
    if quality not in QUALITIES:
        raise OptionError(
            "unknown quality",
            got=repr(quality),
            expected=", ".join(QUALITIES),
            hint=did_you_mean(quality, QUALITIES),
        )
    if quality != "normal" and method not in ("auto", DEFAULT_METHOD):
        raise OptionError(
            "only the default method has qualities",
            where="quality",
            got=f"{quality}, method {method}",
            expected="the method fusion",
            hint="Change options of the method instead.",
        )
    return QUALITIES[quality]
