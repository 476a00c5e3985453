"""A network with its weights, its transform and its card."""

from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from fewact.backbones.card import Card, Level
from fewact.backbones.network import Network, randomise
from fewact.backbones.precision import Precision, resolve_device, resolve_precision
from fewact.backbones.weights import Weights, digest, load, read, tensors_of
from fewact.backbones.workers import side_by_side
from fewact.errors import OptionError, ShapeError
from fewact.registry import make_options
from fewact.shapes import check_shape

if TYPE_CHECKING:
    from fewact.backbones.text_encoder import TextEncoder

RANDOM_SEED = 0
# A CPU's cache likes few frames best. With one frame at a time nothing could depend on its
# company; four were measured to give the same to rounding, and a third faster.
FRAMES_AT_ONCE_CPU = 4
FRAMES_AT_ONCE_GPU = 64


class Backbone:
    """Turns frames into features.

    Args:
        network: In evaluation mode, with its weights, on its device.
        card: Its facts.
    """

    def __init__(self, network: Network, card: Card) -> None:
        self.network = network
        self.card = card

    @property
    def device(self) -> torch.device:
        """Where the network is."""
        return next(self.network.parameters()).device

    @cached_property
    def text(self) -> "TextEncoder":
        """The text encoder that was trained with the network, read when it is first asked for.

        Raises:
            OptionError: The network was not trained with texts.
            WeightsError: There is no text encoder or no tokenizer beside its weights.
        """
        from fewact.backbones import create_text

        if self.network.text is None:
            raise OptionError("this backbone has no text encoder", where=self.card.name)
        return create_text(self.network.text, weights=self.card.weights, device=str(self.device))

    def prepare(self, frames: NDArray[np.uint8]) -> Tensor:
        """Squash frames to the network's input size, each by itself.

        Args:
            frames: (… h w 3) RGB, uint8.

        Returns:
            (… 3 H W) uint8, on the CPU.

        Raises:
            ShapeError: Another shape or type.
        """
        if frames.dtype != np.uint8:
            raise ShapeError("not uint8", where="frames", got=str(frames.dtype))
        check_shape(frames, "… h w 3", "frames")
        leading, image = frames.shape[:-3], frames.shape[-3:]
        # torch takes neither negative strides nor read-only memory.
        owned = np.require(frames, requirements=["C", "W"]).reshape(-1, *image)
        images = torch.from_numpy(owned).permute(0, 3, 1, 2)  # (n 3 h w), channels last
        small = F.interpolate(
            images, self.card.input_size, mode=self.card.interpolation, antialias=True
        )
        return small.reshape(*leading, 3, *self.card.input_size)

    def normalise(self, frames: Tensor) -> Tensor:
        """Prepared frames (n 3 H W), uint8, as the network takes them: float32, on its device."""
        images = frames.to(self.device, memory_format=self.network.memory_format).float()
        mean, std = (
            255 * torch.tensor(values, device=self.device).view(3, 1, 1)
            for values in (self.card.mean, self.card.std)
        )
        return (images - mean) / std

    def features(self, frames: Tensor, names: Collection[Level]) -> dict[Level, Tensor]:
        """Taps of prepared frames; the network runs no deeper than the deepest of them.

        Args:
            frames: (n 3 H W) uint8, as ``prepare`` gives them.
            names: Which taps.

        Returns:
            By name, on the network's device, n counting output slots: ``vectors`` (n d), ``maps``
            and ``middle`` (n c h w), float32; and ``pixels``, the frames themselves.

        Raises:
            ShapeError: Another shape or type, or a number of frames that the network cannot take.
            OptionError: The backbone has no such tap.
        """
        height, width = self.card.input_size
        check_shape(frames, f"n 3 {height} {width}", "frames")
        if frames.dtype != torch.uint8:
            raise ShapeError("not uint8", where="frames", got=str(frames.dtype))
        self.check_levels(names)
        deep = [name for name in names if name != "pixels"]
        levels: dict[Level, Tensor] = {}
        if "pixels" in names:
            levels["pixels"] = frames.to(self.device).contiguous()
        if deep:
            self._check_number(len(frames))
            runs = self._run(frames, deep)
            # Joined outside of inference mode, so that methods can be trained on the result.
            levels |= {name: torch.cat([run[name] for run in runs]) for name in deep}
        return levels

    def check_levels(self, names: Collection[Level]) -> None:
        """Refuse taps that this backbone does not have.

        Raises:
            OptionError: It has no tap of one of these names.
        """
        for name in names:
            self.card.shape_of(name)

    def _check_number(self, frames: int) -> None:
        together = self.network.frames_together
        if frames % together:
            slots = together // self.card.frames_per_slot
            raise ShapeError(
                f"{self.card.name} sees {together} frames together",
                where="frames",
                got=str(frames),
                expected=f"multiples of {together}",
                hint=f"Ask for a multiple of {slots} slots.",
            )

    def _run(self, frames: Tensor, names: Collection[Level]) -> list[dict[Level, Tensor]]:
        """Taps of a few frames at a time."""
        cpu = self.device.type == "cpu"
        at_once = FRAMES_AT_ONCE_CPU if cpu else FRAMES_AT_ONCE_GPU
        together = self.network.frames_together
        pieces = torch.split(frames, together * max(1, at_once // together))

        # Both are settings of the thread that works.
        @torch.inference_mode()
        def run(few: Tensor) -> dict[Level, Tensor]:
            with _arithmetic(self.card.precision, self.device):
                levels = self.network(self.normalise(few), names)
            return {name: level.float().contiguous() for name, level in levels.items()}

        return side_by_side(run, pieces) if cpu else [run(few) for few in pieces]


def build(
    kind: type[Network],
    options: Mapping[str, Any],
    *,
    weights: str | Path,
    device: str,
    precision: str,
) -> Backbone:
    """Make a backbone: its network, with weights, in evaluation mode, on its device.

    Raises:
        WeightsError: The weights cannot be read or are not of this network.
        OptionError: An option, device or precision that is not accepted.
    """
    chosen: Any = make_options(kind.Options, options, of=kind.usual.name)
    where = resolve_device(device)
    computed = resolve_precision(precision, where)
    named = str(weights) in ("default", "random")
    found = Weights({}, str(weights)) if named else read(weights)
    with torch.random.fork_rng(devices=[]):  # Layers draw weights; few of them stay.
        torch.manual_seed(RANDOM_SEED)
        network = kind(kind.settle(chosen, found))
    if found.source == "default":
        found = network.load_default()
    elif found.source == "random":
        randomise(network, RANDOM_SEED)
    else:
        load(network, found)
    card = make_card(network, found, computed)
    network.eval().to(where, memory_format=network.memory_format)  # type: ignore[call-overload]
    return Backbone(network, card)


def make_card(network: Network, weights: Weights, precision: Precision) -> Card:
    """Facts of a network with these weights.

    The header of their file may say more than is known of the usual ones: ``licence`` and, comma
    between, ``trained_on``.
    """
    usual = network.describe()
    untrained = weights.source == "random"
    given = weights.metadata
    data = tuple(one.strip() for one in given.get("trained_on", "").split(",") if one.strip())
    return Card(
        name=usual.name,
        input_size=usual.input_size,
        mean=usual.mean,
        std=usual.std,
        vectors=usual.vectors,
        maps=usual.maps,
        middle=usual.middle,
        parameters=sum(parameter.numel() for parameter in network.parameters()),
        licence="none" if untrained else given.get("licence", given.get("license", usual.licence)),
        weights=weights.source,
        weights_sha256="" if untrained else digest(tensors_of(network)),
        trained_on=() if untrained else data or usual.trained_on,
        precision=precision,
        frames_per_slot=usual.frames_per_slot,
        interpolation=usual.interpolation,
        variant=usual.variant,
    )


@contextmanager
def _arithmetic(precision: str, device: torch.device) -> Iterator[None]:
    """The precision of the card, whatever the process's own settings are."""
    with torch.autocast(device.type, torch.bfloat16, enabled=precision == "bfloat16"):
        if device.type == "cuda":
            # Otherwise convolutions of float32 are rounded to ten bits on their way in.
            with torch.backends.cudnn.flags(enabled=True, deterministic=True, allow_tf32=False):
                yield
        else:
            yield
