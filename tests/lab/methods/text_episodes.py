"""Episodes of vectors with texts of the classes, for methods that use text."""

import torch

from fewact.features.request import FeatureRequest, View
from fewact.lab.methods.base import TextMethod

T, D = 8, 16
REQUEST = FeatureRequest("vectors", View(T))


def score(
    method: TextMethod,
    support: torch.Tensor,
    query: torch.Tensor,
    labels: list[int],
    text: torch.Tensor,
) -> torch.Tensor:
    nodes, asked = (method.double().encode({REQUEST: x}) for x in (support, query))
    state = method.support(nodes, torch.tensor([labels] * len(support)), max(labels) + 1, text=text)
    return method.score(state, asked)
