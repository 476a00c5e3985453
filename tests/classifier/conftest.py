"""Small rendered clips of three motions, and classifiers taught with them."""

import zlib
from pathlib import Path

import numpy as np
import pytest

from fewact import networks
from fewact.classifier import FewShotClassifier, Prediction
from fewact.data import Frames, Video
from fewact.networks import Backbone
from fewact.video import Segments, write_video
from tests.classifier.features import LABELS, vectors

STEPS = {"left": (-1, 0), "right": (1, 0), "down": (0, 1)}


def render(path: Path, motion: str, seed: int) -> Path:
    """Write a clip of a bright block that moves; the seed decides position, size and colours."""
    rng = np.random.default_rng([seed, zlib.crc32(motion.encode())])
    ground, block = rng.integers(0, 90, 3), rng.integers(150, 256, 3)
    size, phase = rng.integers(10, 16), rng.uniform(0.9, 1.1)
    dx, dy = STEPS[motion]
    frames = np.tile(ground.astype(np.uint8), (12, 48, 64, 1))
    for t, frame in enumerate(frames):
        along = phase * (t / 11 - 0.5)
        y, x = int(18 + 34 * dy * along), int(26 + 44 * dx * along)
        frame[max(0, y) : y + size, max(0, x) : x + size] = block
    path.parent.mkdir(parents=True, exist_ok=True)
    write_video(path, frames, 12)
    return path


def joined(*videos: Video) -> Frames:
    """Return all frames of some clips, one clip after the other."""
    parts = [v.source.read([Segments(22)]).frames[0] for v in videos if v.source is not None]
    return Frames(np.concatenate(parts), fps=10, name=videos[len(videos) // 2].id)


@pytest.fixture(scope="session")
def actions(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of three classes with three clips each."""
    root = tmp_path_factory.mktemp("actions")
    for motion in STEPS:
        for seed in range(3):
            render(root / motion / f"clip {seed}.mp4", motion, seed)
    return root


@pytest.fixture(scope="session")
def queries(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """One new clip of each class."""
    root = tmp_path_factory.mktemp("queries")
    return {motion: render(root / f"{motion} it.mp4", motion, 17) for motion in STEPS}


@pytest.fixture(scope="session")
def backbone() -> Backbone:
    """The default backbone with its real weights."""
    return networks.create()


@pytest.fixture(scope="session")
def examples(actions: Path, backbone: Backbone) -> FewShotClassifier:
    """A classifier with the default method; tests must not change it."""
    return FewShotClassifier(backbone).fit(actions)


@pytest.fixture(scope="session")
def predicted(examples: FewShotClassifier, queries: dict[str, Path]) -> list[Prediction]:
    """Predictions of the default method for the queries."""
    return examples.predict(queries.values())


@pytest.fixture
def quick(backbone: Backbone) -> FewShotClassifier:
    """A classifier that needs no network."""
    return FewShotClassifier(backbone, "pixels")


@pytest.fixture
def taught(quick: FewShotClassifier, actions: Path) -> FewShotClassifier:
    """A classifier that needs no network, taught with three classes."""
    return quick.fit(actions)


@pytest.fixture
def model(taught: FewShotClassifier, tmp_path: Path) -> Path:
    """The folder of a saved model with three classes."""
    return taught.save(tmp_path / "model")


@pytest.fixture
def by_vectors() -> FewShotClassifier:
    """A classifier of features, taught with the clips ``vectors(LABELS)``."""
    return FewShotClassifier().fit(vectors(LABELS), LABELS)
