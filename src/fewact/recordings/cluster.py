"""Watch many recordings on a Ray cluster; see ``many``."""

import time as clock
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import Any

from fewact.classifier.few_shot import FewShotClassifier
from fewact.cli.run import say
from fewact.core.cluster import map_on_ray
from fewact.core.text_table import printable
from fewact.networks import BackboneSpec
from fewact.recordings.formats import Event
from fewact.recordings.joins import Source
from fewact.recordings.many import (
    UNREADABLE,
    Recordings,
    Shown,
    Watched,
    summarise,
    watch_to_end,
)
from fewact.recordings.watch import watching
from fewact.recordings.windows import check_watchable


@dataclass
class RemoteWatch:
    """Watches recordings on a worker; the model is loaded once.

    Args:
        model: Saved model.
        load: Arguments of ``FewShotClassifier.load``.
        false_alarms: Requested limit of false alarms; None for the model's own limit.
        options: Options of ``watching``.
    """

    model: Path
    load: Mapping[str, Any]
    false_alarms: float | None
    options: Mapping[str, Any]

    @cached_property
    def _classifier(self) -> FewShotClassifier:
        classifier = FewShotClassifier.load(self.model, **self.load)
        classifier.false_alarms = self.false_alarms
        return classifier

    def __call__(self, recording: tuple[str, str]) -> dict[str, Any]:
        """Return what was found in a recording of this path and name, for JSON."""
        path, name = recording
        outcome: dict[str, Any] = {"path": path}
        with warnings.catch_warnings(record=True) as warned:
            warnings.simplefilter("default", UserWarning)
            try:
                with watching(self._classifier, path, **self.options) as watch:
                    watched = watch_to_end(watch, Path(path), lambda _: name)
                    faults = [f"{watch.recording.name}: {fault}" for fault in watch.faults]
                    outcome |= {"watched": watched.model_dump(), "faults": faults}
            except UNREADABLE as error:
                outcome["error"] = str(error)
        return outcome | {"warnings": [str(warning.message) for warning in warned]}


def watch_on_ray(
    recordings: Recordings,
    classifier: FewShotClassifier,
    model: Path,
    load: Mapping[str, Any],
    options: Mapping[str, Any],
    *,
    address: str,
    quiet: bool,
) -> None:
    """Watch several recordings on a cluster, with the engine that this machine would use.

    Args:
        recordings: The recordings.
        classifier: Classifier whose actions are found.
        model: File or folder that it was loaded from.
        load: Arguments with which it was loaded.
        options: Options of ``watching``.
        address: Address of the cluster.
        quiet: Whether to show no progress.
    """
    begun = clock.monotonic()
    backbone, _ = check_watchable(classifier.fitted_)
    load = {**load, "engine": backbone.card.engine}
    if weights := load.get("weights"):
        load["weights"] = BackboneSpec(weights=weights).with_absolute_weights.weights
    work = RemoteWatch(model.absolute(), load, classifier.false_alarms, options)
    recordings.watch(partial(_on_ray, work=work, address=address), quiet=quiet)
    summarise(recordings, begun)


def _on_ray(
    recordings: Recordings,
    unfinished: Sequence[Source],
    shown: Shown,
    *,
    work: RemoteWatch,
    address: str,
) -> Iterator[tuple[Source, Watched | str]]:
    """Yield what is found on workers, which reach the model and the recordings by their paths."""
    files = [source for source in unfinished if isinstance(source, Path)]  # none are joined here
    absolute = {str(path.absolute()): path for path in files}
    items = [(file, recordings.names[path]) for file, path in absolute.items()]
    for outcome in map_on_ray(work, items, address=address):
        for text in (*outcome["warnings"], *outcome.get("faults", ())):
            say(f"Warning: {printable(text)}")
        path = absolute[outcome["path"]]
        if "error" in outcome:
            yield path, outcome["error"]
            continue
        watched = Watched.model_validate(outcome["watched"])
        for event in watched.events:
            recordings.write(Event.from_dict(event))
        yield path, watched
