"""Everything that is a clip: paths, bytes, open files, frames; and labels of both types."""

import errno
import io
import os
import tempfile
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import fewact
from fewact import FewShotClassifier, Frames
from fewact.classifier import Prediction, Skipped
from fewact.classifier.inputs import TrainingClip, labelled, of_class
from fewact.core.errors import DataError, OptionError, VideoError
from fewact.data import BACKGROUND, Clip, FeatureClip, VideoBytes, list_clips
from fewact.data.images import as_array, as_image
from fewact.video import EveryNth, read_frames
from tests.classifier.features import LABELS, vectors


class PictureLike:
    """What PIL images have in common, without PIL."""

    def __init__(self, array: np.ndarray) -> None:
        self._array = array
        self.size = array.shape[1::-1]

    def getbands(self) -> tuple[str, ...]:
        return ("R", "G", "B")

    def convert(self, mode: str) -> np.ndarray:
        assert mode == "RGB"
        return self._array


def all_frames(path: Path) -> np.ndarray:
    return read_frames(path, EveryNth(1))


def test_each_form_of_a_clip_gives_the_prediction_of_its_file(
    taught: FewShotClassifier, queries: dict[str, Path]
) -> None:
    path = queries["left"]
    expected = taught.predict(path)
    content, frames = path.read_bytes(), all_frames(path)
    tensor = torch.from_numpy(frames)
    with path.open("rb") as file:
        forms: list[Any] = [
            str(path),
            content,
            bytearray(content),
            memoryview(content),
            io.BytesIO(content),
            file,
            frames,
            tensor,
            tensor.permute(0, 3, 1, 2),
            list(frames),
            [PictureLike(frame) for frame in frames],
            Frames(frames, fps=12),
            VideoBytes(content, "upload.mp4"),
        ]
        got = taught.predict([*forms[:9], Frames(forms[9]), *forms[10:11], *forms[11:]])
        file.seek(0)
        alone = [taught.predict(form) for form in (forms[1], forms[5], forms[9], forms[10])]
    assert [one.probabilities for one in (*got, *alone)] == [expected.probabilities] * 17
    assert [one.nearest for one in got] == [expected.nearest] * 13
    assert [got[i].name for i in (5, 12)] == [path.name, "upload.mp4"]
    assert got[1].name == got[2].name != got[6].name
    assert got[6].name == got[7].name == got[8].name  # the name is made from the frames


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        (np.zeros((8, 4, 4, 3)), r"another type \(got float64\)"),
        (
            np.zeros((8, 4, 4, 4), np.uint8),
            r"not frames \(got \(8, 4, 4, 4\)\).* fourth channel out",
        ),
        (np.zeros((8, 4, 4, 1), np.uint8), r"not frames .*numpy\.repeat\(frames, 3, axis=-1\)"),
        ([np.zeros((4, 4), np.uint8)], r"not an image .*numpy\.stack\(\[frame\] \* 3, axis=-1\)"),
        ([np.zeros((4, 4, 3), np.uint8), "b.mp4"], r"frame 1: not an image \(got str\)"),
        (np.zeros((4, 4, 3), np.uint8), "not a clip.*one image"),
        (PictureLike(np.zeros((4, 4, 3), np.uint8)), "not a clip.*one image"),
        (np.zeros((8, 5)), r"not a clip .*FeatureClip\(name, vectors\)"),
        ([np.zeros((8, 5))] * 2, r"not an image .*FeatureClip\(name, vectors\)"),
        ([np.zeros((4, 4, 3), np.uint8), np.zeros((4, 5, 3), np.uint8)], "differ in size"),
        (io.StringIO("text"), "does not give bytes"),
        (5, r"not a clip \(got int\)"),
        ([5], r"not a clip \(got int\)"),
        ({"a": np.zeros(1)}, "Only fit and score take the clips of each class"),
    ],
)
def test_what_is_no_clip_is_refused_by_name(
    taught: FewShotClassifier, bad: Any, reason: str
) -> None:
    with pytest.raises(DataError, match=reason):
        taught.predict(bad)


def odd_tensors(dense: torch.Tensor) -> dict[str, torch.Tensor]:
    """Return tensors from which no array can be made."""
    return {
        "the tensor is sparse": dense.to_sparse(),
        "the tensor has no data": dense.to("meta"),
        "the tensor is nested": torch.nested.nested_tensor([dense, dense], layout=torch.jagged),
        "cannot be converted to an array": dense.bfloat16(),
    }


ODD = list(odd_tensors(torch.ones(1)))


@pytest.mark.parametrize("fault", ODD)
def test_tensors_without_an_array_are_refused_in_every_call(
    taught: FewShotClassifier, fault: str
) -> None:
    frames = torch.zeros(8, 48, 64, 3, dtype=torch.uint8)
    odd, image = odd_tensors(frames)[fault], odd_tensors(frames[0])[fault]
    calls: list[Any] = [
        lambda: taught.predict(odd),
        lambda: taught.predict([frames, odd]),
        lambda: taught.predict([image] * 8),
        lambda: taught.predict_proba(odd),
        lambda: list(taught.predict_each([odd])),
        lambda: taught.score([odd], ["left"]),
        lambda: taught.add_clips("left", odd),
        lambda: taught.add_none(odd),
        lambda: FewShotClassifier(method="pixels").fit([odd, frames], ["a", "b"]),
        lambda: FewShotClassifier(method="pixels").fit({"a": odd, "b": frames}),
        lambda: Frames(odd),
        lambda: as_image(image, "image"),
    ]
    for number, call in enumerate(calls):
        with pytest.raises(DataError, match=fault) as caught:
            call()
        assert "expected: " in str(caught.value), number


@pytest.mark.parametrize("fault", ODD)
def test_features_that_are_tensors_get_a_hint_that_works(fault: str) -> None:
    with pytest.raises(DataError) as caught:
        FeatureClip("a", odd_tensors(torch.zeros(8, 16))[fault])  # type: ignore[arg-type]
    said = str(caught.value)
    if fault == "cannot be converted to an array":
        assert "Pass vectors.detach().cpu().float().numpy()." in said
    else:
        assert said.startswith(f"a: {fault}")
        assert "expected: an array (t d)" in said


def test_labels_and_weights_without_data_are_refused(by_vectors: FewShotClassifier) -> None:
    clips = vectors(LABELS)
    nothing = torch.ones(4, device="meta")
    with pytest.raises(DataError):
        FewShotClassifier().fit(clips, nothing.long())  # type: ignore[arg-type]
    bad: list[Any] = [nothing, [1, 2], [[1], [2, 3]], ["a"] * 4, [0] * 4, [1, 1, 1, -1]]
    for weights in (*bad, [float("nan")] * 4, 5, torch.ones(4).bfloat16()):
        with pytest.raises(DataError):
            by_vectors.score(clips, LABELS, weights)
    assert by_vectors.score(clips, LABELS, torch.tensor([1.0, 0, 0, 1])) == 1  # type: ignore[arg-type]


def test_bytes_that_are_no_video_are_named_by_their_hash(taught: FewShotClassifier) -> None:
    with pytest.raises(VideoError) as caught:
        taught.predict(b"no video")
    assert "/" not in str(caught.value)
    with pytest.raises(VideoError):
        taught.predict(io.BytesIO())


def test_a_file_that_gives_nothing_says_why(
    taught: FewShotClassifier, queries: dict[str, Path]
) -> None:
    path = queries["left"]
    with path.open() as text, pytest.raises(DataError):
        taught.predict(text)
    with path.open("rb") as file:
        taught.predict(file)
        with pytest.raises(DataError):
            taught.predict(file)
        closed = file
    with pytest.raises(DataError):
        taught.predict(closed)


def test_an_empty_path_and_a_folder_of_clips_are_no_clip(
    taught: FewShotClassifier, actions: Path, queries: dict[str, Path]
) -> None:
    for empty in ("", [queries["left"], ""]):
        with pytest.raises(DataError):
            taught.predict(empty)
    with pytest.raises(DataError):
        taught.fit([queries["left"], ""], ["a", "b"])
    with (
        pytest.warns(UserWarning, match="left: this is a folder of 3 clips"),
        pytest.raises(DataError),
    ):
        taught.fit([actions / "left", queries["right"]], ["a", "b"])


def test_a_missing_file_is_skipped_in_teaching_and_predicting(
    quick: FewShotClassifier, actions: Path, queries: dict[str, Path], tmp_path: Path
) -> None:
    missing = tmp_path / "nofile.mp4"
    with pytest.warns(UserWarning, match=r"skipped: .*nofile\.mp4: there is no such file"):
        quick.fit({"left": [actions / "left", missing], "right": actions / "right"})
    assert [one.path for one in quick.fitted_.skipped] == [missing]
    assert len(quick.fitted_.clips) == 6
    with pytest.warns(UserWarning, match="there is no such file"):
        quick.add_clips("left", [queries["left"], missing])
    assert [type(one).__name__ for one in quick.predict_each([queries["left"], missing])] == [
        "Prediction",
        "Skipped",
    ]
    with pytest.raises(DataError):
        quick.add_none(tmp_path)
    with pytest.raises(DataError):
        quick.fit({"left": missing, "right": actions / "right"})


def test_values_of_another_type_are_refused() -> None:
    noise = np.zeros((4, 48, 64, 3), np.uint8)
    with pytest.raises(OptionError):
        FewShotClassifier(sets="x").fit([noise, noise], ["a", "b"])  # type: ignore[arg-type]
    with pytest.raises(OptionError):
        FewShotClassifier(false_alarms="x").fit([noise], ["a"])  # type: ignore[arg-type]
    with pytest.raises(DataError):
        Frames(noise, fps="x")  # type: ignore[arg-type]
    for fault in ({"backbone": None}, {"method": type(fewact.methods.create("pixels"))}):
        with pytest.raises(OptionError):
            FewShotClassifier(**fault).fit([noise, noise[1:]], ["a", "b"])


@pytest.mark.parametrize("field", ["name", "label", "group"])
def test_texts_of_a_clip_that_are_no_texts_are_refused_before_they_are_saved(field: str) -> None:
    wrong: dict[str, Any] = {field: Path("a") if field == "name" else 1}
    makers = [
        lambda: Frames(np.zeros((4, 48, 64, 3), np.uint8), **wrong),
        lambda: VideoBytes(b"", **wrong),
        lambda: FeatureClip(**{"name": "a", "vectors": np.ones((2, 2))} | wrong),
        *([] if field == "name" else [lambda: Clip(Path("a"), **wrong)]),
    ]
    for make in makers:
        with pytest.raises(DataError, match=f"the {field} of a clip is not a text"):
            make()


def test_paths_are_texts_or_have_a_path(
    taught: FewShotClassifier, queries: dict[str, Path], tmp_path: Path
) -> None:
    class Named:
        def __fspath__(self) -> bytes:
            return os.fsencode(path)

    path = queries["left"]
    expected = taught.predict(path)
    assert taught.predict(Named()) == expected  # type: ignore[call-overload]
    for form in (str(path), Named()):
        assert taught.predict(Clip(form)) == expected  # type: ignore[arg-type]


def test_times_of_a_clip_are_numbers(taught: FewShotClassifier, queries: dict[str, Path]) -> None:
    with pytest.raises(VideoError):
        taught.predict(Clip(queries["left"], start="1"))  # type: ignore[arg-type]


def test_the_rate_of_frames_may_be_a_fraction(queries: dict[str, Path]) -> None:
    """PyAV gives such rates."""
    frames = all_frames(queries["left"])
    assert Frames(frames, fps=Fraction(12)) == Frames(frames, fps=12)  # type: ignore[arg-type]


class ModeOnly:
    """A PIL image of a mode that has no RGB."""

    def __init__(self, mode: str) -> None:
        self.mode = mode

    def getbands(self) -> tuple[str, ...]:
        return (self.mode,)

    def convert(self, mode: str) -> np.ndarray:
        if self.mode == "LAB":
            raise ValueError("conversion from LAB to RGB not supported")
        return np.full((4, 4, 3), 255, np.uint8)  # PIL cuts off what is above


@pytest.mark.parametrize(
    ("mode", "reason"),
    [("I;16", "more than 8 bits"), ("F", "more than 8 bits"), ("LAB", "cannot be read")],
)
def test_images_that_pil_cuts_off_or_cannot_convert_are_refused(mode: str, reason: str) -> None:
    with pytest.raises(DataError, match=f"frame 0: .*{reason}"):
        Frames([ModeOnly(mode)])


def test_the_expected_form_of_one_image_is_stated() -> None:
    with pytest.raises(DataError):
        as_image(np.zeros((4, 4), np.uint8), "image")


def test_labels_and_numbers_of_other_libraries_are_taken(
    quick: FewShotClassifier, actions: Path
) -> None:
    clips = list_clips(actions)
    names = sorted({clip.label for clip in clips})
    labels = torch.tensor([names.index(clip.label) for clip in clips])
    quick.fit([clip.path for clip in clips], labels, none=[])
    assert tuple(quick.classes_) == tuple(range(len(names)))
    count = len(quick.fitted_.clips)
    quick.remove_clips([np.int64(1)])
    quick.remove_clips(quick.fitted_.clips[0].title)
    assert len(quick.fitted_.clips) == count - 2


def test_clips_in_memory_can_be_taught_and_saved_with_thumbnails(
    quick: FewShotClassifier, actions: Path, queries: dict[str, Path], tmp_path: Path
) -> None:
    expected = quick.fit(actions).predict_proba(queries.values())
    classes: dict[str, list[Any]] = {}
    for i, clip in enumerate(list_clips(actions)):
        form = all_frames(clip.path) if i % 2 else clip.path.read_bytes()
        classes.setdefault(str(clip.label), []).append(form)
    quick.fit(classes)
    np.testing.assert_allclose(quick.predict_proba(queries.values()), expected, rtol=1e-5)
    quick.save(tmp_path / "model", thumbnails=True)
    loaded = FewShotClassifier.load(tmp_path / "model")
    assert loaded.fitted_.has_thumbnails
    assert loaded.fitted_.clips == quick.fitted_.clips
    assert loaded.fitted_.clips[0].name.startswith(("video-", "frames-"))
    with pytest.raises(DataError):
        loaded.add_clips("down", classes["down"][1])
    with pytest.raises(DataError):
        quick.fit({"a": [classes["down"][0]], "b": [classes["down"][0]]})


def test_classes_and_clips_of_no_class_in_a_dictionary(
    quick: FewShotClassifier, actions: Path
) -> None:
    folders = {motion: actions / motion for motion in ("left", "right")}
    quick.fit(folders, none=[actions / "down"])
    assert tuple(quick.classes_) == ("left", "right")
    names = [f"none/clip {i}.mp4" for i in range(3)]
    assert [clip.name for clip in quick.fitted_.none_clips] == names
    quick.fit(folders, none=(actions / "down").glob("*.mp4"))
    assert [clip.name for clip in quick.fitted_.none_clips] == names
    assert tuple(quick.fit({**folders, "None": actions / "down"}).classes_) == ("left", "right")
    assert len(quick.fitted_.none_clips) == 3
    with pytest.raises(DataError):
        quick.fit(folders, ["left", "right"])


def test_folders_patterns_and_single_clips(
    taught: FewShotClassifier, actions: Path, queries: dict[str, Path]
) -> None:
    folder = queries["left"].parent
    assert isinstance(taught.predict(queries["left"]), Prediction)
    for several in (folder, str(folder / "* it.mp4"), [folder], [str(folder / "*.mp4")]):
        got = taught.predict(several)
        assert [one.path for one in got] == [queries[m] for m in ("down", "left", "right")]
    assert len(taught.predict([queries["left"], queries["left"]])) == 2
    assert taught.predict_proba(str(queries["left"])).shape == (1, 3)
    assert taught.predict_proba(folder).shape == (3, 3)
    assert len(list(taught.predict_each(str(queries["left"])))) == 1


def test_a_table_of_pandas_is_given_by_its_columns() -> None:
    pandas = pytest.importorskip("pandas")
    labels = ["clap"] * 2 + ["wave"] * 2
    table = pandas.DataFrame({"clip": vectors(labels), "label": labels}, index=[7, 5, 3, 1])
    classifier = FewShotClassifier().fit(table["clip"], table["label"])
    assert classifier.predict(table["clip"]).labels == labels
    for call in (classifier.fit, classifier.predict, classifier.score):
        with pytest.raises(DataError):
            call(table)


def test_an_address_is_not_read(taught: FewShotClassifier) -> None:
    with pytest.raises(VideoError):
        taught.predict("https://example.com/new.mp4")


@pytest.mark.parametrize("bad", [3.0, None, "text", {"a": 1}, "x" * 5000])
def test_clips_in_memory_of_another_type_are_refused(bad: Any) -> None:
    with pytest.raises(DataError):
        Frames(bad)
    with pytest.raises(DataError):
        VideoBytes(bad)


def test_a_tensor_of_another_library_is_converted_or_refused() -> None:
    class Like(list[int]):
        device, dtype = "cpu", "float32"

        def detach(self) -> "Like":
            return self

    with pytest.raises(DataError):
        as_array(Like([1, 2]), "x", "an array")


@pytest.mark.parametrize(
    ("fault", "message"), [("missing", "No such file or directory"), ("full", "No space left")]
)
def test_without_a_temporary_folder_bytes_and_open_files_are_skipped(
    taught: FewShotClassifier,
    queries: dict[str, Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    fault: str,
    message: str,
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    (temporary := tmp_path / "temporary").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(temporary / ("" if fault == "full" else "none")))
    if fault == "full":
        monkeypatch.setattr(Path, "write_bytes", full)
    path = queries["left"]
    with path.open("rb") as file:
        clips = [VideoBytes(path.read_bytes(), "upload.mp4"), file, path]
        first, second, third = taught.predict_each(clips)
    assert isinstance(third, Prediction)
    for one in (first, second):
        assert isinstance(one, Skipped)
        assert f"cannot be written to the temporary folder: {message}" in one.reason
    assert isinstance(first, Skipped)
    assert str(first.error).startswith("upload.mp4: cannot be written")
    assert str(first.error).endswith("Free space there, or name another folder in TMPDIR.")
    assert not list(temporary.iterdir())


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for file in ("wave/a.mp4", "wave/b.mp4", "clap/c.mp4"):
        (tmp_path / file).parent.mkdir(exist_ok=True)
        (tmp_path / file).touch()
    return tmp_path


def pairs(found: list[TrainingClip]) -> list[tuple[str, str | None]]:
    return [(name, clip.label) for clip, name in found]


SOURCE_CLIPS = [("clap/c.mp4", "clap"), ("wave/a.mp4", "wave"), ("wave/b.mp4", "wave")]


def test_folder_table_paths_and_clips_give_the_same_list(folder: Path) -> None:
    names = [name for name, _ in SOURCE_CLIPS]
    labels = [label for _, label in SOURCE_CLIPS]
    (folder / "t.csv").write_text("path,label\n" + "".join(f"{n},{c}\n" for n, c in SOURCE_CLIPS))
    paths = [folder / name for name in names]
    assert pairs(labelled(folder, None)) == SOURCE_CLIPS
    assert pairs(labelled(str(folder / "t.csv"), None)) == SOURCE_CLIPS
    assert pairs(labelled(paths, labels)) == SOURCE_CLIPS
    assert pairs(labelled(map(str, paths), labels)) == SOURCE_CLIPS
    clips = [Clip(path, label) for path, label in zip(paths, labels, strict=True)]
    assert pairs(labelled(clips, None)) == SOURCE_CLIPS
    assert pairs(labelled([Clip(path) for path in paths], labels)) == SOURCE_CLIPS


def test_relative_paths(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    assert pairs(labelled(["wave/a.mp4", "clap/c.mp4"], ["x", "y"])) == [
        ("wave/a.mp4", "x"),
        ("clap/c.mp4", "y"),
    ]
    assert pairs(labelled(".", None)) == SOURCE_CLIPS


def test_names_do_not_reveal_the_home_folder(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(folder / "wave"))
    monkeypatch.setenv("USERPROFILE", str(folder / "wave"))
    got = labelled([folder / "wave/a.mp4", folder / "clap/c.mp4"], ["x", "y"])
    assert [name for _, name in got] == ["a.mp4", "c.mp4"]


def test_a_table_of_clips_elsewhere(folder: Path) -> None:
    table = folder / "tables" / "t.csv"
    table.parent.mkdir()
    table.write_text("path,label\n../wave/a.mp4,x\n../clap/c.mp4,y\n")
    assert [name for _, name in labelled(table, None)] == ["wave/a.mp4", "clap/c.mp4"]


def test_clips_of_no_class_come_from_every_source(folder: Path) -> None:
    (folder / "None").mkdir()
    outside = folder / "None" / "n.mp4"
    outside.touch()
    assert pairs(labelled(folder, None)) == [*SOURCE_CLIPS, ("None/n.mp4", "none")]
    rows = "".join(f"{name},{label}\n" for name, label in [*SOURCE_CLIPS, ("None/n.mp4", "NONE")])
    (folder / "t.csv").write_text("path,label\n" + rows)
    assert pairs(labelled(folder / "t.csv", None)) == [*SOURCE_CLIPS, ("None/n.mp4", "none")]
    listed = [folder / "wave/a.mp4", folder / "clap/c.mp4", outside]
    labels = ["wave", "clap", "none"]
    assert pairs(labelled(listed, labels))[-1] == ("None/n.mp4", "none")
    beside = labelled(listed[:2], labels[:2], folder / "None")
    assert pairs(beside)[-1] == ("none/n.mp4", "none")


def test_clips_of_one_class(folder: Path) -> None:
    for source in (folder / "wave", str(folder / "wave" / "*.mp4"), [folder / "wave"]):
        assert pairs(of_class(source, "x")) == [("x/a.mp4", "x"), ("x/b.mp4", "x")]
    segment = Clip(folder / "wave/a.mp4", "other", 1.0, 2.0, "anna")
    expected = TrainingClip(Clip(segment.path, "x", 1.0, 2.0, "anna"), "x/a.mp4")
    assert of_class(segment, "x") == [expected]
    with pytest.raises(DataError):
        of_class([], "x")
    with pytest.raises(DataError):
        of_class(folder / "missing.mp4", "x")


def test_invalid_sources_are_refused(folder: Path) -> None:
    clip = folder / "wave/a.mp4"
    with pytest.raises(DataError):
        labelled(folder, ["x"])
    with pytest.raises(DataError):
        labelled([clip, folder / "clap/c.mp4"], ["x"])
    with pytest.raises(DataError):
        labelled([clip], None)
    with pytest.raises(DataError):
        labelled([clip, folder / "clap/../wave/a.mp4"], ["x", "y"])
    with pytest.raises(DataError):
        labelled(folder / "missing", None)


def test_an_invalid_label_is_refused_with_its_place(folder: Path, tmp_path: Path) -> None:
    table = folder / "table.csv"
    table.write_text('path,label\nwave/a.mp4,wave\nwave/b.mp4,"a\tb"\n')
    with pytest.raises(DataError) as refused:
        labelled(table, None)
    assert f'{table}, line 3, column "label": not a class name' in str(refused.value)
    table.write_text("path,label\nwave/a.mp4,wave\nwave/b.mp4,(none)\n")
    with pytest.raises(DataError) as refused:
        labelled(table, None)
    assert str(refused.value).startswith(f'{folder}/wave/b.mp4: "(none)" is reserved')
    assert str(refused.value).endswith('Use "none" for clips of no class.')
    (folder / "wave").rename(folder / " ")
    with pytest.raises(DataError) as refused:
        labelled(folder, None)
    assert str(refused.value).startswith(f"{folder}/ /a.mp4: not a class name")


def test_spaces_around_a_label_do_not_count(folder: Path) -> None:
    first, second, third = folder / "wave/a.mp4", folder / "wave/b.mp4", folder / "clap/c.mp4"
    expected = [("a.mp4", "wave"), ("b.mp4", "wave")]
    assert pairs(labelled([first, second], ["wave", "wave "])) == expected
    found = labelled({"wave": first, "wave ": second, "clap": third}, None)
    assert pairs(found) == [("wave/a.mp4", "wave"), ("wave/b.mp4", "wave"), ("clap/c.mp4", "clap")]


def test_clips_of_no_class_have_the_same_groups_however_they_come(folder: Path) -> None:
    for file in ("none/anna/1.mp4", "none/ben/day 2/1.mp4", "none/2.mp4"):
        (folder / file).parent.mkdir(exist_ok=True, parents=True)
        (folder / file).touch()
    groups = {"none/2.mp4": None, "none/anna/1.mp4": "anna", "none/ben/day 2/1.mp4": "ben"}
    table = folder / "t.csv"
    table.write_text(
        "path,label,group\n"
        + "".join(f"{name},none,{group or ''}\n" for name, group in groups.items())
        + "wave/a.mp4,wave,anna\nclap/c.mp4,clap,\n"
    )
    classes = {"wave": folder / "wave", "clap": folder / "clap"}
    for clips in (
        of_class(folder / "none", "None"),
        of_class(table, BACKGROUND),
        labelled(folder, None),
        labelled(table, None),
        labelled(classes, None, none=folder / "none"),
    ):
        outside = [clip for clip, _ in clips if clip.label == BACKGROUND]
        assert {c.path.relative_to(folder).as_posix(): c.group for c in outside} == groups


def test_a_table_stands_for_its_rows_of_the_class(folder: Path) -> None:
    table = folder / "t.csv"
    table.write_text("path,label,end\nwave/a.mp4,wave,2\nwave/b.mp4,wave,\nclap/c.mp4,clap,\n")
    rows = of_class(table, "wave")
    assert [(clip.path.name, clip.end) for clip, _ in rows] == [("a.mp4", 2.0), ("b.mp4", None)]
    assert [name for _, name in rows] == ["wave/a.mp4", "wave/b.mp4"]
    with pytest.raises(DataError):
        of_class(table, "jump")
