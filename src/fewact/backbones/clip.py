"""CLIP's vision transformers, from transformers' or OpenAI's layout (Radford et al., 2021)."""

from collections.abc import Collection, Mapping
from typing import Any, ClassVar

from torch import Tensor, nn

from fewact.backbones import openai
from fewact.backbones.card import Level
from fewact.backbones.catalogue import CLIP_VIT, CLIP_VIT_B16, CLIP_VIT_B32
from fewact.backbones.hf import LibraryNetwork, Plan, as_map, check_model_type, configure, describe
from fewact.backbones.weights import Weights
from fewact.errors import WeightsError

# For each model_type how the names of its classes begin.
FAMILIES = {"clip": "CLIP", "clip_vision_model": "CLIP", "metaclip_2": "MetaClip2"}


def half(family: str, name: str, weights: Weights) -> Any:
    """The configuration of one half, "vision" or "text", with the width of the space they share.

    Raises:
        WeightsError: An entry of config.json is not accepted, or transformers is not installed.
    """
    if weights.config["model_type"] == "clip_vision_model":
        return configure("CLIPVisionConfig", weights.config, where=weights.source)
    whole = configure(f"{family}Config", weights.config, where=weights.source)
    config = getattr(whole, f"{name}_config")
    config.projection_dim = whole.projection_dim  # A half's own is often left at another.
    return config


class ClipViT(LibraryNetwork):
    """A vision transformer of CLIP, of any size.

    ``vectors`` are the projected class token, in the space of the texts; ``maps`` the patches'
    tokens after the last layer norm, which keeps their few huge channels in bounds.
    """

    usual = CLIP_VIT
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
        self, images: Tensor, names: Collection[Level] = ("vectors", "maps")
    ) -> dict[Level, Tensor]:
        """The taps asked for of images (n 3 H W): ``vectors`` (n d), ``maps`` (n c h w)."""
        seen = self.vision_model(pixel_values=images)
        levels: dict[Level, Tensor] = {}
        if "maps" in names:
            tokens = seen.last_hidden_state[:, 1:]  # (n h·w c)
            levels["maps"] = as_map(self.vision_model.post_layernorm(tokens))
        if "vectors" in names:
            levels["vectors"] = self.visual_projection(seen.pooler_output)
        return levels

    @classmethod
    def settle(cls, options: Any, weights: Weights) -> Plan:
        """The network that config.json or else the tensors' shapes describe.

        Raises:
            WeightsError: They are of another network, or transformers is not installed.
        """
        found = check_model_type(weights, FAMILIES)
        family = FAMILIES.get(found, "CLIP")
        config = half(family, "vision", weights) if found else cls._without_config(weights)
        if not cls.any_shape:
            cls._check_shape(config, weights)
        usual = describe(cls.usual, config, weights, vectors=config.projection_dim)
        return Plan(f"{family}VisionModel", config, usual)

    @classmethod
    def _without_config(cls, weights: Weights) -> Any:
        try:
            facts = openai.vision_facts(weights)
        except KeyError:
            facts = dict(cls.shape)  # What is missing is told when they are loaded.
        return configure("CLIPVisionConfig", facts, where=weights.source)

    @classmethod
    def _check_shape(cls, config: Any, weights: Weights) -> None:
        for key, wanted in cls.shape.items():
            if getattr(config, key) != wanted:
                raise WeightsError(
                    f"these are not weights of {cls.usual.name}",
                    where=weights.source,
                    got=f"{key} = {getattr(config, key)}",
                    expected=f"{key} = {wanted}",
                    hint='"clip-vit" takes those of any size.',
                )

    @classmethod
    def rename(cls, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Tensors of either layout under transformers' names."""
        return openai.rename(tensors)


class ClipViTB32(ClipViT):
    """CLIP ViT-B/32."""

    usual = CLIP_VIT_B32
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

    usual = CLIP_VIT_B16
    shape: ClassVar[Mapping[str, int]] = {**ClipViTB32.shape, "patch_size": 16}
