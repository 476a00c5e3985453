"""Options and fixtures of the whole test suite: vector files and real assets."""

import json
import os
import signal
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

# Before torch is loaded: its threads shall not burn the cores that they share while they wait.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, settings

# How long an example takes says how busy the machine is: half a millisecond's work is 600 ms of
# waiting for a core beside a full load.
settings.register_profile("tests", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("tests")

OUR_VECTORS = Path(__file__).parent / "vectors"


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("fewact")
    group.addoption("--vectors", metavar="DIR", help="folder of numeric test vectors")


def vectors_folder(config: pytest.Config) -> Path:
    """The folder that ``--vectors`` names, or that of the project."""
    return Path(config.getoption("vectors") or OUR_VECTORS)


def _resolve(value: Any, cases: list[dict[str, Any]], key: str) -> Any:
    """Follow "same as NAME" to the case it names."""
    if not isinstance(value, str):
        return value
    name = value.removeprefix("same as ")
    first = cases[0] if name == "first case" else next(c for c in cases if c["name"] == name)
    return _resolve(first[key], cases, key)


def read_cases(path: Path) -> list[dict[str, Any]]:
    """The cases of a JSON vector file, each with its file's tolerance and references resolved."""
    document = json.loads(path.read_text())
    cases = document["cases"]
    for case in cases:
        for key in ("inputs", "weights"):
            if key in case:
                case[key] = _resolve(case[key], cases, key)
        case["tolerances"] = {**document["tolerance"], **case.get("tolerance", {})}
    return cases


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    marker = metafunc.definition.get_closest_marker("vectors")
    if marker is None or "case" not in metafunc.fixturenames:
        return
    path = vectors_folder(metafunc.config) / marker.args[0]
    if not path.exists():
        skip = pytest.mark.skip(reason=f"{path} is not there")
        metafunc.parametrize("case", [pytest.param({}, marks=skip, id="missing")])
        return
    cases = read_cases(path)
    metafunc.parametrize("case", cases, ids=[case["name"] for case in cases])


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put files of slow tests first: the last file of a process keeps the other one waiting."""
    slow = Counter(item.path for item in items if item.get_closest_marker("slow"))
    items.sort(key=lambda item: -slow[item.path])


def _same(got: Any, expected: Any, atol: float, rtol: float, what: str) -> None:
    got = got.detach().cpu().numpy() if isinstance(got, torch.Tensor) else np.asarray(got)
    expected = np.asarray(expected, dtype=float)
    assert got.shape == expected.shape, f"{what}: shape {got.shape}, expected {expected.shape}"
    np.testing.assert_allclose(got, expected, atol=atol, rtol=rtol, err_msg=what)


@pytest.fixture
def compare() -> Callable[..., None]:
    """Compare what was computed with all ``expected`` entries of a case.

    ``compare(case, got)``: ``got`` maps names to tensors and must hold every expected name.
    """

    def run(case: dict[str, Any], got: dict[str, Any], *, float32: bool = False) -> None:
        missing = set(case["expected"]) - set(got)
        assert not missing, f"not computed: {sorted(missing)}"
        tolerances = case["tolerances"]
        for name, expected in case["expected"].items():
            if float32:
                size = max(1.0, float(np.abs(np.asarray(expected, dtype=float)).max()))
                atol = tolerances["float32_abs"] * size
            else:
                atol = tolerances.get(name, tolerances["float64_abs"])
            _same(got[name], expected, atol, 0.0, f"{case['name']}: {name}")

    return run


@pytest.fixture
def vectors_npz(request: pytest.FixtureRequest) -> Callable[[str], dict[str, np.ndarray]]:
    """Read an .npz file of the vectors' folder, without pickle."""

    def read(name: str) -> dict[str, np.ndarray]:
        path = vectors_folder(request.config) / name
        if not path.exists():
            pytest.skip(f"{path} is not there")
        with np.load(path, allow_pickle=False) as file:
            return {key: file[key] for key in file.files}

    return read


@pytest.fixture(scope="session", autouse=True)
def _cache_of_its_own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Nothing is written to, or found in, the user's own cache."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FEWACT_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="session")
def assets() -> Path:
    """The folder of real weights and clips, or a skip that says what is missing."""
    folder = os.environ.get("FEWACT_TEST_ASSETS")
    if not folder:
        pytest.skip("FEWACT_TEST_ASSETS names no folder of real weights and clips")
    return Path(folder)


@pytest.fixture
def interruptible() -> Iterator[None]:
    """Let SIGINT raise KeyboardInterrupt: what a shell runs in the background ignores it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)
