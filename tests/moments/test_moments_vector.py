import pytest
import torch

from fewact import moments
from tests.both import both

multi_scale_moments = both(moments.multi_scale_moments)
newton_schulz_sqrt = both(moments.newton_schulz_sqrt)


@pytest.fixture(params=[(torch.float64, 1e-8), (torch.float32, 2e-4)], ids=["float64", "float32"])
def precision(request):
    return request.param


def _agrees(got, expected, tolerance):
    expected = torch.as_tensor(expected)
    assert got.shape == expected.shape
    assert (got.double() - expected).abs().max() <= tolerance * max(1.0, expected.abs().max())


def test_square_root_vector(vectors_npz, precision):
    dtype, tolerance = precision
    arrays = vectors_npz("a2m2.npz")
    roots = {key: value for key, value in arrays.items() if key.startswith("sqrt_n")}
    assert roots
    p = torch.as_tensor(arrays["cov"], dtype=dtype)
    for key, expected in roots.items():
        _agrees(newton_schulz_sqrt(p, int(key.removeprefix("sqrt_n"))), expected, tolerance)


@pytest.mark.parametrize("which", ["support", "query"])
def test_nodes_vector(vectors_npz, precision, which):
    dtype, tolerance = precision
    arrays = vectors_npz("a2m2.npz")
    maps = torch.as_tensor(arrays[f"{which}_maps"], dtype=dtype)
    _agrees(multi_scale_moments(maps), arrays[f"{which}_nodes"], tolerance)
