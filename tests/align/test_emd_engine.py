import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import torch

import fewact.align._emd as native
from fewact.align import simplex
from fewact.align.simplex import Problems, Status, check
from fewact.align.transport import VARIABLE, emd, engine
from fewact.core.errors import AlignmentError, OptionError
from tests.refused import refused


@pytest.fixture(autouse=True)
def forget() -> Iterator[None]:
    """Let each test choose a solver anew."""

    def clear() -> None:
        engine.cache_clear()
        native.library.cache_clear()
        native.instruction_sets.cache_clear()

    clear()
    yield
    clear()


def problems(count: int, n: int, m: int, seed: int = 0) -> Problems:
    draw = np.random.default_rng(seed)
    a, b = (draw.gamma(2.0, size=(count, k)) for k in (n, m))
    a, b = n * a / a.sum(1, keepdims=True), n * b / b.sum(1, keepdims=True)
    cost = draw.random((count, n, m))
    return Problems(*(torch.from_numpy(x) for x in (cost, a, b)))


def built() -> None:
    """Skip where the package was installed without its compiled solver."""
    try:
        native.library()
    except FileNotFoundError as missing:
        pytest.skip(str(missing))


def test_the_fastest_is_chosen(monkeypatch: pytest.MonkeyPatch) -> None:
    built()
    monkeypatch.delenv(VARIABLE, raising=False)
    name, why = engine()
    assert name == list(native.instruction_sets())[-1]
    assert name in ("avx512", "avx2", "baseline", "neon")
    assert "fastest" in why


def test_solver_by_name(solver: str) -> None:
    assert engine()[0] == solver
    assert VARIABLE in engine()[1]


def test_refuses_a_missing_solver(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, "avx9000")
    with refused(OptionError, where=VARIABLE, expected="numpy"):
        emd(*problems(1, 2, 2))


def test_numpy_without_the_library(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(native, "__path__", [str(tmp_path)])
    monkeypatch.delenv(VARIABLE, raising=False)
    given = problems(3, 4, 5)
    assert engine() == ("numpy", "fewact_emd is not built")
    alone = emd(*given).value
    monkeypatch.undo()
    engine.cache_clear()
    torch.testing.assert_close(alone, emd(*given).value)


@pytest.mark.skipif(sys.platform == "win32", reason="the file stays open")
def test_reports_a_library_that_cannot_be_loaded(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "fewact_emd.so").write_bytes(b"not a library")
    monkeypatch.setattr(native, "__path__", [str(tmp_path)])
    monkeypatch.delenv(VARIABLE, raising=False)
    assert engine()[0] == "numpy"
    assert "fewact_emd.so" in engine()[1]


def test_outdated_library_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    built()
    native.library.cache_clear()
    monkeypatch.setattr(native, "EMD_VERSION", native.EMD_VERSION + 1)
    monkeypatch.delenv(VARIABLE, raising=False)
    name, why = engine()
    assert name == "numpy"
    assert "install the package again" in why


def test_solvers_agree(solver: str) -> None:
    given = problems(50, 14, 14)
    expected = simplex.solve(given)
    found = emd(*given)
    torch.testing.assert_close(found.value, expected.value, rtol=1e-12, atol=0)
    torch.testing.assert_close(found.plan, expected.plan, rtol=0, atol=1e-12)  # unique


@pytest.mark.parametrize(("n", "m"), [(200, 130), (64, 960), (530, 520)])
def test_large_problems(n: int, m: int) -> None:
    # Sets of nodes of other lengths, in words, than small problems have.
    built()
    cost, a, b = problems(1, n, m)
    for isa in native.instruction_sets().values():
        found = native.solve(Problems(cost, a, b), isa=isa, threads=1, plan=True)
        assert found.plan is not None
        assert found.status.tolist() == [Status.SOLVED]
        assert (cost - found.u[..., None] - found.v[..., None, :]).min() >= -1e-12
        torch.testing.assert_close(found.plan.sum(-1), a)
        torch.testing.assert_close(found.plan.sum(-2), b)
        dual = (found.u * a).sum() + (found.v * b).sum()
        torch.testing.assert_close(found.value[0], dual, rtol=1e-12, atol=0)


def test_pivot_limit_is_reported(solver: str, monkeypatch: pytest.MonkeyPatch) -> None:
    cost, a, b = problems(6, 20, 20)
    # The first is optimal at the start: it has one row. The rest need many pivots.
    one = problems(1, 1, 20)
    for module in (native, simplex):
        monkeypatch.setattr(module, "pivot_limit", lambda n, m: 1)
    assert emd(*one).value.shape == (1,)
    with refused(AlignmentError, index=(0,)):
        emd(cost, a, b)


def test_pivot_limit_is_far_away(solver: str) -> None:
    # All costs equal but for whole numbers, all weights one: nearly every pivot is degenerate.
    draw = np.random.default_rng(0)
    cost = draw.integers(0, 2, (4, 40, 40)).astype(float)
    found = emd(cost, np.ones((4, 40)), np.ones((4, 40)))
    assert (np.asarray(found.value) < 8).all()


def test_status_numbers_are_the_library_s(solver: str) -> None:
    cost, a, b = problems(6, 3, 3)
    cost[1, 0, 0] = torch.nan
    a[2, 0] = -1
    a[3], b[3] = 0, 0
    b[4] *= 2
    expected = check(Problems(cost, a, b))
    assert expected.tolist() == [0, 1, 2, 3, 4, 0]
    if solver != "numpy":
        isa = native.instruction_sets()[solver]
        found = native.solve(Problems(cost, a, b), isa=isa, threads=1, plan=True)
        assert torch.equal(found.status, expected)


def test_concurrent_callers() -> None:
    batches = [problems(40, 14, 14, seed) for seed in range(12)]
    expected = [emd(*batch).value for batch in batches]
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda batch: emd(*batch, threads=2).value, batches * 3))
    assert all(map(torch.equal, found, expected * 3))
