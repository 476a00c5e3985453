"""Ctrl-C while recordings are watched: the events so far are kept."""

import signal
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

from fewact.classifier.few_shot import FewShotClassifier
from fewact.core.errors import VideoError
from fewact.data.joints import JointTrack
from fewact.recordings.joins import Source
from fewact.recordings.watch import Watch, watching
from fewact.video.source import Span


@contextmanager
def stopped_by_ctrl_c() -> Iterator[threading.Event]:
    """Yield what the first Ctrl-C sets; the second one interrupts as it does elsewhere."""
    stop = threading.Event()

    def interrupt(*_: object) -> None:
        if stop.is_set():
            raise KeyboardInterrupt
        stop.set()

    before = signal.signal(signal.SIGINT, interrupt)
    try:
        yield stop
    finally:
        signal.signal(signal.SIGINT, before)


@contextmanager
def opened(
    classifier: FewShotClassifier,
    source: str | Source,
    stop: threading.Event,
    spans: Mapping[str, Sequence[Span]] | None = None,
    joints: Mapping[str, JointTrack] | None = None,
    **options: Any,
) -> Iterator[Watch]:
    """Open a recording; Ctrl-C before it is open is an interruption, not an error of the source.

    Args:
        classifier: Classifier whose actions are found.
        source: Recording, or files that are one.
        stop: Event that ends the recording when it is set.
        spans: Spans that are watched of each recording; None for all of it.
        joints: Joints of the recordings that have some.
        **options: Further arguments of ``watching``.
    """
    with ExitStack() as stack:
        try:
            options["spans"] = (spans or {}).get(str(source))
            options["joints"] = (joints or {}).get(str(source))
            watch = stack.enter_context(watching(classifier, source, stop=stop, **options))
        except VideoError:
            if stop.is_set():
                raise KeyboardInterrupt from None
            raise
        yield watch
