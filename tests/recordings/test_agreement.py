"""Agreement of events: known truth in, exact numbers out."""

import math

import numpy as np
import pytest

from fewact.core.errors import DataError
from fewact.recordings.agreement import TIOUS, Scored, agree, average_precisions, kappa, recordings
from fewact.recordings.formats import Event

TRUTH = [Event("wave", 0, 10), Event("clap", 20, 30), Event("wave", 40, 50)]


def test_numbers_of_a_known_table_are_exact() -> None:
    found = [Event("wave", 2, 12), Event("wave", 20, 30), Event("wave", 46, 56)]
    result = agree([Scored("a", tuple(found), tuple(TRUTH), np.linspace(0, 60, 601))])
    assert [found for found, _ in result.matched] == found[:1]  # IoU 8/12, and 4/16 of the last
    assert (list(result.false), list(result.missed)) == (found[1:], TRUTH[1:])
    assert result.f1() == pytest.approx(2 / 6)
    assert (result.f1("wave"), result.f1("clap")) == (pytest.approx(2 / 5), 0)
    # Rows clap, wave, none: 10 s of clap are called wave, 12 of 20 s of wave are found.
    assert result.seconds.confusion.tolist() == [[0, 10, 0], [0, 12, 8], [0, 8, 22]]
    chance = (10 * 0 + 20 * 30 + 30 * 30) / 3600
    value = (34 / 60 - chance) / (1 - chance)
    assert result.seconds.value == pytest.approx(value)
    assert result.frames is not None
    assert result.frames.value == pytest.approx(value)
    assert (result.seconds.units, result.frames.units) == (60, 600)
    assert result.seconds.interval is not None
    low, high = result.seconds.interval
    assert low <= value <= high


def test_equal_tables_agree_and_none_says_so() -> None:
    same = agree([Scored("a", tuple(TRUTH), tuple(TRUTH))])
    assert (same.f1(), same.seconds.value, same.frames) == (1, 1, None)
    alone = agree([Scored("a", (), (Event("wave", 0, 10),))])
    assert (alone.f1(), alone.seconds.value, alone.seconds.interval) == (0, 0, None)
    whole = agree([Scored("a", (Event("a", 0, math.inf),), (Event("a", 0, 60),))])
    assert (whole.f1(), whole.false, whole.missed) == (1, (), ())
    assert math.isnan(kappa(np.array([[7, 0], [0, 0]])))


def test_point_events_agree_within_a_tolerance() -> None:
    scored = (Event("nod", 5, 5), Event("nod", 9, 9), Event("tap", 5, 5), Event("wave", 0, 4))
    found = (Event("nod", 5.8, 5.8), Event("nod", 4.9, 4.9), Event("tap", 6.5, 6.5), scored[3])
    result = agree([Scored("a", found, scored)])
    assert [(f.start, s.start) for f, s in result.matched] == [(4.9, 5), (0, 0)]
    assert (result.counts("nod"), result.counts("tap")) == ((1, 1, 1), (0, 1, 1))
    assert agree([Scored("a", found, scored)], tolerance=2.0).counts("tap") == (1, 0, 0)
    exact = agree([Scored("a", scored, scored)], tolerance=0.0)
    assert (exact.f1(), exact.false, exact.missed) == (1.0, (), ())
    mixed = agree([Scored("a", (Event("nod", 4.5, 9),), scored[:1])])
    assert mixed.counts("nod") == (1, 0, 0)


@pytest.mark.slow
def test_the_interval_covers_the_true_kappa() -> None:
    """Of 100 studies with a noise of runs, most intervals have the κ of a long study."""
    rng = np.random.default_rng(1)

    def study(blocks: int) -> Scored:
        found, scored = [], []
        for i in range(blocks):
            start = 10.0 * i
            if rng.random() < 0.5:
                scored.append(Event("wave", start, start + 5))
            if (rng.random() < 0.8) == bool(scored and scored[-1].start == start):
                found.append(Event("wave", start, start + 5))
        return Scored("a", tuple(found), tuple(scored), np.linspace(0, 10.0 * blocks, 2))

    truth = agree([study(20_000)]).seconds.value
    intervals = [agree([study(120)]).seconds.interval for _ in range(100)]
    covered = sum(i is not None and i[0] <= truth <= i[1] for i in intervals)
    assert 88 <= covered <= 100


@pytest.mark.parametrize(
    ("found", "scored", "names"),
    [
        (["x/a.mp4", "b"], ["C:\\y\\a.avi", "b.mp4"], {"a", "b"}),
        (["", ""], ["a.mp4"], {"a"}),
        (["", ""], [""], {""}),
    ],
)
def test_recordings_are_found_by_their_names(
    found: list[str], scored: list[str], names: set[str]
) -> None:
    lists = ([Event("w", 0, 1, recording=name) for name in ns] for ns in (found, scored))
    assert set(recordings(*lists)) == names


def test_events_of_unknown_recordings_are_refused() -> None:
    scored = [Event("w", 0, 1, recording=name) for name in ("a", "b")]
    with pytest.raises(DataError):
        recordings([Event("w", 0, 1)], scored)


def slow_precision(listed: list[Scored], label: str, tiou: float) -> float:
    """ActivityNet's definition, step by step: locks of scored events, and padded curves."""
    order = [(e.confidence or 0, one.name, e) for one in listed for e in one.found]
    order = sorted((x for x in order if x[2].label == label), key=lambda x: -x[0])
    truth = [(one.name, e) for one in listed for e in one.scored if e.label == label]
    locked: set[int] = set()
    precision, recall, right = [0.0], [0.0], 0
    for number, (_, name, event) in enumerate(order, start=1):
        overlaps = []
        for j, (of, true) in enumerate(truth):
            if of == name:
                shared = max(0.0, min(event.end, true.end) - max(event.start, true.start))
                lengths = event.end - event.start + true.end - true.start
                overlaps.append((shared / (lengths - shared), j))
        for overlap, j in sorted(overlaps, reverse=True):
            if overlap < tiou:
                break
            if j not in locked:
                locked.add(j)
                right += 1
                break
        precision.append(right / number)
        recall.append(right / len(truth))
    precision, recall = [*precision, 0.0], [*recall, 1.0]
    area = 0.0
    for i in range(1, len(recall)):
        area += (recall[i] - recall[i - 1]) * max(precision[i:])
    return area


def test_average_precisions_are_those_of_activitynets_definition() -> None:
    generator = np.random.default_rng(0)

    def events(count: int, *, found: bool) -> tuple[Event, ...]:
        starts, lengths = generator.uniform(0, 60, count), generator.uniform(2, 9, count)
        labels = generator.choice(["a", "b"], count)
        scores = generator.permutation(count) / count
        rows = zip(starts, lengths, labels, scores, strict=True)
        return tuple(
            Event(str(c), float(t), float(t + d), confidence=float(p) if found else None)
            for t, d, c, p in rows
        )

    listed = [Scored(n, events(40, found=True), events(12, found=False)) for n in ("x", "y", "z")]
    # A detector that is often right, so that the curves are not near zero.
    near = tuple(
        Event(str(e.label), e.start + 0.5, e.end, confidence=0.9) for e in listed[0].scored
    )
    listed[0] = Scored("x", listed[0].found + near, listed[0].scored)
    got = average_precisions(listed)
    assert got.keys() == {"a", "b"}
    for label, values in got.items():
        expected = [slow_precision(listed, label, tiou) for tiou in TIOUS]
        assert values == pytest.approx(expected)
        assert 0 < values[-1] < values[0] < 1
    scored = (Event("a", 0, 5), Event("a", 20, 30))
    found = (Event("a", 0, 4, confidence=0.9), Event("a", 20, 24, confidence=0.8))
    by_hand = Scored("x", found, scored)
    assert average_precisions([by_hand])["a"] == pytest.approx([1, 1, 0.5, 0.5, 0.5])
    without = Scored("x", (Event("a", 0, 4),), scored)
    assert average_precisions([without]) == {}
    assert agree([by_hand]).mean_precisions() == pytest.approx([1, 1, 0.5, 0.5, 0.5])
