"""Few-shot localisation: the same numbers as teaching, watching and counting step by step."""

import hashlib
import json
from pathlib import Path

import numpy as np
import pytest

from fewact import FewShotClassifier
from fewact.cli import main
from fewact.data import Clip
from fewact.data.videos import SPLITS, Video, VideoList
from fewact.lab.benchmarks import list_table
from fewact.lab.benchmarks.benchmarks import read_facts
from fewact.lab.evaluation.episodes import Protocol, draw
from fewact.lab.localise import fold, on_grid, segments
from fewact.recordings.agreement import TIOUS, Scored
from fewact.recordings.formats import Event, events_text
from fewact.recordings.watch import watch
from fewact.video import EveryNth, read_frames, write_video
from tests.classifier.conftest import STEPS, render
from tests.recordings.test_agreement import slow_precision

SIZE = Protocol(ways=3, count=3, groups="shared")


@pytest.fixture(scope="module")
def scored(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Events of three recordings of three motions of one second, each twice."""
    folder, events = tmp_path_factory.mktemp("recordings"), []
    for number in range(3):
        shown = np.random.default_rng(number).permutation([*STEPS, *STEPS]).tolist()
        clips = [
            render(folder / "clips" / f"{number}-{i}.mp4", m, 10 * number + i)
            for i, m in enumerate(shown)
        ]
        frames = np.concatenate([read_frames(clip, EveryNth(1)) for clip in clips])
        write_video(folder / f"{number}.mkv", frames, 12)
        events += [Event(m, i, i + 1, recording=f"{number}.mkv") for i, m in enumerate(shown)]
    file = folder / "scored.activitynet.json"
    file.write_text(events_text(file, events))
    return file


def evaluate(scored: Path, *words: str, method: str = "pixels") -> int:
    size = ("--ways", "3", "--count", "3", "--localise", "-q")
    return main(["evaluate", method, "--data", str(scored), *size, *words])


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:.*ignored:")  # fields of ActivityNet
def test_an_episode_is_taught_watched_and_counted(scored: Path, tmp_path: Path) -> None:
    output = tmp_path / "r.json"
    assert evaluate(scored, "-o", str(output)) == 0
    episodes = json.loads(output.read_text())["per_episode"]
    videos = segments(list_table(scored)).videos
    clips = [video.source for video in videos if isinstance(video.source, Clip)]
    drawn = draw(segments(list_table(scored)), SIZE)
    for support, query, found in zip(drawn.support, drawn.query, episodes, strict=True):
        taught = [clips[i] for i in support]
        classifier = FewShotClassifier(method="pixels").fit(taught)
        queried = {clips[i].path for i in query}
        assert not queried & {clip.path for clip in taught}
        listed = []
        for path in sorted(queried):
            truth = [
                Event(c.label or "", c.start or 0, c.end or 0) for c in clips if c.path == path
            ]
            listed.append(Scored(str(path), tuple(watch(classifier, path)), tuple(truth)))
        slow = {
            motion: [slow_precision(listed, motion, tiou) for tiou in TIOUS] for motion in STEPS
        }
        assert found == {motion: pytest.approx(values) for motion, values in slow.items()}
    assert np.mean([values for one in episodes for values in one.values()]) > 0.2

    # An interrupted evaluation goes on, and another one is refused.
    whole = output.read_bytes()
    part = json.loads(whole)
    part["per_episode"] = part["per_episode"][:1]
    output.write_text(json.dumps(part))
    assert evaluate(scored, "-o", str(output)) == 0
    assert output.read_bytes() == whole
    assert evaluate(scored, "-o", str(output), "--seed", "1") == 2
    assert output.read_bytes() == whole


@pytest.mark.parametrize(
    "words",
    [
        ["--open-set", "0.5"],
        ["--sweep", "seed=1,2"],
        ["--camera", "hand"],
        ["--with", "motions"],
        ["--confusion"],
    ],
)
def test_what_is_not_localisation_is_refused(
    scored: Path, words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert evaluate(scored, *words) == 2
    assert f"{words[0]}: cannot be used with --localise" in capsys.readouterr().err


def test_events_must_be_of_files_and_classes_of_the_fold(
    scored: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert evaluate(scored, "--split", "test") == 2
    assert "no event is of a class of the published fold" in capsys.readouterr().err
    clip = Clip(scored.parent / "0.mkv", start=0, end=1)
    one, other = Video("a", "Hurling", source=clip), Video("b", "Ballet", source=clip)
    chosen = segments(VideoList("v", (one, other)), "val")
    assert [video.label for video in chosen.videos] == ["Ballet"]
    assert evaluate(Path("motions"), "--ways", "2") == 2
    assert "not an event of a recording" in capsys.readouterr().err


def test_the_fold_is_the_published_one() -> None:
    facts, counts = read_facts("activitynet13.toml"), {"train": 160, "val": 20, "test": 20}
    assert len(fold()) == 200
    for split in SPLITS:
        names = facts["classes"][split]
        text = "".join(f"{name}\n" for name in sorted(names))
        assert len(names) == counts[split]
        assert hashlib.sha256(text.encode()).hexdigest() == facts["sha256"][split]


def test_durations_change_little() -> None:
    durations = np.geomspace(0.3, 60, 200)
    rounded = np.array([on_grid(float(duration)) for duration in durations])
    assert len(set(rounded)) < 40
    assert np.abs(np.log(rounded / durations)).max() < np.log(1.15) / 2 + 0.002
