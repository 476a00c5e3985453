"""CLIP's vision transformers, from transformers' or OpenAI's layout (Radford et al., 2021)."""

from collections.abc import Collection, Mapping
from typing import Any, ClassVar

from torch import Tensor, nn

from fewact.backbones import openai
from fewact.backbones.card import Level
from fewact.backbones.catalogue import CLIP_VIT, CLIP_VIT_B16, CLIP_VIT_B32
from fewact.backbones.hf import LibraryNetwork, Plan, as_map, check_model_type, configure, describe
from fewact.backbones.weights import Weights
from fewact.core.errors import WeightsError

# Beginning of the class names of transformers, by model_type.
FAMILIES = {
    "clip": "CLIP",
    "clip_vision_model": "CLIP",
    "metaclip_2": "MetaClip2",
    "metaclip_2_vision_model": "MetaClip2",
}


def half(family: str, name: str, weights: Weights) -> Any:
    """Return the configuration of one half, "vision" or "text", with their common width.

    Raises:
        WeightsError: An entry of config.json is invalid, or transformers is not installed.
    """
    if weights.config["model_type"].endswith("_vision_model"):
        return configure(f"{family}VisionConfig", weights.config, where=weights.source)
    both = configure(f"{family}Config", weights.config, where=weights.source)
    config = getattr(both, f"{name}_config")
    config.projection_dim = both.projection_dim  # The value of one half is often wrong.
    return config


class ClipViT(LibraryNetwork):
    """Vision transformer of CLIP, of any size.

    ``vectors`` are the projected class token, in the space of the text embeddings; ``maps`` are the
    tokens of the patches after the last layer norm, which bounds their few huge channels.
    """

    defaults = CLIP_VIT
    text = "clip"
    head: ClassVar = (
        "text_model.",
        "text_projection.",
        "logit_scale",
        "vision_model.embeddings.position_ids",
        "input_resolution",
        "context_length",
        "vocab_size",
    )
    shape: ClassVar[Mapping[str, int]] = {
        "hidden_size": 1024,
        "intermediate_size": 4096,
        "num_hidden_layers": 24,
        "num_attention_heads": 16,
        "patch_size": 14,
        "image_size": 224,
        "projection_dim": 768,
    }
    any_shape: ClassVar[bool] = True

    def __init__(self, options: Plan) -> None:
        super().__init__(options)
        width, outputs = self.config.hidden_size, self.config.projection_dim
        self.vision_model = self.make()
        self.visual_projection = nn.Linear(width, outputs, bias=False)

    def forward(
        self, images: Tensor, levels: Collection[Level] = ("vectors", "maps")
    ) -> dict[Level, Tensor]:
        """Return levels of images (n 3 H W): ``vectors`` (n d), ``maps`` (n c h w)."""
        output = self.vision_model(pixel_values=images)
        found: dict[Level, Tensor] = {}
        if "maps" in levels:
            tokens = output.last_hidden_state[:, 1:]  # (n h·w c)
            found["maps"] = as_map(self.vision_model.post_layernorm(tokens))
        if "vectors" in levels:
            found["vectors"] = self.visual_projection(output.pooler_output)
        return found

    @classmethod
    def resolve(cls, options: Any, weights: Weights) -> Plan:
        """Return the network that config.json or the tensors' shapes describe.

        Raises:
            WeightsError: The weights are of another network, or transformers is not installed.
        """
        found = check_model_type(weights, FAMILIES)
        family = FAMILIES.get(found, "CLIP")
        config = half(family, "vision", weights) if found else cls._without_config(weights)
        if not cls.any_shape:
            cls._check_shape(config, weights)
        description = describe(cls.defaults, config, weights, vectors=config.projection_dim)
        return Plan(f"{family}VisionModel", config, description)

    @classmethod
    def _without_config(cls, weights: Weights) -> Any:
        try:
            facts = openai.vision_facts(weights)
        except KeyError:
            facts = dict(cls.shape)  # Loading the weights reports what is missing.
        return configure("CLIPVisionConfig", facts, where=weights.source)

    @classmethod
    def _check_shape(cls, config: Any, weights: Weights) -> None:
        for key, expected in cls.shape.items():
            if getattr(config, key) != expected:
                raise WeightsError(
                    f"these are not weights of {cls.defaults.name}",
                    where=weights.source,
                    got=f"{key} = {getattr(config, key)}",
                    expected=f"{key} = {expected}",
                    hint='"clip-vit" reads weights of any size.',
                )

    @classmethod
    def rename(cls, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Return tensors of either layout under transformers' names."""
        return openai.rename(tensors)


class ClipViTB32(ClipViT):
    """CLIP ViT-B/32."""

    defaults = CLIP_VIT_B32
    any_shape = False
    shape: ClassVar[Mapping[str, int]] = {
        "hidden_size": 768,
        "intermediate_size": 3072,
        "num_hidden_layers": 12,
        "num_attention_heads": 12,
        "patch_size": 32,
        "image_size": 224,
        "projection_dim": 512,
    }


class ClipViTB16(ClipViTB32):
    """CLIP ViT-B/16."""

    defaults = CLIP_VIT_B16
    shape: ClassVar[Mapping[str, int]] = {**ClipViTB32.shape, "patch_size": 16}
