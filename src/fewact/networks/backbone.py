"""Backbone: a network with its weights, its transform and its card."""

import math
from collections.abc import Collection, Iterable
from dataclasses import fields, replace
from functools import cached_property
from itertools import chain
from typing import TYPE_CHECKING, Any, cast, get_args

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from fewact import networks
from fewact.core.errors import OptionError, ShapeError, WeightsError
from fewact.core.options import make_options
from fewact.core.shapes import check_shape
from fewact.core.workers import on_one_core, side_by_side
from fewact.lab.networks.network import Network, randomise
from fewact.networks.card import Card, Interpolation, Level
from fewact.networks.engines import Engine, TorchEngine, choose, resolve_device, resolve_precision
from fewact.networks.spec import BackboneSpec, Precision, check_engine
from fewact.networks.transform import normalised, prepared
from fewact.networks.weights import Weights, digest, read, tensors_of

if TYPE_CHECKING:
    from fewact.lab.networks.text_encoder import TextEncoder

RANDOM_SEED = 0

MIDDLE_STRIDE = 16
"""Stride of the level ``middle``; a graph pads frames of other sizes differently from torch."""

NORMALISED_AT_ONCE = 2**17
"""Most values of images that are normalised together before some of them run."""


class Backbone:
    """Computes features of frames.

    Args:
        network: Network in evaluation mode, with its weights, on its device.
        card: Facts of the network.
        engine: Engine that computes; None for ``torch`` with the present weights.
        why: Reason why this engine was chosen.
    """

    def __init__(
        self, network: Network, card: Card, engine: Engine | None = None, why: str = "requested"
    ) -> None:
        self.network = network
        self.engine = engine or TorchEngine(network, card.precision)
        self.card = replace(card, engine=self.engine.name)
        self.why = why

    def __getstate__(self) -> dict[str, Any]:
        """Return what a copy needs; the engine is made again, for its sessions cannot be copied."""
        return {**self.__dict__, "engine": self.engine.name}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self.engine, _ = choose(self.network, self.card, state["engine"])

    @property
    def device(self) -> torch.device:
        """Device of the network."""
        return next(self.network.parameters()).device

    @cached_property
    def text(self) -> "TextEncoder":
        """Text encoder that was trained with the network; it is read when it is first used.

        Raises:
            OptionError: The network was not trained with texts.
            WeightsError: Its weights come without a text encoder or a tokenizer.
        """
        if self.network.text is None:
            raise OptionError("this backbone has no text encoder", where=self.card.name)
        return networks.create_text(
            self.network.text, weights=self.card.weights, device=str(self.device)
        )

    def prepare(self, frames: NDArray[np.uint8]) -> Tensor:
        """Resize frames to the network's input size, as the card says.

        Args:
            frames: (… h w 3) RGB, uint8.

        Returns:
            Resized frames (… 3 H W) uint8, on the CPU.

        Raises:
            ShapeError: The frames have another shape or type.
        """
        return prepared(frames, self.card)

    def normalise(self, frames: Tensor) -> Tensor:
        """Normalise prepared frames (n 3 H W) uint8 to float32, on the network's device."""
        return normalised(frames, self.card, self.device, self.engine.memory_format)

    def features(self, frames: Tensor, levels: Collection[Level]) -> dict[Level, Tensor]:
        """Return features of prepared frames; the network runs no deeper than it must.

        Args:
            frames: Frames (n 3 H W) uint8, as returned by ``prepare``. If ``shallow`` and
                ``middle`` alone are requested, other heights and widths may be any multiples of 16.
            levels: Requested levels.

        Returns:
            Features by level, on the network's device: ``vectors`` (t d), ``maps``, ``middle`` and
            ``shallow`` (t c h w), float32, of t output slots; and ``pixels``, the frames.

        Raises:
            ShapeError: The frames have another shape or type, or the network cannot take this
                number of frames.
            OptionError: The backbone has no such level.
        """
        height, width = self.card.input_size
        free = bool(levels) and set(levels) <= {"shallow", "middle"}
        check_shape(frames, "n 3 h w" if free else f"n 3 {height} {width}", "frames")
        sides = tuple(frames.shape[2:])
        if sides != (height, width) and any(side % MIDDLE_STRIDE for side in sides):
            raise ShapeError(
                "invalid height or width",
                where="frames",
                got=str(tuple(frames.shape)),
                expected=f"multiples of {MIDDLE_STRIDE}",
            )
        if frames.dtype != torch.uint8:
            raise ShapeError("not uint8", where="frames", got=str(frames.dtype))
        self.check_levels(levels)
        computed = [level for level in levels if level != "pixels"]
        features: dict[Level, Tensor] = {}
        if "pixels" in levels:
            features["pixels"] = frames.to(self.device).contiguous()
        if computed:
            self.check_number(len(frames))
            runs = self._run(frames, computed)

            # Joined outside of inference mode, so that methods can be trained on the result.
            def join() -> dict[Level, Tensor]:
                return {level: torch.cat([run[level] for run in runs]) for level in computed}

            features |= on_one_core(join) if self.device.type == "cpu" else join()
        return features

    def check_levels(self, levels: Collection[Level]) -> None:
        """Refuse levels that this backbone does not have.

        Raises:
            OptionError: The backbone has no such level.
        """
        for level in levels:
            self.card.shape_of(level)

    @property
    def reads_single_frames(self) -> bool:
        """Whether the features of a slot are those of one frame, whatever the others show."""
        return self.network.frames_together == 1 and self.card.frames_per_slot == 1

    def check_number(self, frames: int) -> None:
        """Refuse a number of input frames that the network cannot take.

        Raises:
            ShapeError: It is no multiple of the frames that the network reads together.
        """
        together = self.network.frames_together
        if frames % together:
            slots = together // self.card.frames_per_slot
            raise ShapeError(
                f"{self.card.name} reads {together} frames together",
                where="frames",
                got=str(frames),
                expected=f"multiples of {together}",
                hint=f"Request a multiple of {slots} slots.",
            )

    def _run(self, frames: Tensor, levels: Collection[Level]) -> list[dict[Level, Tensor]]:
        """Return features of a few frames at a time."""
        at_once = self.engine.images_at_once
        # Small images are normalised several at a time: a call takes longer than its work.
        runs = max(1, NORMALISED_AT_ONCE // (at_once * frames[0].numel()))

        def run(group: Tensor) -> list[dict[Level, Tensor]]:
            images = self.normalise(group)
            return [self.engine.run(batch, levels) for batch in torch.split(images, at_once)]

        groups = torch.split(frames, at_once * runs)
        features: Iterable[list[dict[Level, Tensor]]]
        features = side_by_side(run, groups) if self.device.type == "cpu" else map(run, groups)
        return list(chain.from_iterable(features))


def build(spec: BackboneSpec, network_class: type[Network]) -> Backbone:
    """Create a backbone: its network, with weights, in evaluation mode, on its device."""
    options: Any = make_options(network_class.Options, spec.options, of=network_class.defaults.name)
    device = resolve_device(spec.device)
    check_engine(spec.engine, spec.precision, device.type)
    precision: str = spec.precision
    by_onnx = spec.engine == "onnx" or (
        spec.engine == "auto" and not network_class.gains_from_bfloat16
    )
    if precision == "auto" and by_onnx:
        precision = "float32"
    named = spec.weights in ("default", "random")
    weights = Weights({}, spec.weights) if named else read(spec.weights)
    with torch.random.fork_rng(devices=[]):  # Layers draw initial weights.
        torch.default_generator.manual_seed(RANDOM_SEED)
        network = network_class(network_class.resolve(options, weights)).float()
    if weights.source == "default":
        weights = network.load_default()
    elif weights.source == "random":
        randomise(network, RANDOM_SEED)
    else:
        network.load(weights)
    card = replace(
        make_card(network, weights, resolve_precision(precision, device)),
        resize=spec.resize,
        sampler=spec.sampler,
    )
    if spec.size and (spec.size, spec.size) != card.input_size:
        card = card.of_size(spec.size)
    network.eval().to(device, memory_format=network.memory_format)  # type: ignore[call-overload]
    return Backbone(network, card, *choose(network, card, spec.engine))


def make_card(network: Network, weights: Weights, precision: Precision) -> Card:
    """Return the card of a network with its weights.

    Entries of the weights file's header, ``licence``, ``trained_on``, ``mean`` and ``std``
    (separated by commas) and ``interpolation``, replace those of the default weights.
    """
    defaults = network.describe()
    header = weights.metadata
    facts: dict[str, Any] = {fact.name: getattr(defaults, fact.name) for fact in fields(Card)}
    facts |= {
        "mean": _three(weights, "mean") or defaults.mean,
        "std": _three(weights, "std") or defaults.std,
        "interpolation": _interpolation(weights) or defaults.interpolation,
        "parameters": sum(parameter.numel() for parameter in network.parameters()),
        "weights": weights.source,
        "precision": precision,
    }
    if weights.source == "random":
        return Card(**facts | {"licence": "none", "trained_on": ()})
    licence = header.get("licence", header.get("license", defaults.licence))
    data = [entry.strip() for entry in header.get("trained_on", "").split(",")]
    facts |= {"licence": licence, "trained_on": tuple(filter(None, data)) or defaults.trained_on}
    facts["weights_sha256"] = weights.sha256 or digest(tensors_of(network))
    return Card(**facts)


def header_of(network: Network, card: Card) -> dict[str, str]:
    """Return the header of a weights file from which ``build`` makes this network and card."""
    return {
        **network.header,
        "trained_on": ", ".join(card.trained_on),
        "licence": card.licence,
        "mean": ", ".join(map(str, card.mean)),
        "std": ", ".join(map(str, card.std)),
        "interpolation": card.interpolation,
    }


def _interpolation(weights: Weights) -> Interpolation | None:
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
    return cast(Interpolation | None, name)


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
