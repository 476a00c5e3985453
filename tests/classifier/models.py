"""Files of models that are changed as an editor of them could, with the correct hashes."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import safe_open

from fewact.classifier.file import CONFIG_KEY, MODEL, sealed
from fewact.core.arrays import save_tensors, sha256_of

Tensors = dict[str, np.ndarray]


def content_of(file: Path) -> tuple[dict[str, Any], Tensors]:
    """Return the configuration in the header of a model's file, and its tensors."""
    with safe_open(file, framework="np") as opened:
        tensors = {name: opened.get_tensor(name) for name in opened.keys()}  # noqa: SIM118
        return json.loads(opened.metadata()[CONFIG_KEY]), tensors


def edit(
    model: Path,
    change: Callable[[dict[str, Any]], object] = lambda content: None,
    change_tensors: Callable[[Tensors], object] = lambda tensors: None,
) -> None:
    """Change the header and the tensors of a model, and update the hashes.

    Args:
        model: Folder or file of the model; its former versions stay.
        change: Changes the configuration.
        change_tensors: Changes the tensors.
    """
    file = model / MODEL if model.is_dir() else model
    content, tensors = content_of(file)
    change_tensors(tensors)
    content["tensors_sha256"] = sha256_of(tensors)
    del content["sha256"]
    change(content)
    file.unlink()  # It may be a hard link.
    file.write_bytes(save_tensors(tensors, {CONFIG_KEY: sealed(content)}))
