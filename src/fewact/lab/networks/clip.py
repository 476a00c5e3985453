"""Vision transformers that were trained with texts: CLIP and SigLIP.

CLIP (Radford et al., 2021) is read from transformers' or OpenAI's layout; SigLIP and SigLIP 2 of
fixed resolution (Zhai et al., 2023) from transformers'.
"""

import re
from collections.abc import Collection, Mapping
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, nn

from fewact.core.errors import WeightsError
from fewact.lab.networks.hf import (
    LibraryNetwork,
    Plan,
    as_map,
    check_model_type,
    configure,
    describe,
)
from fewact.networks.card import Level
from fewact.networks.catalogue import CLIP_VIT, CLIP_VIT_B16, CLIP_VIT_B32, SIGLIP
from fewact.networks.weights import Arrays, Weights

# Names of the same tensors in transformers.
NAMES = {
    "visual.conv1.weight": "vision_model.embeddings.patch_embedding.weight",
    "visual.class_embedding": "vision_model.embeddings.class_embedding",
    "visual.positional_embedding": "vision_model.embeddings.position_embedding.weight",
    "token_embedding.weight": "text_model.embeddings.token_embedding.weight",
    "positional_embedding": "text_model.embeddings.position_embedding.weight",
}
TRANSPOSED = {
    "visual.proj": "visual_projection.weight",
    "text_projection": "text_projection.weight",
}
PARTS = {
    "visual.ln_pre": "vision_model.pre_layrnorm",
    "visual.ln_post": "vision_model.post_layernorm",
    "ln_final": "text_model.final_layer_norm",
    "attn.out_proj": "self_attn.out_proj",
    "ln_1": "layer_norm1",
    "ln_2": "layer_norm2",
    "mlp.c_fc": "mlp.fc1",
    "mlp.c_proj": "mlp.fc2",
}
BLOCK = re.compile(r"(visual\.)?transformer\.resblocks\.(\d+)\.(.+)")
HEAD_WIDTH = 64
"""Channels of an attention head, in every CLIP model by OpenAI; the file's header may state others
of the vision transformer."""


def openai_names(tensors: Arrays) -> dict[str, NDArray[Any]]:
    """Return tensors under the names of the package transformers; other names are unchanged."""
    renamed: dict[str, NDArray[Any]] = {}
    for name, tensor in tensors.items():
        block = BLOCK.fullmatch(name)
        if block is not None:
            tower = "vision_model" if block[1] else "text_model"
            prefix, inner = f"{tower}.encoder.layers.{block[2]}.", block[3]
        else:
            prefix, inner = "", name
        if block is not None and inner.startswith("attn.in_proj_"):
            parameter = inner.removeprefix("attn.in_proj_")
            for letter, third in zip("qkv", np.split(tensor, 3), strict=False):
                renamed[f"{prefix}self_attn.{letter}_proj.{parameter}"] = third
        elif name in TRANSPOSED and tensor.ndim == 2:
            renamed[TRANSPOSED[name]] = tensor.T
        else:
            part, dot, parameter = inner.rpartition(".")
            renamed[NAMES.get(name, f"{prefix}{PARTS.get(part, part)}{dot}{parameter}")] = tensor
    return renamed


def vision_facts(weights: Weights) -> dict[str, Any]:
    """Return the vision transformer's configuration, from the shapes of its tensors."""
    renamed = openai_names(weights.tensors)
    patches = renamed["vision_model.embeddings.patch_embedding.weight"]  # (c 3 p p)
    positions = renamed["vision_model.embeddings.position_embedding.weight"]  # (1 + h·w, c)
    stated = weights.metadata.get("head_width", "")
    head_width = int(stated) if stated.isdecimal() and int(stated) else HEAD_WIDTH
    return {
        **_tower(renamed, weights, "vision_model"),
        "hidden_size": patches.shape[0],
        "num_attention_heads": max(1, patches.shape[0] // head_width),
        "patch_size": patches.shape[-1],
        "image_size": patches.shape[-1] * round((positions.shape[0] - 1) ** 0.5),
        "projection_dim": renamed["visual_projection.weight"].shape[0],
    }


def text_facts(weights: Weights) -> dict[str, Any]:
    """Return the text transformer's configuration, from the shapes of its tensors."""
    renamed = openai_names(weights.tensors)
    words = renamed["text_model.embeddings.token_embedding.weight"]  # (vocabulary, c)
    positions = renamed["text_model.embeddings.position_embedding.weight"]  # (tokens, c)
    return {
        **_tower(renamed, weights, "text_model"),
        "hidden_size": words.shape[1],
        "num_attention_heads": max(1, words.shape[1] // HEAD_WIDTH),
        "vocab_size": words.shape[0],
        "max_position_embeddings": positions.shape[0],
        "bos_token_id": words.shape[0] - 2,
        "eos_token_id": words.shape[0] - 1,
        "projection_dim": renamed["text_projection.weight"].shape[0],
    }


def _tower(renamed: Arrays, weights: Weights, tower: str) -> dict[str, Any]:
    layers = {name.split(".")[3] for name in renamed if name.startswith(f"{tower}.encoder.layers.")}
    return {
        # No tensor shows it; the file's header may name another activation.
        "hidden_act": weights.metadata.get("hidden_act", "quick_gelu"),
        "num_hidden_layers": len(layers),
        "intermediate_size": renamed[f"{tower}.encoder.layers.0.mlp.fc1.weight"].shape[0],
    }


# Beginning of the class names of transformers, by model_type.
FAMILIES = {
    "clip": "CLIP",
    "clip_vision_model": "CLIP",
    "metaclip_2": "MetaClip2",
    "metaclip_2_vision_model": "MetaClip2",
}


def half(family: str, name: str, weights: Weights) -> Any:
    """Return the configuration of one half, "vision" or "text", with their common width."""
    if weights.config["model_type"].endswith("_vision_model"):
        return configure(f"{family}VisionConfig", weights.config, where=weights.source)
    full_config = configure(f"{family}Config", weights.config, where=weights.source)
    config = getattr(full_config, f"{name}_config")
    config.projection_dim = full_config.projection_dim  # The value of one half is often wrong.
    return config


class ClipViT(LibraryNetwork):
    """Vision transformer of CLIP, of any size.

    ``vectors`` are the projected class token, in the space of the text embeddings; ``maps`` are the
    tokens of the patches after the last layer norm, which bounds their few huge channels.
    """

    defaults = CLIP_VIT
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
        features: dict[Level, Tensor] = {}
        if "maps" in levels:
            tokens = output.last_hidden_state[:, 1:]  # (n h·w c)
            features["maps"] = as_map(self.vision_model.post_layernorm(tokens))
        if "vectors" in levels:
            features["vectors"] = self.visual_projection(output.pooler_output)
        return features

    @classmethod
    def resolve(cls, options: Any, weights: Weights) -> Plan:
        """Return the network that config.json or the tensors' shapes describe."""
        model_type = check_model_type(weights, FAMILIES)
        family = FAMILIES.get(model_type, "CLIP")
        config = half(family, "vision", weights) if model_type else cls._without_config(weights)
        if not cls.any_shape:
            cls._check_shape(config, weights)
        description = describe(cls.defaults, config, weights, vectors=config.projection_dim)
        return Plan(f"{family}VisionModel", config, description)

    @classmethod
    def _without_config(cls, weights: Weights) -> Any:
        try:
            facts = vision_facts(weights)
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
    def rename(cls, tensors: Arrays) -> dict[str, NDArray[Any]]:
        """Return tensors of either layout under transformers' names."""
        return openai_names(tensors)


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


# SigLIP 2 of fixed resolution has the model type of SigLIP; "siglip2" is the model of any
# resolution, which takes patches rather than images.
MODEL_TYPES = ("siglip", "siglip_vision_model")


class Siglip(LibraryNetwork):
    """Vision transformer of SigLIP, of any size.

    ``vectors`` are pooled by the network's attention, in the space of the text embeddings; ``maps``
    are the tokens of the patches after the last layer norm.
    """

    defaults = SIGLIP
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
        """Return the network that config.json describes (default: SigLIP base at 224 pixels)."""
        alone = check_model_type(weights, MODEL_TYPES) == "siglip_vision_model"
        facts = weights.config if alone else weights.config.get("vision_config") or {}
        facts = {**facts, "vision_use_head": True}  # Without it there are no vectors.
        config = configure("SiglipVisionConfig", facts, where=weights.source)
        description = describe(cls.defaults, config, weights, vectors=config.hidden_size)
        return Plan("SiglipVisionModel", config, description)
