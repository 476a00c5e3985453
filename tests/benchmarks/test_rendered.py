"""Rendered figures, and the parts that are trained on them."""

import numpy as np
import torch

from benchmarks.training.figures import INDEX, FigureClass, Role, figure_class, perform, render
from benchmarks.training.rendered import draws, half_flipped
from benchmarks.training.rendered_parts import Linear, Network, similarity
from fewact.features.request import DifferenceRequest
from fewact.methods.fusion.terms import Motion

PARTS = ("matrix", "channels", "cells", "time", "velocity", "terms")


def moved(one: FigureClass, name: str) -> float:
    """Return by how many degrees a parameter of a class's first performance varies."""
    poses = perform(one, np.random.default_rng(0), 24)
    return float(np.ptp(poses[:, INDEX[name]]))


def test_a_performance_is_the_same_again_and_others_differ() -> None:
    one = figure_class(3)
    first, again, other = (render(one, seed, frames=3, size=32) for seed in (0, 0, 1))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


def test_only_the_parameters_of_a_class_move_far() -> None:
    for number in range(20):
        one = figure_class(number)
        names = {n for a in one.actions for keys in a.tracks for _, pose in keys for n in pose}
        for side in ("left", "right"):
            if f"{side} raise" not in names:
                assert moved(one, f"{side} raise") < 25


def test_turns_are_for_validation_alone() -> None:
    def turns(role: Role) -> int:
        found = (figure_class(i, role) for i in range(60))
        return sum(moved(one, "turn") > 60 for one in found)

    assert turns("train") == 0
    assert turns("val") > 5


def test_parts_are_initially_the_motion_term_of_fusion() -> None:
    maps = torch.randn(24, 112, 8, 8, generator=torch.Generator().manual_seed(0)).abs()
    term = Motion(DifferenceRequest(), "linear", crop=True)
    expected = term.encode({term.view: maps})
    found = Linear(PARTS)(term._cells(maps)[None], "motion")[0]
    assert torch.allclose(found, expected, atol=1e-5)
    both = torch.stack([expected, expected.flip(0)])
    # Costs of equal frames are rounding errors of their cosines, which are 1.
    pairs = term.similarity(both[None], both[None])[0]
    assert torch.allclose(similarity(both, both), pairs, atol=1e-6)


def test_episodes_have_one_support_video_and_queries_of_its_class() -> None:
    labels = torch.arange(30).repeat_interleave(3)
    (videos,) = draws(labels, 0, 1)
    assert len(set(videos.tolist())) == 60
    support, queries = labels[videos[:20]], labels[videos[20:]]
    assert torch.equal(queries, support.repeat_interleave(2))


def test_the_network_returns_unit_vectors_of_all_frames() -> None:
    nodes = torch.nn.functional.normalize(torch.randn(2, 6, 3584), dim=-1)
    found = Network(("differences",), 48, 128, 64, 2, 0.2).eval()({"differences": nodes})
    assert found.shape == (2, 6, 64)
    assert torch.allclose(found.norm(dim=-1), torch.ones(2, 6))


def test_a_class_is_flipped_as_a_whole() -> None:
    values = torch.randn(60, 2, 32)
    torch.manual_seed(0)
    found = half_flipped(values)
    same = (found == values).flatten(1).all(1)
    assert torch.equal(same[20:], same[:20].repeat_interleave(2))
    assert 0 < same.sum() < 60
    expected = values.view(60, 2, 2, 4, 4).flip(-1).flatten(2)
    assert torch.equal(found[~same], expected[~same])
