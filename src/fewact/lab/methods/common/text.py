"""Scores of class names, and their combination with visual scores."""

import torch
from torch import Tensor
from torch.nn import functional

from fewact.lab.methods.base import TrainingBatch


def text_logits(mean: Tensor, text: Tensor, temperature: float | Tensor) -> Tensor:
    """Return cosines of frames (b q d) with texts (b n d) over a temperature: (b q n)."""
    cosine = functional.normalize(mean, dim=-1) @ functional.normalize(text, dim=-1).mT
    return cosine * (1 / temperature)


def combined_logits(text: Tensor, visual: Tensor, text_weight: float) -> Tensor:
    """Return log(p_text^w · p_visual^(1−w)) of the softmax of two logits (… n) (CLIP-FSAR)."""
    return text_weight * text.log_softmax(-1) + (1 - text_weight) * visual.log_softmax(-1)


def named_classes(batch: TrainingBatch) -> tuple[Tensor | None, Tensor]:
    """Return texts of the classes to classify the videos of a batch among, and the videos' labels.

    Returns:
        Embeddings (N d) of the names of all training classes, or None if the batch has only the
        names of its own classes; labels (b s+q) of the support and query videos.
    """
    labels = torch.cat([batch.support_labels, batch.query_labels], 1)
    if batch.base_text is None or batch.base_classes is None:
        return None, labels
    return batch.base_text, batch.base_classes.gather(1, labels)
