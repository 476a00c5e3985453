"""``fewact episodes``, ``evaluate``, ``compare``, ``stability`` and ``leaderboard``."""

import csv
import hashlib
import io
import json
import xml.etree.ElementTree as ET
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fewact.lab import methods
from fewact.lab.benchmarks import FeatureDataset, list_folder
from fewact.lab.evaluation import ArrayFeatures, confusion, evaluate_method
from fewact.lab.evaluation.episodes import Protocol, draw, load
from fewact.methods import REGISTRY
from fewact.methods.protonet import ProtoNet

Run = Callable[..., Any]
METHOD = """\
from fewact.lab import methods
from fewact.features.request import FeatureRequest, View
from fewact.lab.methods.base import TorchMethod

VECTORS = FeatureRequest("vectors", View(4))

@methods.register("mine")
class Mine(TorchMethod):
    def requests(self, card):
        return (VECTORS,)
    def encode(self, features):
        return {"x": features[VECTORS]}
    def support(self, nodes, labels, n):
        return nodes
    def score(self, state, query):
"""
"""A method of one's own without its last line."""

SMALL = ("--ways", 4, "--shots", 2, "--queries", 3, "--count", 40)


@pytest.fixture(scope="module")
def features(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Features of 10 classes, 6 persons in each, with validation and test classes."""
    folder = tmp_path_factory.mktemp("features")
    rng = np.random.default_rng(0)
    rows = [(c, g, i) for c in range(10) for g in range(6) for i in range(2)]
    centres = rng.standard_normal((10, 4, 16))
    noisy = np.stack([centres[c] + 2 * rng.standard_normal((4, 16)) for c, _, _ in rows])
    np.savez(folder / "mine.npz", features=noisy.astype(np.float16))
    lines = [
        f"{c}-{g}-{i}\tclass {c}\tperson {g}\t{'val' if c < 5 else 'test'}" for c, g, i in rows
    ]
    (folder / "mine.tsv").write_text("clip\tclass\tgroup\tsplit\n" + "\n".join(lines) + "\n")
    return folder / "mine.npz"


def expected(features: Path, split: str = "test", **options: Any) -> Any:
    data = FeatureDataset(features)
    videos = data.videos.of(split)
    drawn = draw(videos, Protocol(ways=4, shots=2, queries=3, count=40, groups="shared"))
    method = methods.create("protonet", frames=4, **options)
    return evaluate_method(method, ArrayFeatures(data.of(videos), "mine"), videos, drawn)


def test_json_has_accuracy_and_interval(run: Run, features: Path, tmp_path: Path) -> None:
    output = tmp_path / "r.json"
    call = ("evaluate", "protonet", "--data", features, *SMALL, "--format", "json")
    ended = run(*call, "-o", output)
    assert ended.code == 0
    document = json.loads(ended.out)
    right = expected(features)
    assert document["accuracy"] == right.accuracy
    assert document["ci95"] == right.ci95
    assert document["per_episode"] == list(right.per_episode)
    assert document["final"] is True
    assert document["setup"]["episodes"]["protocol"]["groups"] == "shared"
    assert document["command"].startswith(f"fewact evaluate protonet --data {features} --ways")
    assert "r.json" not in document["command"]
    assert output.read_text() == ended.out
    before = output.read_bytes()
    assert run(*call, "-o", output, "--threads", 3).out == ended.out
    assert run(*call, "-o", output, "--overwrite", "--threads", 3).code == 0
    assert output.read_bytes() == before


def test_a_file_that_is_no_result_is_kept(run: Run, features: Path, tmp_path: Path) -> None:
    (notes := tmp_path / "notes.json").write_text("of the user")
    call = ("evaluate", "protonet", "--data", features, *SMALL, "-o", notes)
    ended = run(*call)
    assert ended.code == 2
    assert f"{notes}: the file exists already: not " in ended.err
    assert "Replace it with --overwrite, or choose another file." in ended.err
    assert notes.read_text() == "of the user"
    assert run(*call, "--overwrite").code == 0
    assert json.loads(notes.read_text())["accuracy"] == expected(features).accuracy


def test_an_extension_in_capitals(run: Run, features: Path, tmp_path: Path) -> None:
    capitals = tmp_path / "mine.NPZ"
    capitals.write_bytes(features.read_bytes())
    (tmp_path / "mine.tsv").write_bytes(features.with_suffix(".tsv").read_bytes())
    ended = run("evaluate", "protonet", "--data", capitals, *SMALL, "--format", "json")
    assert json.loads(ended.out)["accuracy"] == expected(features).accuracy


def test_table_and_csv(run: Run, features: Path) -> None:
    call = ("evaluate", "protonet", "--data", features, *SMALL)
    table = run(*call)
    right = expected(features)
    assert f"{right.accuracy:.1f} ± {right.ci95:.2f}" in table.out
    assert "interval over episodes" in table.err
    (row,) = csv.DictReader(io.StringIO(run(*call, "--format", "csv").out))
    assert row["accuracy"] == f"{right.accuracy:.1f} ± {right.ci95:.2f}"
    assert "on test classes" in " ".join(row.values())


def test_saved_episodes(run: Run, features: Path, tmp_path: Path) -> None:
    saved = tmp_path / "e.json"
    drawn = run("episodes", features, *SMALL, "-o", saved)
    assert drawn.code == 0
    assert load(saved).digest in drawn.out
    call = ("evaluate", "protonet", "--data", features, "--format", "json")
    ended = run(*call, "--episodes", saved)
    assert json.loads(ended.out)["accuracy"] == expected(features).accuracy
    assert run(*call, "--episodes", saved, "--ways", 3).code == 2
    assert "another list" in run(*call, "--episodes", saved, "--split", "val").err
    again = run("episodes", features, *SMALL, "-o", saved)
    assert again.code == 2
    assert "--overwrite" in again.err
    assert run("episodes", features, *SMALL, "-o", saved, "--seed", 1, "--overwrite").code == 0
    assert load(saved).protocol.seed == 1


def test_a_sweep_uses_validation_classes(run: Run, features: Path, tmp_path: Path) -> None:
    call = ("evaluate", "protonet", "--data", features, *SMALL, "--format", "json")
    sweep = ("--sweep", "frame_matching=pooled,concatenated distance=cosine,euclidean")
    ended = run(*call, *sweep, "--option", "temperature=0.5", "-o", tmp_path)
    documents = json.loads(ended.out)
    options = [document["setup"]["method"]["options"] for document in documents]
    assert [(values["frame_matching"], values["distance"]) for values in options] == [
        (matching, d) for matching in ("pooled", "concatenated") for d in ("cosine", "euclidean")
    ]
    assert {d["setup"]["videos"]["split"] for d in documents} == {"val"}
    assert not any(d["final"] for d in documents)
    right = expected(features, "val", frame_matching="concatenated")
    assert documents[2]["accuracy"] == right.accuracy
    words = "--option frame_matching=concatenated --option distance=cosine"
    assert words in documents[2]["command"]
    files = sorted(tmp_path.glob("*.json"))
    assert len(files) == 4
    compared = run("compare", *files)
    assert compared.code == 0
    assert len(compared.out.splitlines()) == 1 + 6
    (first, *_) = json.loads(run("compare", *files, "--format", "json").out)
    assert first["first"] == str(files[0])
    assert set(first) >= {"difference", "ci95", "p", "p_holm"}


@pytest.mark.slow
def test_a_sweep_encodes_once_for_methods_that_differ_only_in_scores(
    run: Run, features: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    counts = []
    real = ProtoNet.encode

    def encode(method: ProtoNet, features: Any) -> Any:
        counts.append(method.options.frame_matching)
        return real(method, features)

    monkeypatch.setattr(ProtoNet, "encode", encode)
    sweep = ("--sweep", "distance=cosine,euclidean frame_matching=pooled,concatenated")
    ended = run("evaluate", "protonet", "--data", features, *SMALL, *sweep, "--format", "csv")
    rows = list(csv.DictReader(io.StringIO(ended.out)))
    orders = [
        "concatenated" if "frame_matching=concatenated" in row["method"] else "pooled"
        for row in rows
    ]
    assert orders == ["pooled", "concatenated", "pooled", "concatenated"]
    assert rows[0]["method"].endswith("distance=cosine (default) frame_matching=pooled (default)")
    assert "(default)" not in rows[3]["method"]
    assert len(counts) == 2 * len(set(counts)) * 60 / 2
    assert counts == sorted(counts, reverse=True)


@pytest.mark.slow
def test_the_synthetic_benchmark(run: Run, tmp_path: Path) -> None:
    call = ("evaluate", "protonet", "--data", "motions:misaligned", "--option", "frames=2")
    ended = run(*call, "--ways", 2, "--count", 3, "--split", "val", "--format", "json")
    assert ended.code == 0, ended.err
    document = json.loads(ended.out)
    assert document["setup"]["videos"]["name"] == "motions-1-misaligned"
    assert document["setup"]["videos"]["classes"] == 12
    ended = run("episodes", "motions:nothing", "-o", tmp_path / "e.json")
    assert ended.code == 2
    assert "moving-camera" in ended.err


def test_confusion(run: Run, features: Path, tmp_path: Path) -> None:
    files = [tmp_path / "a.json", tmp_path / "b.json"]
    call = ("evaluate", "protonet", "--data", features, *SMALL)
    shown = run(*call, "--confusion", "-o", files[0])
    assert "most often taken for" in shown.out
    assert "Most confused pairs" in shown.out
    assert run(*call, "--confusion", "--format", "json").code == 2
    run(*call, "--option", "frame_matching=concatenated", "-o", files[1])
    chart = tmp_path / "c.svg"
    ended = run("confusion", *files, "-o", chart, "--pairs", 2, "--format", "json")
    found = json.loads(ended.out)
    right = confusion(expected(features))
    assert found["predicted"] == right.predicted.tolist()
    assert [pair["first"] for pair in found["pairs"]] == [
        pair.first for pair in right.most_confused(2)
    ]
    assert set(found["on_pairs"]) == set(map(str, files))
    texts = [one.text for one in ET.fromstring(chart.read_text()).iter() if one.text]
    assert {f"{name}  {i}" for i, name in enumerate(right.classes, 1)} <= set(texts)
    assert "prefers-color-scheme: dark" in chart.read_text()
    assert run("confusion", *files, "-o", chart).code == 2
    table = run("confusion", *files).out
    assert all(name in table for name in right.classes)
    assert f"Accuracy on the pairs that {files[0]} confuses most" in table


def test_a_perfect_result_has_no_pairs_to_compare(run: Run, tmp_path: Path) -> None:
    rows = [(c, g) for c in range(5) for g in range(6)]
    values = np.stack([np.eye(5)[c] * np.ones((4, 1)) for c, _ in rows])
    np.savez(tmp_path / "easy.npz", features=values.astype(np.float16))
    lines = [f"{c}-{g}\tclass {c}\tperson {g}\ttest" for c, g in rows]
    (tmp_path / "easy.tsv").write_text("clip\tclass\tgroup\tsplit\n" + "\n".join(lines) + "\n")
    file = tmp_path / "a.json"
    run("evaluate", "protonet", "--data", tmp_path / "easy.npz", *SMALL, "-o", file)
    ended = run("confusion", file, file)
    assert (ended.code, "confuses no classes" in ended.err) == (0, True)


@pytest.mark.parametrize(
    ("score", "message"),
    [
        ("raise ValueError('mine')", "mine.py, line 16: the method raised ValueError"),
        ("return query['x'].mean((0, 2))", "the logits of the method have another shape"),
        ("return None", "the method of --import may have returned what"),
    ],
)
def test_an_error_of_a_method_of_ones_own_is_not_one_of_fewact(
    run: Run,
    features: Path,
    tmp_path: Path,
    score: str,
    message: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(REGISTRY, "_entries", dict(REGISTRY._entries))
    (tmp_path / "mine.py").write_text(METHOD + f"        {score}\n")
    call = ("evaluate", "mine", "--import", tmp_path / "mine.py", "--data", features)
    ended = run(*call, *SMALL)
    assert ended.code == 2
    assert message in ended.err
    assert "This is a bug in fewact" not in ended.err


def test_a_result_belongs_to_the_code_of_a_method_of_a_file(
    run: Run, features: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    entries = dict(REGISTRY._entries)
    score = "torch.cdist(query['x'].mean(-2), state['x'].mean(-2)).unflatten(-1, (4, 2)).mean(-1)"
    mine, output = tmp_path / "mine.py", tmp_path / "r.json"
    monkeypatch.chdir(tmp_path)

    def evaluate(sign: str, *more: str) -> Any:
        monkeypatch.setattr(REGISTRY, "_entries", dict(entries))
        mine.write_text(f"import torch\n{METHOD}        return {sign}{score}\n")
        call = ("evaluate", "mine", "--import", "mine.py", "--data", features, *SMALL)
        return run(*call, "-o", output, *more)

    assert evaluate("-").code == 0
    first = json.loads(output.read_text())
    assert first["command"].startswith("fewact evaluate mine --import mine.py --data ")
    digest = hashlib.sha256(mine.read_bytes()).hexdigest()
    assert first["setup"]["method"]["package"] == f"mine.py, SHA-256 {digest}"
    assert evaluate("-").code == 0
    assert json.loads(output.read_text()) == first
    edited = evaluate("+")
    assert edited.code == 2
    assert "which differs in method.package" in edited.err
    assert evaluate("+", "--overwrite").code == 0
    assert json.loads(output.read_text())["accuracy"] < first["accuracy"]


@pytest.mark.slow
def test_stability(run: Run, features: Path, tmp_path: Path) -> None:
    file, picture = tmp_path / "r.json", tmp_path / "r.svg"
    run("evaluate", "protonet", "--data", features, *SMALL, "-o", file)
    ended = run("stability", file, "-o", picture, "--format", "json")
    assert ended.code == 0
    points = json.loads(ended.out)[str(file)]
    assert [point["episodes"] for point in points] == [10, 20, 40]
    assert points[-1]["accuracy"] == expected(features).accuracy
    assert picture.read_text().startswith("<svg")
    ended = run("stability", file, "-o", picture)
    assert (ended.code, "exists already" in ended.err) == (2, True)


@pytest.mark.slow
def test_clips_with_a_skeleton(run: Run, clips: Path, tmp_path: Path) -> None:
    videos = list_folder(clips)
    number = {label: i for i, label in enumerate(videos.classes)}
    poses = np.eye(3, dtype=np.float32)[[number[video.label] for video in videos.videos]]
    np.savez(tmp_path / "poses.npz", features=np.stack([poses] * 4, 1))
    names = [f"{Path(video.id).with_suffix('')}\t{video.label}" for video in videos.videos]
    (tmp_path / "poses.tsv").write_text("\n".join(["clip\tclass", *names]) + "\n")
    call = ("evaluate", "otam", "--data", clips, "--with", tmp_path / "poses.npz", "--ways", 3)
    ended = run(*call, "--count", 20, "--format", "json")
    assert ended.code == 0, ended.err
    document = json.loads(ended.out)
    assert document["accuracy"] == 100
    assert document["setup"]["features"]["name"].endswith(" + poses")
    assert document["setup"]["method"]["options"]["2.frames"] == 4
    assert run(*call[:-3], tmp_path / "none.npz", "--ways", 3).code == 2
    refused = run("evaluate", "otam", "--data", clips, "--with-weights", "equal")
    assert "needs --with" in refused.err


@pytest.mark.slow
def test_clips_under_a_simulated_camera(run: Run, clips: Path) -> None:
    call = ("evaluate", "protonet", "--data", clips, "--option", "frames=2", "--ways", 3)
    plain, moving = (
        json.loads(run(*call, "--count", 5, "--format", "json", *more).out)
        for more in ([], ["--camera", "hand"])
    )
    assert "camera: hand" in moving["flags"]
    assert "--camera hand" in moving["command"]
    assert plain["setup"]["features"]["sha256"] != moving["setup"]["features"]["sha256"]
    assert plain["setup"]["episodes"] == moving["setup"]["episodes"]
    queries = json.loads(
        run(*call, "--count", 5, "--format", "json", "--camera", "hand", "--camera-on", "query").out
    )
    assert "camera: hand, of the queries" in queries["flags"]
    assert queries["setup"]["features"] == plain["setup"]["features"]
    assert queries["setup"]["query_features"] == moving["setup"]["features"]
    assert queries["setup"]["episodes"] == plain["setup"]["episodes"]


@pytest.mark.slow
def test_clips_in_a_condition(run: Run, clips: Path) -> None:
    call = ("evaluate", "protonet", "--data", clips, "--option", "frames=2", "--ways", 3)
    dark = run(*call, "--count", 5, "--condition", "dark:3", "--camera", "hand", "--format", "json")
    found = json.loads(dark.out)
    assert {"camera: hand", "condition: dark:3"} <= set(found["flags"])
    assert "--camera hand --condition dark:3" in found["command"]
    cleaned = ("--condition", "dark:3", "--trim", "auto", "--correct", "auto")
    read = run(*call, "--count", 5, *cleaned, "--format", "json")
    assert {"trimmed", "corrected", "condition: dark:3"} <= set(json.loads(read.out)["flags"])
    wrong = run(*call, "--condition", "darc")
    assert wrong.code == 2
    assert 'Did you mean "dark"' in wrong.err


def test_leaderboard(run: Run) -> None:
    shown = run("leaderboard", "HMDB-51", "--shots", 1)
    assert shown.code == 0
    assert "CLIP-SPM" in shown.out
    assert "Other settings" not in shown.out
    assert "rows of other settings; list with --all" in shown.out
    every = run("leaderboard", "HMDB-51", "--shots", 1, "--all").out
    assert "Other settings" in every
    assert max(map(len, every.splitlines())) <= 100
    rows = json.loads(run("leaderboard", "hmdb51_arn", "--format", "json").out)
    assert all(row["source"] for row in rows)
    assert {row["shots"] for row in rows} >= {1, 5}
    latex = run("leaderboard", "hmdb51", "--format", "latex", "--all").out
    assert latex.count("\\toprule") == 2
    assert "\\noindent [1] " in latex
    assert "\\noindent [1]" not in run("leaderboard", "hmdb51", "--format", "csv").out
    missing = run("leaderboard", "hmdb51", "missing.json")
    assert missing.code == 2
    assert "missing.json: there is no such file" in missing.err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--data", "missing.npz"], "missing.npz"),
        (["--data", "F", "--ways", "6"], "too few classes"),
        (["--data", "F", "--shots", "12"], "too few groups"),
        (["--data", "F", "--option", "frames=3"], "vectors:3"),
        (["--data", "F", "--option", "distance=far"], "distance"),
        (["--data", "F", "--sweep", "frame_matching"], "not a list of values"),
        (
            ["--data", "F", "--sweep", "frame_matching=pooled frame_matching=concatenated"],
            "appears twice",
        ),
        (["--data", "F", "--dataset", "other"], "unknown data set"),
        (["--data", "D", "--dataset", "other"], "needs a file of features"),
        (["--data", "D", "--camera", "hend"], 'Did you mean "hand"'),
        (["--data", "F", "--camera", "hand"], "needs videos, not features"),
        (["--data", "D", "--camera-on", "query"], "needs --camera"),
        (["--data", "D", "--condition-on", "query"], "needs --condition"),
    ],
)
def test_refusals(
    run: Run, features: Path, clips: Path, arguments: list[str], message: str
) -> None:
    named = {"F": str(features), "D": str(clips)}
    ended = run("evaluate", "protonet", *(named.get(one, one) for one in arguments))
    assert ended.code == 2
    assert message in ended.err
    assert not ended.out
    assert "Traceback" not in ended.err
