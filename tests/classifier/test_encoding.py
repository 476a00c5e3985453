"""Clips are read without long still ends, and corrected; faults of a recording are named."""

import json
import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from fewact.classifier import FewShotClassifier, Prediction
from fewact.classifier.explain import explain
from fewact.cli import main
from fewact.core.errors import OptionError
from fewact.data import Frames
from fewact.video import EveryNth, VideoWarning, read_frames, write_video
from tests.classifier.damage import DARK, cut_short, dark
from tests.video.test_source import FPS, padded

SLOW = "fewer than 3 pictures a second, which lose the motion; record or export 10 or more a second"


@pytest.mark.slow
def test_padded_clips_are_answered_as_the_clips_are(
    taught: FewShotClassifier, queries: dict[str, Path], tmp_path: Path
) -> None:
    still = [Frames(padded(path, 4, 4), fps=FPS) for path in queries.values()]
    found = taught.predict(still)
    assert [one.best for one in found] == list(queries)
    assert all(one.active is not None for one in found)
    assert found[0].to_dict()["active"] == list(found[0].active or ())
    taught.trim = "off"
    assert all(one.active is None for one in taught.predict(still))

    taught.trim = "auto"
    taught.add_clips("left", [still[0]])
    assert sum(example.active is not None for example in taught.fitted_.clips) == 1
    loaded = FewShotClassifier.load(taught.save(tmp_path / "model"))
    assert loaded.trim == "auto"
    assert loaded.fitted_.clips == taught.fitted_.clips


def test_an_unknown_value_is_refused(actions: Path) -> None:
    with pytest.raises(OptionError):
        FewShotClassifier(trim="on").fit(actions)  # type: ignore[arg-type]


def test_a_long_recording_points_to_watch(quick: FewShotClassifier, actions: Path) -> None:
    quick.fit(actions)
    noise = np.random.default_rng(0).integers(0, 256, (150, 48, 64, 3), np.uint8)
    with pytest.warns(UserWarning, match="15 s long.*fewact watch"):
        quick.predict(Frames(noise, fps=10))


@contextmanager
def one_warning(path: Path) -> Iterator[list[warnings.WarningMessage]]:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        yield caught
    found = [one for one in caught if one.category is VideoWarning]
    assert [str(one.message).partition(",")[0] for one in found] == [
        f"{path}: the file is cut short"
    ]


@pytest.mark.slow
def test_a_damaged_clip_that_is_read_several_times_warns_once(
    quick: FewShotClassifier, actions: Path, queries: dict[str, Path], tmp_path: Path
) -> None:
    quick.fit(actions)
    joined = np.concatenate([read_frames(path, EveryNth(1)) for path in queries.values()])
    searched = cut_short(tmp_path / "searched.mkv", joined)
    still = cut_short(tmp_path / "still.mkv", padded(queries["left"], 4, 4))
    for path in (searched, still):
        with one_warning(path) as caught:
            found = quick.predict(path)
        assert [one.filename for one in caught] == [__file__]
        assert isinstance(found, Prediction)
        assert found.active is not None
    with one_warning(still):
        quick.add_clips("left", [still])
    with one_warning(still):
        assert explain(quick, still).frames


def test_a_damaged_training_clip_warns_once(
    quick: FewShotClassifier, actions: Path, queries: dict[str, Path], tmp_path: Path
) -> None:
    frames = read_frames(queries["left"], EveryNth(1))
    cut = cut_short(tmp_path / "cut.mkv", np.concatenate([frames] * 2))
    with one_warning(cut):
        quick.fit({"left": cut, "right": actions / "right"}).save(tmp_path / "model")


@pytest.mark.slow
def test_dark_clips_are_corrected_and_named(
    examples: FewShotClassifier, queries: dict[str, Path], predicted: list[Prediction]
) -> None:
    clips = [Frames(dark(path), fps=FPS) for path in queries.values()]
    found = examples.predict(clips)
    assert [one.best for one in found] == list(queries)
    assert [one.faults for one in found] == [("very dark; record with more light",)] * len(found)
    assert found[0].to_dict()["faults"] == list(found[0].faults)
    assert all(one.faults == () and "faults" not in one.to_dict() for one in predicted)


def test_teach_and_predict_warn(
    actions: Path, queries: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for clip in actions.glob("*/*0.mp4"):
        target = tmp_path / "clips" / clip.parent.name / clip.name
        target.parent.mkdir(parents=True)
        frames = dark(clip) if clip.parent.name == "left" else read_frames(clip, EveryNth(1))
        write_video(target, frames, FPS)
    model = str(tmp_path / "model")
    main(["teach", str(tmp_path / "clips"), "-o", model, "--method", "pixels"])
    said = capsys.readouterr().err
    assert "1 of 3 training clips: very dark; record with more light: left/clip 0.mp4" in said
    main(["info", model, "--clips"])
    assert re.search(r"left/clip 0.mp4 +very dark; record with more light", capsys.readouterr().out)
    main(["review", model])
    assert "left/clip 0.mp4: very dark; record with more light." in capsys.readouterr().out
    main(["report", model, "-o", str(tmp_path / "model.md")])
    cells = r"left +\| left/clip 0.mp4 +\| very dark; record with more light +\|"
    assert re.search(cells, (tmp_path / "model.md").read_text())
    capsys.readouterr()
    slow = np.repeat(read_frames(queries["left"], EveryNth(3)), 2, axis=0)
    for frames, fps, fault in [(dark(queries["left"]), FPS, DARK), (slow, 1, SLOW)]:
        clip = write_video(tmp_path / f"{fps} fps.mp4", frames, fps)
        main(["predict", model, str(clip), "--format", "json"])
        out, err = capsys.readouterr()
        assert f"{clip.name}: {fault}" in err
        assert json.loads(out)["predictions"][0]["faults"] == [fault]
