"""BlazePose: its geometry, and on real clips the joints that MediaPipe itself finds in them."""

import csv
import pickle
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from fewact.core.errors import WeightsError
from fewact.data import Clip
from fewact.poses import mediapipe
from fewact.poses.base import EstimatesPeople, PoseEstimator
from fewact.poses.mediapipe import POSE_JOINTS, BlazePose, BodyRegion
from fewact.poses.weights import Networks
from fewact.video import Segments
from fewact.video.samplers import Timeline

FRAMES = 32
NOSE, LEFT_SHOULDER, LEFT_ANKLE = 0, 11, 27


def test_a_region_is_upright() -> None:
    region = BodyRegion.of(hips=10 + 20j, top=10 + 12j)  # of a body that stands
    assert region.half == pytest.approx(10)
    assert region.at(0, -1) == pytest.approx(10 + 10j)  # the middle of the upper side
    assert region.at(1, 0) == pytest.approx(20 + 20j)
    lying = BodyRegion.of(hips=10 + 20j, top=18 + 20j)  # with its head to the right
    assert lying.at(0, -1) == pytest.approx(20 + 20j)
    assert lying.at(1, 0) == pytest.approx(10 + 30j)


def test_the_image_of_a_region_that_is_a_square_of_the_frame() -> None:
    side = mediapipe.REGION_SIDE
    frame = np.random.default_rng(0).integers(0, 256, (side + 40, side + 60, 3), np.uint8)
    middle = complex(30 + side / 2, 10 + side / 2)
    image = mediapipe._cut(frame, BodyRegion(middle, complex(0, -side / 2)))
    expected = frame[10 : 10 + side, 30 : 30 + side] / 255
    np.testing.assert_allclose(image, expected, atol=1e-4)
    turned = mediapipe._cut(frame, BodyRegion(middle, complex(side / 2, 0)))
    np.testing.assert_allclose(turned, np.rot90(expected), atol=1e-4)


def test_a_region_beside_the_frame_continues_its_border() -> None:
    frame = np.full((30, 40, 3), 51, np.uint8)
    image = mediapipe._cut(frame, BodyRegion(-200 - 300j, -50j))
    np.testing.assert_allclose(image, 0.2, atol=1e-5)


def test_anchors_are_the_middles_of_cells() -> None:
    anchors = mediapipe.ANCHORS
    assert anchors.shape == (2254, 2)
    assert anchors[:4].tolist() == [[4, 4], [4, 4], [12, 4], [12, 4]]
    assert anchors[-1].tolist() == [208, 208]


def test_detections_of_one_body_are_averaged() -> None:
    body = np.zeros((3, 6, 2), np.float32)
    body[:, 0], body[:, 1] = [(50, 50), (54, 50), (150, 50)], 40
    merged = mediapipe._merged(body, np.array([0.9, 0.6, 0.7], np.float32))
    assert merged[:, 0].tolist() == pytest.approx(np.array([(51.6, 50), (150, 50)]), abs=1e-4)


def test_a_joint_moves_to_the_mean_of_its_heatmap() -> None:
    heatmap = np.full((64, 64, 39), -20, np.float32)
    heatmap[30, 21, 0] = heatmap[30, 23, 0] = 8
    positions = np.full((39, 2), 0.5, np.float32)
    positions[0] = 22.5 / 64, 29.5 / 64
    refined = mediapipe._refined(positions, heatmap)
    assert refined[0].tolist() == pytest.approx([22 / 64, 30 / 64], abs=1e-4)
    assert (refined[1:] == 0.5).all()  # no heat


def test_tiles_cover_the_frame() -> None:
    covered = np.zeros((240, 426), bool)
    for top, left, side in mediapipe._tiles(240, 426):
        covered[top : top + side, left : left + side] = True
    assert covered.all()


@pytest.mark.assets
def test_an_image_without_a_body(blazepose: BlazePose) -> None:
    joints = blazepose.estimate(np.zeros((2, 120, 160, 3), np.uint8), np.arange(2.0))
    assert joints.shape == (2, 4 * POSE_JOINTS)
    assert not joints.any()
    assert not blazepose.estimate_people(np.zeros((2, 120, 160, 3), np.uint8), np.arange(2.0))
    assert blazepose.estimate([], np.zeros(0)).shape == (0, 4 * POSE_JOINTS)


@pytest.mark.assets
def test_other_networks_are_refused(blazepose: BlazePose) -> None:
    frames = np.zeros((1, 90, 120, 3), np.uint8)
    detector, landmarks = blazepose.networks
    for networks in (Networks(b"no network", landmarks), Networks(landmarks, detector)):
        with pytest.raises(WeightsError) as caught:
            BlazePose(networks).estimate(frames, np.zeros(1))
        assert "fewact poses --install" in caught.value.hint


@pytest.mark.assets
def test_it_keeps_both_contracts_and_can_be_copied(blazepose: BlazePose) -> None:
    assert isinstance(blazepose, PoseEstimator)
    assert isinstance(blazepose, EstimatesPeople)
    frames = np.random.default_rng(0).integers(0, 256, (1, 90, 120, 3), np.uint8)
    blazepose.estimate(frames, np.zeros(1))
    copy = pickle.loads(pickle.dumps(blazepose))
    assert (copy.name, copy.layout) == (blazepose.name, blazepose.layout)


def real_clip(assets: Path, row: int) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
    """Return the frames of a clip of a gesture, and MediaPipe's joints in them (t 33 4)."""
    folder = assets / "more" / "poses"
    if not folder.is_dir():
        pytest.skip("the joints of MediaPipe 0.10.21 are not among the assets")
    with (folder / "utd5_rgb_pose33.tsv").open(encoding="utf-8", newline="") as file:
        clip = [*csv.DictReader(file, delimiter="\t")][row]["clip"]
    with np.load(folder / "utd5_rgb_pose33.npz") as file:
        joints = file["features"][row].reshape(FRAMES, POSE_JOINTS, 4)
    return Clip(folder / clip).read([Segments(FRAMES)]).frames[0], joints


@pytest.mark.assets
@pytest.mark.parametrize("row", [0, 77, 150])
def test_it_finds_the_joints_that_mediapipe_finds(
    row: int, blazepose: BlazePose, assets: Path
) -> None:
    frames, expected = real_clip(assets, row)
    joints = blazepose.estimate(frames, np.arange(FRAMES) / 10).reshape(FRAMES, POSE_JOINTS, 4)
    size = np.ptp(expected[..., 1], axis=1)[:, None]  # height of the body
    distances = np.linalg.norm(joints[..., :2] - expected[..., :2], axis=-1) / size
    # MediaPipe filters joints over time, and read frames of twice the size.
    assert np.median(distances) < 0.01
    assert np.quantile(distances, 0.95) < 0.05
    assert np.abs(joints[..., 3] - expected[..., 3]).mean() < 0.05
    assert (joints[:, NOSE, 1] < joints[:, LEFT_SHOULDER, 1]).all()
    assert (joints[:, LEFT_SHOULDER, 1] < joints[:, LEFT_ANKLE, 1]).all()


@pytest.mark.assets
def test_two_people_side_by_side(blazepose: BlazePose, assets: Path) -> None:
    left, right = (real_clip(assets, row)[0][::8] for row in (0, 150))
    frames = np.concatenate([left, right], 2)
    people = blazepose.estimate_people(frames, Timeline(np.arange(4.0), 4.0).times)
    middles = [float((p.boxes[:, 0] + p.boxes[:, 2] / 2).mean()) for p in people[:2]]
    border = left.shape[2] / left.shape[1]
    assert min(middles) < border < max(middles)
    assert all(person.boxes.any(1).all() for person in people[:2])
    alone = blazepose.estimate(left, np.arange(4.0))
    nearest = people[int(np.argmin(middles))].joints
    assert np.median(np.abs(nearest - alone)) < 0.02
