"""A text encoder without a network."""

import hashlib
from collections.abc import Sequence

import torch
from torch import Tensor


class Letters:
    """A vector of each prompt from its letters alone; remembers what it was asked."""

    name = "letters"
    width = 5

    def __init__(self, digest: str = "letters") -> None:
        self.digest = digest
        self.asked: list[str] = []

    def encode(self, prompts: Sequence[str]) -> Tensor:
        self.asked += prompts
        hashes = [hashlib.sha256(f"{self.digest} {prompt}".encode()).digest() for prompt in prompts]
        return torch.tensor([list(one[:5]) for one in hashes]).float()
