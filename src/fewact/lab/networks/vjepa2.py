"""V-JEPA 2, from transformers' layout (Assran et al., 2025)."""

from typing import Any, ClassVar

from numpy.typing import NDArray
from pydantic import PositiveInt
from pydantic.dataclasses import dataclass
from torch import Tensor

from fewact.core.errors import OptionError
from fewact.lab.networks.hf import (
    Plan,
    SlotNetwork,
    check_model_type,
    configure,
    describe,
    trained_on,
    without_prefix,
)
from fewact.networks.catalogue import VJEPA2
from fewact.networks.weights import Arrays, Weights


@dataclass(frozen=True)
class VJEPA2Options:
    """Options of V-JEPA 2.

    Args:
        clip_frames: Number of frames that are read together. The networks were trained with 64 and
            read any number, as positions are relative.
    """

    clip_frames: PositiveInt = 16


class VJEPA2Network(SlotNetwork):
    """Encoder of V-JEPA 2, of any size: it reads frames together, two frames a slot.

    ``maps`` are the tokens of a slot after the last layer norm; ``vectors`` are their mean.
    """

    defaults = VJEPA2
    Options = VJEPA2Options
    head: ClassVar = ("predictor.", "pooler.", "classifier.")

    def __init__(self, options: Plan) -> None:
        super().__init__(options)
        self.encoder = self.make().encoder

    def tokens(self, clips: Tensor) -> Tensor:
        """Return the tokens after the last layer norm: (n T 3 H W) → (n T/2·h·w d)."""
        tokens: Tensor = self.encoder(pixel_values_videos=clips).last_hidden_state
        return tokens

    @classmethod
    def resolve(cls, options: VJEPA2Options, weights: Weights) -> Plan:
        """Return the network that config.json describes (default: ViT-L at 256 pixels)."""
        check_model_type(weights, ("vjepa2",))
        config = configure("VJEPA2Config", weights.config, where=weights.source)
        slot, frames = config.tubelet_size, options.clip_frames
        if frames % slot:
            raise OptionError(
                "the frames do not fill the slots of a clip",
                where="option clip_frames",
                got=str(frames),
                expected=f"a multiple of {slot}",
            )
        description = describe(
            cls.defaults,
            config,
            weights,
            image_size=config.crop_size,
            variant_end=f", {frames} frames",
            vectors=config.hidden_size,
            frames_per_slot=slot,
            trained_on=(*cls.defaults.trained_on, *trained_on(weights)),
        )
        return Plan("VJEPA2Model", config, description, frames)

    @classmethod
    def rename(cls, tensors: Arrays) -> dict[str, NDArray[Any]]:
        """Return the tensors of a model without or with a classifier under the same names."""
        return without_prefix(tensors, "vjepa2.")
