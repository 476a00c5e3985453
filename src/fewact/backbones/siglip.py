"""SigLIP and SigLIP 2 of fixed resolution, from transformers' layout (Zhai et al., 2023)."""

from collections.abc import Collection
from typing import Any, ClassVar

from torch import Tensor

from fewact.backbones.card import Level
from fewact.backbones.catalogue import SIGLIP
from fewact.backbones.hf import LibraryNetwork, Plan, as_map, check_model_type, configure, describe
from fewact.backbones.weights import Weights

# SigLIP 2 of fixed resolution is of the first one's type; the type "siglip2" is that of any
# resolution, which takes patches rather than pictures.
MODEL_TYPES = ("siglip", "siglip_vision_model")


class Siglip(LibraryNetwork):
    """A vision transformer of SigLIP, of any size.

    ``vectors`` are pooled by the network's own attention, in the space of the texts; ``maps`` the
    patches' tokens after the last layer norm.
    """

    usual = SIGLIP
    text = "siglip"
    head: ClassVar = ("text_model.", "logit_scale", "logit_bias")

    def __init__(self, options: Plan) -> None:
        super().__init__(options)
        self.vision_model = self.make()

    def forward(
        self, images: Tensor, names: Collection[Level] = ("vectors", "maps")
    ) -> dict[Level, Tensor]:
        """The taps asked for of images (n 3 H W): ``vectors`` (n d), ``maps`` (n d h w)."""
        seen = self.vision_model(pixel_values=images)
        levels: dict[Level, Tensor] = {}
        if "maps" in names:
            levels["maps"] = as_map(seen.last_hidden_state)
        if "vectors" in names:
            levels["vectors"] = seen.pooler_output
        return levels

    @classmethod
    def settle(cls, options: Any, weights: Weights) -> Plan:
        """The network that config.json describes; SigLIP base at 224 pixels where there is none.

        Raises:
            WeightsError: It is of another network, or transformers is not installed.
        """
        alone = check_model_type(weights, MODEL_TYPES) == "siglip_vision_model"
        facts = weights.config if alone else weights.config.get("vision_config") or {}
        facts = {**facts, "vision_use_head": True}  # Without it there are no vectors.
        config = configure("SiglipVisionConfig", facts, where=weights.source)
        usual = describe(cls.usual, config, weights, vectors=config.hidden_size)
        return Plan("SiglipVisionModel", config, usual)
