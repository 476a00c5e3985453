"""Index many recordings, one after the other or on a cluster."""

import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from fewact.cli.output import progress
from fewact.core.text_table import printable
from fewact.features.store import Store
from fewact.networks import Backbone, BackboneSpec
from fewact.recordings.index import Archive
from fewact.recordings.many import UNREADABLE


@dataclass
class IndexRecording:
    """Indexes a recording, here or on a worker; the network is loaded once.

    Args:
        folder: Folder of the index.
        backbone: The network.
    """

    folder: Path
    backbone: BackboneSpec

    @cached_property
    def _network(self) -> Backbone:
        return self.backbone.create()

    @cached_property
    def archive(self) -> Archive:
        """The index."""
        return Archive(Store.create(self.folder), self._network.card, create=True)

    def __call__(
        self, path: str, shown: Callable[[float], None] = lambda time: None
    ) -> dict[str, Any]:
        """Return what came of a recording, for JSON."""
        outcome: dict[str, Any] = {"path": path}
        with warnings.catch_warnings(record=True) as warned:
            warnings.simplefilter("default", UserWarning)
            try:
                outcome["new"] = self.archive.add(Path(path), self._network, shown)
            except UNREADABLE as error:
                outcome["error"] = str(error)
        return outcome | {"warnings": [str(warning.message) for warning in warned]}


def index_each(
    work: IndexRecording, paths: Sequence[Path], ray: str | None, *, quiet: bool
) -> Iterator[dict[str, Any]]:
    """Yield what came of each recording.

    Args:
        work: Work on one recording.
        paths: Recordings.
        ray: Address of a cluster; None to index them here.
        quiet: Whether no progress is shown.
    """
    if ray is not None:
        from fewact.core.cluster import map_on_ray

        remote = IndexRecording(work.folder, work.backbone)
        yield from map_on_ray(remote, [str(path.absolute()) for path in paths], address=ray)
        return
    with progress("Indexing", quiet=quiet) as show:
        for number, path in enumerate(paths):

            def shown(time: float, done: int = number, name: str = path.name) -> None:
                show(done, len(paths), f"{printable(name)} {time:.0f} s")

            yield work(str(path), shown)
