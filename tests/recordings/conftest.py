"""Clips and classifiers of ``tests.classifier``; a long recording of rendered motions, indexed."""

from pathlib import Path

import numpy as np
import pytest

from fewact import FewShotClassifier, methods
from fewact.classifier.pipeline import Pipeline
from fewact.data import Clip, Frames
from fewact.features.store import Store
from fewact.networks import Backbone
from fewact.recordings.find import proposals, read_again
from fewact.recordings.index import Archive
from fewact.recordings.question import Question, question_of_clips
from fewact.recordings.segments import Segment
from fewact.video import EveryNth, read_frames, write_video
from tests.classifier.conftest import actions, backbone, examples, queries, quick, render, taught
from tests.recordings.two_people import FPS, TAUGHT, alone, frames_of

__all__ = ["actions", "backbone", "examples", "queries", "quick", "taught"]

MOTIONS = ["left", "down", "right", "down", "left", "right", "down", "left", "down"]


@pytest.fixture(scope="session")
def long_recording(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("archive")
    clips = [render(root / f"{i}.mp4", motion, 30 + i) for i, motion in enumerate(MOTIONS)]
    frames = np.concatenate([read_frames(clip, EveryNth(1)) for clip in clips])
    return write_video(root / "long.mkv", frames, 12)


@pytest.fixture(scope="session")
def archive(
    long_recording: Path, backbone: Backbone, tmp_path_factory: pytest.TempPathFactory
) -> Archive:
    store = Store.create(tmp_path_factory.mktemp("index") / "index")
    found = Archive(store, backbone.card, create=True)
    assert found.add(long_recording, backbone)
    return found


@pytest.fixture(scope="session")
def question(backbone: Backbone, tmp_path_factory: pytest.TempPathFactory) -> Question:
    clip = render(tmp_path_factory.mktemp("query") / "right.mp4", "right", 17)
    pipeline = Pipeline(backbone, methods.create("fusion"))
    return question_of_clips([Clip(clip, "right")], pipeline)


@pytest.fixture(scope="session")
def found(archive: Archive, question: Question) -> list[Segment]:
    """Six segments that were found by the question."""
    return read_again(proposals(archive, question, 6), question)


@pytest.fixture(scope="session")
def people(assets: Path) -> FewShotClassifier:
    """A classifier of actions of people, each in the middle of a picture for two."""
    clips = {
        label: [Frames(alone(frames_of(assets, label, person)), FPS) for person in (1, 2, 3)]
        for label in TAUGHT
    }
    return FewShotClassifier().fit(clips)
