"""Vectors without a camera: what is removed over time, and whether order matters."""

import re

import pytest
import torch

from fewact import methods
from fewact.methods.fusion.any_order import AnyOrder
from fewact.methods.fusion.terms import Motion
from fewact.methods.fusion.weighted_terms import UNDECIDED
from tests.methods.fusion.made_up import VECTORS, create

CLASSES, SHOTS, QUERIES = 5, 5, 5


def videos(*, ordered: bool, seed: int = 0) -> torch.Tensor:
    """Vectors (1 n·k 8 16) whose classes differ in order alone, or in their mean alone."""
    generator = torch.Generator().manual_seed(seed)
    each = torch.randn(CLASSES, 8, 16, generator=generator).double()
    if ordered:  # the same frames in another order, so that the means are equal
        turn = [torch.randperm(8, generator=generator) for _ in range(CLASSES)]
        each = torch.stack([each[0, one] for one in turn])
    else:
        each = each.mean(1, keepdim=True).expand(each.shape) * 8**0.5
    number = SHOTS + QUERIES
    noise = torch.randn(CLASSES, number, 8, 16, generator=generator).double()
    return (each[:, None] + (0.7 if ordered else 3.0) * noise).flatten(0, 1)[None]


def accuracy(name: str, *, ordered: bool) -> tuple[float, float]:
    """Return the accuracy and the probability that the order does not matter."""
    method = methods.create(name).double().eval()
    labels = torch.arange(CLASSES).repeat_interleave(SHOTS + QUERIES)
    support = torch.arange(len(labels)) % (SHOTS + QUERIES) < SHOTS
    nodes = method.encode({VECTORS: videos(ordered=ordered)})
    first, second = ({k: v[:, some] for k, v in nodes.items()} for some in (support, ~support))
    state = method.support(first, labels[support][None], CLASSES)
    right = method.score(state, second).argmax(-1)[0] == labels[~support]
    probability = float(getattr(state, "decision", UNDECIDED).alternative)
    return right.double().mean().item(), probability


def test_without_order_fusion_predicts_like_the_mean_of_the_frames() -> None:
    right, unordered = accuracy("fusion", ordered=False)
    assert right >= accuracy("protonet", ordered=False)[0] > 0.9
    assert unordered > 0.5


def test_where_order_alone_differs_the_mean_hardly_counts() -> None:
    right, unordered = accuracy("fusion", ordered=True)
    assert right > 0.9 > 0.5 > accuracy("protonet", ordered=True)[0]
    assert unordered < 0.05


def test_with_one_clip_of_each_class_the_prior_holds() -> None:
    pairs = torch.rand(2, 3, 3)
    got = AnyOrder().probability({}, pairs, pairs, torch.arange(3).expand(2, 3), 3)
    torch.testing.assert_close(got, torch.full((2,), 0.2))


def test_the_likelihoods_at_their_likeliest_temperatures_are_compared() -> None:
    labels = torch.tensor([[0, 0, 1, 1]])
    own = (labels[0, :, None] == labels[0]).double()[None]
    # Certain at the lowest temperature, or undecided at each: four clips of ln ½.
    got = AnyOrder().probability({}, own, torch.zeros(1, 4, 4).double(), labels, 2)
    expected = torch.sigmoid(
        torch.tensor(0.2).double().logit() - 0.25 * 4 * torch.log(torch.tensor(2.0))
    )
    torch.testing.assert_close(got, expected[None])


@pytest.mark.parametrize(
    ("cameras", "detrend"), [("support", "constant"), ("static", "constant"), ("moving", "linear")]
)
def test_a_line_through_time_is_removed_only_if_the_cameras_are_known_to_move(
    cameras: str, detrend: str
) -> None:
    terms = create(cameras=cameras).vector_terms.terms
    assert [one.term.detrend for one in terms if isinstance(one.term, Motion)] == [detrend]


def test_teaching_says_what_distinguishes_the_classes() -> None:
    method = create()
    labels = torch.arange(CLASSES).repeat_interleave(SHOTS + QUERIES)[None]
    state = method.support(method.encode({VECTORS: videos(ordered=False)}), labels, CLASSES)
    (sentence,) = method.findings(state)
    assert sentence.startswith(
        f"Of {CLASSES * (SHOTS + QUERIES)} training clips, the others predict"
    )
    assert re.search("the mean of the frames (4[5-9]|50);", sentence)
    alone = method.encode({VECTORS: videos(ordered=False)[:, :: SHOTS + QUERIES]})
    assert method.findings(method.support(alone, torch.arange(CLASSES)[None], CLASSES)) == ()
