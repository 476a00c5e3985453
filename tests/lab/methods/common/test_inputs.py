"""Vectors and texts of a known width."""

import pytest
import torch

from fewact.core.errors import OptionError, ShapeError, UnknownNameError, UserError
from fewact.features.request import FeatureRequest, View
from fewact.lab import methods
from fewact.lab.methods.common.inputs import of_videos, seeded
from fewact.methods.cards import made_up_card
from tests.refused import refused

READ_TEXT = [name for name in methods.names() if methods.REGISTRY.get(name).uses_text]


def test_options_that_fit_a_card() -> None:
    card = made_up_card()
    assert methods.fitting("protonet", card, 5) == {}
    assert methods.fitting("auto", card) == {}
    assert methods.fitting("clip_spm", card) == {"vector_width": card.vectors}
    assert methods.fitting("clip_spm", card, card.vectors) == {"vector_width": card.vectors}
    assert methods.fitting("zero_shot", card, 5) == {"vector_width": card.vectors, "text_width": 5}
    with pytest.raises(UnknownNameError):
        methods.fitting("clip_smp", card)


@pytest.mark.parametrize("name", READ_TEXT)
def test_vectors_of_another_length_are_refused(name: str) -> None:
    method = methods.create(name, vector_width=12)
    with refused(ShapeError, where="vectors", got="7", hint="vector_width=7"):
        method.encode({FeatureRequest("vectors", View(8)): torch.zeros(1, 2, 8, 7)})


WRONG = [
    (8, (2, 5, 12), ShapeError, {"got": "(2, 5, 12)", "expected": "(… 8 d)"}),
    (8, (12,), ShapeError, {"where": "vectors", "expected": "(… 8 d)"}),
    (5, (2, 5, 12), OptionError, {"got": "vectors:5", "expected": "vectors:8", "hint": "frames"}),
]


@pytest.mark.parametrize(
    "name", ["trx", "strm", "cpm", "hyrsm", "molo", "ta2n", "team", "d2st", "clip_spm"]
)
@pytest.mark.parametrize(("frames", "shape", "error", "fields"), WRONG)
def test_vectors_of_other_frames_are_refused(
    name: str,
    frames: int,
    shape: tuple[int, ...],
    error: type[UserError],
    fields: dict[str, object],
) -> None:
    maps = "map_channels" in methods.REGISTRY.get(name).Options.__dataclass_fields__
    method = methods.create(name, **{"map_channels" if maps else "vector_width": 12})
    with refused(error, **fields):
        method.encode({FeatureRequest("vectors", View(frames)): torch.zeros(shape)})


@pytest.mark.parametrize("name", ["strm", "molo", "ta2n", "d2st"])
def test_maps_without_height_are_refused(name: str) -> None:
    method = methods.create(name, map_channels=12)
    with refused(ShapeError, where="maps", expected="(… 8 c h w)"):
        method.encode({FeatureRequest("maps", View(8)): torch.zeros(2, 8, 12)})


@pytest.mark.parametrize("name", READ_TEXT)
def test_text_of_another_length_is_projected_where_that_is_said(name: str) -> None:
    method = methods.create(name, vector_width=12, text_width=5).eval()
    request, labels = FeatureRequest("vectors", View(8)), torch.tensor([[0, 1, 1]])
    support, query = (method.encode({request: torch.rand(1, m, 8, 12)}) for m in (3, 2))
    for text in (torch.rand(1, 2, 5), torch.rand(1, 2, 5, dtype=torch.float64)):
        assert method.score(method.support(support, labels, 2, text=text), query).shape == (1, 2, 2)
    with refused(ShapeError, where="text", hint="text_width=12"):
        method.support(support, labels, 2, text=torch.rand(1, 2, 12))


def test_texts_of_videos() -> None:
    text = torch.rand(2, 3, 4)
    labels = torch.tensor([[2, 0, 0, 1], [1, 1, 0, 2]])
    expected = torch.stack([text[b][labels[b]] for b in range(2)])
    assert torch.equal(of_videos(text, labels), expected)


def test_a_seed_leaves_the_generators_of_gpus(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "manual_seed_all", lambda _: pytest.fail("GPUs are seeded"))
    with seeded(3):
        torch.rand(2)


def test_a_seed_gives_the_same_and_leaves_the_generator() -> None:
    torch.manual_seed(1)
    before = torch.get_rng_state()
    with seeded(3):
        first = torch.rand(2)
    assert torch.equal(before, torch.get_rng_state())
    torch.rand(1)
    with seeded(3):
        assert torch.equal(torch.rand(2), first)
    with seeded(4):
        assert not torch.equal(torch.rand(2), first)
