"""What a coach does: half of the recordings are taught; and the answer that is given most."""

import numpy as np

from benchmarks.clips import Answers, half_of_recordings
from fewact.data import Video, VideoList


def test_half_of_the_recordings_of_each_class_are_taught_with_all_clips() -> None:
    videos = VideoList(
        "exercises",
        tuple(
            Video(f"{label} {group} {take}", label, group=f"{label} {group}")
            for label, groups in (("squat", 4), ("lunge", 3))
            for group in range(groups)
            for take in range(2)
        ),
        "within-class",
    )
    halves = set()
    for seed in range(5):
        taught = half_of_recordings(videos, seed)
        of_recording: dict[tuple[str, str], set[bool]] = {}
        for video, known in zip(videos.videos, taught.tolist(), strict=True):
            of_recording.setdefault((video.label, video.group or ""), set()).add(known)
        assert all(len(known) == 1 for known in of_recording.values())
        number = {
            label: sum(
                known == {True} for (name, _), known in of_recording.items() if name == label
            )
            for label in videos.classes
        }
        assert number == {"squat": 2, "lunge": 1}
        halves.add(taught.tobytes())
    assert len(halves) > 1


def test_the_most_frequent_answer_is_compared_with_its_class() -> None:
    answers = Answers(np.array([1, 7, 2]), np.array([5, 2, 3]), 40.0)
    assert answers.most_frequent == "70 for 20"
