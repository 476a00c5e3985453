"""What actions are called now, for requests that were begun under a former name."""

from fewact.page.document import Document
from fewact.page.refused import RefusedError


class Renamed:
    """Actions that were renamed or removed since the server was started."""

    def __init__(self) -> None:
        self._now: dict[str, str | None] = {}

    def note(self, before: Document, after: Document) -> None:
        """Compare the actions before and after a change.

        Renaming, and undoing it, puts the new name in the place of the old one. After any other
        change, such as opening a model file, a name in this place is that of another action.
        """
        step = (before if len(after.steps) < len(before.steps) else after).last_step
        is_new = before.last_step != after.last_step
        is_renaming = is_new and step is not None and step.what == "rename"
        for i, name in enumerate(before.classes):
            if name not in after.classes:
                self._now[name] = after.classes[i] if is_renaming else None
        for name in after.classes:
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
