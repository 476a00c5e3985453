"""Videos of the support by class."""

import pytest
import torch

from fewact.lab.methods.common.shots import by_class


@pytest.mark.parametrize(
    "labels",
    [
        [[0, 0, 1, 1, 2, 2], [0, 0, 1, 1, 2, 2]],  # sorted: a view
        [[2, 0, 1, 1, 0, 2], [0, 1, 2, 2, 1, 0]],
        [[0, 0, 1, 1, 2, 2], [0, 0, 2, 1, 1, 2]],
        [[0, 0, 0, 0, 1, 2], [2, 1, 1, 0, 0, 1]],  # uneven
    ],
)
def test_each_class_has_its_videos_in_order_and_padding_at_the_end(labels: list[list[int]]) -> None:
    videos = torch.rand(2, 6, 3, 4, generator=torch.Generator().manual_seed(0))
    found, present = by_class(videos, torch.tensor(labels), 3)
    k = max(row.count(c) for row in labels for c in range(3))
    assert found.shape == (2, 3, k, 3, 4)
    for b, row in enumerate(labels):
        for c in range(3):
            own = [i for i, label in enumerate(row) if label == c]
            assert torch.equal(found[b, c, : len(own)], videos[b, own])
            assert (found[b, c, len(own) :] == 0).all()
            assert present[b, c].tolist() == [1.0] * len(own) + [0.0] * (k - len(own))


def test_a_sorted_balanced_support_is_not_copied() -> None:
    videos = torch.rand(1, 4, 2)
    found, _ = by_class(videos, torch.tensor([[0, 0, 1, 1]]), 2)
    assert found.data_ptr() == videos.data_ptr()
