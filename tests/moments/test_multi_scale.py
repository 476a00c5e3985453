import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.autograd import gradcheck

from fewact import moments as functions
from fewact.core.errors import OptionError, ShapeError
from tests.both import both
from tests.moments.reference import moments
from tests.refused import refused

multi_scale_moments = both(functions.multi_scale_moments)
newton_schulz_sqrt = both(functions.newton_schulz_sqrt)
upper_triangle = both(functions.upper_triangle)


def _maps(*shape, seed=0, dtype=torch.float64):
    return torch.rand(shape, generator=torch.Generator().manual_seed(seed), dtype=dtype)


def _covariances(maps, **options):
    nodes = multi_scale_moments(maps, descriptor="covariance", **options)  # (m D)
    d = maps.shape[-3]
    matrices = nodes.new_zeros(len(nodes), d, d)
    row, column = torch.triu_indices(d, d)
    matrices[:, row, column] = matrices[:, column, row] = nodes
    return matrices


@settings(max_examples=60, deadline=None)
@given(
    shape=st.tuples(st.integers(1, 9), st.integers(1, 5), st.integers(1, 4), st.integers(1, 4)),
    leading=st.sampled_from([(), (2,), (2, 1)]),
    lengths=st.lists(st.integers(1, 10), min_size=1, max_size=3),
    steps=st.integers(1, 4),
    descriptor=st.sampled_from(["sqrt", "covariance", "mean"]),
    grid=st.sampled_from([1, 2]),
    subtract_clip_mean=st.booleans(),
    seed=st.integers(0, 1000),
)
def test_is_the_block_written_window_by_window(
    shape, leading, lengths, steps, descriptor, grid, subtract_clip_mean, seed
):
    if min(shape[2:]) < grid:
        grid = 1
    maps = _maps(*leading, *shape, seed=seed) - 0.3
    options = {"descriptor": descriptor, "grid": grid, "subtract_clip_mean": subtract_clip_mean}
    got = multi_scale_moments(maps, lengths, steps, **options)
    videos = maps.reshape(-1, *shape).numpy()
    expected = np.stack([moments(video, lengths, steps, **options) for video in videos])
    expected = torch.as_tensor(expected).view(got.shape)
    # A descriptor is as good as its square, so 1e-8 is the rounding of a still window's root.
    torch.testing.assert_close(got, expected, atol=3e-8, rtol=1e-9)


def test_law_of_total_covariance():
    maps = _maps(8, 5, 3, 2)
    frames = _covariances(maps, lengths=(1,))
    means = multi_scale_moments(maps, (1,), descriptor="mean")
    for window, (start, stop) in zip(_covariances(maps), functions.windows(8), strict=True):
        spread = means[start:stop] - means[start:stop].mean(0)
        total = frames[start:stop].mean(0) + spread.T @ spread / (stop - start)
        torch.testing.assert_close(window, total)


def test_cells_and_order_inside_a_window_have_no_effect():
    maps = _maps(4, 5, 3, 3)
    shuffled = maps.flatten(-2)[..., torch.randperm(9, generator=torch.Generator().manual_seed(1))]
    nodes = multi_scale_moments(maps)
    torch.testing.assert_close(multi_scale_moments(shuffled.view(4, 5, 3, 3)), nodes)
    backwards = multi_scale_moments(maps.flip(0), (4,))
    torch.testing.assert_close(backwards, multi_scale_moments(maps, (4,)))
    assert not torch.allclose(multi_scale_moments(maps.flip(0)), nodes)


def test_scale_shift_and_videos_apart():
    maps = _maps(3, 8, 4, 3, 2)
    nodes = multi_scale_moments(maps)
    torch.testing.assert_close(multi_scale_moments(7 * maps), 7 * nodes)
    shift = _maps(4, 1, 1, seed=1)
    torch.testing.assert_close(multi_scale_moments(maps + shift), nodes)
    torch.testing.assert_close(multi_scale_moments(maps[1]), nodes[1])


def test_grid_adds_quarters_after_the_windows():
    maps = _maps(8, 4, 5, 3)
    nodes = multi_scale_moments(maps, grid=2)
    torch.testing.assert_close(nodes[:14], multi_scale_moments(maps))
    quarters = [maps[..., r, c] for r in (slice(2), slice(2, 5)) for c in (slice(1), slice(1, 3))]
    expected = torch.stack([multi_scale_moments(quarter) for quarter in quarters], 1)
    torch.testing.assert_close(nodes[14:], expected.flatten(0, 1))


def test_subtracted_clip_mean_leaves_motion_only():
    maps = _maps(8, 4, 3, 3)
    background = _maps(4, 3, 3, seed=1)
    nodes = multi_scale_moments(maps, subtract_clip_mean=True)
    torch.testing.assert_close(
        multi_scale_moments(maps + background, subtract_clip_mean=True), nodes
    )
    still = background.expand(8, 4, 3, 3)
    assert not multi_scale_moments(still, subtract_clip_mean=True).any()
    assert multi_scale_moments(still).any()


@pytest.mark.parametrize("dtype", [torch.float16, torch.float32, torch.float64])
@pytest.mark.parametrize("t", [5, 7, 8])
@pytest.mark.parametrize("options", [{}, {"subtract_clip_mean": True}, {"grid": 2}])
def test_windows_without_variation_are_exactly_zero(dtype, t, options):
    maps = 30 * _maps(1, 6, 1, 1, dtype=dtype).expand(t, 6, 3, 3).clone()
    assert not multi_scale_moments(maps, **options).any()
    maps[-1] = 10 * _maps(6, 3, 3, seed=1, dtype=dtype)
    nodes = multi_scale_moments(maps, (1,))
    assert not nodes[:-1].any()
    assert nodes[-1].any()


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("t", [5, 8])
@pytest.mark.parametrize("grid", [1, 2])
def test_the_mean_change_of_the_whole_clip_is_exactly_zero(dtype, t, grid):
    maps = 30 * _maps(t, 6, 3, 3, dtype=dtype)
    nodes = multi_scale_moments(maps, (2, t), descriptor="mean", grid=grid, subtract_clip_mean=True)
    whole = [len(functions.windows(t, (2,)))]
    if grid == 2:
        whole += range(len(nodes) - 4, len(nodes))
    assert not nodes[whole].any()
    assert (nodes.norm(dim=-1) > 0).sum() == len(nodes) - len(whole)


def test_small_variation_on_a_large_offset_is_kept():
    maps = _maps(8, 6, 5, 3)
    far = (maps + 1000).float()
    expected = multi_scale_moments(far.double())
    got = multi_scale_moments(far)
    assert (got - expected).abs().max() <= 2e-4 * expected.abs().max()


def test_vectors_are_maps_with_one_cell():
    vectors = _maps(8, 5) - 0.4
    nodes = multi_scale_moments(vectors[..., None, None])
    outer = vectors[:, :, None] * vectors[:, None]  # of rank one: the root is outer / length
    length = vectors.norm(dim=-1)[:, None, None]
    torch.testing.assert_close(nodes[:8], upper_triangle(outer / length))
    pair = torch.cov(vectors[2:4].T, correction=0)
    torch.testing.assert_close(nodes[9], upper_triangle(newton_schulz_sqrt(pair)))


def test_single_frame():
    maps = _maps(1, 4, 3, 3)
    nodes = multi_scale_moments(maps)
    assert nodes.shape == (3, 10)
    assert torch.equal(nodes[0], nodes[1])
    torch.testing.assert_close(nodes[:1], multi_scale_moments(maps, (1,)))


@pytest.mark.slow
@pytest.mark.parametrize(
    "options",
    [{}, {"steps": 1}, {"grid": 2}, {"subtract_clip_mean": True}, {"descriptor": "covariance"}],
)
def test_gradient(options):
    maps = _maps(5, 3, 2, 2).requires_grad_()
    assert gradcheck(lambda maps: multi_scale_moments(maps, (1, 2), **options), (maps,))


def test_gradient_of_vectors():
    vectors = (_maps(4, 3) + 0.1).requires_grad_()
    assert gradcheck(lambda z: multi_scale_moments(z[..., None, None], (1, 2)), (vectors,))


@pytest.mark.parametrize("t", [7, 8])
def test_gradient_of_a_static_video_is_zero(t):
    maps = (20 * _maps(1, 5, 1, 1, dtype=torch.float32)).expand(t, 5, 4, 4).clone().requires_grad_()
    multi_scale_moments(maps).square().sum().backward()
    assert torch.equal(maps.grad, torch.zeros_like(maps))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_narrow_types_and_autocast_compute_in_float32(dtype):
    maps = _maps(8, 6, 3, 3, dtype=torch.float32)
    nodes = multi_scale_moments(maps)
    with torch.autocast("cpu", dtype=dtype):
        assert torch.equal(multi_scale_moments(maps), nodes)
        double = multi_scale_moments(maps.double())
    assert double.dtype == torch.float64
    narrow = multi_scale_moments(maps.to(dtype))
    assert narrow.dtype == torch.float32
    assert torch.equal(narrow, multi_scale_moments(maps.to(dtype).float()))


def test_float32_is_near_float64():
    maps = 5 * _maps(8, 32, 7, 7)
    expected = multi_scale_moments(maps)
    got = multi_scale_moments(maps.float())
    assert (got - expected).abs().max() <= 1e-5 * expected.abs().max()


def test_input_is_not_changed():
    maps = _maps(8, 4, 3, 3)
    before = maps.clone()
    multi_scale_moments(maps, subtract_clip_mean=True)
    assert torch.equal(maps, before)


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"lengths": ()}, "lengths"),
        ({"lengths": (2, 0)}, "lengths"),
        ({"steps": 0}, "steps"),
        ({"steps": 0, "descriptor": "mean"}, "steps"),
        ({"descriptor": "root"}, "descriptor"),
        ({"grid": 3}, "grid"),
    ],
)
def test_refuses_options(options, named):
    with refused(OptionError, where=named):
        multi_scale_moments(torch.ones(8, 4, 3, 3), **options)


def test_refuses_shapes():
    with refused(ShapeError, where="maps"):
        multi_scale_moments(torch.ones(4, 3, 3))
    with refused(ShapeError, where="maps"):
        multi_scale_moments(torch.ones(0, 4, 3, 3))
    with refused(ShapeError, where="maps", got="h 1, w 3"):
        multi_scale_moments(torch.ones(8, 4, 1, 3), grid=2)
