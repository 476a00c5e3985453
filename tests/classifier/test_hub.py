"""Models on a hub: the real client against a server on this machine that speaks its protocol."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from fewact import FewShotClassifier
from fewact.core.errors import ModelError
from tests.hub import serving, settings, silent

SCRIPT = """
import sys
from fewact import FewShotClassifier
from fewact.core.errors import ModelError
clip, *models = sys.argv[1:]
try:
    for model, thumbnails in zip(models, (True, False)):
        classifier = FewShotClassifier.load(model)
        print(classifier.push_to_hub("owner/moves", thumbnails=thumbnails))
except ModelError as error:
    print(error)
for name in ("owner/moves", "owner/none"):
    try:
        loaded = FewShotClassifier.from_pretrained(name)
        print(loaded.predict_proba(clip).tolist())
    except ModelError as error:
        print(error)
"""
"""Uploads models, then downloads what is there."""


def run(environment: dict[str, str], clip: Path, *models: Path) -> list[str]:
    command = [sys.executable, "-c", SCRIPT, clip, *models]
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert not done.stderr.strip() or "it/s" in done.stderr or "%" in done.stderr, done.stderr
    return done.stdout.splitlines()


@pytest.mark.slow
def test_a_model_goes_to_the_hub_and_comes_back(
    quick: FewShotClassifier, actions: Path, queries: dict[str, Path], tmp_path: Path
) -> None:
    pytest.importorskip("huggingface_hub")
    folder = quick.fit(actions).save(tmp_path / "model", thumbnails=True)
    expected = str(quick.predict_proba(queries["left"]).tolist())
    repository, requested = tmp_path / "hub" / "owner" / "moves", list[str]()
    home, clip = tmp_path / "home", queries["left"]
    with serving(tmp_path / "hub", requested) as endpoint:
        *urls, loaded, none = run(settings(endpoint, home), clip, folder, folder)
        assert ["/owner/moves/commit/" in url for url in urls] == [True, True]
        names = sorted(path.name for path in repository.iterdir())
        assert names == ["README.md", "config.json", "model.safetensors"]
        assert (repository / "README.md").read_text().startswith("---\nlibrary_name: fewact\n")
        assert loaded == expected
        assert none.startswith("owner/none: the hub has no such repository")
    loaded, none = run(settings(endpoint, home, offline=True), clip)
    assert loaded == expected, "what was downloaded once is there without a hub"
    assert none.startswith("owner/none: the hub cannot be reached")
    with silent() as address:
        refused, loaded, none = run(settings(address, home), clip, folder)
        assert refused.startswith("owner/moves: the hub")
        assert loaded == expected, "a hub that never answers is no hub"
        assert none.startswith("owner/none: the hub cannot be reached")


def test_a_folder_needs_no_hub(
    quick: FewShotClassifier, actions: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    folder = quick.fit(actions).save(tmp_path / "model")
    assert tuple(FewShotClassifier.from_pretrained(str(folder)).classes_) == tuple(quick.classes_)
    with pytest.raises(ModelError):
        FewShotClassifier.from_pretrained("owner/moves")


@pytest.mark.parametrize(
    "name", ["modle", "./mine", "a/b/c", "own er/x", "a--b/x", "a/..", "~/mine", "hf-hub:a/b", "/x"]
)
def test_what_is_neither_a_folder_nor_a_repository_goes_to_no_hub(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "model").mkdir()
    with pytest.raises(ModelError) as refused:
        FewShotClassifier.from_pretrained(name)
    assert (refused.value.where, refused.value.what) == (name, "no such folder")
    assert refused.value.expected == "a folder of a model, or owner/name[@revision] on the hub"
    assert refused.value.hint == ('Did you mean "model"?' if name == "modle" else "")


def test_what_is_nearly_a_folder_goes_to_the_hub_with_a_revision_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "models" / "moves").mkdir(parents=True)
    with pytest.raises(ModelError):
        FewShotClassifier.from_pretrained("models/mvoes")
    for name in ("models/mvoes@main", "models/other", "owner/mvoes"):
        with pytest.raises(ModelError):
            FewShotClassifier.from_pretrained(name)


@pytest.mark.parametrize(
    "name", ["model", "a/b/c", "", "own er/model", "owner/model@main", None, "owner/" + 97 * "n"]
)
def test_only_to_a_repository_is_uploaded(
    name: Any, quick: FewShotClassifier, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with pytest.raises(ModelError):
        quick.push_to_hub(name)


def test_a_home_folder_needs_no_hub(
    quick: FewShotClassifier, actions: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    monkeypatch.setenv("HOME", str(tmp_path))
    quick.fit(actions).save(tmp_path / "model")
    assert len(FewShotClassifier.from_pretrained("~/model").classes_) == len(quick.classes_)
