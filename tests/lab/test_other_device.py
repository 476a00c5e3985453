"""A classifier on a device that refuses tensors of the CPU: taught, used, saved, used without."""

from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
import pytest
import torch

from fewact import networks
from fewact.classifier import FewShotClassifier
from fewact.classifier.explain import explain
from fewact.classifier.review import review
from fewact.data import Frames
from fewact.networks import Backbone
from fewact.recordings.stream import Stream
from fewact.video import EveryNth, read_frames
from tests.classifier.conftest import actions, queries
from tests.lab.networks import tiny
from tests.pretend_device import DEVICE, without

__all__ = ["actions", "queries"]


@pytest.fixture(autouse=True)
def no_float64() -> Iterator[None]:
    """As on Apple's MPS."""
    with without(torch.float64):
        yield


@pytest.fixture(scope="module")
def elsewhere() -> Backbone:
    """The default backbone with its real weights on the other device."""
    return networks.create(device=DEVICE, precision="float32", engine="torch")


@pytest.fixture(scope="module")
def here() -> Backbone:
    return networks.create(device="cpu", precision="float32", engine="torch")


def two_of_each(actions: Path) -> dict[str, list[Path]]:
    """Return clips for which a part of the work is enough: the device is slow."""
    return {one.name: sorted(one.iterdir())[:2] for one in sorted(actions.iterdir())}


@pytest.mark.parametrize("method", ["fusion", "a2m2"])
@pytest.mark.slow
def test_answers_are_those_of_the_cpu(
    actions: Path,
    queries: Mapping[str, Path],
    here: Backbone,
    elsewhere: Backbone,
    method: str,
    tmp_path: Path,
) -> None:
    expected, found = (
        FewShotClassifier(backbone, method).fit(two_of_each(actions))
        for backbone in (here, elsewhere)
    )
    clips = [*queries.values()]
    probabilities = expected.predict_proba(clips)
    np.testing.assert_allclose(found.predict_proba(clips), probabilities, atol=1e-4)
    used = FewShotClassifier.load(found.save(tmp_path / "model"), backbone=here)
    np.testing.assert_allclose(used.predict_proba(clips), probabilities, atol=1e-4)
    if method == "fusion":
        everything_that_a_model_is_for(found, queries)


def everything_that_a_model_is_for(
    classifier: FewShotClassifier, queries: Mapping[str, Path]
) -> None:
    none = [Frames(np.full((12, 48, 64, 3), grey, np.uint8), fps=12) for grey in (60, 180)]
    classifier.add_none(none)
    classifier.add_clips("left", queries["left"]).add_class("new", queries["down"])
    clip = read_frames(queries["right"], EveryNth(1))
    assert classifier.predict(queries["right"]).label == "right"
    turned = classifier.predict(Frames(np.rot90(clip, axes=(1, 2)).copy(), fps=12))
    assert turned.label is not None
    assert explain(classifier, queries["right"]).best == "right"
    assert review(classifier).clips == len(classifier.fitted_.all_clips) - 2
    with Stream.of(classifier, fps=12) as stream:
        events = [one for frame in np.concatenate([clip] * 2) for one in stream.push(frame)]
        events += stream.close()
    assert all(one.label in classifier.classes_ for one in events)


@pytest.mark.slow
def test_class_names_are_embedded_elsewhere(
    actions: Path, queries: Mapping[str, Path], tmp_path: Path
) -> None:
    pytest.importorskip("transformers", reason="the extra hf is not installed")
    tiny.save("clip-vit", tmp_path)
    expected, found = (
        FewShotClassifier(
            networks.create(
                "clip-vit",
                weights=f"local-dir:{tmp_path}",
                device=device,
                precision="float32",
                engine="torch",
            ),
            "protonet",
            text="on",
        )
        .fit(actions)
        .predict_proba([*queries.values()])
        for device in ("cpu", DEVICE)
    )
    np.testing.assert_allclose(found, expected, atol=1e-3)
