"""Evaluation by a configuration: the same results as on objects, and the recorded command."""

import json
import shlex
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fewact.cli.options import parse_options
from fewact.core.errors import DataError, EpisodeError, OptionError
from fewact.lab import methods
from fewact.lab.benchmarks import FeatureDataset
from fewact.lab.evaluation import (
    ArrayFeatures,
    CameraSpec,
    ConditionSpec,
    DataSpec,
    EpisodeFile,
    EvaluationSpec,
    ReadingSpec,
    Result,
    evaluate,
    evaluate_method,
    load,
    open_videos,
    sweep,
)
from fewact.lab.evaluation.episodes import Protocol, draw, save
from fewact.lab.evaluation.spec import command_of, option_text
from fewact.networks import BackboneSpec, TextSpec
from tests.refused import refused

SMALL = Protocol(ways=3, shots=2, queries=2, count=20)


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Features of 8 classes with 3 groups, half of them for validation."""
    file = tmp_path_factory.mktemp("features") / "mine.npz"
    rng = np.random.default_rng(0)
    rows = [(c, g, i) for c in range(8) for g in range(3) for i in range(2)]
    centres = rng.standard_normal((8, 2, 6))
    noisy = np.stack([centres[c] + 2 * rng.standard_normal((2, 6)) for c, _, _ in rows])
    np.savez(file, features=noisy.astype(np.float32))
    lines = [f"{c}-{g}-{i}\tclass {c}\t{g}\t{'val' if c < 4 else 'test'}" for c, g, i in rows]
    file.with_suffix(".tsv").write_text("clip\tclass\tgroup\tsplit\n" + "\n".join(lines) + "\n")
    return file


def config(file: Path, **changes: Any) -> EvaluationSpec:
    data = DataSpec(source=str(file), groups="none")
    return EvaluationSpec(**{"method": "protonet", "data": data, "episodes": SMALL} | changes)


def on_objects(file: Path, split: str = "test", groups: str = "none", **options: Any) -> Result:
    dataset = FeatureDataset(file, groups=groups)
    videos = dataset.videos.of(split)
    episodes = draw(videos, Protocol(ways=3, shots=2, queries=2, count=20, groups=groups))
    method = methods.create("protonet", frames=2, **options)
    return evaluate_method(method, ArrayFeatures(dataset.of(videos), "mine"), videos, episodes)


def test_the_same_result_as_on_objects(file: Path) -> None:
    result = evaluate(config(file))
    assert result.model_copy(update={"command": ""}) == on_objects(file)
    joined = evaluate(config(file, options={"frame_matching": "concatenated"}))
    assert joined.per_episode == on_objects(file, frame_matching="concatenated").per_episode


def test_groups_and_split_of_the_data(file: Path) -> None:
    shared = Protocol(ways=3, shots=2, queries=2, count=20)
    data = DataSpec(source=str(file), split="val")
    result = evaluate(config(file, data=data, episodes=shared))
    assert result.per_episode == on_objects(file, "val", "shared").per_episode
    assert (result.setup.videos.split, result.final) == ("val", False)
    both = evaluate(config(file, data=data.model_copy(update={"split": "all"})))
    assert (both.setup.videos.split, both.setup.videos.classes) == (None, 8)
    with refused(DataError, where="mine", got="train"):
        evaluate(config(file, data=data.model_copy(update={"split": "train"})))


def test_output_and_progress(file: Path, tmp_path: Path) -> None:
    steps = []
    output = tmp_path / "r.json"
    call = config(file, output=output, threads=1)
    result = evaluate(call, progress=lambda *step: steps.append(step))
    assert load(output) == result
    assert {stage for stage, _, _ in steps} == {"Encoding", "Scoring"}
    assert steps[-1] == ("Scoring", 20, 20)
    assert evaluate(call) == result


def test_a_file_of_episodes(file: Path, tmp_path: Path) -> None:
    videos = FeatureDataset(file, groups="none").videos.of("test")
    drawn = draw(videos, Protocol(ways=3, shots=2, queries=2, count=20, seed=5))
    saved = save(drawn, tmp_path / "e.json")
    result = evaluate(config(file, episodes=EpisodeFile(file=saved)))
    assert result.setup.episodes.protocol.seed == 5
    with refused(EpisodeError, where="other.json"):
        EpisodeFile(file=tmp_path / "other.json")
    other = DataSpec(source=str(file), groups="none", split="val")
    with refused(EpisodeError, where="mine"):
        evaluate(config(file, data=other, episodes=EpisodeFile(file=saved)))


def test_a_sweep_over_validation_classes(file: Path, tmp_path: Path) -> None:
    grid = {"frame_matching": ["pooled", "concatenated"], "distance": ["cosine", "euclidean"]}
    stages = []
    results = sweep(
        config(file, options={"temperature": 0.5}, output=tmp_path),
        grid,
        progress=lambda stage, done, total: stages.append(stage),
    )
    found = [result.setup.method.options for result in results]
    assert [(one["frame_matching"], one["distance"]) for one in found] == [
        (order, distance) for order in grid["frame_matching"] for distance in grid["distance"]
    ]
    assert {one["temperature"] for one in found} == {0.5}
    assert {result.setup.videos.split for result in results} == {"val"}
    expected = on_objects(
        file, "val", frame_matching="concatenated", distance="euclidean", temperature=0.5
    )
    assert results[3].per_episode == expected.per_episode
    assert "frame_matching=concatenated distance=cosine, scoring" in stages
    assert {path.stem for path in tmp_path.glob("*.json")} == {
        f"frame_matching={order}_distance={distance}"
        for order in grid["frame_matching"]
        for distance in grid["distance"]
    }


@pytest.mark.parametrize("grid", [{}, {"frame_matching": []}])
def test_an_empty_sweep_is_refused(file: Path, grid: dict[str, list[Any]]) -> None:
    with refused(OptionError, where="--sweep"):
        sweep(config(file), grid)


def test_an_option_cannot_have_a_value_and_be_swept(file: Path) -> None:
    with refused(OptionError, where="--sweep", got="frame_matching"):
        sweep(
            config(file, options={"frame_matching": "concatenated"}), {"frame_matching": ["pooled"]}
        )


@pytest.mark.parametrize(
    "changes",
    [
        {"more": 1},
        {"threads": 0},
        {"data": {"source": "x", "split": "all", "folder": "y"}},
        {"data": {"source": "x", "groups": "persons"}},
        {"episodes": {"ways": 1}},
        {"episodes": {"groups": "none"}},  # those of the data decide
        {"camera": {"name": "hand", "on": "support"}},
    ],
)
def test_invalid_configurations(file: Path, changes: dict[str, Any]) -> None:
    with pytest.raises(OptionError):
        config(file, **changes)


def test_an_unknown_name_gets_those_that_exist() -> None:
    says = r'Protocol has no option "way"; expected: ways, .*Did you mean "ways"'
    with pytest.raises(OptionError, match=says):
        Protocol(way=3)  # type: ignore[call-arg]


@pytest.mark.parametrize("source", ["folder", "table.csv", "motions", "mine.npz"])
def test_options_of_another_source_are_refused(source: str, file: Path, tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir(exist_ok=True)
    (tmp_path / "table.csv").touch()
    name = {"motions": source, "mine.npz": str(file)}.get(source, str(tmp_path / source))
    for option in ("root", "splits", "availability"):
        with pytest.raises(OptionError, match=rf"--{option}: needs a benchmark \(got x\)"):
            open_videos(DataSpec(source=name, **{option: "x"}))
    if source != "mine.npz":
        with refused(OptionError, where="--dataset", got="x"):
            open_videos(DataSpec(source=name, dataset="x"))


def test_features_cannot_be_recorded_or_stored(file: Path, tmp_path: Path) -> None:
    with refused(OptionError, where="--camera", got="hand"):
        evaluate(config(file, camera=CameraSpec(name="hand")))
    with refused(OptionError, where="--condition", got="dark"):
        evaluate(config(file, condition=ConditionSpec(name="dark")))
    with refused(OptionError, where="--correct", got="auto"):
        evaluate(config(file, reading=ReadingSpec(correct="auto")))
    stored = DataSpec(source=str(file), store=tmp_path)
    with refused(OptionError, where="--store"):
        evaluate(config(file, data=stored))
    with refused(OptionError, where="--text-encoder", got="minilm"):
        evaluate(config(file, text=TextSpec(encoder="minilm")))


def test_a_command_names_what_differs_from_the_defaults() -> None:
    full = EvaluationSpec(
        method="runs/a b",
        options={"moments.lengths": [1, 2], "alignment.name": "otam", "moments.attention": True},
        data=DataSpec(
            source="hmdb51",
            split="val",
            groups="none",
            root=Path("videos"),
            allow_missing=True,
            store=Path("store"),
        ),
        episodes=Protocol(shots=5, count=100),
        backbone=BackboneSpec(
            name="clip-vit", weights="local-dir:w", device="cpu", sampler="blocks"
        ),
        text=TextSpec(encoder="clip", prompts="a {}"),
        camera=CameraSpec(name="hand", on="query"),
        condition=ConditionSpec(name="dark:3", on="query"),
        reading=ReadingSpec(trim="auto", correct="auto"),
        allow_leak=True,
        threads=3,
        output=Path("r.json"),
        overwrite=True,
    )
    assert command_of(full) == (
        "fewact evaluate 'runs/a b' --data hmdb51 --split val --groups none --root videos "
        "--allow-missing --store store --shots 5 --count 100 "
        "--option moments.lengths=1,2 --option alignment.name=otam "
        "--option moments.attention=true --allow-leak --backbone clip-vit --weights local-dir:w "
        "--device cpu --sampler blocks --text-encoder clip --prompts 'a {}' --camera hand "
        "--camera-on query --condition dark:3 --condition-on query --trim auto --correct auto"
    )
    small = EvaluationSpec(method="otam", data=DataSpec(source="x"))
    assert command_of(small) == "fewact evaluate otam --data x"
    unusual = small.model_copy(update={"backbone": BackboneSpec(options={"last_stride": 1})})
    assert command_of(unusual) == ""


def test_the_command_of_a_swept_result_gives_the_same_result(
    file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from fewact.cli import main

    swept = sweep(config(file), {"frame_matching": ["concatenated"], "temperature": [2.0]})[0]
    words = shlex.split(swept.command)[1:]
    assert main([*words, "--format", "json"]) == 0
    again = json.loads(capsys.readouterr().out)
    assert again["setup"] == json.loads(swept.model_dump_json())["setup"]
    assert again["per_episode"] == list(swept.per_episode)
    assert again["command"] == swept.command


scalars = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text()


@given(scalars | st.lists(scalars, max_size=3))
def test_the_text_of_an_option_is_read_as_the_same_value(value: Any) -> None:
    if isinstance(value, str):
        value = value.strip()
    assert parse_options([f"x={option_text(value)}"]) == {"x": value}
