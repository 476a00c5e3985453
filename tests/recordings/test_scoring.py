"""Scores of windows: those of the classifier, as a recording counts them."""

from pathlib import Path

import numpy as np
import pytest

from fewact import FewShotClassifier
from fewact.classifier.encoding import encode
from fewact.classifier.fitted import score
from fewact.data import Clip
from fewact.features.extract import Timing
from fewact.recordings.scoring import DISTINCT_LOG_ODDS, PERFORMANCE_THRESHOLD, WindowScorer


def test_a_window_has_the_scores_of_the_classifier(
    taught: FewShotClassifier, queries: dict[str, Path]
) -> None:
    fitted = taught.fitted_
    (clip,) = encode([Clip(queries["left"])], fitted.pipeline)
    logits, _, known = score(fitted, clip.nodes)
    relative = fitted.open_set.relative(float(known[0]))
    adapting = WindowScorer(fitted, (1.0,), None, Timing())
    window = adapting.score(3.0, 4.0, clip.nodes)
    ordered = np.sort(logits[0])
    assert (window.start, window.end, window.label) == (3.0, 4.0, fitted.labels[logits[0].argmax()])
    assert window.distinct == pytest.approx(min((ordered[-1] - ordered[-2]) / DISTINCT_LOG_ODDS, 1))
    assert window.score == pytest.approx(relative + window.distinct)
    assert sum(window.probabilities) == pytest.approx(1)
    assert np.log(window.probabilities[0] / window.probabilities[1]) == pytest.approx(
        logits[0, 0] - logits[0, 1]
    )
    assert window.fits
    assert (adapting.adapts, adapting.threshold) == (True, PERFORMANCE_THRESHOLD)
    limited = WindowScorer(fitted, (1.0,), 1.0, Timing())
    assert limited.score(3.0, 4.0, clip.nodes).score == pytest.approx(relative)
    assert not limited.adapts
    assert limited.threshold < -1e3


def test_a_window_that_is_too_long_for_its_class_fits_not(
    taught: FewShotClassifier, queries: dict[str, Path]
) -> None:
    (clip,) = encode([Clip(queries["left"])], taught.fitted_.pipeline)
    scorer = WindowScorer(taught.fitted_, (1.0, 9.0), None, Timing())
    assert scorer.score(0.0, 1.0, clip.nodes).fits
    assert not scorer.score(0.0, 9.0, clip.nodes).fits
