"""Skeletons: what does not matter to them, what does, and their accuracy on real ones."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from fewact import FewShotClassifier, methods
from fewact.core.errors import DataError, OptionError
from fewact.data import FeatureClip, read_features
from fewact.features.request import FeatureRequest, View
from fewact.lab import methods as lab
from fewact.lab.benchmarks import FeatureDataset
from fewact.lab.evaluation import ArrayFeatures, evaluate_method
from fewact.lab.evaluation.episodes import Protocol, draw
from fewact.methods.cards import made_up_card
from fewact.methods.fusion.body import MIRROR_COST, filled
from fewact.methods.fusion.joints import FusionJoints
from tests.methods.made_up import assert_close, normal
from tests.refused import refused

FRAMES, LAYOUT = 12, "5(1-2,3-4):xyc"
REQUEST = FeatureRequest("vectors", View(FRAMES))
MIRROR = [0, 2, 1, 4, 3]


def bodies(number: int, seed: int = 0) -> NDArray[Any]:
    """Return smooth movements (v t 5 3) of five joints, all of them confident."""
    random = normal(number + 1, FRAMES, 5, 2, seed=seed)
    places = 0.3 * random[1:].cumsum(1) + 3 * random[0, 0]
    return np.concatenate([places, np.ones((*places.shape[:-1], 1))], -1)


def scores(support: NDArray[Any], queries: NDArray[Any]) -> NDArray[Any]:
    """Return the logits (q n) of queries, for one support video of each class."""
    method = methods.create("fusion_joints", frames=FRAMES, joints=LAYOUT)
    first, second = (method.encode({REQUEST: joined(x)}) for x in (support, queries))
    labels = np.arange(len(support))[None]
    return method.score(method.support(first, labels, len(support)), second)[0]


def joined(clips: NDArray[Any]) -> NDArray[Any]:
    return clips.reshape(*clips.shape[:-2], -1)[None]


def changed(clips: NDArray[Any], places: NDArray[Any]) -> NDArray[Any]:
    return np.concatenate([places, clips[..., 2:]], -1)


def test_place_and_size_of_a_body_do_not_matter() -> None:
    support, queries = bodies(4), bodies(6, seed=1)
    moved = changed(queries, 7 * queries[..., :2] + np.array([40.0, -3.0]))
    assert_close(scores(support, moved), scores(support, queries))


def test_a_mirror_image_costs_the_same_for_all() -> None:
    support = bodies(4)
    mirrored = support[..., MIRROR, :] * np.array([-1.0, 1.0, 1.0])
    direct, other = scores(support, support), scores(support, mirrored)
    assert_close(direct.diagonal(), np.zeros(4), atol=1e-6, rtol=0)
    assert_close(other.diagonal(), direct.diagonal() - MIRROR_COST)
    assert other.argmax(1).tolist() == [0, 1, 2, 3]


def test_displacement_of_the_whole_body_counts() -> None:
    support = bodies(1).repeat(2, 0)
    way = np.linspace(0, 40, FRAMES)[:, None, None] * np.array([1.0, 0.0])
    support[1, ..., :2] += way
    assert scores(support, support).argmax(1).tolist() == [0, 1]


def test_a_missing_joint_is_interpolated() -> None:
    support, queries = bodies(3), bodies(5, seed=2)
    for t in (0, 4, 5):
        queries[:, t, 3, :2] = queries[:, 3 if t else 1, 3, :2]
    queries[:, 4, 3, :2] = (2 * queries[:, 3, 3, :2] + queries[:, 6, 3, :2]) / 3
    queries[:, 5, 3, :2] = (queries[:, 3, 3, :2] + 2 * queries[:, 6, 3, :2]) / 3
    missing = queries.copy()
    missing[:, [0, 4, 5], 3] = np.array([1e3, 5.0, 0.0])
    assert_close(scores(support, missing), scores(support, queries))


def test_a_joint_that_is_never_there_counts_for_nothing() -> None:
    places = normal(2, FRAMES, 3, 2)
    present = np.ones((2, FRAMES, 3), np.bool_)
    present[:, :, 1] = False
    values, ever = filled(places, present)
    assert np.array_equal(values, places)
    assert ever.tolist() == [[True, False, True]] * 2
    support, queries = bodies(3), bodies(4, seed=3)
    support[:, :, 4, 2] = queries[:, :, 4, 2] = 0
    other = queries.copy()
    other[:, :, 4, :2] = 50.0
    assert_close(scores(support, other), scores(support, queries))
    assert np.isfinite(scores(support, queries)).all()


def test_parts_add_up_to_the_similarity() -> None:
    method = methods.create("fusion_joints", frames=FRAMES, joints=LAYOUT)
    assert isinstance(method, FusionJoints)
    support, query = (method.encode({REQUEST: joined(bodies(4, seed=seed))}) for seed in (0, 1))
    state = method.support(support, np.array([[0, 0, 1, 1]]), 2)
    parts = method.pair_parts(state, query)
    assert_close(sum(parts.values()), method.score_and_pairs(state, query)[1])
    match = method.match_frames(*({k: v[0, 0] for k, v in x.items()} for x in (query, support)))
    assert match is not None
    assert sum(map(sum, match.plan)) == pytest.approx(1)


def test_a_file_names_its_joints(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    features = rng.standard_normal((6, FRAMES, 15)).astype("float32")
    np.savez(tmp_path / "poses.npz", features=features, joints=LAYOUT)
    rows = "".join(f"clip{i}\t{'ab'[i % 2]}\n" for i in range(6))
    (tmp_path / "poses.tsv").write_text(f"clip\tclass\n{rows}")
    classifier = FewShotClassifier().fit(tmp_path / "poses.npz")
    classifier.save(tmp_path / "model")
    loaded = FewShotClassifier.load(tmp_path / "model")
    clips = read_features(tmp_path / "poses.npz")
    assert clips[0].joints == LAYOUT
    assert [p.label for p in loaded.predict(clips)] == [p.label for p in classifier.predict(clips)]
    assert loaded.method.options.joints == LAYOUT
    with refused(DataError):
        loaded.predict([FeatureClip("x", features[0])])
    np.savez(tmp_path / "poses.npz", features=features, joints="kinect20:xyz")
    with refused(DataError, where="poses.npz"):
        read_features(tmp_path / "poses.npz")


@pytest.mark.parametrize("layout", ["kinect20:xyz", ""])
def test_vectors_of_another_length_are_refused(layout: str) -> None:
    with pytest.raises(OptionError):
        methods.create("fusion_joints", joints=layout).requests(made_up_card(maps=False))


LAYOUTS = {"utkinect10": "kinect20:xyz", "sign13": "pose33:xyzc+hand21:xyz+hand21:xyz"}


@pytest.mark.slow
@pytest.mark.parametrize("name", LAYOUTS)
def test_joints_beat_vectors_on_real_skeletons(assets: Path, name: str) -> None:
    """Ten points above frames in order; on 100 episodes ± 2.5 (utkinect10: 88.6 and 69.4)."""
    data = FeatureDataset(assets / "more" / name / f"{name}.npz")
    episodes = draw(data.videos, Protocol(queries=5, count=100, groups=data.videos.groups))
    source, frames = ArrayFeatures(data.features), data.features.shape[1]
    order = {"unit_frames": True, "frame_matching": "concatenated"}
    accuracy = {
        method: evaluate_method(
            lab.create(method, frames=frames, **options), source, data.videos, episodes
        ).accuracy
        for method, options in (("fusion_joints", {"joints": LAYOUTS[name]}), ("protonet", order))
    }
    assert accuracy["fusion_joints"] > accuracy["protonet"] + 10
