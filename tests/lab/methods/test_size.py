"""Options that are allowed each by itself and need too much memory together."""

import pytest

from fewact.core.errors import OptionError
from fewact.lab import methods


@pytest.mark.parametrize(
    ("name", "options", "text"),
    [
        ("pixels", {"frames": 4096, "grid": 512}, "frames, grid: too large together"),
        ("trx", {"frames": 512}, r"frames, cardinalities, key_width.*got 192.0 GiB for each video"),
        ("hyrsm", {"vector_width": 24000}, "GiB of parameters|more memory"),
        ("clip_fsar", {"vector_width": 65536, "hidden": 65536}, "GiB of parameters|more memory"),
    ],
)
def test_options_that_are_too_large_together_are_refused(
    name: str, options: dict[str, int], text: str
) -> None:
    with pytest.raises(OptionError, match=text):
        methods.create(name, **options)
    assert methods.create(name).options == methods.create(name).options
