"""Backbones that several tests share."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from fewact.lab import networks
from fewact.lab.networks import TorchBackbone
from tests.lab.networks import tiny


@pytest.fixture(scope="session")
def tiny_folder(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """The folder of a tiny model of transformers, saved by transformers, with a tokenizer."""
    made: dict[str, Path] = {}

    def make(name: str) -> Path:
        if name not in made:
            pytest.importorskip("transformers", reason="the lab is not installed")
            made[name] = tmp_path_factory.mktemp(name)
            tiny.save(name, made[name])
        return made[name]

    return make


@pytest.fixture(scope="session")
def random_backbone(tiny_folder: Callable[[str], Path]) -> Callable[..., TorchBackbone]:
    """A backbone on random weights, in float32; made once for each name and options.

    Those of transformers are tiny.
    """
    made: dict[tuple[Any, ...], TorchBackbone] = {}

    def make(name: str, **options: Any) -> TorchBackbone:
        key = (name, *sorted(options.items()))
        if key not in made:
            options = {"precision": "float32", **options}
            weights = f"local-dir:{tiny_folder(name)}" if name in tiny.MODELS else "random"
            made[key] = networks.create(name, weights=weights, device="cpu", **options)
        return made[key]

    return make


@pytest.fixture(scope="session")
def frames() -> torch.Tensor:
    """Five smooth images (5 3 224 224), uint8."""
    generator = torch.Generator().manual_seed(0)
    coarse = torch.rand(5, 3, 12, 12, generator=generator)
    smooth = torch.nn.functional.interpolate(coarse, size=224, mode="bilinear")
    return (smooth * 255).to(torch.uint8)


@pytest.fixture(scope="session")
def images() -> np.ndarray:
    """Four frames (2 2 150 201 3) with fine detail, uint8."""
    return np.random.default_rng(0).integers(0, 256, (2, 2, 150, 201, 3), np.uint8)
