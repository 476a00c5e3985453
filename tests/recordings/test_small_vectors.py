"""Small vectors: similarities of windows are correlations along time, or alignments."""

import numpy as np
import pytest

from fewact.recordings.index import Archive, small_rows
from fewact.recordings.small_vectors import (
    ALIGNED_UNLIKE,
    INDEX_TRACKS,
    POSITIONS,
    VARIANCE_FLOOR,
    SmallVectors,
    aligned_similarities,
    motion_at,
    row_products,
    row_variances,
    window_similarities,
)


def test_window_scores_are_correlations(archive: Archive) -> None:
    rows = small_rows(archive.rows(archive.recordings()[0].fingerprint, 0, 1))
    starts, length = np.array([0.5, 3.0]), 1.5
    example, variances = SmallVectors.of_rows(rows, 3.0, length), row_variances(rows, length)
    scores = window_similarities(row_products(rows, [example]), variances, starts, length)
    for name, track in INDEX_TRACKS.items():
        for start, score in zip(starts, scores[name][:, 0], strict=True):
            times = start + length * POSITIONS[name]
            of = [rows[name][int(time * track.rate)] for time in times]
            if name == "appearance":
                of = [x / np.linalg.norm(x) for x in of]
            product = sum(float(x @ q) for x, q in zip(of, example.vectors[name], strict=True))
            size = float(len(of))
            if name != "appearance":
                cell = int((start + length / 2) / 0.5)  # a window of three half seconds
                first, last = (round(0.5 * one * track.rate) for one in (cell - 1, cell + 2))
                size *= float(rows[name][first:last].var(0).sum()) + VARIANCE_FLOOR[name]
            assert score == pytest.approx(product / size**0.5, rel=1e-3, abs=1e-3)
    assert scores["appearance"][1, 0] == pytest.approx(1, abs=1e-3)
    assert scores["motion"][1, 0] > 0.8 > scores["motion"][0, 0]


def test_aligned_motion_forgives_a_late_start(archive: Archive) -> None:
    rows = small_rows(archive.rows(archive.recordings()[0].fingerprint, 0, 1))["motion"]
    motion = motion_at(rows, np.array([4.0, 4.25, 0.5, 2.0]), 2.0)
    aligned = aligned_similarities(motion[None], motion[None, :1])[0, :, 0]
    assert aligned[0] == pytest.approx(-ALIGNED_UNLIKE, abs=0.05)
    assert aligned[0] > aligned[1] > 2 * aligned[2:].max()
