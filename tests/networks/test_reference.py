"""Expected features of the default network."""

import pytest

from fewact import networks
from fewact.networks import onnx_engine, reference
from fewact.networks.reference import TOLERANCES, difference


@pytest.mark.parametrize("precision", ["float32", "int8"])
def test_this_machine_computes_the_expected_features(precision: str) -> None:
    if precision == "int8" and onnx_engine.saturates():
        pytest.skip("eight-bit products saturate on this processor")
    assert difference(networks.create(precision=precision)) <= TOLERANCES[precision]


def test_other_features_are_noticed() -> None:
    assert difference(networks.create(weights="random")) > 0.5
    assert reference.means(networks.create())["vectors"][0] == pytest.approx(0.11175, abs=1e-4)
