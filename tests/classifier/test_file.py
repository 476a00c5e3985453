"""The file of a model: what is in it, and what is refused."""

import copy
import errno
import io
import json
import math
import os
import pickle
import shutil
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from fewact import FewShotClassifier
from fewact.classifier import Prediction
from fewact.classifier import file as model_files
from fewact.classifier.calibration import Calibration
from fewact.classifier.file import (
    CONFIG_KEY,
    MODEL,
    MODEL_VERSION,
    MOST_PER_CLIP,
    ModelHeader,
    parse_header,
    sealed,
)
from fewact.classifier.names import Example
from fewact.classifier.saved import NOT_IN_FEATURES, SavedBackbone, SavedMethod
from fewact.classifier.unknown import OpenSet
from fewact.core.arrays import save_tensors
from fewact.core.errors import (
    DamagedModelError,
    LostModelError,
    ModelError,
    OptionError,
    OutputError,
)
from fewact.data import FeatureClip, list_clips
from fewact.methods.cards import made_up_card
from fewact.methods.fusion import Fusion
from fewact.networks import Backbone
from fewact.networks.spec import BackboneSpec
from tests.classifier.models import Tensors, content_of, edit


def test_a_loaded_model_predicts_the_same_to_the_last_bit(
    examples: FewShotClassifier,
    predicted: list[Prediction],
    queries: dict[str, Path],
    tmp_path: Path,
) -> None:
    loaded = FewShotClassifier.load(examples.save(tmp_path / "deep" / "model"))
    assert loaded.predict(queries.values()) == predicted
    assert tuple(loaded.classes_) == tuple(examples.classes_)
    assert loaded.fitted_.clips == examples.fitted_.clips
    assert loaded.fitted_.calibration == examples.fitted_.calibration


def test_a_loaded_model_computes_no_similarities_of_its_clips(
    examples: FewShotClassifier,
    predicted: list[Prediction],
    queries: dict[str, Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    folder = examples.save(tmp_path / "model")
    with monkeypatch.context() as unused:
        unused.setattr(Fusion, "support", None)
        unused.setattr(Fusion, "similarity", None)
        loaded = FewShotClassifier.load(folder)
    assert loaded.predict(queries.values()) == predicted


def test_a_model_that_has_no_summary_of_its_support_is_read(
    examples: FewShotClassifier,
    predicted: list[Prediction],
    queries: dict[str, Path],
    tmp_path: Path,
) -> None:
    folder = examples.save(tmp_path / "model")

    def remove(tensors: Tensors) -> None:
        found = [name for name in tensors if name.startswith("support.")]
        assert len(found) == 4
        for name in found:
            del tensors[name]

    edit(folder, change_tensors=remove)
    assert FewShotClassifier.load(folder).predict(queries.values()) == predicted


@pytest.mark.parametrize(
    "own",
    [
        {"support.intra_class_similarity": np.zeros((1, 4), np.float32)},
        {"support.appearance": np.zeros(2, np.float32)},
        {"support.appearance": np.array([math.nan], np.float32)},
        {"support.static": None},
    ],
)
def test_a_summary_that_does_not_fit_is_refused(
    examples: FewShotClassifier, tmp_path: Path, own: dict[str, np.ndarray | None]
) -> None:
    folder = examples.save(tmp_path / "model")

    def change(tensors: Tensors) -> None:
        for name, value in own.items():
            del tensors[name]
            if value is not None:
                tensors[name] = value

    edit(folder, change_tensors=change)
    with pytest.raises(ModelError):
        FewShotClassifier.load(folder)


def test_a_pickle_has_what_a_saved_model_has(
    examples: FewShotClassifier,
    predicted: list[Prediction],
    queries: dict[str, Path],
    tmp_path: Path,
) -> None:
    stored = (examples.save(tmp_path / "model") / MODEL).stat().st_size
    content = pickle.dumps(examples)
    assert len(content) - len(pickle.dumps(examples.fitted_.backbone)) < 1.02 * stored
    for again in (pickle.loads(content), copy.deepcopy(examples)):
        assert again.predict(queries.values()) == predicted
        assert again.fitted_.clips == examples.fitted_.clips
        assert again.fitted_.calibration == examples.fitted_.calibration


def test_a_loaded_model_can_be_extended_without_its_clips(
    quick: FewShotClassifier,
    backbone: Backbone,
    actions: Path,
    queries: dict[str, Path],
    tmp_path: Path,
) -> None:
    clips = list_clips(shutil.copytree(actions, tmp_path / "mine"))
    quick.fit([clip for clip in clips if clip.label != "down"]).save(tmp_path / "model")
    shutil.rmtree(tmp_path / "mine")
    loaded = FewShotClassifier.load(tmp_path / "model", backbone=backbone)
    loaded.add_class("down", actions / "down")
    quick.fit(actions)
    assert loaded.predict(queries.values()) == quick.predict(queries.values())
    assert loaded.fitted_.calibration == quick.fitted_.calibration


def test_a_model_folder_has_three_files_without_private_paths(
    model: Path, quick: FewShotClassifier, actions: Path
) -> None:
    assert {entry.name for entry in model.iterdir()} == {"config.json", MODEL, "README.md"}
    everything = b"".join(path.read_bytes() for path in model.iterdir())
    for private in (actions.parent, model.parent, Path.home(), Path.cwd()):
        assert str(private).encode() not in everything
    card = (model / "README.md").read_text()
    for text in ("| left | 3 |", "pixels", "efficientnet-lite0", "Apache-2.0", "no thumbnail"):
        assert text in card
    assert f"{quick.fitted_.calibration.accuracy:.1f} %" in card
    assert "left/clip 0.mp4" in (model / "config.json").read_text()


def test_the_file_alone_is_the_model(
    model: Path, quick: FewShotClassifier, queries: dict[str, Path], tmp_path: Path
) -> None:
    for name in ("config.json", "README.md"):
        (model / name).write_text("not read")
    alone = shutil.copy(model / MODEL, tmp_path / "waves.safetensors")
    for path in (model, alone):
        assert FewShotClassifier.load(path).predict(queries["left"]) == quick.predict(
            queries["left"]
        )


@pytest.mark.parametrize(("name", "value"), [("false_alarms", 0), ("sets", 2), ("trim", "bad")])
def test_an_invalid_parameter_is_refused_before_anything_is_saved(
    quick: FewShotClassifier, actions: Path, tmp_path: Path, name: str, value: Any
) -> None:
    quick.fit(actions)
    setattr(quick, name, value)
    with pytest.raises(OptionError, match=f"^{name}: .*{value!r}.*; expected: "):
        quick.save(tmp_path / "model")
    assert not list(tmp_path.iterdir())


def test_a_group_that_is_not_text_in_utf_8_is_stored_with_escapes(tmp_path: Path) -> None:
    vectors = np.random.default_rng(0).normal(size=(4, 2, 4))
    clips = [FeatureClip(f"{i}", v, "ab"[i % 2], "caf\udce9") for i, v in enumerate(vectors)]
    folder = FewShotClassifier(method="protonet").fit(clips).save(tmp_path / "model")
    assert {clip.group for clip in FewShotClassifier.load(folder).fitted_.clips} == {r"caf\xe9"}


def test_saving_replaces_a_model_and_keeps_files_of_the_user(
    model: Path, quick: FewShotClassifier
) -> None:
    (model / "notes.txt").write_text("mine")
    card = (model / "README.md").read_text()
    (model / "README.md").write_text(f"# Mine\n{card}Thanks.\n")
    quick.remove_class("down")
    quick.save(model)
    assert tuple(FewShotClassifier.load(model).classes_) == ("left", "right")
    assert (model / "notes.txt").read_text() == "mine"
    card = (model / "README.md").read_text()
    assert card.startswith("# Mine\n<!-- fewact")
    assert card.endswith("<!-- fewact: end -->\nThanks.\n")
    assert "down" not in card
    (model / "README.md").write_text("all mine")
    quick.save(model)
    assert (model / "README.md").read_text() == "all mine"


def test_other_folders_are_not_replaced(
    quick: FewShotClassifier, actions: Path, tmp_path: Path
) -> None:
    quick.fit(actions)
    other = tmp_path / "other"
    other.mkdir()
    quick.save(other)
    for name, content in (("x.txt", "mine"), ("config.json", "{}"), (MODEL, "mine")):
        folder = tmp_path / f"{name} {content}"
        folder.mkdir()
        (folder / name).write_text(content)
        with pytest.raises(ModelError):
            quick.save(folder)
        assert (folder / name).read_text() == content
    with pytest.raises(ModelError):
        quick.save(folder / MODEL)


@pytest.mark.parametrize("place", [4, 60, 0.5, 0.999])
@pytest.mark.parametrize("damage", ["flip", "cut", "empty"])
def test_damage_is_detected(model: Path, place: float, damage: str) -> None:
    path = model / MODEL
    content = bytearray(path.read_bytes())
    position = int(place if place >= 1 else place * len(content))
    content[position] ^= 1
    size = {"flip": len(content), "cut": position, "empty": 0}[damage]
    path.write_bytes(content[:size])
    with pytest.raises(DamagedModelError) as caught:
        FewShotClassifier.load(model)
    assert str(path) in str(caught.value)


def test_tensors_of_another_model_are_detected(
    model: Path, quick: FewShotClassifier, tmp_path: Path
) -> None:
    other = quick.remove_class("down").save(tmp_path / "other")
    _, tensors = content_of(other / MODEL)
    text, _ = content_of(model / MODEL)
    (model / MODEL).write_bytes(save_tensors(tensors, {CONFIG_KEY: json.dumps(text)}))
    with pytest.raises(DamagedModelError):
        FewShotClassifier.load(model)


def test_a_file_larger_than_its_clips_is_not_read(model: Path) -> None:
    content, _ = content_of(model / MODEL)
    clips = len(content["examples"])
    width = (5 << 30) // clips // 4
    size = clips * width * 4
    facts = {"dtype": "F32", "shape": [clips, width], "data_offsets": [0, size]}
    metadata = {CONFIG_KEY: json.dumps(content)}
    text = json.dumps({"__metadata__": metadata, "nodes.vector": facts}).encode()
    with (model / MODEL).open("wb") as file:
        file.write(len(text).to_bytes(8, "little") + text)
        file.truncate(8 + len(text) + size)  # 5 GiB of zeros, which take no space on the disk
    most = f"expected: at most {clips * MOST_PER_CLIP / (1 << 30):.1f} GiB"
    with pytest.raises(ModelError, match=f"is too large.*5.0 GiB.*{most}"):
        FewShotClassifier.load(model)


def test_a_model_that_could_not_be_read_is_not_saved(
    model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = (model / MODEL).read_bytes()
    loaded = FewShotClassifier.load(model)
    monkeypatch.setattr(model_files, "MOST_PER_CLIP", 10)
    with pytest.raises(ModelError):
        loaded.save(model)
    assert (model / MODEL).read_bytes() == before


def test_missing_examples_are_detected(model: Path) -> None:
    edit(model, lambda content: content["examples"].pop())
    with pytest.raises(ModelError):
        FewShotClassifier.load(model)


def test_folders_without_a_model_are_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"x" * 100)
    with pytest.raises(ModelError):
        FewShotClassifier.load(tmp_path / "missing")
    for place in (tmp_path, tmp_path / "file"):
        with pytest.raises(ModelError):
            FewShotClassifier.load(place)


def test_a_full_disk_keeps_the_old_model(
    model: Path, quick: FewShotClassifier, queries: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    before = FewShotClassifier.load(model).predict(queries["left"])

    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    quick.remove_class("down")
    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(OutputError):
            quick.save(model)
    assert FewShotClassifier.load(model).predict(queries["left"]) == before
    assert [entry.name for entry in model.parent.iterdir()] == ["model"]


def test_wrong_arguments_of_load_are_not_faults_of_the_model(model: Path) -> None:
    with pytest.raises(OptionError):
        FewShotClassifier.load(model, device="gpu")
    with pytest.raises(OptionError):
        FewShotClassifier.load(model, engine="tensorrt")
    with pytest.raises(OptionError):
        FewShotClassifier.load(model, engine=None)  # type: ignore[arg-type]
    with pytest.raises(OptionError):
        FewShotClassifier.load(model, backbone="efficientnet-lite0")  # type: ignore[arg-type]
    with pytest.raises(ModelError):
        FewShotClassifier.load(None)  # type: ignore[arg-type]


def test_parameters_for_the_next_fit_are_not_saved(actions: Path, tmp_path: Path) -> None:
    classifier = FewShotClassifier(method="pixels", weights="random").fit(actions)
    folder = classifier.set_params(weights="default", trim="off").save(tmp_path / "model")
    loaded = FewShotClassifier.load(folder)
    assert (loaded.weights, loaded.trim) == ("random", "off")


def test_thumbnails_are_stored_only_on_request(
    quick: FewShotClassifier, backbone: Backbone, actions: Path, tmp_path: Path
) -> None:
    quick.fit([clip for clip in list_clips(actions) if clip.path.stem != "clip 2"])
    model = quick.save(tmp_path / "model", thumbnails=True)
    images = thumbnails_of(model)
    assert list(images) == [f"thumbnail.{i:04}" for i in range(1, 7)]
    assert "a thumbnail" in (model / "README.md").read_text()
    with av.open(io.BytesIO(images["thumbnail.0001"])) as image:
        frame = next(image.decode(video=0))
    assert (frame.width, frame.height) == (64, 48)
    loaded = FewShotClassifier.load(model, backbone=backbone)
    loaded.add_clips("down", actions / "down" / "clip 2.mp4")
    again = loaded.save(tmp_path / "again", thumbnails=True)
    more = thumbnails_of(again)
    assert len(more) == 7
    assert more["thumbnail.0001"] == images["thumbnail.0001"]
    loaded.save(again)
    assert not thumbnails_of(again)
    with pytest.raises(ModelError):
        FewShotClassifier.load(again, backbone=backbone).save(again, thumbnails=True)
    for change in (
        lambda tensors: tensors.pop("thumbnail.0004"),
        lambda tensors: tensors.update({"thumbnail.0007": tensors["thumbnail.0001"].copy()}),
        lambda tensors: tensors.update({"thumbnail.0001": np.zeros(9, np.float32)}),
    ):
        broken = shutil.copytree(model, tmp_path / "broken", dirs_exist_ok=True)
        edit(broken, change_tensors=change)
        with pytest.raises(DamagedModelError):
            FewShotClassifier.load(broken)


def thumbnails_of(model: Path) -> dict[str, bytes]:
    """Return the thumbnails in the file of a model, in the order of their clips."""
    _, tensors = content_of(model / MODEL)
    names = sorted(name for name in tensors if name.startswith("thumbnail"))
    return {name: tensors[name].tobytes() for name in names}


HEADER = ModelHeader(
    backbone=SavedBackbone(
        spec=BackboneSpec(name="b", weights="~/höhe.safetensors"),
        card=json.loads(json.dumps(made_up_card().facts(*NOT_IN_FEATURES))),
    ),
    method=SavedMethod(name="fusion", options={"lengths": [1, 2], "weight": 0.1}),
    calibration=Calibration(0.1 + 0.2, "held-out clips", 7, 100 / 7),
    open_set=OpenSet((0.1,), (0.1 + 0.2, -1.5), (0.0, 1.0)),
    examples=(Example("a.mp4", "跳"), Example("b.mp4", "höhe", 0.1, 2.5, "anna")),
)


def header_from(text: str) -> ModelHeader:
    return parse_header({CONFIG_KEY: text}, "x")


def edited(**changes: Any) -> str:
    """Return the text of a header with changed content and the correct hash."""
    content = HEADER.model_dump(mode="json") | changes
    return sealed({name: value for name, value in content.items() if value is not ...})


def test_a_header_survives_writing_and_reading() -> None:
    assert header_from(edited()) == HEADER
    assert "跳" in edited()


def test_formatting_may_change_but_content_may_not() -> None:
    text = edited()
    assert header_from(json.dumps(json.loads(text), sort_keys=True)) == HEADER
    for old, new in (("a.mp4", "c.mp4"), ("0.1", "0.2"), ('"method"', '"Method"'), ("anna", "bo")):
        assert old in text
        with pytest.raises(DamagedModelError):
            header_from(text.replace(old, new))


@pytest.mark.parametrize("text", ["", "{", "[]", "null", '{"format": "other"}', "[" * 10**5])
def test_other_headers_are_refused(text: str) -> None:
    with pytest.raises(ModelError):
        header_from(text)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"surprise": 1}, "surprise: Extra inputs"),
        ({"calibration": ...}, "calibration: Field required"),
        ({"examples": [{"name": "a", "label": "b"}]}, "fewer than two classes"),
        (
            {"examples": [{"name": "a", "label": "b"}, {"name": "a", "label": "c\n"}]},
            "no class name",
        ),
        ({"examples": [{"name": "a"}]}, "examples.0.label"),
        (
            {"examples": [{"name": "a", "label": "b", "stored_file": f"../{'0' * 16}.mp4"}]},
            "examples.0.stored_file",
        ),
    ],
)
def test_invalid_content_is_refused(changes: dict[str, Any], says: str) -> None:
    with pytest.raises(ModelError) as caught:
        header_from(edited(**changes))
    assert says in str(caught.value)


@pytest.mark.parametrize("sha256", ["right", "0" * 64, None, {"of": "all files"}])
def test_newer_versions_are_refused_whatever_their_hash(sha256: Any) -> None:
    """A newer version may compute the hash in another way: the file is not damaged."""
    text = edited(version=MODEL_VERSION + 1, fewact="9.0", new_part={})
    if sha256 != "right":
        text = json.dumps({**json.loads(text), "sha256": sha256})
    with pytest.raises(ModelError) as caught:
        header_from(text)
    said = str(caught.value)
    assert said.startswith(
        f"x: the model was written by a newer version of fewact (got version {MODEL_VERSION + 1}"
    )
    assert "written by fewact 9.0" in said
    assert "Upgrade fewact: pip install --upgrade fewact" in said
    with pytest.raises(ModelError) as caught:  # a long version does not fill the message
        header_from(edited(version=MODEL_VERSION + 1, fewact="9" * 10_000))
    assert len(str(caught.value)) < 500


@pytest.mark.parametrize(
    ("versions", "error", "what"),
    [
        ((MODEL_VERSION - 1, 0, -1), LostModelError, "older version"),
        (
            (str(MODEL_VERSION), float(MODEL_VERSION), True, None, [1], ...),
            ModelError,
            "unsupported version",
        ),
    ],
)
def test_older_and_other_versions_are_refused(
    versions: tuple[Any, ...], error: type[ModelError], what: str
) -> None:
    for version in versions:
        with pytest.raises(error, match=rf"{what}.*expected: version {MODEL_VERSION}.*Teach again"):
            header_from(edited(version=version))
