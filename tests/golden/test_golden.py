"""The methods say what they said when the golden file was written."""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from tests.golden import today, write
from tests.golden.compare import TOLERANCE, Difference, difference
from tests.golden.today import CASES
from tests.golden.write import STORED, Values

PARTS = write.fast_parts()

MARKED = [
    pytest.param(
        part, marks=[] if part.endswith(" default") or part == "training" else pytest.mark.slow
    )
    for part in PARTS
]
"""The defaults of all methods and the training run are fast; all other cases are slow."""


@pytest.fixture(scope="module")
def golden() -> Values:
    return write.read(STORED)


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    """Roundings depend on the number of threads; the golden file was written with one."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


NETWORK_TOLERANCE = 4e-5
"""The same for values that a network computed: its kernels depend on the processor. Between the one
that wrote the golden file and another one with AVX-512 the largest difference is 1.3e-5."""


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
    begins = f"{part} | "
    expected = {
        key for key in golden if key.startswith(begins) and (part not in CASES or "made-up" in key)
    }
    assert found.keys() == expected
    agree(found, golden)


def test_every_golden_method_has_its_default_and_three_more_option_sets() -> None:
    # Methods that came after the golden file are guarded by vectors and references of their own.
    counts = Counter(case.method for case in CASES.values())
    assert set(counts) <= set(today.method_names())
    assert min(counts.values()) >= 4
    assert all(f"{name} default" in CASES for name in counts)


@pytest.mark.assets
@pytest.mark.slow
@pytest.mark.parametrize("backbone", today.BACKBONES)
def test_real_clips(backbone: str, assets: Path, golden: Values) -> None:
    found = write.real(assets, backbone)
    assert found.keys() == {key for key in golden if f" | {backbone} | " in key}
    agree_after_network(found, golden)


@pytest.mark.assets
@pytest.mark.slow
@pytest.mark.parametrize(("method", "precision"), write.CLASSIFIERS)
def test_classifier(method: str, precision: str, assets: Path, golden: Values) -> None:
    if precision == "bfloat16" and today.usual_precision() != precision:
        pytest.skip("this CPU does not multiply bfloat16 itself")
    agree_after_network(write.product(assets, method, precision), golden)
