"""A model that an older version of fewact wrote: the page teaches its clips again."""

from pathlib import Path

import pytest

from fewact.classifier.config import CONFIG, VERSION
from tests.classifier.test_model_folder import edit
from tests.web.test_clip_names import command
from tests.web.test_same_model import Serve, begun, idle, page_of, taught, videos

__all__ = ["begun", "videos"]


@pytest.mark.slow
def test_clips_of_the_page_are_taught_again(
    serve: Serve, begun: Path, videos: list[bytes], tmp_path: Path
) -> None:
    server, ids = page_of(serve, begun, videos)
    more = tmp_path / "more.mp4"
    more.write_bytes(videos[5])
    command("add", str(server.model), "wave", str(more))
    assert taught(server)["model"]["clips"] == {"wave": 3, "throw": 2}
    server.stop()
    config = server.model / CONFIG
    edit(server.model, lambda content: content.update(version=VERSION - 1))
    before = config.read_text(encoding="utf-8")

    server = serve(server.model)
    state = idle(server)
    (job,) = state["jobs"]
    assert job["error"]["what"] == "the model was written by an older version of fewact"
    assert job["error"]["hint"] == "Teach again from the clips."
    assert state["model"] is None
    assert state["changes"] == len(ids)
    kept = {id for id, clip in state["clips"].items() if not clip["binned"]}
    assert kept == set(ids)
    (lost,) = (clip for clip in state["clips"].values() if clip["name"] == "wave/more.mp4")
    assert lost["binned"]
    assert config.read_text(encoding="utf-8") == before

    state = taught(server)
    assert state["model"]["clips"] == {"wave": 2, "throw": 2}
    assert state["changes"] == 0
    kept = [one.read_text(encoding="utf-8") for one in server.model.rglob(f"history/*/{CONFIG}")]
    assert before in kept
