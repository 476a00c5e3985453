"""Transport problems of a device that refuses tensors of the CPU."""

import contextlib

import pytest
import torch

from fewact.align import transport
from fewact.align.transport import emd
from tests.align.test_emd_engine import problems
from tests.pretend_device import DEVICE, NAME, without


@pytest.mark.parametrize("has_float64", [True, False])
def test_problems_of_another_device(
    solver: str, monkeypatch: pytest.MonkeyPatch, has_float64: bool
) -> None:
    """They are solved on the CPU where a solver is compiled, and the solution goes back."""
    given = [part.float() for part in problems(6, 5, 7)]
    expected = emd(*given)
    if has_float64:
        monkeypatch.setattr(transport, "FLOAT64", ("cpu", NAME))
    with contextlib.nullcontext() if has_float64 else without(torch.float64):
        found = emd(*(part.to(DEVICE) for part in given))
        assert emd(*(part.to(DEVICE) for part in given), plan=False).plan is None
    assert {part.device for part in (found.value, found.plan, found.u, found.v)} == {DEVICE}
    torch.testing.assert_close(found.value.cpu(), expected.value, rtol=1e-6, atol=0)
    torch.testing.assert_close(found.plan.cpu(), expected.plan, rtol=0, atol=1e-6)
