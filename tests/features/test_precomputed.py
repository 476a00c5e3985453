"""Precomputed features: their size and their values."""

import numpy as np
import pytest

from fewact import methods
from fewact.core.errors import DataError, OptionError, VideoError
from fewact.data import FeatureClip
from fewact.data.clips import LARGEST_FEATURE, usable_features
from fewact.features.precomputed import Precomputed
from fewact.features.request import FeatureRequest, View
from tests.refused import refused

VECTORS = np.random.default_rng(0).standard_normal((4, 6))


def test_its_card_has_vectors_alone() -> None:
    given = Precomputed(4, 6, "cpu")
    assert (given.frames, given.card.vectors) == (4, 6)
    assert not given.card.has("maps")
    assert not given.card.has("middle")
    assert (
        given.card.digest
        == Precomputed(4, 6, "cpu").card.digest
        != Precomputed(4, 7, "cpu").card.digest
    )


@pytest.mark.parametrize("kind", [np.float16, np.float32, np.float64])
@pytest.mark.parametrize("layout", [np.ascontiguousarray, np.asfortranarray, np.flip])
def test_vectors_are_returned_as_float32(kind: type, layout: type) -> None:
    vectors = layout(VECTORS.astype(kind))
    vectors.flags.writeable = False
    request = FeatureRequest("vectors", View(4))
    features = Precomputed(4, 6).features(FeatureClip("a", vectors), [request])
    assert not isinstance(features, VideoError)
    assert list(features) == [request]
    assert features[request].dtype == np.float32
    np.testing.assert_array_equal(features[request], vectors.astype(np.float32))


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 1e300, -1e16])
def test_numbers_that_are_not_finite_or_too_large(value: float) -> None:
    vectors = VECTORS.copy()
    vectors[1, 2] = value
    error = Precomputed(4, 6).features(FeatureClip("wave/1", vectors), [])
    assert isinstance(error, VideoError)
    assert error.where == "wave/1"


@pytest.mark.parametrize("kind", [np.float16, np.float32, np.float64])
def test_the_largest_number_of_a_type_is_compared_without_overflow(kind: type) -> None:
    vectors = np.full((1, 4, 6), np.finfo(kind).max, kind)
    assert usable_features(vectors).tolist() == [kind is np.float16]
    limit = np.full((1, 4, 6), LARGEST_FEATURE)
    assert usable_features(np.concatenate([limit, -limit, 1.01 * limit])).tolist() == [
        True,
        True,
        False,
    ]


@pytest.mark.parametrize("shape", [(3, 6), (4, 5), (6, 4)])
def test_features_of_another_size(shape: tuple[int, int]) -> None:
    with refused(DataError, where="a", expected="4 vectors of length 6"):
        Precomputed(4, 6, "cpu").check(FeatureClip("a", np.ones(shape)))
    Precomputed(4, 6, "cpu").check(FeatureClip("a", VECTORS))


@pytest.mark.parametrize(("frames", "width"), [(0, 6), (4, -1)])
def test_sizes_must_be_positive(frames: int, width: int) -> None:
    with refused(OptionError, expected="at least 1"):
        Precomputed(frames, width)


@pytest.mark.parametrize("name", methods.names())
def test_methods_fit_the_size_of_precomputed_features(name: str) -> None:
    given = Precomputed(5, 16, "cpu")
    method = methods.create(name, given.card, frames=5)
    if name in ("pixels", "fusion_joints"):  # need frames, and a layout of joints
        with pytest.raises(OptionError):
            given.check_requests(method.requests(given.card))
        return
    given.check_requests(method.requests(given.card))
    assert method.options.frames == 5
    with refused(OptionError, got="vectors:5", expected="vectors:6"):
        Precomputed(6, 16, "cpu").check_requests(method.requests(given.card))


def test_stabilised_vectors_are_refused() -> None:
    with refused(OptionError, got="vectors:5:auto", hint="stabilise=off"):
        Precomputed(5, 16, "cpu").check_requests([FeatureRequest("vectors", View(5, "auto"))])
