"""Clips that may have a wrong label.

A clip is suspected by how much better all clips explain each other if it had another label: the
gain in the log-likelihood of all labels under leave-one-out classification. The constants were
chosen on development clips (docs/results/unknown-actions.md).
"""

import torch
from torch import Tensor

from fewact.classifier.analysis.held_out import held_out_scores, log_likelihood

FEWEST_WRONG, WRONG = 2, 0.05
"""Largest number of wrong labels that are looked for, and as a fraction of the clips."""

MIN_SHOTS = 3
"""Smallest number of clips of a class in which a wrong label can be found: two clips that differ do
not say which of them is wrong."""

MIN_GAP = 1.5
"""Smallest gap in log-likelihood between the gains of suspects and those of all other clips. Clips
of hard classes have gains too, but no gap is between them."""

LEAST_GAIN = 1.0
"""Smallest gain in log-likelihood of a label that is doubtful."""


def suspicion(pairs: Tensor, scores: Tensor, labels: Tensor, temperature: float) -> Tensor:
    """Return the gain in log-likelihood (s) if a clip had the label of its best other class.

    It is −inf where a wrong label cannot be found: in classes of less than ``MIN_SHOTS`` clips, and
    for clips that are nearest to their own class.

    Args:
        pairs: Similarities (s s).
        scores: Scores (s n) of ``held_out_scores``.
        labels: Classes (s) of the clips.
        temperature: Temperature of the method.
    """
    n = scores.shape[-1]
    best = best_other(scores, labels)
    shots = torch.bincount(labels, minlength=n)[labels]
    own, other = (scores.gather(-1, of[:, None])[:, 0] for of in (labels, best))
    found = torch.full(labels.shape, -torch.inf, dtype=torch.float64)
    before = log_likelihood(scores, labels, temperature)
    for i in ((shots >= MIN_SHOTS) & (other > own)).nonzero()[:, 0].tolist():
        changed = labels.clone()
        changed[i] = best[i]
        after = log_likelihood(held_out_scores(pairs, changed, n), changed, temperature)
        found[i] = after - before
    return found


def suspected(gains: Tensor) -> list[int]:
    """Return the positions of the suspects, the most suspicious first.

    Few labels are wrong. So the suspects are the clips of the highest gains that a gap separates
    from all others, down to the last such gap.

    Args:
        gains: Gains (s) of ``suspicion``.

    >>> suspected(torch.tensor([0.5, 9.0, -torch.inf, 7.0]))
    [1, 3]
    >>> suspected(torch.tensor([3.0, 2.5, 2.0, 1.5]))
    []
    """
    most = max(FEWEST_WRONG, round(WRONG * len(gains)))
    order = gains.argsort(descending=True).tolist()
    ordered = [max(gains[i].item(), 0.0) for i in order] + [0.0]
    gaps = [k for k in range(1, len(ordered)) if ordered[k - 1] - ordered[k] >= MIN_GAP]
    return order[: max((k for k in gaps if k <= most), default=0)]


def most_doubtful(gains: Tensor) -> int | None:
    """Return the position of the clip whose label is the most doubtful; None if none is.

    It need not be separated from the others: in hard classes it is often only unlike its class. But
    if a label is wrong, it is nearly always this one.

    Args:
        gains: Gains (s) of ``suspicion``.

    >>> most_doubtful(torch.tensor([3.0, 2.5, 2.0, 1.5]))
    0
    """
    if not len(gains) or gains.max() < LEAST_GAIN:
        return None
    return int(gains.argmax())


def to_check(gains: Tensor) -> tuple[list[int], bool]:
    """Return the positions of clips to check, and whether they are suspects.

    Without suspects it is the position of the most doubtful label, if there is one.

    Args:
        gains: Gains (s) of ``suspicion``.
    """
    if clear := suspected(gains):
        return clear, True
    first = most_doubtful(gains)
    return ([] if first is None else [first]), False


def best_other(scores: Tensor, labels: Tensor) -> Tensor:
    """Return the best class (s) of each clip other than its own."""
    others = scores.nan_to_num(nan=-torch.inf).scatter(-1, labels[:, None], -torch.inf)
    return others.argmax(-1)
