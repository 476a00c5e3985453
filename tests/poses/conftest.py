"""The networks of MediaPipe, if they are installed on this machine."""

import importlib.util
from pathlib import Path

import pytest

from fewact.poses.mediapipe import BlazePose
from fewact.poses.weights import installed_file, read_networks


@pytest.fixture(scope="session")
def networks_file() -> Path:
    """The file of the networks in the user's own cache, or a skip that says what is missing."""
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("FEWACT_CACHE", raising=False)
        file = installed_file()
    if importlib.util.find_spec("ai_edge_litert") is None:
        pytest.skip('LiteRT is missing: pip install "fewact[pose]"')
    if file is None or not file.is_file():
        pytest.skip("the networks of MediaPipe are missing: fewact poses --install")
    return file


@pytest.fixture(scope="session")
def blazepose(networks_file: Path) -> BlazePose:
    return BlazePose(read_networks(str(networks_file)))
