"""A store of made-up vectors for the tests of stored nodes."""

from tests.lab.store.store_of_vectors import episodes, store, values, videos  # noqa: F401
