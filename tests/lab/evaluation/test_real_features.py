"""Known accuracies on real features."""

from pathlib import Path

import pytest

from fewact.data import GroupScope
from fewact.lab import methods
from fewact.lab.benchmarks import FeatureDataset
from fewact.lab.evaluation import ArrayFeatures, evaluate_method
from fewact.lab.evaluation.episodes import Protocol, draw

MEAN: dict[str, object] = {"unit_frames": True}
IN_ORDER: dict[str, object] = {**MEAN, "frame_matching": "concatenated"}


# UCF101 numbers the groups of each class from 1.
@pytest.mark.filterwarnings("ignore:.*groups of several classes")
@pytest.mark.slow
@pytest.mark.assets
@pytest.mark.parametrize(
    ("file", "dataset", "groups", "expected"),
    [
        ("mobilenet_v2_t8", "ucf7", "within-class", (77.2, 77.7, 93.1, 93.1)),
        ("mobilenet_v2_t8", "utd27_depth", "shared", (40.9, 50.2, 57.6, 76.4)),
        ("mobilenet_v2_t8", "utd5_rgb", "shared", (23.0, 27.5, 28.9, 40.0)),
        ("ucf14_vgg16_relu6_t8", None, "within-class", (78.4, 78.4, 93.5, 93.4)),
    ],
)
def test_prototypes(
    assets: Path, file: str, dataset: str | None, groups: GroupScope, expected: tuple[float, ...]
) -> None:
    data = FeatureDataset(assets / "features" / f"{file}.npz", groups=groups, dataset=dataset)
    source = ArrayFeatures(data.features, file)
    for shots, figures in ((1, expected[:2]), (5, expected[2:])):
        drawn = draw(data.videos, Protocol(shots=shots, queries=5, count=1000, groups=groups))
        for options, figure in zip((MEAN, IN_ORDER), figures, strict=True):
            result = evaluate_method(
                methods.create("protonet", **options), source, data.videos, drawn
            )
            # Both are means over 1,000 episodes: their difference spreads √2 as far.
            assert abs(result.accuracy - figure) < 1.5 * 2**0.5 * result.ci95
            assert result.ci95 < 1


@pytest.mark.assets
def test_persons_that_are_not_kept_apart_pull_below_chance(assets: Path) -> None:
    file = assets / "features" / "mobilenet_v2_t8.npz"
    data = FeatureDataset(file, groups="shared", dataset="utd5_rgb")
    source = ArrayFeatures(data.features)
    method = methods.create("protonet", **IN_ORDER)
    found = {
        groups: evaluate_method(
            method,
            source,
            data.videos,
            draw(data.videos, Protocol(shots=5, queries=5, count=300, groups=groups)),
        ).accuracy
        for groups in ("within-class", "shared")
    }
    assert found["within-class"] < 15 < 30 < found["shared"]
