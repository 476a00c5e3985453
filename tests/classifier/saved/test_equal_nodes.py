"""Nodes that equal others are stored once."""

import json

import pytest
import torch
from safetensors.torch import load_file

from fewact import FewShotClassifier
from fewact.classifier.saved.config import from_text, to_text
from fewact.classifier.saved.equal_nodes import find_equal, restore_equal
from fewact.core.errors import ModelError

ONE, OTHER = torch.zeros(2, 3), torch.ones(2, 3)


def test_equal_nodes_are_found_and_restored():
    nodes = {"a": ONE, "b": OTHER, "c": ONE.clone(), "d": OTHER[:, :2], "e": ONE.clone()}
    equal = find_equal(nodes)
    assert equal == {"c": "a", "e": "a"}
    kept = {name: value for name, value in nodes.items() if name not in equal}
    restored = restore_equal(kept, equal, "here")
    assert restored.keys() == nodes.keys()
    assert all(torch.equal(restored[name], value) for name, value in nodes.items())


@pytest.mark.parametrize("equal", [{"b": "a"}, {"c": "d"}])
def test_names_that_do_not_fit_are_refused(equal):
    with pytest.raises(ModelError, match=r"do not match .*config\.json"):
        restore_equal({"a": ONE, "b": OTHER}, equal, "here")


def test_clips_of_static_cameras_need_less_space_and_answer_as_before(assets, backbone, tmp_path):
    every = sorted((assets / "clips" / "utd5_rgb").glob("*/*.mp4"))
    clips = {path.parent.name: path for path in every}
    taught = FewShotClassifier(backbone).fit(list(clips.values()), list(clips))
    folder = taught.save(tmp_path / "model", thumbnails=False)
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    assert config["equal_nodes"] == {
        "permissive_motion": "motion",
        "permissive_differences": "differences",
        "permissive_learned_motion": "learned_motion",
    }
    stored = load_file(folder / "state.safetensors")
    assert not [name for name in stored if name.startswith("nodes.permissive")]
    loaded = FewShotClassifier.load(folder, backbone=backbone)
    assert (loaded.predict_proba(every[:2]) == taught.predict_proba(every[:2])).all()


def test_a_name_of_no_node_is_refused(examples, tmp_path):
    folder = examples.save(tmp_path / "model", thumbnails=False)
    config = from_text((folder / "config.json").read_text(encoding="utf-8"), "here")
    edited = config.model_copy(update={"equal_nodes": {"permissive_motion": "nothing"}})
    (folder / "config.json").write_text(to_text(edited), encoding="utf-8")
    with pytest.raises(ModelError, match="permissive_motion, nothing"):
        FewShotClassifier.load(folder, backbone=examples.backbone)
