"""The document on the disk stays readable, and one server at a time writes it."""

from dataclasses import replace
from pathlib import Path

import pytest

from fewact.core.errors import ModelError, OutputError
from fewact.page.clip import Clip
from fewact.page.document import Document
from fewact.page.store import DOCUMENT_FILE, Store

CEILING = 40_000


def test_a_document_that_is_too_large_loses_its_oldest_steps(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fewact.page.store.DOCUMENT_FILE", replace(DOCUMENT_FILE, ceiling=CEILING))
    store = Store(tmp_path / "model")
    path = store.folder / "page.json"
    clips = {f"{i:016x}": Clip(file=f"{i:016x}.mp4", name="我.mp4", label="0") for i in range(20)}
    document = Document().changed("add", clips=clips)
    for number in range(1, 30):
        document = document.relabelled("rename", document.classes[0], str(number))
        written = store.write(document)
        assert store.read() == written
        count = len(written.steps)
        assert written == document.model_copy(update={"steps": document.steps[-count:]})
        document = written
    assert 5 < count < 20
    assert path.stat().st_size > 0.8 * CEILING
    before = path.read_bytes()
    with pytest.raises(OutputError, match="too large"):
        store.write(document.changed("add_class", classes=["x" * CEILING]))
    assert path.read_bytes() == before
    store.close()


def test_one_store_of_a_model_is_open_at_a_time(tmp_path: Path) -> None:
    store = Store(tmp_path / "model")
    lock = store.folder / "lock" / "serve"
    with pytest.raises(ModelError, match="another `fewact serve` has this model open"):
        Store(tmp_path / "model")
    store.close()
    assert lock.is_file()  # another server may have opened it
    again = Store(tmp_path / "model")
    store.close()
    with pytest.raises(ModelError, match="another `fewact serve`"):
        Store(tmp_path / "model")
    again.close()
