"""What actions are called now, for requests that were begun under a former name."""

from collections.abc import Sequence

from fewact.web.refused import RefusedError


class Renamed:
    """Actions that were renamed or removed since the server was started."""

    def __init__(self) -> None:
        self._now: dict[str, str | None] = {}

    def note(self, before: Sequence[str], after: Sequence[str]) -> None:
        """Compare the actions before and after a change: a new one in the same place is renamed."""
        for i, name in enumerate(before):
            if name not in after:
                renamed = len(before) == len(after) and after[i] not in before
                self._now[name] = after[i] if renamed else None
        for name in after:
            self._now.pop(name, None)

    def label(self, label: str) -> str:
        """Return what the action of a label is called now.

        Raises:
            RefusedError: It was removed.
        """
        while label in self._now:
            now = self._now[label]
            if now is None:
                raise RefusedError(409, "action_removed")
            label = now
        return label
