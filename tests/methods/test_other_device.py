"""Methods compute where their features are: on a device that refuses tensors of the CPU."""

import dataclasses
from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any

import pytest
import torch
from torch import Tensor

from fewact import methods
from fewact.methods.base import Method, TrainingBatch
from fewact.methods.checks.made_up import made_up_card
from fewact.methods.checks.subject import Subject, make, scores
from tests.pretend_device import DEVICE, without


@pytest.fixture(autouse=True)
def no_float64() -> Iterator[None]:
    """As on Apple's MPS."""
    with without(torch.float64):
        yield


def moved(values: Mapping[Any, Tensor], device: torch.device) -> dict[Any, Tensor]:
    return {name: value.to(device) for name, value in values.items()}


def logits(subject: Subject, method: Method, device: torch.device) -> Tensor:
    support, labels, query = subject.episode(method.cpu())
    method.to(device)
    support, query = moved(support, device), moved(query, device)
    text = subject.text(method, *labels.shape[:1], 3)
    text = None if text is None else text.to(device)
    return scores(subject, method, support, labels.to(device), query, text=text).cpu()


def gradients(subject: Subject, method: Method, device: torch.device) -> Tensor:
    """Return the sum of the losses, and their gradients, as one vector."""
    method.to(device)
    given = subject.batch(method)
    batch: TrainingBatch = dataclasses.replace(
        given,
        support=moved(given.support, device),
        query=moved(given.query, device),
        support_labels=given.support_labels.to(device),
        query_labels=given.query_labels.to(device),
        text=None if given.text is None else given.text.to(device),
    )
    features = [*batch.support.values(), *batch.query.values()]
    leaves = [*method.parameters()]
    leaves += [one.requires_grad_() for one in features if one.is_floating_point()]
    total = torch.stack([one.reshape(()) for one in method.losses(batch).values()]).sum()
    found = [total.detach()[None].cpu()]
    if total.requires_grad:
        total.backward()
    found += [one.grad.flatten().cpu() for one in leaves if one.grad is not None]
    return torch.cat(found)


@pytest.mark.parametrize("name", methods.names())
def test_logits_and_gradients(name: str) -> None:
    cpu, other = torch.device("cpu"), DEVICE
    card = made_up_card()
    subject = Subject(partial(make, type(methods.create(name)), card, {}), card)
    for compute in (logits, gradients):
        expected, found = (compute(subject, subject.make(), device) for device in (cpu, other))
        torch.testing.assert_close(found, expected, rtol=1e-3, atol=1e-4)


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
