"""Methods over tensors for the classifier, and methods over arrays for the lab."""

import pickle
import subprocess
import sys
from typing import Any

import numpy as np
import pytest
import torch

from fewact import methods
from fewact.core.errors import OptionError, TrainingError
from fewact.lab import methods as lab
from fewact.lab.methods.adapters import differentiable, on_arrays, on_tensors
from fewact.lab.methods.base import TorchMethod
from fewact.lab.methods.promises.subject import Subject
from fewact.methods import protocols
from fewact.methods.base import Method
from fewact.methods.cards import CARDS, made_up_card
from fewact.methods.protocols import bank_scorer, score_and_pairs
from tests.methods.made_up import assert_close

CARD = made_up_card()
LABELS = np.array([[0, 1, 2, 0, 1, 2]] * 2)
OF_THE_CORE = ("fusion", "fusion_vectors", "fusion_joints", "otam", "protonet", "pixels")


def card_of(name: str) -> Any:
    return CARDS[2] if name == "fusion_joints" else CARD


def features(method: Any, card: Any, videos: int, seed: int) -> dict[Any, Any]:
    rng = np.random.default_rng(seed)
    found = {}
    for request in method.requests(card):
        values = rng.random((2, videos, *request.shape(card)), np.float32)
        found[request] = (255 * values).astype(np.uint8) if request.dtype == "uint8" else values
    return found


def tensors(arrays: Any) -> dict[Any, torch.Tensor]:
    return {name: torch.from_numpy(value) for name, value in arrays.items()}


@pytest.mark.parametrize("name", ["trx", "a2m2", "simpleshot", "molo"])
def test_a_lab_method_scores_arrays_as_it_scores_tensors(name: str) -> None:
    method = lab.create(name, CARD).eval()
    adapter = methods.on_arrays(method)
    assert isinstance(adapter, Method)
    assert methods.name_of(adapter) == name
    first, second = (features(method, CARD, videos, seed) for seed, videos in enumerate((6, 4)))
    nodes = [adapter.encode(side) for side in (first, second)]
    assert all(isinstance(value, np.ndarray) for value in nodes[0].values())
    logits = adapter.score(adapter.support(nodes[0], LABELS, 3), nodes[1])
    with torch.no_grad():
        own = [method.encode(tensors(side)) for side in (first, second)]
        expected = method.score(method.support(own[0], torch.from_numpy(LABELS), 3), own[1])
    assert_close(logits, expected.numpy())
    assert on_tensors(adapter) is method


@pytest.mark.parametrize("name", OF_THE_CORE)
def test_a_core_method_scores_tensors_as_it_scores_arrays(name: str) -> None:
    card = card_of(name)
    method = methods.create(name, card)
    adapter = on_tensors(method)
    assert isinstance(adapter, TorchMethod)
    assert lab.name_of(adapter) == name
    assert on_arrays(adapter) is method
    first, second = (features(method, card, videos, seed) for seed, videos in enumerate((6, 4)))
    nodes = [method.encode(side) for side in (first, second)]
    logits, pairs = score_and_pairs(method, method.support(nodes[0], LABELS, 3), nodes[1])
    own = [adapter.encode(tensors(side)) for side in (first, second)]
    state = adapter.support(own[0], torch.from_numpy(LABELS), 3)
    found = score_and_pairs(adapter, state, own[1])
    assert_close(found[0].numpy(), logits)
    assert (found[1] is None) is (pairs is None)
    flat = {key: value[0] for key, value in own[0].items()}
    scorer = bank_scorer(adapter, flat, flat, 10**6)
    if scorer is not None:
        rows = torch.arange(6).expand(2, -1)
        scored = scorer(rows, torch.from_numpy(LABELS), 3, rows)
        assert isinstance(scored, torch.Tensor)
        assert scored.shape == (2, 6, 3)


def test_on_a_cpu_nothing_is_copied() -> None:
    method = methods.create("fusion_vectors", made_up_card(maps=False))
    adapter = on_tensors(method)
    (request,) = method.requests(made_up_card(maps=False))
    vectors = torch.rand(1, 2, 8, 12)
    nodes = adapter.encode({request: vectors})
    assert nodes["vectors"].data_ptr() == vectors.data_ptr()


@pytest.mark.parametrize(
    ("name", "options", "can", "cannot"),
    [
        ("trx", {}, ["MatchesFrames"], ["Pairwise", "AttendsFrames", "Parts", "BankScored"]),
        ("molo", {}, ["AttendsFrames"], ["MatchesCells", "MatchesFrames"]),
        ("a2m2", {}, ["Pairwise", "BankScored", "MatchesCells"], ["Parts", "Tabulated"]),
        ("safsar", {}, [], ["Pairwise", "MatchesFrames"]),
    ],
)
def test_an_adapter_can_what_the_method_can(
    name: str, options: dict[str, Any], can: list[str], cannot: list[str]
) -> None:
    adapter = methods.create(name, CARD, **options)
    for protocol in can:
        assert isinstance(adapter, getattr(protocols, protocol)), protocol
    for protocol in cannot:
        assert not isinstance(adapter, getattr(protocols, protocol)), protocol
    assert isinstance(adapter, protocols.LearnedWeights)
    assert not isinstance(methods.create("protonet"), protocols.LearnedWeights)


def test_weights_are_read_replaced_and_measured_without_memory() -> None:
    options = {**methods.fitting("trx", CARD), "key_width": 6}
    adapter, other = (methods.create("trx", **options, seed=seed) for seed in (0, 1))
    assert isinstance(adapter, protocols.LearnedWeights)
    assert isinstance(other, protocols.LearnedWeights)
    weights = adapter.weights()
    assert methods.weight_shapes("trx", options) == {n: v.shape for n, v in weights.items()}
    assert methods.weight_shapes("fusion", {}) == {}
    other.load_weights(weights)
    assert all(np.array_equal(value, other.weights()[name]) for name, value in weights.items())
    with pytest.raises(RuntimeError):
        other.load_weights({"nothing": np.zeros(2, np.float32)})


def test_methods_by_the_array_api_are_trained_and_others_say_that_they_cannot() -> None:
    for name in OF_THE_CORE:
        subject = Subject(lambda name=name: lab.create(name, card_of(name)), card_of(name))
        method = subject.make()
        batch = subject.batch(method)
        assert differentiable(method) is not name.startswith("fusion")
        if differentiable(method):
            for value in batch.support.values():
                if value.is_floating_point():
                    value.requires_grad_()
            loss = method.losses(batch)["cross_entropy"]
            assert loss.requires_grad is (name != "pixels")
        else:
            with pytest.raises(TrainingError):
                method.losses(batch)


@pytest.mark.parametrize("name", ["trx", "protonet", "fusion"])
def test_adapters_are_pickled(name: str) -> None:
    for create in (methods.create, lab.create):
        method: Any = create(name, CARD)
        again = pickle.loads(pickle.dumps(method))
        assert type(again) is type(method)
        assert again.options == method.options


def test_what_takes_too_much_memory_is_refused() -> None:
    with pytest.raises(OptionError):
        methods.create("trx", key_width=65_536, vector_width=65_536)


WITHOUT_TORCH = """
import sys
sys.modules["torch"] = None
from fewact import methods
from fewact.core.errors import ExtraError
for name in ("fusion", "fusion_vectors", "fusion_joints", "otam", "protonet", "pixels"):
    assert methods.name_of(methods.create(name)) == name
try:
    methods.create("trx")
except ExtraError as error:
    assert error.extra == "lab"
else:
    raise SystemExit("trx was made")
"""


def test_without_torch_the_core_has_its_methods_and_the_lab_says_what_it_needs() -> None:
    subprocess.run([sys.executable, "-c", WITHOUT_TORCH], check=True)
