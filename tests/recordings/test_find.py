"""An action is found in an index by clips of it."""

from dataclasses import replace

import pytest

from fewact.recordings.find import (
    proposals,
    read_again,
    spans_to_watch,
    to_mark,
    with_probabilities,
)
from fewact.recordings.index import Archive
from fewact.recordings.question import Question
from tests.recordings.conftest import MOTIONS


def test_an_action_is_found_by_one_clip(archive: Archive, question: Question) -> None:
    found = read_again(proposals(archive, question, 6), question)
    (length,) = question.lengths
    assert length == pytest.approx(1, abs=0.1)
    best = sorted(one.start + one.end for one in found[:2])
    true = [2 * (i + 0.5) for i, motion in enumerate(MOTIONS) if motion == "right"]
    assert best == pytest.approx(true, abs=0.7)
    probabilities = [segment.probability or 0 for segment in found]
    assert probabilities == sorted(probabilities, reverse=True)
    # What the index says decides between equal similarities.
    equal = [replace(segment, similarity=0.5) for segment in found]
    best_ranked = max(range(len(equal)), key=lambda i: equal[i].rank)
    chances = [segment.probability or 0 for segment in with_probabilities(equal)]
    assert chances[best_ranked] == max(chances) > min(chances)


def test_what_is_suggested_is_uncertain(archive: Archive, question: Question) -> None:
    found = read_again(proposals(archive, question, 6), question)
    chosen = to_mark(archive, found, 3)
    assert len({segment.start for segment in chosen}) == 3
    least = min(found, key=lambda segment: abs(2 * (segment.probability or 0) - 1))
    assert chosen[0] == least


def test_the_spans_to_watch_have_what_a_model_finds(archive: Archive, question: Question) -> None:
    (recorded,) = archive.recordings()
    spans = spans_to_watch(archive, recorded, question, 0.6)
    assert 5 <= sum(span.end - span.start for span in spans) <= 8
    found = read_again(proposals(archive, question, 6), question)[:2]
    assert all(
        any(span.start <= one.start and one.end <= span.end for span in spans) for one in found
    )
    ((start, end),) = spans_to_watch(archive, recorded, question, 1.0)
    assert (start, end) == (0.0, pytest.approx(9, abs=0.6))
