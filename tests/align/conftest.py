import platform
from collections.abc import Iterator

import pytest

from fewact.align.transport import VARIABLE, engine
from fewact.core.errors import OptionError

ARM = platform.machine() in ("arm64", "aarch64")
SOLVERS = ["numpy", "neon"] if ARM else ["numpy", "baseline", "avx2", "avx512"]


@pytest.fixture(params=SOLVERS)
def solver(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Runs a test with each transport solver that this machine has."""
    name: str = request.param
    monkeypatch.setenv(VARIABLE, name)
    engine.cache_clear()
    try:
        engine()
    except OptionError as missing:
        pytest.skip(str(missing))
    yield name
    engine.cache_clear()
