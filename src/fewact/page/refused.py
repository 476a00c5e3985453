"""Requests that are refused: each by an HTTP status and the key of a text."""


class RefusedError(Exception):
    """A request that is refused.

    Args:
        status: HTTP status.
        key: Key of the text that says why.
    """

    def __init__(self, status: int, key: str) -> None:
        self.status, self.key = status, key
        super().__init__(key)


class GoneError(RefusedError):
    """A request for something that does not exist, or does not exist any more."""

    def __init__(self) -> None:
        super().__init__(404, "gone")
