"""Regions of movement: found, followed, divided and joined."""

import numpy as np
import pytest

from fewact.data import Frames
from fewact.video.regions import RATE, RegionFinder, count_movers, find_tracks
from fewact.video.resizing import resized
from fewact.video.source import KeptFrames
from fewact.video.track import Box, Track, pictures

SIZE = 144, 192
Mover = tuple[float, float, float, float]


def scene(seed: int = 0) -> np.ndarray:
    """Return a textured background (h w 3), with a border for a camera that moves."""
    smooth = np.random.default_rng(seed).uniform(0, 200, (3, 12, 16))
    for length in (SIZE[1] + 32, SIZE[0] + 32):
        smooth = np.swapaxes(smooth @ cubic(smooth.shape[-1], length), 1, 2)
    return np.moveaxis(smooth.clip(0, 255), 0, -1).copy()


def cubic(length: int, new: int) -> np.ndarray:
    """Return the weights (length new) of cubic interpolation (Keys 1981, a = -0.75)."""
    at = (np.arange(new) + 0.5) * length / new - 0.5
    weights = np.zeros((length, new))
    for k in range(-1, 3):
        pixel = np.floor(at).astype(int) + k
        x = np.abs(at - pixel)
        near, far = (1.25 * x - 2.25) * x**2 + 1, -0.75 * (((x - 5) * x + 8) * x - 4)
        weight = np.where(x < 1, near, far)
        np.add.at(weights, (pixel.clip(0, length - 1), np.arange(new)), weight)
    return weights


def recorded(movers: list[list[Box]], *, handheld: bool = False) -> np.ndarray:
    """Return frames (t h w 3) of textured boxes that are at places (t) before a scene."""
    frames = []
    for t in range(max(map(len, movers))):
        picture = scene()
        for number, places in enumerate(movers):
            box = places[min(t, len(places) - 1)]
            texture = np.random.default_rng(number + 5).uniform(0, 255, (64, 64, 3))
            y, x = 16 + round(box.y), 16 + round(box.x)
            height, width = round(box.height), round(box.width)
            rows = np.arange(height) * 8 // max(1, height)
            columns = np.arange(width) * 4 // max(1, width)
            picture[y : y + height, x : x + width] = texture[rows][:, columns]
        down, right = hand(t) if handheld else (0, 0)
        top, left = 16 + down, 16 + right
        frames.append(picture[top : top + SIZE[0], left : left + SIZE[1]])
    return np.stack(frames).astype(np.uint8)


def hand(t: int) -> tuple[int, int]:
    """Return the rows and columns by which a hand moves the camera down and to the right."""
    return round(5 * np.sin(t / 3)), round(6 * np.sin(t / 4 + 1))


def swaying(x: float, y: float, width: float, height: float, count: int = 40) -> list[Box]:
    """Return the places of something that goes to and fro by an eighth of its width."""
    shifts = width / 8 * np.sin(np.arange(count))
    return [Box(x + shift, y, width, height) for shift in shifts]


def tracks_of(frames: np.ndarray) -> list[Track]:
    return find_tracks(Frames(frames, fps=RATE))[0]


def test_nothing_moves_in_a_still_clip() -> None:
    assert tracks_of(recorded([[Box(50, 30, 30, 60)] * 30])) == []


def test_noise_is_no_movement() -> None:
    rng = np.random.default_rng(0)
    frames = np.repeat(recorded([[Box(50, 30, 30, 60)]]), 30, axis=0)
    noisy = frames + rng.normal(0, 6, frames.shape)
    assert tracks_of(noisy.clip(0, 255).astype(np.uint8)) == []


def test_movers_are_counted_in_frames_of_any_size() -> None:
    still = [Box(70, 50, 20, 20)] * 40
    movers = [still, swaying(20, 30, 28, 90), swaying(130, 60, 20, 45)]
    for count in (0, 1, 2):
        frames = resized(recorded(movers[: count + 1]), (224, 224))
        numbers = np.arange(len(frames))
        kept = KeptFrames(frames, numbers, numbers / RATE, SIZE[1] / SIZE[0])
        assert count_movers(kept) == count


@pytest.mark.parametrize("handheld", [False, True])
def test_two_that_move_are_two_tracks_with_their_boxes(handheld: bool) -> None:
    places = [Box(20, 30, 28, 90), Box(130, 60, 20, 45)]
    tracks = tracks_of(recorded([swaying(*box) for box in places], handheld=handheld))
    assert [track.subject for track in tracks] == ["1", "2"]
    x, y = (6, 5) if handheld else (0, 0)  # the camera moves them in the picture by so much
    for track, box in zip(sorted(tracks, key=lambda track: track.box().x), places, strict=True):
        seen = Box(box.x - x, box.y - y, box.width + 2 * x, box.height + 2 * y)
        assert track.box().iou(seen) > 0.7


@pytest.mark.parametrize("cut", [1, 2, 3, 4, 5, 6, 7])
def test_pictures_of_any_size_are_followed(cut: int) -> None:
    frames = recorded([swaying(20, 30, 28, 70), swaying(130, 60, 20, 45)])
    assert len(tracks_of(frames[:, cut:, cut:])) == 2


def test_a_walker_is_one_track() -> None:
    walk = [Box(10 + 3.5 * t, 40, 24, 70) for t in range(38)]
    (track,) = tracks_of(recorded([walk]))
    assert track.box(0.9, 1.1).x < track.box(3.9, 4.1).x - 40


def test_a_subject_that_pauses_keeps_its_name() -> None:
    box = Box(20, 30, 28, 90)
    pausing = [*swaying(*box, count=24), *[box] * 60, *swaying(*box, count=24)]
    other = [*[Box(130, 60, 20, 45)] * 50, *swaying(130, 60, 20, 45, count=58)]
    tracks = tracks_of(recorded([pausing, other]))
    assert len(tracks) == 2
    assert tracks[0].end > 10
    assert not ((tracks[0].times > 5) & (tracks[0].times < 9)).any()


def followed(frames: np.ndarray) -> RegionFinder:
    finder = RegionFinder()
    for number, frame in enumerate(frames):
        finder.add(frame, number / RATE)
    return finder


def test_a_recording_is_followed_over_its_chunks() -> None:
    frames = recorded([swaying(20, 30, 28, 90, count=150), swaying(130, 60, 20, 45, count=150)])
    finder = followed(frames)
    first, second = finder.tracks()
    assert first.start < 1
    assert second.end == pytest.approx(149 / RATE, abs=0.3)
    assert len(first.times) > 140
    assert finder.camera() is None


def test_the_path_of_a_camera_goes_on_over_chunks() -> None:
    frames = recorded([swaying(20, 30, 28, 90, count=150)], handheld=True)
    finder = followed(frames)
    (track,) = finder.tracks()
    camera = finder.camera()
    assert camera is not None
    views = [camera.view(t / RATE) for t in range(150)]
    shifts = np.array([view.shift for view in views])
    down, right = np.array([hand(t) for t in range(150)]).T
    off = shifts + right + 1j * down  # what the camera does, the picture does the other way round
    assert np.abs(off - off.mean()).max() < 0.5
    stabilised = camera.stabilised(track)
    assert stabilised.box().iou(Box(20 - off.mean().real, 30 - off.mean().imag, 28, 90)) > 0.75
    again = camera.in_picture(stabilised)
    np.testing.assert_allclose(again.boxes, track.boxes, atol=1e-6)


def test_the_picture_of_a_subject_is_stabilised_where_the_camera_is_not() -> None:
    frames = recorded(
        [[Box(70, 40, 30, 60)] * 60, swaying(140, 60, 20, 45, count=60)], handheld=True
    )
    camera = followed(frames).camera()
    assert camera is not None
    (picture,) = pictures([Box(60, 30, 50, 80)], SIZE, 0.6, camera.scene)
    shown = np.stack([picture.of(frame, camera.view(t / RATE)) for t, frame in enumerate(frames)])
    change = np.abs(np.diff(shown.astype(int), axis=0)).mean()
    moving = np.abs(np.diff(frames[:, 20:120, 52:118].astype(int), axis=0)).mean()
    assert change < moving / 5


@pytest.mark.parametrize("crosses", [True, False])
def test_two_that_cross_or_go_back_keep_their_tracks(crosses: bool) -> None:
    there = (
        [4.0 * t for t in range(38)] if crosses else [4.0 * (12 - abs(t - 12)) for t in range(25)]
    )
    shifts = np.array([0.0] * 8 + there + [there[-1]] * 8)
    sway = np.where(np.arange(len(shifts)) % 2, 3.0, 0.0)
    first = [Box(8 + x + s, 40, 24, 70) for x, s in zip(shifts, sway, strict=True)]
    second = [Box(160 - x - s, 60, 20, 50) for x, s in zip(shifts, sway, strict=True)]
    tracks = tracks_of(recorded([first, second]))
    assert len(tracks) == 2
    for track in tracks:
        begin, end = (track.box(*span) for span in ((0, 0.8), (track.end - 0.5, track.end)))
        assert (abs(begin.x - end.x) > 80) == crosses
        assert begin.height == pytest.approx(end.height, abs=8)


def test_two_that_stay_do_not_exchange_their_tracks() -> None:
    sway = np.where(np.arange(30) % 2, 3.0, 0.0)

    def at(x: float, y: float, width: float, height: float) -> list[Box]:
        return [Box(x + shift, y, width, height) for shift in sway]

    # They touch, and then look like each other, as where one hides a part of the other.
    first = at(30, 40, 28, 70) + at(30, 40, 44, 70) + at(84, 40, 28, 70)
    second = at(84, 60, 20, 50) + at(84, 60, 20, 50) + at(34, 60, 20, 50)
    tracks = tracks_of(recorded([first, second]))
    assert len(tracks) == 2
    for track in tracks:
        begin, end = track.box(0, 2), track.box(track.end - 2, track.end)
        assert abs(begin.x - end.x) < 20
