"""Aligners and moments of arrays, where PyTorch is not installed or not needed."""

import subprocess
import sys

import pytest

CODE = """
import numpy as np
from fewact import align, moments
from fewact.core.errors import ShapeError

draw = np.random.default_rng(0)
cost, ones = draw.random((3, 5, 5), np.float32), np.ones(5, np.float32)
for name in align.names():
    weights = (ones, ones) if align.card(name).weights else ()
    found = align.align(name, cost, *weights)
    assert found.value.shape == (3,) and found.plan.shape == (3, 5, 5), name
    assert type(found.value) is type(found.plan) is np.ndarray, name
    assert found.value.dtype == found.plan.dtype == np.float32, name
    assert align.create(name)(cost[0], *weights, plan=False).plan is None, name

nodes, rows = draw.random((4, 5, 8), np.float32), np.array([[0, 3]])
assert align.cosine_cost(nodes, nodes).dtype == np.float32
assert align.pairwise_cosine_cost(nodes[None], nodes[None], 0).dtype == np.float32
products = align.block_products(nodes, rows, nodes, rows)
squares = np.vecdot(nodes, nodes)[rows]
squares = squares[:, :, None, :, None], squares[:, None, :, None, :]
assert align.cosine_cost_of_products(products, *squares).dtype == np.float32

maps = draw.random((8, 6, 4, 4), np.float32)
for descriptor in ("sqrt", "covariance", "mean"):
    assert moments.multi_scale_moments(maps, descriptor=descriptor, grid=2).dtype == np.float32
assert moments.cross_frame(maps).dtype == np.float32
assert moments.newton_schulz_sqrt(np.eye(3, dtype=np.float32)).dtype == np.float32
assert moments.upper_triangle(np.eye(3)).shape == (6,)
assert moments.window_times(8).dtype == np.float32
try:
    align.otam([[1.0]])
except ShapeError:
    pass
assert not sys.modules.get("torch"), "PyTorch was imported"
assert "array_api_compat" not in sys.modules
"""


@pytest.mark.parametrize("solver", ["", "numpy"])
@pytest.mark.parametrize("installed", [True, False])
def test_arrays_need_no_torch(
    installed: bool, solver: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FEWACT_EMD_ISA", solver)
    block = "" if installed else "sys.modules['torch'] = None"
    command = [sys.executable, "-W", "error", "-c", f"import sys\n{block}\n{CODE}"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
