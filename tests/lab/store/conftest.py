"""The clips, the small backbone and the store of the tests of features."""

from tests.features.conftest import broken, cache, clips, runs, tiny  # noqa: F401
from tests.lab.store.store_of_vectors import episodes, store, values, videos  # noqa: F401
