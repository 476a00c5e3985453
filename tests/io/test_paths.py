"""Paths that users write."""

import pytest

from fewact.errors import DataError, UserError
from fewact.io.paths import user_path


def test_paths_without_a_home_and_with_nul_are_refused() -> None:
    with pytest.raises(UserError, match="no home folder"):
        user_path("~nobody-has-this-name/clips")
    with pytest.raises(DataError, match="not a path"):
        user_path("a\0b", DataError)
    with pytest.raises(DataError, match=r"^not a path \(got ''\)"):
        user_path("", DataError)
    for no_path in (None, 3, ["a"]):
        with pytest.raises(DataError, match=rf"^not a path \(got {type(no_path).__name__}\)"):
            user_path(no_path, DataError)  # type: ignore[arg-type]
    for name in ("x" * 300, "x/" * 5000):
        with pytest.raises(DataError, match=r"xx?/?x.*… ?: the name is too long"):
            user_path(name, DataError)
    with pytest.raises(DataError, match="names of files can have"):
        user_path("\ud800", DataError)
