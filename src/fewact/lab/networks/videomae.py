"""VideoMAE, from transformers' layout (Tong et al., 2022)."""

import re
from dataclasses import dataclass, replace
from typing import Any, ClassVar

from numpy.typing import NDArray
from torch import Tensor, nn

from fewact.lab.networks.hf import (
    Plan,
    SlotNetwork,
    check_model_type,
    configure,
    describe,
    trained_on,
)
from fewact.networks.catalogue import VIDEOMAE
from fewact.networks.weights import Arrays, Weights

FRAMES = 16
"""Number of frames that the published networks read together."""


@dataclass(frozen=True)
class VideoPlan(Plan):
    """VideoMAE before it is built.

    Args:
        norm: Whether the weights have the layer norm of a classifier.
    """

    norm: bool = True


class VideoMAE(SlotNetwork):
    """Encoder of VideoMAE, of any size: it reads 16 frames together, two frames a slot.

    ``maps`` are the tokens of a slot after the last layer; ``vectors`` are their mean, normalised
    by the classifier's layer norm where the weights have one.
    """

    defaults = VIDEOMAE
    head: ClassVar = ("classifier.", "encoder_to_decoder.", "decoder.", "mask_token")

    def __init__(self, options: VideoPlan) -> None:
        super().__init__(options)
        self.videomae = self.make()
        self.fc_norm = nn.LayerNorm(self.config.hidden_size) if options.norm else nn.Identity()

    def tokens(self, clips: Tensor) -> Tensor:
        """Return the tokens after the last layer: (n 16 3 H W) → (n 8·h·w d)."""
        tokens: Tensor = self.videomae(pixel_values=clips).last_hidden_state
        return tokens

    def pooled(self, vectors: Tensor) -> Tensor:
        """Normalise means of tokens (n d)."""
        normalised: Tensor = self.fc_norm(vectors)
        return normalised

    @classmethod
    def resolve(cls, options: Any, weights: Weights) -> VideoPlan:
        """Return the network that config.json describes (default: VideoMAE base)."""
        check_model_type(weights, ("videomae",))
        # The tensors show whether the last norm belongs to the encoder or to the classifier.
        tensors = cls.rename(weights.tensors)
        pooled = "videomae.layernorm.weight" not in tensors
        facts = {**weights.config, "use_mean_pooling": pooled}
        config = configure("VideoMAEConfig", facts, where=weights.source)
        description = describe(
            cls.defaults,
            config,
            weights,
            vectors=config.hidden_size,
            frames_per_slot=config.tubelet_size,
            trained_on=trained_on(weights) or cls.defaults.trained_on,
        )
        if config.num_frames != FRAMES:  # No tensor shows it.
            variant = f"{description.variant}, {config.num_frames} frames"
            description = replace(description, variant=variant)
        norm = not tensors or "fc_norm.weight" in tensors
        return VideoPlan("VideoMAEModel", config, description, config.num_frames, norm)

    @classmethod
    def rename(cls, tensors: Arrays) -> dict[str, NDArray[Any]]:
        """Return the encoder's tensors, of this and of earlier versions of transformers."""
        return {_name(name): tensor for name, tensor in tensors.items()}


def _name(name: str) -> str:
    """Return a tensor's name in a model with a head, as in transformers 5.

    >>> _name("encoder.layer.0.attention.attention.q_bias")
    'videomae.encoder.layer.0.attention.attention.query.bias'
    """
    if name.startswith(("embeddings.", "encoder.", "layernorm.")):
        name = f"videomae.{name}"
    name = re.sub(r"\.q_bias$", ".query.bias", name)
    return re.sub(r"\.v_bias$", ".value.bias", name)
