"""An action is found in an index by clips of it."""

from dataclasses import replace
from itertools import pairwise

import pytest

from fewact.recordings.find import proposals, spans_to_watch, to_mark, with_probabilities
from fewact.recordings.index import Archive
from fewact.recordings.question import Question
from fewact.recordings.segments import Segment
from tests.recordings.conftest import MOTIONS


def test_an_action_is_found_by_one_clip(question: Question, found: list[Segment]) -> None:
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


def test_what_is_suggested_is_uncertain(archive: Archive, found: list[Segment]) -> None:
    chosen = to_mark(archive, found, 3)
    assert len({segment.start for segment in chosen}) == 3
    least = min(found, key=lambda segment: abs(2 * (segment.probability or 0) - 1))
    assert chosen[0] == least


def test_the_spans_to_watch_have_what_a_model_finds(
    archive: Archive, question: Question, found: list[Segment]
) -> None:
    (recorded,) = archive.recordings()
    spans = spans_to_watch(archive, recorded, question, 0.6)
    assert 5 <= sum(span.end - span.start for span in spans) <= 8
    assert all(
        any(span.start <= one.start and one.end <= span.end for span in spans) for one in found[:2]
    )
    ((start, end),) = spans_to_watch(archive, recorded, question, 1.0)
    assert (start, end) == (0.0, pytest.approx(9, abs=0.6))


def test_proposals_do_not_overlap_and_the_best_is_first(
    archive: Archive, question: Question
) -> None:
    segments = proposals(archive, question, 4)
    assert [one.rank for one in segments] == sorted((one.rank for one in segments), reverse=True)
    ordered = sorted(segments, key=lambda one: one.start)
    assert all(a.end - b.start <= 0.5 for a, b in pairwise(ordered))
    assert proposals(archive, question, 2) == segments[:2]
