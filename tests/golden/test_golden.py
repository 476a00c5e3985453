"""The methods answer as they did when the golden file was written."""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from fewact import methods
from fewact.video.camera import _native
from tests.golden import real_clips
from tests.golden.cases import CASES
from tests.golden.compare import TOLERANCE, Difference, difference
from tests.golden.values import STORED, Values, read
from tests.golden.write import PARTS

MARKED = [
    pytest.param(
        part, marks=[] if part.endswith(" default") or part == "training" else pytest.mark.slow
    )
    for part in PARTS
]
"""The defaults of all methods and the training run are fast; all other cases are slow."""

REAL = [
    pytest.mark.assets,
    pytest.mark.slow,
    pytest.mark.skipif(_native.library() is None, reason="fewact_camera is not built"),
]
"""Marks of tests on real clips. Without the compiled registration some pixels round differently."""

NETWORK_TOLERANCE = 1e-4
"""Tolerance of values that a network computed: its kernels depend on the processor. Between two
processors the same commit differed by 5e-5 (bit-equal on one of them to values of an older commit);
no decision may change."""


@pytest.fixture(scope="module")
def golden() -> Values:
    return read(STORED)


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    """Roundings depend on the number of threads; the golden file was written with one."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def agree(found: Values, golden: Values) -> None:
    """Check that values agree with the golden ones under the same keys."""
    wrong = {key: one for key, one in compared(found, golden).items() if one.relative > TOLERANCE}
    assert not wrong, list(map(str, wrong.items()))


def agree_after_network(found: Values, golden: Values) -> None:
    """Check that values that a network computed agree, and that no decision changed."""
    every = compared(found, golden)
    wrong = {key: one for key, one in every.items() if not one.within(NETWORK_TOLERANCE)}
    assert not wrong, list(map(str, wrong.items()))


def compared(found: Values, golden: Values) -> dict[str, Difference]:
    """Return the differences from the golden values under the same keys."""
    missing = sorted(found.keys() - golden.keys())
    assert not missing, f"not in the golden file: {missing}"
    return {key: difference(golden[key], value) for key, value in found.items()}


@pytest.mark.parametrize("part", MARKED)
def test_made_up(part: str, golden: Values) -> None:
    found = PARTS[part]()
    begins = f"{part} | made-up | " if part in CASES else f"{part} | "
    assert found.keys() == {key for key in golden if key.startswith(begins)}
    agree(found, golden)


def test_every_golden_method_has_its_default_and_three_more_option_sets() -> None:
    # Methods that the golden file does not have are guarded by vectors and references of their own.
    counts = Counter(case.method for case in CASES.values())
    assert set(counts) <= set(methods.names())
    assert min(counts.values()) >= 4
    assert all(f"{name} default" in CASES for name in counts)


@pytest.mark.parametrize(
    "backbone", [pytest.param(one, marks=REAL) for one in real_clips.BACKBONES]
)
def test_real_clips(backbone: str, assets: Path, golden: Values) -> None:
    stored = {key for key in golden if f" | {backbone} | " in key}
    assert stored == {
        f"{label} | {backbone} | {dataset}"
        for label in real_clips.ON_REAL_CLIPS
        for dataset in real_clips.CLASSES
    }
    chosen = real_clips.sampled(backbone)
    found = real_clips.logits(assets, backbone, chosen)
    assert len(found) == sum(map(len, chosen.values()))
    agree_after_network(found, golden)


@pytest.mark.parametrize("method", [pytest.param(one, marks=REAL) for one in real_clips.TAUGHT])
def test_classifier(method: str, assets: Path, golden: Values) -> None:
    agree_after_network(real_clips.probabilities(assets, method), golden)
