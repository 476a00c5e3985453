"""The files of features of these tests."""

from tests.data.made_up_features import write  # noqa: F401
