"""OpenAI's layout of CLIP's weights: tensor names, and the configuration from tensor shapes."""

import re
from collections.abc import Mapping
from typing import Any

from torch import Tensor

from fewact.backbones.weights import Weights

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


def rename(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return tensors under the names of the package transformers; other names are unchanged."""
    renamed: dict[str, Tensor] = {}
    for name, tensor in tensors.items():
        block = BLOCK.fullmatch(name)
        if block is not None:
            tower = "vision_model" if block[1] else "text_model"
            prefix, inner = f"{tower}.encoder.layers.{block[2]}.", block[3]
        else:
            prefix, inner = "", name
        if block is not None and inner.startswith("attn.in_proj_"):
            parameter = inner.removeprefix("attn.in_proj_")
            for letter, third in zip("qkv", tensor.chunk(3), strict=False):
                renamed[f"{prefix}self_attn.{letter}_proj.{parameter}"] = third
        elif name in TRANSPOSED and tensor.dim() == 2:
            renamed[TRANSPOSED[name]] = tensor.T
        else:
            part, dot, parameter = inner.rpartition(".")
            renamed[NAMES.get(name, f"{prefix}{PARTS.get(part, part)}{dot}{parameter}")] = tensor
    return renamed


def vision_facts(weights: Weights) -> dict[str, Any]:
    """Return the vision transformer's configuration, from the shapes of its tensors.

    Raises:
        KeyError: A needed tensor is missing.
    """
    renamed = rename(weights.tensors)
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
    """Return the text transformer's configuration, from the shapes of its tensors.

    Raises:
        KeyError: A needed tensor is missing.
    """
    renamed = rename(weights.tensors)
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


def _tower(renamed: Mapping[str, Tensor], weights: Weights, tower: str) -> dict[str, Any]:
    layers = {name.split(".")[3] for name in renamed if name.startswith(f"{tower}.encoder.layers.")}
    return {
        # No tensor shows it; the file's header may name another activation.
        "hidden_act": weights.metadata.get("hidden_act", "quick_gelu"),
        "num_hidden_layers": len(layers),
        "intermediate_size": renamed[f"{tower}.encoder.layers.0.mlp.fc1.weight"].shape[0],
    }
