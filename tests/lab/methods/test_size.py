"""Options that are allowed each by itself and need too much memory together."""

import pytest

from fewact.core.errors import OptionError
from fewact.lab import methods
from tests.refused import refused


@pytest.mark.parametrize(
    ("name", "options", "where"),
    [
        ("pixels", {"frames": 4096, "grid": 512}, "frames, grid"),
        ("trx", {"frames": 512}, "frames, cardinalities, key_width"),
        ("hyrsm", {"vector_width": 24000}, "hyrsm"),
        ("clip_fsar", {"vector_width": 65536, "hidden": 65536}, "clip_fsar"),
    ],
)
def test_options_that_are_too_large_together_are_refused(
    name: str, options: dict[str, int], where: str
) -> None:
    with refused(OptionError, where=where, expected="GiB"):
        methods.create(name, **options)
    assert methods.create(name).options == methods.create(name).options
