"""DINOv2, without and with register tokens, from transformers' layout (Oquab et al., 2023)."""

import json
import re
from collections.abc import Collection, Mapping
from typing import Any, ClassVar

from numpy.typing import NDArray
from torch import Tensor

from fewact.lab.networks.hf import (
    LibraryNetwork,
    Plan,
    as_map,
    check_model_type,
    configure,
    describe,
    without_prefix,
)
from fewact.networks.card import Level
from fewact.networks.catalogue import DINOV2
from fewact.networks.weights import CONFIG_ENTRY, Arrays, Weights

FAMILIES = {"dinov2": "Dinov2", "dinov2_with_registers": "Dinov2WithRegisters"}


class DINOv2(LibraryNetwork):
    """Vision transformer of DINOv2, of any size.

    ``vectors`` are the class token and ``maps`` the tokens of the patches, after the last layer
    norm. The published networks have positions for 518 pixels, which are interpolated to the input.
    """

    defaults = DINOV2
    head: ClassVar = ("classifier.", "dinov2.embeddings.mask_token")

    def __init__(self, options: Plan) -> None:
        super().__init__(options)
        self.dinov2 = self.make()
        self.dinov2.embeddings.mask_token = None  # No image is masked.

    @property
    def header(self) -> dict[str, str]:
        """Configuration of the network, with the size of the images."""
        entries = {**self.config.to_dict(), "crop_size": self.describe().input_size[0]}
        return {CONFIG_ENTRY: json.dumps(entries)}

    def forward(
        self, images: Tensor, levels: Collection[Level] = ("vectors", "maps")
    ) -> dict[Level, Tensor]:
        """Return levels of images (n 3 H W): ``vectors`` (n d), ``maps`` (n d h w)."""
        tokens = self.dinov2(pixel_values=images).last_hidden_state  # (n 1+registers+h·w d)
        registers = getattr(self.config, "num_register_tokens", 0)
        features: dict[Level, Tensor] = {}
        if "maps" in levels:
            features["maps"] = as_map(tokens[:, 1 + registers :])
        if "vectors" in levels:
            features["vectors"] = tokens[:, 0]
        return features

    @classmethod
    def resolve(cls, options: object, weights: Weights) -> Plan:
        """Return the network that config.json describes (default: DINOv2 base)."""
        family = FAMILIES[check_model_type(weights, FAMILIES) or "dinov2"]
        config = configure(f"{family}Config", weights.config, where=weights.source)
        # The preprocessor crops far fewer pixels than there are positions for.
        default = weights.config.get("crop_size", cls.defaults.input_size[0])
        crop = weights.preprocessor.get("crop_size", default)
        size = (crop["height"], crop["width"]) if isinstance(crop, Mapping) else crop
        size = min(size, config.image_size) if isinstance(size, int) else size
        description = describe(
            cls.defaults, config, weights, image_size=size, vectors=config.hidden_size
        )
        return Plan(f"{family}Model", config, description)

    @classmethod
    def rename(cls, tensors: Arrays) -> dict[str, NDArray[Any]]:
        """Return the tensors of a model without or with a classifier, as in transformers 5."""
        bare = without_prefix(tensors, *(f"{family}." for family in FAMILIES))
        return {_name(name): tensor for name, tensor in bare.items()}


def _name(name: str) -> str:
    """Return a tensor's name in this network.

    >>> _name("encoder.layer.0.attention.attention.query.bias")
    'dinov2.encoder.layer.0.attention.q_proj.bias'
    """
    if name.startswith(("embeddings.", "encoder.", "layernorm.")):
        name = f"dinov2.{name}"
    name = re.sub(r"\.attention\.attention\.([qkv])\w+\.", r".attention.\1_proj.", name)
    return name.replace(".attention.output.dense.", ".attention.o_proj.")
