"""Methods compute where their features are: on a device that refuses tensors of the CPU."""

from collections.abc import Iterator
from functools import partial

import pytest
import torch

from benchmarks.gpu import logits_of, losses_of, on_device
from fewact.lab import methods
from fewact.lab.methods.adapters import differentiable
from fewact.lab.methods.promises.subject import Subject, make
from fewact.methods.cards import CARDS
from tests.pretend_device import DEVICE, without

SLOW = ("clip_spm", "fusion", "molo")
"""Methods with many operations, each of which takes its time on the pretend device."""


@pytest.fixture(autouse=True)
def no_float64() -> Iterator[None]:
    """As on Apple's MPS."""
    with without(torch.float64):
        yield


@pytest.mark.slow
@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=[pytest.mark.slow] if name in SLOW else [])
        for name in methods.names()
    ],
)
def test_logits_and_gradients(name: str) -> None:
    card = CARDS[2] if name == "fusion_joints" else CARDS[0]
    subject = Subject(partial(make, methods.REGISTRY.get(name), card, {}), card)
    for compute in (logits_of, losses_of):
        method = subject.make()
        if compute is losses_of and not differentiable(method):
            continue
        episode = subject.batch(method)
        expected = compute(method, episode)
        found = compute(method.to(DEVICE), on_device(DEVICE, episode))
        torch.testing.assert_close(found, expected, rtol=1e-3, atol=1e-4, check_device=False)


def test_what_a_gpu_refuses_is_refused() -> None:
    device = DEVICE
    for mixed in (
        lambda: torch.ones(2, device=device) + torch.ones(2),
        lambda: torch.cat([torch.ones(2), torch.ones(2, device=device)]),
        lambda: torch.zeros(2, 2)[torch.zeros(1, dtype=torch.int64, device=device)],
    ):
        with pytest.raises(RuntimeError, match="expected all tensors on one device"):
            mixed()
    assert (2 * torch.ones(2, device=device) + torch.tensor(1)).tolist() == [3, 3]
    assert torch.arange(4, device=device)[torch.tensor([2])].tolist() == [2]
