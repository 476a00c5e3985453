"""Class scores from pair similarities, against loops over pairs."""

from functools import partial
from typing import Any

import numpy as np
import pytest
import torch

from fewact.methods.common.kernel import (
    KernelState,
    PairTable,
    intra_class_similarity,
    leave_one_out,
    likeliest_leave_one_out,
    mean_over_shots,
)
from tests.methods.made_up import assert_close


def pair_similarities() -> torch.Tensor:
    """Symmetric similarities of eight videos in each of two episodes."""
    pairs = torch.rand(2, 8, 8, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    return pairs + pairs.mT


LABELS = torch.tensor([[0, 1, 1, 2, 2, 2, 1, 2], [1, 0, 2, 0, 2, 1, 0, 1]])


def looked_up(labels: torch.Tensor = LABELS) -> torch.Tensor:
    """Intra-class similarities of the videos by their numbers."""
    table, number = pair_similarities(), torch.arange(8).expand(2, -1)[..., None]

    def similarity(videos: dict[str, torch.Tensor], episodes: torch.Tensor) -> torch.Tensor:
        at = videos["number"][..., 0]  # (r k)
        return table[episodes[:, None, None], at[:, :, None], at[:, None, :]]

    return intra_class_similarity(similarity, {"number": number}, labels, 3)  # type: ignore[arg-type]


def test_intra_class_similarity_is_the_mean_over_pairs_with_the_diagonal_replaced() -> None:
    table, found = pair_similarities(), looked_up()
    for episode in range(2):
        own = [[i for i in range(8) if LABELS[episode, i] == c] for c in range(3)]
        pairs = [[table[episode, i, j] for i in one for j in one if i != j] for one in own]
        every = sum(sum(one) for one in pairs) / sum(len(one) for one in pairs)
        for c, one in enumerate(own):
            expected = (sum(pairs[c]) + len(one) * every) / len(one) ** 2
            torch.testing.assert_close(found[episode, c], torch.as_tensor(expected))


def test_intra_class_similarity_counts_clips_that_repeat_each_other_less() -> None:
    table, repeated = pair_similarities().numpy(), np.random.default_rng(0).random((2, 8, 8))
    repeated = np.maximum((repeated + repeated.swapaxes(1, 2)) / 2, np.eye(8))
    labels, number = LABELS.numpy(), np.broadcast_to(np.arange(8), (2, 8))
    found = inside_of(table, labels, number, repeated)
    for episode in range(2):
        sums = []
        for c in range(3):
            own = [i for i in range(8) if labels[episode, i] == c]
            d = repeated[episode]
            weight = {i: 1 / sum(d[i, j] for j in own) for i in own}
            pairs = [(i, j, weight[i] * weight[j] * (1 - d[i, j])) for i in own for j in own]
            total = sum(w * table[episode, i, j] for i, j, w in pairs)
            sums.append((total, sum(w for _, _, w in pairs), sum(weight.values())))
        mean = sum(one[0] for one in sums) / sum(one[1] for one in sums)
        expected = [(total + (m**2 - w) * mean) / m**2 for total, w, m in sums]
        assert_close(found[episode], np.array(expected))


def test_copies_of_a_clip_leave_the_intra_class_similarity_alone() -> None:
    table, labels = pair_similarities().numpy()[:1, :4, :4], np.array([[0, 0, 1, 1]])
    expected = inside_of(table, labels, np.arange(4)[None], np.eye(4)[None])
    copied = np.array([[0, 0, 0, 1, 2, 3]])
    found = inside_of(table, np.array([[0, 0, 0, 0, 1, 1]]), copied, np.eye(4)[None])
    assert_close(found, expected)


def inside_of(table: Any, labels: Any, number: Any, repeated: Any) -> Any:
    """Intra-class similarities of the videos of tables (b v v) by their numbers (b s)."""

    def looked_up(values: Any, videos: dict[str, Any], episodes: Any) -> Any:
        at = videos["number"]
        return values[episodes[:, None, None], at[:, :, None], at[:, None, :]]

    similarity, redundancy = (partial(looked_up, values) for values in (table, repeated))
    return intra_class_similarity(
        similarity, {"number": number}, labels, int(labels.max()) + 1, redundancy
    )


def test_intra_class_similarity_without_pairs_is_zero() -> None:
    number = torch.zeros(1, 3, 1, dtype=torch.float64)
    found = intra_class_similarity(
        lambda videos, _: videos["number"], {"number": number}, torch.arange(3)[None], 3
    )
    assert torch.equal(found, torch.zeros(1, 3, dtype=torch.float64))


def test_logits_are_mean_similarities_minus_the_weighted_intra_class_similarity() -> None:
    pairs, inside = torch.rand(2, 4, 8, dtype=torch.float64), looked_up()
    state = KernelState({}, LABELS, inside)
    mean = mean_over_shots(pairs, LABELS, 3)
    for episode, c in ((0, 0), (0, 2), (1, 1)):
        own = LABELS[episode] == c
        expected = pairs[episode][:, own].mean(1)
        torch.testing.assert_close(mean[episode, :, c], expected)
        logits = state.logits(pairs, 0.3)[episode, :, c]
        torch.testing.assert_close(logits, expected - 0.3 * inside[episode, c])


def test_leave_one_out_classifies_each_video_by_the_others() -> None:
    pairs = torch.tensor(
        [[9.0, 0.6, 0.1, 0.3], [0.6, 9, 0.5, 0.2], [0.1, 0.5, 9, 0.4], [0.3, 0.2, 0.4, 9]]
    )
    found = leave_one_out(pairs[None], torch.tensor([[0, 0, 1, 2]]), 3, 0.5)
    logits = torch.tensor([[0.6, 0.1, 0.3], [0.6, 0.5, 0.2]]) / 0.5  # the last two are alone
    torch.testing.assert_close(found, logits.log_softmax(-1)[:, 0].sum(0, keepdim=True))
    assert leave_one_out(pairs[None], torch.arange(4)[None], 4, 0.5).tolist() == [0]


def test_leave_one_out_averages_over_uneven_classes() -> None:
    pairs = torch.rand(1, 5, 5, generator=torch.Generator().manual_seed(0))
    labels = torch.tensor([[1, 0, 1, 0, 1]])
    expected = torch.zeros(())
    for i, own in enumerate(labels[0].tolist()):
        others = [[j for j in range(5) if j != i and labels[0, j] == c] for c in (0, 1)]
        means = torch.stack([pairs[0, i, some].mean() for some in others])
        expected = expected + (means / 0.2).log_softmax(0)[own]
    torch.testing.assert_close(leave_one_out(pairs, labels, 2, 0.2), expected[None])


def test_each_episode_has_its_own_likeliest_temperature() -> None:
    clear, mixed = torch.eye(2).repeat_interleave(2, 0).repeat_interleave(2, 1), torch.ones(4, 4)
    mixed[0, 2] = mixed[2, 0] = 1.2  # The nearest video is of the other class.
    pairs, labels = torch.stack([clear, mixed]), torch.tensor([0, 0, 1, 1]).expand(2, -1)
    low, high = (leave_one_out(pairs, labels, 2, t) for t in (0.1, 5.0))
    assert low[0] > high[0]
    assert low[1] < high[1]
    found = likeliest_leave_one_out(pairs, labels, 2, (0.1, 5.0))
    torch.testing.assert_close(found, torch.stack([low[0], high[1]]))


def test_arrays_give_what_tensors_give() -> None:
    pairs, labels, found = pair_similarities(), LABELS, looked_up()
    table, numbers = pairs.numpy(), np.broadcast_to(np.arange(8), (2, 8))

    def similarity(videos: dict[str, Any], episodes: Any) -> Any:
        at = videos["number"]
        return table[episodes[:, None, None], at[:, :, None], at[:, None, :]]

    inside = intra_class_similarity(similarity, {"number": numbers}, labels.numpy(), 3)
    assert_close(inside, found.numpy())
    state = KernelState({}, labels.numpy(), inside)
    expected = KernelState({}, labels, found).logits(pairs, torch.full((2, 8), 0.3))  # type: ignore[arg-type]
    assert_close(state.logits(table, np.full((2, 8), 0.3)), expected.numpy(), rtol=1e-6)
    for function, given in ((leave_one_out, 0.2), (likeliest_leave_one_out, (0.1, 5.0))):
        arrays, tensors = (
            function(x, y, 3, given) for x, y in ((table, labels.numpy()), (pairs, labels))
        )
        assert_close(arrays, tensors.numpy())


@pytest.mark.parametrize("symmetric", [True, False])
def test_a_table_of_pairs_has_what_is_compared(symmetric: bool) -> None:
    values, calls = np.random.default_rng(0).random((100, 100)), []
    values = values + values.T

    def compare(first: Any, second: Any) -> Any:
        calls.append(first.shape[1] * second.shape[1])
        return values[first[:, :, None], second[:, None]]

    number = np.arange(100)
    queries, support = np.array([[3, 99], [50, 2]]), np.array([[1, 2, 70], [9, 8, 7]])
    expected = values[queries[:, :, None], support[:, None]]
    for comparisons in (10, 10**5):
        table = PairTable(compare, number, number, symmetric=symmetric, comparisons=comparisons)
        before = len(calls)
        assert np.array_equal(table(queries, support), expected)
        assert (len(calls) == before) is (comparisons > 10)
