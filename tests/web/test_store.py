"""The document on the disk stays readable."""

from dataclasses import replace
from pathlib import Path

import pytest

from fewact.errors import OutputError
from fewact.web.document import Clip, Document
from fewact.web.store import DOCUMENT_FILE, Store

CEILING = 40_000


def test_a_document_that_is_too_large_loses_its_oldest_steps(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fewact.web.store.DOCUMENT_FILE", replace(DOCUMENT_FILE, ceiling=CEILING))
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
