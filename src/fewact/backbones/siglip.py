"""SigLIP and SigLIP 2 of fixed resolution, from transformers' layout (Zhai et al., 2023)."""

from collections.abc import Collection
from typing import Any, ClassVar

from torch import Tensor

from fewact.backbones.card import Level
from fewact.backbones.catalogue import SIGLIP
from fewact.backbones.hf import LibraryNetwork, Plan, as_map, check_model_type, configure, describe
from fewact.backbones.weights import Weights

# SigLIP 2 of fixed resolution has the model type of SigLIP; "siglip2" is the model of any
# resolution, which takes patches rather than images.
MODEL_TYPES = ("siglip", "siglip_vision_model")


class Siglip(LibraryNetwork):
    """Vision transformer of SigLIP, of any size.

    ``vectors`` are pooled by the network's attention, in the space of the text embeddings; ``maps``
    are the tokens of the patches after the last layer norm.
    """

    defaults = SIGLIP
    text = "siglip"
    head: ClassVar = ("text_model.", "logit_scale", "logit_bias")

    def __init__(self, options: Plan) -> None:
        super().__init__(options)
        self.vision_model = self.make()

    def forward(
        self, images: Tensor, levels: Collection[Level] = ("vectors", "maps")
    ) -> dict[Level, Tensor]:
        """Return levels of images (n 3 H W): ``vectors`` (n d), ``maps`` (n d h w)."""
        output = self.vision_model(pixel_values=images)
        features: dict[Level, Tensor] = {}
        if "maps" in levels:
            features["maps"] = as_map(output.last_hidden_state)
        if "vectors" in levels:
            features["vectors"] = output.pooler_output
        return features

    @classmethod
    def resolve(cls, options: Any, weights: Weights) -> Plan:
        """Return the network that config.json describes (default: SigLIP base at 224 pixels).

        Raises:
            WeightsError: The configuration is of another network, or transformers is not installed.
        """
        alone = check_model_type(weights, MODEL_TYPES) == "siglip_vision_model"
        facts = weights.config if alone else weights.config.get("vision_config") or {}
        facts = {**facts, "vision_use_head": True}  # Without it there are no vectors.
        config = configure("SiglipVisionConfig", facts, where=weights.source)
        description = describe(cls.defaults, config, weights, vectors=config.hidden_size)
        return Plan("SiglipVisionModel", config, description)
