"""Methods against slow versions in numpy, at sizes that no vector file has.

The slow versions agree with the vector files; the same tests that read these files then read cases
made here.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import pytest
import torch

from tests.methods import references
from tests.methods import test_cpm as cpm
from tests.methods import test_hyrsm as hyrsm
from tests.methods import test_molo as molo
from tests.methods import test_strm as strm
from tests.methods import test_team as team
from tests.methods import test_trx as trx

TOLERANCES = {"float64_abs": 1e-9, "float32_abs": 2e-4}
Compare = Callable[..., None]


class Size(NamedTuple):
    """Sizes of an episode: frames, length of a vector, shots of each class, queries."""

    t: int
    d: int
    shots: tuple[int, ...]
    q: int


SIZES = {
    "one frame, one query": Size(1, 4, (1, 1), 1),
    "two frames": Size(2, 6, (1, 2), 1),
    "uneven shots": Size(5, 8, (3, 1, 2), 3),
    "seven ways": Size(3, 4, (1, 1, 1, 1, 1, 1, 1), 2),
}
EACH_SIZE = pytest.mark.parametrize("size", SIZES.values(), ids=SIZES)
DTYPES = pytest.mark.parametrize("dtype", [torch.float64, torch.float32], ids=["f64", "f32"])


class Drawn:
    """Random arrays; each call draws others."""

    def __init__(self, seed: int) -> None:
        self._generator = np.random.default_rng(seed)

    def __call__(self, *shape: int) -> Any:
        return self._generator.standard_normal(shape)

    def linear(self, outputs: int, inputs: int) -> Any:
        """Weights of a linear map that keeps the size of what it maps."""
        return self(outputs, inputs) / inputs**0.5

    def episode(self, size: Size, *more: int, suffix: str = "") -> dict[str, Any]:
        """Videos (t … d) of support and queries; labels in random order."""
        labels = np.repeat(np.arange(len(size.shots)), size.shots)
        shape = (size.t, *more, size.d)
        return {
            f"support{suffix}": self(len(labels), *shape),
            f"query{suffix}": self(size.q, *shape),
            "labels": self._generator.permutation(labels),
        }

    def tuple_weights(self, joined: int, key: int) -> dict[str, Any]:
        """Weights of TRX for one cardinality."""
        return {
            **{
                "Wk": self.linear(key, joined),
                "bk": self(key),
                "Wv": self.linear(key, joined),
                "bv": self(key),
            },
            **{"ln_g": self(key), "ln_b": self(key)},
        }

    def attention_weights(self, d: int) -> dict[str, Any]:
        """Weights of HyRSM's attention."""
        maps = {name: self.linear(d, d) for name in ("Wq", "Wk", "Wv", "Wo")}
        return {**maps, "ln_g": self(d), "ln_b": self(d), "bo": self(d)}


def case(params: Any, inputs: Any, weights: Any, expected: Any) -> dict[str, Any]:
    """A case as vector files hold it."""
    return {
        **{"name": "made here", "params": params, "inputs": lists(inputs)},
        **{"weights": lists(weights), "expected": lists(expected), "tolerances": TOLERANCES},
    }


def lists(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: lists(each) for name, each in value.items()}
    return value.tolist() if isinstance(value, np.ndarray) else value


def arrays(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: arrays(each) for name, each in value.items()}
    return np.asarray(value)


@DTYPES
@EACH_SIZE
def test_trx(size: Size, dtype: torch.dtype, compare: Compare) -> None:
    draw = Drawn(0)
    sizes = [one for one in (1, 2, 3) if one <= size.t][-2:]
    weights = {f"card{one}": draw.tuple_weights(one * size.d, 5) for one in sizes}
    params = {"cardinalities": sizes, "pe_scale": 0.1}
    inputs = draw.episode(size)
    expected = references.trx(params, weights, **inputs)
    trx.test_trx_vector(case(params, inputs, weights, expected), dtype, compare)


@DTYPES
@pytest.mark.parametrize("patches", [1, 5])
@EACH_SIZE
def test_strm(size: Size, patches: int, dtype: torch.dtype, compare: Compare) -> None:
    draw, (t, d), half = Drawn(1), size[:2], size.d // 2
    params = {"lambda_query_class": 0.3, "cardinality": min(2, t)}
    joined = params["cardinality"] * d
    biases = {f"b{n}": draw(d) for n in "qkv"} | {"c1": draw(half), "c2": draw(half), "c3": draw(d)}
    weights = {
        "patch": {f"W{n}": draw.linear(d, d) for n in "qkv"}
        | {
            "gamma": 0.6,
            "m1": draw.linear(half, d),
            "m2": draw.linear(half, half),
            "m3": draw.linear(d, half),
        }
        | biases,
        "frame": {"t1": draw.linear(t, t), "e1": draw(t), "t2": draw.linear(t, t), "e2": draw(t)}
        | {"n1": draw.linear(d, d), "f1": draw(d), "n2": draw.linear(d, d), "f2": draw(d)},
        "trx": draw.tuple_weights(joined, 3),
        "qc": {"Wc": draw.linear(half, joined), "bc": draw(half)},
    }
    inputs = draw.episode(size, patches)
    expected = references.strm(params, weights, **inputs)
    inputs |= {f"{side}_patches": inputs[side] for side in ("support", "query")}
    strm.test_strm_vector(case(params, inputs, weights, expected), dtype, compare)


@DTYPES
@pytest.mark.parametrize("merge", [True, False], ids=["merged", "each shot"])
@EACH_SIZE
def test_hyrsm(size: Size, merge: bool, dtype: torch.dtype, compare: Compare) -> None:
    draw, d = Drawn(2), size.d
    params = {"heads": d // 2, "merge": merge, "A": 3.0, "B": 0.4}
    weights = {
        **{"intra": draw.attention_weights(d), "inter": draw.attention_weights(d)},
        **{"fuse_w": draw.linear(d, 2 * d), "fuse_b": draw(d)},
    }
    inputs = draw.episode(size)
    expected = references.hyrsm(params, weights, **inputs)
    hyrsm.test_hyrsm_vector(case(params, inputs, weights, expected), dtype, compare)


@DTYPES
@EACH_SIZE
def test_molo(size: Size, dtype: torch.dtype, compare: Compare) -> None:
    draw = Drawn(3)
    params = {"motion_weight": 0.7, "scale": 1.3, "scale_motion": 0.6, "eps": 0.02}
    inputs = draw.episode(size._replace(t=size.t + 1))  # and the token
    motion = draw.episode(size._replace(t=size.t + 1), suffix="_motion")
    inputs = {**motion, **inputs}
    molo.test_molo_vector(case(params, inputs, {}, references.molo(params, inputs)), dtype, compare)


@DTYPES
@EACH_SIZE
def test_team(size: Size, dtype: torch.dtype, compare: Compare) -> None:
    draw, d = Drawn(5), size.d
    weights = {
        **{"tokens": draw(3, d), "ln_g": draw(d), "ln_b": draw(d)},
        **{"w1": draw.linear(d, d), "b1": draw(d), "w2": draw.linear(d, d), "b2": draw(d)},
    }
    params, inputs = {"heads": 2, "pe_scale": 0.1}, draw.episode(size)
    expected = references.team(params, weights, **inputs)
    team.test_team_vector(case(params, inputs, weights, expected), dtype, compare)


@DTYPES
@pytest.mark.parametrize(("by_index", "focused"), [(1, 1), (5, 2), (2, 6)])
def test_cpm(by_index: int, focused: int, dtype: torch.dtype, compare: Compare) -> None:
    draw = Drawn(4)
    inputs = {
        f"{group}_{side}": draw(videos, count, 7)
        for group, count in (("global", by_index), ("focused", focused))
        for side, videos in (("query", 1), ("support", 5))
    }
    cpm.test_cpm_vector(case({}, inputs, {}, references.cpm(inputs)), dtype, compare)


@pytest.mark.vectors("trx.json")
def test_trx_reference(case: dict[str, Any], compare: Compare) -> None:
    inputs, weights = arrays(case["inputs"]), arrays(case["weights"])
    inputs = {name: inputs[name] for name in ("support", "labels", "query")}
    compare(case, references.trx(case["params"], weights, **inputs))


@pytest.mark.vectors("team.json")
def test_team_reference(case: dict[str, Any], compare: Compare) -> None:
    compare(
        case, references.team(case["params"], arrays(case["weights"]), **arrays(case["inputs"]))
    )


@pytest.mark.vectors("strm.json")
def test_strm_reference(case: dict[str, Any], compare: Compare) -> None:
    inputs, weights = arrays(case["inputs"]), arrays(case["weights"])
    patches = [inputs[name] for name in ("support_patches", "labels", "query_patches")]
    compare(case, references.strm(case["params"], weights, *patches))


@pytest.mark.vectors("hyrsm.json")
def test_hyrsm_reference(case: dict[str, Any], compare: Compare) -> None:
    inputs, weights = arrays(case["inputs"]), arrays(case["weights"])
    inputs = {name: inputs[name] for name in ("support", "labels", "query")}
    compare(case, references.hyrsm(case["params"], weights, **inputs))


@pytest.mark.vectors("molo.json")
def test_molo_reference(case: dict[str, Any], compare: Compare) -> None:
    compare(case, references.molo(case["params"], arrays(case["inputs"])))


@pytest.mark.vectors("cpm.json")
def test_cpm_reference(case: dict[str, Any], compare: Compare) -> None:
    compare(case, references.cpm(arrays(case["inputs"])))
