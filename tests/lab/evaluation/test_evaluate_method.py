"""Evaluation: known answers, a slow reference, content of a result, resuming, bad input."""

import json
import random
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from fewact.core.errors import DataError, EpisodeError, OptionError, ResultError, ShapeError
from fewact.data import Video, VideoList
from fewact.lab import methods
from fewact.lab.benchmarks import benchmark
from fewact.lab.evaluation import (
    ArrayFeatures,
    Encodings,
    RunOptions,
    encode_list,
    evaluate_method,
    load,
    scoring,
    to_text,
)
from fewact.lab.evaluation.episodes import Protocol, draw
from fewact.lab.evaluation.identity import method_facts
from fewact.lab.evaluation.result import contains_benchmark
from fewact.lab.methods.adapters import on_tensors
from fewact.lab.methods.base import TextMethod
from fewact.methods.fusion.motion_network import WEIGHTS_SHA256
from fewact.methods.protonet import ProtoNet
from tests.lab.evaluation.made_up import (
    ByPosition,
    Constant,
    Nearest,
    class_features,
    problem,
    slow_accuracies,
)
from tests.refused import refused


def test_perfect_features_give_100_per_cent() -> None:
    result = evaluate_method(Nearest(), *problem(noise=0.0))
    assert (result.accuracy, result.ci95) == (100.0, 0.0)
    assert result.class_interval == (100.0, 100.0)
    assert set(result.per_episode) == {100.0}


def test_queries_can_have_other_features_than_the_support() -> None:
    source, videos, episodes = problem(noise=0.0)
    right = evaluate_method(Nearest(), source, videos, episodes, query_source=source)
    assert right.accuracy == 100.0
    assert right.setup.query_features == right.setup.features
    requests = Nearest().requests(source.card)
    shape = next(iter(next(source.features([0], requests)).values())).shape
    noise = np.random.default_rng(0).standard_normal((len(videos.videos), *shape))
    others = ArrayFeatures(noise.astype("f4"))
    blind = evaluate_method(Nearest(), source, videos, episodes, query_source=others)
    assert blind.accuracy < 80
    assert blind.setup.query_features is not None
    assert blind.setup.query_features.sha256 == others.digest
    assert blind.setup.features == right.setup.features
    assert evaluate_method(Nearest(), others, videos, episodes).setup.query_features is None


def test_random_features_give_chance_accuracy() -> None:
    assert evaluate_method(Constant(), *problem(ways=4)).accuracy == 25.0
    _, videos, episodes = problem(count=400)
    noise = np.random.default_rng(0).standard_normal((len(videos.videos), 2, 5)).astype("f4")
    result = evaluate_method(Nearest(), ArrayFeatures(noise), videos, episodes)
    assert result.accuracy == pytest.approx(25, abs=3)


def test_the_position_of_a_query_does_not_reveal_its_class() -> None:
    result = evaluate_method(ByPosition(), *problem(count=400, ways=5, queries=1))
    assert result.accuracy == pytest.approx(20, abs=5)


@pytest.mark.parametrize("sizes", [{}, {"ways": 2, "shots": 1, "queries": 1}, {"queries": 5}])
def test_equals_a_plain_loop(sizes: dict[str, int]) -> None:
    source, videos, episodes = problem(**sizes)
    result = evaluate_method(Nearest(), source, videos, episodes)
    rows = np.array(slow_accuracies(source, videos, episodes))
    each = 100 * rows.mean(1)
    assert result.per_episode == pytest.approx(each)
    assert result.accuracy == pytest.approx(each.mean())
    assert 30 < result.accuracy < 95
    deviation = (((each - each.mean()) ** 2).sum() / (len(each) - 1)) ** 0.5
    assert result.ci95 == pytest.approx(1.96 * deviation / len(each) ** 0.5)
    right: dict[str, list[bool]] = {}
    for row, query in zip(rows, episodes.query, strict=True):
        for hit, position in zip(row, query, strict=True):
            right.setdefault(videos.videos[position].label, []).append(hit)
    assert {label: one.queries for label, one in result.per_class.items()} == {
        label: len(hits) for label, hits in right.items()
    }
    for label, hits in right.items():
        assert result.per_class[label].accuracy == pytest.approx(100 * np.mean(hits))


def test_encodes_each_needed_video_once_and_pads_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scoring, "MAX_EPISODES", 16)
    method = Nearest().train()
    source, videos, episodes = problem(count=35)
    evaluate_method(method, source, videos, episodes)
    assert method.encoded == len(episodes.needed)
    assert method.batches == [16, 16, 16]
    assert method.training


def test_memory_limits_the_size_of_a_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scoring, "MAX_BYTES", 20 * (2 * 8 * 4) * 3)  # nodes of three episodes
    method = Nearest()
    small = evaluate_method(method, *problem())
    assert set(method.batches) == {3}
    monkeypatch.undo()
    assert small == evaluate_method(Nearest(), *problem())


@pytest.mark.parametrize("name", ["protonet", "a2m2", "fusion_vectors"])
def test_threads_change_no_byte(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scoring, "MAX_EPISODES", 8)
    source, videos, episodes = problem(count=40)
    before = torch.get_num_threads()
    method = methods.create(
        name, frames=2, **({"moments.lengths": (1, 2)} if name == "a2m2" else {})
    )
    texts = {
        to_text(evaluate_method(method, source, videos, episodes, run=RunOptions(threads=t)))
        for t in (1, 2, 5)
    }
    assert len(texts) == 1
    assert torch.get_num_threads() == before


def test_logits_do_not_depend_on_the_number_of_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    """Equality of the logits is stricter than equality of the predictions."""
    seen_logits: dict[bytes, set[bytes]] = {}

    class Spying(ProtoNet):
        def score(self, state, nodes):
            logits = super().score(state, nodes)
            key = np.asarray(nodes["frames"]).tobytes()
            seen_logits.setdefault(key, set()).add(np.asarray(logits).tobytes())
            return logits

    monkeypatch.setattr(scoring, "MAX_EPISODES", 8)
    rng = np.random.default_rng(0)
    _, videos, episodes = problem(count=40)
    wide = ArrayFeatures(rng.standard_normal((len(videos.videos), 2, 700)).astype("f4"))
    options = methods.create("protonet", frames=2, frame_matching="concatenated").options
    method = on_tensors(Spying(options))
    for threads in (1, 2, 4):
        evaluate_method(method, wide, videos, episodes, run=RunOptions(threads=threads))
    assert len(seen_logits) == 5
    assert all(len(bits) == 1 for bits in seen_logits.values())


def test_content_of_a_result(tmp_path: Path) -> None:
    source, videos, episodes = problem(count=5)
    videos = replace(videos, flags=("modified list",))
    videos = replace(videos, videos=tuple(replace(v, split="test") for v in videos.videos))
    episodes = draw(videos, episodes.protocol)
    method = methods.create("protonet", frames=2, distance="euclidean")
    result = evaluate_method(
        method,
        ArrayFeatures(source._vectors, "mine", trained_on=("Made Up-400", "ImageNet-1k")),
        videos,
        episodes,
        flags=("leak: trained on these",),
        command="fewact evaluate …",
        run=RunOptions(output=tmp_path / "r.json"),
    )
    setup = result.setup
    assert setup.method.name == "protonet"
    assert setup.method.label == "protonet frames=2 distance=euclidean"
    assert setup.method.options["eps"] == 0.01
    assert setup.method.weights_sha256 == ""
    assert setup.episodes.sha256 == episodes.digest
    assert setup.episodes.protocol == episodes.protocol
    assert (setup.videos.sha256, setup.videos.split) == (videos.digest, "test")
    assert setup.videos.missing == {}
    assert result.final
    assert result.flags == (
        "backbone trained on Made Up-400",
        "modified list",
        "leak: trained on these",
    )
    assert result.command == "fewact evaluate …"
    assert set(setup.versions) == {"fewact", "python", "torch", "numpy"}
    assert load(tmp_path / "r.json") == result
    times = json.loads((tmp_path / "r.json.times").read_text())
    assert set(times["seconds"]) == {"encode", "score"}
    assert {p.name for p in tmp_path.iterdir()} == {"r.json", "r.json.times"}


def test_other_features_weights_and_lists_have_other_hashes() -> None:
    source, videos, episodes = problem(count=2)
    first = evaluate_method(Nearest(), source, videos, episodes).setup
    assert (
        evaluate_method(Nearest(), class_features(videos, 0.1), videos, episodes).setup.features
        != first.features
    )
    assert methods.create("a2m2").state_dict()  # its buffers are empty: there are no weights
    assert method_facts(methods.create("a2m2")).weights_sha256 == ""
    assert method_facts(methods.create("fusion")).weights_sha256 == WEIGHTS_SHA256
    with_weights = methods.create(
        "a2m2", frames=2, learn_temperature=True, moments={"lengths": (1, 2)}
    )
    hashes = []
    for weight in (1.0, 2.0):
        with_weights.log_temperature.data.fill_(weight)
        hashes.append(
            evaluate_method(with_weights, source, videos, episodes).setup.method.weights_sha256
        )
    assert len(set(hashes)) == 2


@pytest.mark.parametrize(
    ("data", "name", "expected"),
    [
        ("Kinetics-400", "kinetics100_cmn_clip-spm", True),
        ("Kinetics-710", "kinetics100_alibaba", True),
        ("Something-Something V2", "ssv2-full_otam", True),
        ("HMDB51", "hmdb51_arn", True),
        ("UCF-101", "hmdb51_arn", False),
        ("ImageNet-1k", "kinetics100_alibaba", False),
        ("101", "ucf101_arn", False),
    ],
)
def test_weights_trained_on_the_benchmark(data: str, name: str, expected: bool) -> None:
    assert contains_benchmark(data, name) is expected


class Stop(Exception):
    pass


def stopping(after: int) -> Callable[[str, int, int], None]:
    def tell(what: str, done: int, total: int) -> None:
        if what == "Scoring" and done >= after:
            raise Stop

    return tell


def stop(
    arguments: Any,
    output: Path,
    after: int,
    method: Nearest | None = None,
    threads: int | None = None,
) -> Path:
    """Stop an evaluation after some episodes; return the file of its progress."""
    run = RunOptions(output=output, progress=stopping(after), threads=threads)
    with pytest.raises(Stop):
        evaluate_method(method or Nearest(), *arguments, run=run)
    assert not output.exists()
    return output.with_name(output.name + ".progress")


@pytest.mark.slow
def test_a_resumed_run_gives_the_same_bytes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The run is stopped at random, and the progress file is cut off as after a crash."""
    monkeypatch.setattr(scoring, "MAX_EPISODES", 4)
    arguments = problem(count=50)
    whole = tmp_path / "whole.json"
    evaluate_method(Nearest(), *arguments, run=RunOptions(output=whole))
    rng = random.Random(0)
    for trial in range(12):
        output, method = tmp_path / f"{trial}.json", Nearest()
        for _ in range(3):
            progress = stop(arguments, output, rng.randrange(4, 50), method)
            content = progress.read_bytes()
            progress.write_bytes(content[: rng.randrange(len(content) + 1)])
        evaluate_method(
            method, *arguments, run=RunOptions(output=output, threads=rng.randrange(1, 4))
        )
        assert output.read_bytes() == whole.read_bytes()
        assert not progress.exists()


def test_a_resumed_run_skips_finished_batches(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scoring, "MAX_EPISODES", 4)
    arguments = problem(count=40)
    stop(arguments, tmp_path / "r.json", 24, threads=1)
    method = Nearest()
    evaluate_method(method, *arguments, run=RunOptions(output=tmp_path / "r.json"))
    assert 0 < len(method.batches) <= 4


def test_a_damaged_line_is_ignored(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scoring, "MAX_EPISODES", 4)
    arguments = problem(count=40)
    progress = stop(arguments, tmp_path / "r.json", 36, threads=1)
    head, *lines = progress.read_text().splitlines(keepends=True)
    turned = str.maketrans("0123456789abcdef", "f0123456789abcde")
    for i, line in enumerate(lines):
        number, bits, check = line.split()
        lines[i] = f"{number} {bits.translate(turned)} {check}\n"
    progress.write_text(head + "".join(lines))
    evaluate_method(Nearest(), *arguments, run=RunOptions(output=tmp_path / "r.json"))
    evaluate_method(Nearest(), *arguments, run=RunOptions(output=tmp_path / "whole.json"))
    assert (tmp_path / "r.json").read_bytes() == (tmp_path / "whole.json").read_bytes()


def test_the_progress_of_another_evaluation_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scoring, "MAX_EPISODES", 4)
    progress = stop(problem(), tmp_path / "r.json", 8)
    before = progress.read_bytes()
    with refused(ResultError, where="r.json.progress"):
        evaluate_method(Nearest(), *problem(seed=1), run=RunOptions(output=tmp_path / "r.json"))
    assert progress.read_bytes() == before


def test_an_existing_result(tmp_path: Path) -> None:
    output = tmp_path / "r.json"
    first = evaluate_method(Nearest(), *problem(), run=RunOptions(output=output))
    method = Nearest()
    assert evaluate_method(method, *problem(), run=RunOptions(output=output)) == first
    assert method.encoded == 0
    with refused(ResultError, where="r.json", hint="--overwrite"):
        evaluate_method(Nearest(), *problem(seed=1), run=RunOptions(output=output))
    assert load(output) == first
    second = evaluate_method(
        Nearest(), *problem(seed=1), run=RunOptions(output=output, overwrite=True)
    )
    assert load(output) == second != first


class Text(Nearest, TextMethod):
    def score(self, state, nodes):
        assert state.text.shape == (len(nodes["nodes"]), state.n, 3)
        return state.text[:, None, :, 0] * 0 + super().score(state, nodes)


def test_text_reaches_the_classes_of_each_episode() -> None:
    source, videos, episodes = problem(noise=5.0)

    class Oracle(Text):
        """Method that compares the text of a class, its number, with the number in the features."""

        def score(self, state, nodes):
            own = nodes["nodes"].argmax(-1)[..., 0]  # (b q)
            return -(state.text[:, None, :, 0] - own[..., None]).abs()

    exact = class_features(videos)
    text = torch.arange(8.0)[:, None].expand(8, 3)
    result = evaluate_method(Oracle(), exact, videos, episodes, text=text)
    assert result.accuracy == 100
    assert "uses text" in result.flags
    with refused(OptionError, where="text", got="none"):
        evaluate_method(Text(), source, videos, episodes)
    with refused(ShapeError, where="text", got="(7, 3)"):
        evaluate_method(Text(), source, videos, episodes, text=text[:7])


def test_random_weights_are_flagged() -> None:
    source, videos, episodes = problem()
    method = Nearest()
    assert not evaluate_method(method, source, videos, episodes).flags
    method.trained = False
    result = evaluate_method(method, source, videos, episodes)
    assert result.flags == ("not trained: random weights",)
    assert not result.setup.method.trained


def test_bad_input(tmp_path: Path) -> None:
    source, videos, episodes = problem()
    with pytest.raises(EpisodeError, match="another list"):
        evaluate_method(Nearest(), source, replace(videos, videos=videos.videos[1:]), episodes)
    with refused(OptionError, where="made up", got="vectors:8", expected="vectors:2"):
        evaluate_method(methods.create("protonet"), source, videos, episodes)
    with refused(OptionError, where="made up", got="pixels:8"):
        evaluate_method(methods.create("pixels"), source, videos, episodes)
    with refused(OptionError, where="threads", got="0"):
        evaluate_method(Nearest(), source, videos, episodes, run=RunOptions(threads=0))
    with refused(DataError, where="features", got="40 rows"):
        evaluate_method(Nearest(), ArrayFeatures(source._vectors[:40]), videos, episodes)


@pytest.mark.parametrize("value", [torch.nan, torch.inf, -torch.inf])
def test_logits_that_are_not_finite(value: float) -> None:
    class Broken(Nearest):
        def score(self, state, nodes):
            logits = super().score(state, nodes)
            logits[7, 0, 0] = value
            return logits

    with refused(ResultError, where="episode 7"):
        evaluate_method(Broken(), *problem())


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (np.zeros((3, 4), dtype="f4"), "v t d"),
        (np.zeros((3, 4, 5), dtype=int), "not floating"),
        (np.full((3, 4, 5), np.nan), "not finite"),
        (np.zeros((3, 0, 5)), "none empty"),
        (np.ones((2, 3, 4)).tolist(), r"not a NumPy array \(got list\).*Pass "),
        (torch.ones(2, 3, 4), r"not a NumPy array \(got Tensor\).*Pass "),
    ],
)
def test_arrays_that_are_not_features(array: Any, message: str) -> None:
    with pytest.raises((ShapeError, DataError), match=message):
        ArrayFeatures(array)


def test_more_episodes_do_not_change_the_first_ones() -> None:
    """Only the last batch is padded."""
    few, many = (
        evaluate_method(Nearest(), *problem(count=count, seed=3)).per_episode for count in (10, 33)
    )
    assert many[:10] == few
    assert Protocol().count == 10_000


def test_missing_videos_of_a_published_list() -> None:
    bench = benchmark("hmdb51_arn")
    videos = VideoList(
        bench.id,
        tuple(
            Video(f"{label}{i}", label, "test")
            for label, number in bench.counts["test"].items()
            for i in range(number - (label == "kick"))
        ),
        availability="0123",
    )
    drawn = draw(videos, Protocol(count=3))
    result = evaluate_method(Constant(), class_features(videos), videos, drawn)
    assert result.setup.videos.missing == {"kick": 1}
    assert result.setup.videos.availability == "0123"


def test_nodes_serve_several_sets_of_episodes() -> None:
    source, videos, episodes = problem()
    other = draw(videos, Protocol(ways=3, shots=1, queries=1, count=20, seed=5))
    method = Nearest()
    nodes = encode_list(method, source, videos)
    for drawn in (episodes, other):
        from_nodes = evaluate_method(method, nodes, videos, drawn)
        assert from_nodes == evaluate_method(Nearest(), source, videos, drawn)
    assert method.encoded == len(videos.videos)


def test_encodings_are_shared_by_methods_that_differ_only_in_scores() -> None:
    source, videos, episodes = problem()
    encodings = Encodings(source)
    first, second = Nearest(), Nearest()
    expected = evaluate_method(Nearest(), source, videos, episodes)
    assert evaluate_method(first, encodings, videos, episodes) == expected
    assert evaluate_method(second, encodings, videos, episodes) == expected
    assert (first.encoded, second.encoded) == (len(episodes.needed), 0)
    other = methods.create("protonet", frames=2)
    assert evaluate_method(other, encodings, videos, episodes) == evaluate_method(
        other, source, videos, episodes
    )
    evaluate_method(second, encodings, videos, episodes)
    assert second.encoded == len(episodes.needed)  # only the last encoding is kept


def test_nodes_of_another_method_or_list_are_refused() -> None:
    source, videos, episodes = problem()
    nodes = encode_list(methods.create("protonet", frames=2), source, videos)
    with pytest.raises(DataError, match="the nodes are of another method, protonet frames=2"):
        evaluate_method(
            methods.create("protonet", frames=2, unit_frames=True), nodes, videos, episodes
        )
    few = encode_list(Nearest(), source, videos, episodes.needed[:-1])
    with pytest.raises(DataError, match="not of all videos"):
        evaluate_method(Nearest(), few, videos, episodes)
    fewer = replace(videos, videos=videos.videos[:-1])
    drawn = draw(fewer, episodes.protocol)
    with pytest.raises(DataError, match="of another list"):
        evaluate_method(Nearest(), encode_list(Nearest(), source, videos), fewer, drawn)


def test_other_types_are_refused_before_anything_is_encoded() -> None:
    source, videos, episodes = problem()
    array: Any = source._vectors
    for arguments, message in (
        (("protonet", source, videos, episodes), r"^method: no method \(got str\).*create\(name\)"),
        (
            (Nearest(), array, videos, episodes),
            r"^source: no source \(got ndarray\).*ArrayFeatures",
        ),
        (
            (Nearest(), source, videos, episodes.protocol),
            r"^episodes: no episodes \(got Protocol\)",
        ),
    ):
        with pytest.raises(OptionError, match=message):
            evaluate_method(*arguments)


def test_the_class_of_a_video_is_a_text() -> None:
    with refused(DataError, where="a", got="3"):
        Video("a", 3)  # type: ignore[arg-type]
    with refused(DataError, where="a", got="3"):
        Video("a", "x", group=3)  # type: ignore[arg-type]
