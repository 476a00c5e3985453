"""Features of made-up videos and the card of the backbone that they seem to come from."""

import torch

from fewact.methods.promises.subject import made_up_card as make_card
from fewact.methods.promises.subject import made_up_features as make_features
from fewact.methods.promises.subject import made_up_text as make_text

__all__ = ["drawn", "make_card", "make_features", "make_text"]


def drawn(*shape: int, seed: int = 0) -> torch.Tensor:
    """Random numbers of a normal distribution, in float64."""
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(*shape, generator=generator, dtype=torch.float64)
