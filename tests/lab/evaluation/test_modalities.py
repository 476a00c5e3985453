"""Several modalities of the same clips in one evaluation."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fewact.core.errors import DataError, OptionError
from fewact.data import Video, VideoList
from fewact.lab import methods
from fewact.lab.benchmarks import FeatureDataset
from fewact.lab.evaluation import (
    ArrayFeatures,
    CameraSpec,
    DataSpec,
    EvaluationSpec,
    Result,
    evaluate,
    evaluate_method,
    sweep,
)
from fewact.lab.evaluation.episodes import Protocol, draw
from fewact.lab.evaluation.run import matched
from fewact.lab.methods.combined import Combined, combined_nodes

SMALL = Protocol(ways=3, shots=2, queries=2, count=30)


def write(
    file: Path, frames: int, noise: float, *, seed: int, order: Any = None, end: str = ""
) -> Path:
    """Write features of 5 classes with 3 people and 2 clips each, in an order of the rows."""
    rng = np.random.default_rng(seed)
    rows = [(c, g, i) for c in range(5) for g in range(3) for i in range(2)]
    centres = rng.standard_normal((5, frames, 6))
    values = np.stack([centres[c] + noise * rng.standard_normal((frames, 6)) for c, _, _ in rows])
    lines = [f"{c}/{g}-{i}{end}\tclass {c}\t{g}" for c, g, i in rows]
    chosen = list(range(len(rows))) if order is None else order
    np.savez(file, features=values[chosen].astype(np.float32))
    table = ["clip\tclass\tgroup", *(lines[i] for i in chosen)]
    file.with_suffix(".tsv").write_text("\n".join(table) + "\n")
    return file


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Depth of 2 frames, and colour of 3 frames in another order, with names of videos."""
    folder = tmp_path_factory.mktemp("modalities")
    backwards = list(range(30))[::-1]
    depth = write(folder / "depth.npz", 2, 1.0, seed=0)
    return depth, write(folder / "colour.npz", 3, 1.0, seed=1, order=backwards, end=".mp4")


def config(files: tuple[Path, ...], **changes: Any) -> EvaluationSpec:
    first, *others = map(str, files)
    settings = {"method": "otam", "data": DataSpec(source=first), "episodes": SMALL} | changes
    return EvaluationSpec(modalities=tuple(others), **settings)


def test_the_same_result_as_one_by_one(files: tuple[Path, Path]) -> None:
    result = evaluate(config(files))
    depth, colour = map(FeatureDataset, files)
    videos = depth.videos
    drawn = draw(videos, Protocol(ways=3, shots=2, queries=2, count=30, groups="shared"))
    method = Combined([methods.create("otam", frames=n) for n in (2, 3)])
    rows = [depth.features, colour.features[::-1]]
    from torch import arange, from_numpy

    hits = []
    for support, query in zip(drawn.support, drawn.query, strict=True):
        sides = [
            combined_nodes([{"frames": from_numpy(one[side].copy())[None]} for one in rows])
            for side in (support, query)
        ]
        labels = arange(3).repeat_interleave(2)[None]
        found = method.score(method.support(sides[0], labels, 3), sides[1])
        hits.append(100 * (found.argmax(-1) == labels).double().mean().item())
    assert result.per_episode == pytest.approx(hits)
    assert result.setup.method.label == "otam 1.frames=2 2.frames=3"
    assert result.setup.features.name == "depth + colour"
    assert result.setup.features.modalities == 2
    assert result.command.startswith(f"fewact evaluate otam --data {files[0]} --with {files[1]} ")


def test_two_modalities_gain(files: tuple[Path, Path]) -> None:
    many = Protocol(ways=3, shots=2, queries=2, count=200)
    both = evaluate(config(files, episodes=many)).accuracy
    alone = [evaluate(config((file,), episodes=many)).accuracy for file in files]
    assert both > max(alone) + 3


def test_a_sweep_and_three_modalities(files: tuple[Path, Path], tmp_path: Path) -> None:
    third = write(tmp_path / "sound.npz", 1, 1.0, seed=2)
    three = (*files, third)
    results = sweep(config(three), {"smoothing": [0.01, 0.1]})
    assert [one.setup.method.options["3.smoothing"] for one in results] == [0.01, 0.1]
    alone = evaluate(config(three, options={"smoothing": 0.1}))
    assert results[1].per_episode == alone.per_episode


def test_equal_weights(files: tuple[Path, Path]) -> None:
    chosen, equal = evaluate(config(files)), evaluate(config(files, modality_weights="equal"))
    assert chosen.per_episode != equal.per_episode
    assert equal.setup.method.label.startswith("otam weights=equal ")
    assert "--with-weights equal" in equal.command


def test_a_result_is_kept(files: tuple[Path, Path], tmp_path: Path) -> None:
    output = tmp_path / "r.json"
    first = evaluate(config(files, output=output))
    assert evaluate(config(files, output=output)) == first
    with pytest.raises(Exception, match="another result"):
        evaluate(config(files[:1], output=output))


def lists(*names: str, label: str = "a") -> VideoList:
    return VideoList("list", tuple(Video(name, label, "test", "p1") for name in names), "shared")


def test_matching_by_name() -> None:
    other = VideoList("other", tuple(Video(f"{i}.mkv", "a") for i in "312"))
    found = matched(lists("1", "2.mp4"), other)
    assert [one.id for one in found.videos] == ["1.mkv", "2.mkv"]
    assert {(one.split, one.group) for one in found.videos} == {("test", "p1")}
    assert found.groups == "shared"


@pytest.mark.parametrize(
    ("other", "fault"),
    [
        (lists("1"), "2 of 3 are missing"),
        (lists("1", "2", "3", label="b"), "other classes"),
        (lists("1.mp4", "1.avi", "2", "3"), "only in the extension"),
    ],
)
def test_lists_that_do_not_match(other: VideoList, fault: str) -> None:
    with pytest.raises(DataError, match=fault):
        matched(lists("1", "2", "3"), other)


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"camera": CameraSpec(name="hand")}, "--camera"),
        ({"method": "ridge"}, "similarities of pairs"),
        ({"options": {"shot_aggregation": "prototype"}}, "shot_aggregation=mean"),
    ],
)
def test_what_cannot_be_combined(
    files: tuple[Path, Path], changes: dict[str, Any], fault: str
) -> None:
    with pytest.raises(OptionError, match=fault):
        evaluate(config(files, **changes))


def test_other_kernels(files: tuple[Path, Path]) -> None:
    """A video's array of one modality decides nothing if the other one is constant."""
    depth = FeatureDataset(files[0])
    drawn = draw(depth.videos, Protocol(ways=3, shots=2, queries=2, count=30, groups="shared"))
    source = ArrayFeatures(depth.features)
    alone: Result = evaluate_method(methods.create("otam", frames=2), source, depth.videos, drawn)
    twice = Combined([methods.create("otam", frames=2) for _ in range(2)])
    assert evaluate_method(twice, source, depth.videos, drawn).per_episode == alone.per_episode
