"""Each training clip scored by the others: what a model says about its own clips.

With the similarities K of the training clips, a clip i has for class c the score

    g_i(c) = mean_s K(i, s) − ½ · inside_i(c)

over the clips s ≠ i of the class, where inside_i(c) is the intra-class similarity of the class
without i (see ``methods.common.kernel``). The score is linear in K: where K is a sum of terms, the
scores of the terms add up to the score.
"""

import torch
from torch import Tensor
from torch.nn import functional


def held_out_scores(pairs: Tensor, labels: Tensor, n: int) -> Tensor:
    """Return the score (… s n) of each clip for each class, by the other clips.

    Args:
        pairs: Similarities (… s s) of the clips, float64.
        labels: Classes (… s) of the clips in 0 … n−1.
        n: Number of classes.

    Returns:
        Scores; NaN for the class of a clip that is alone in it.

    >>> pairs = torch.tensor([[1.0, 0.5, 0.1], [0.5, 1.0, 0.2], [0.1, 0.2, 1.0]])
    >>> held_out_scores(pairs.double(), torch.tensor([0, 0, 1]), 2)[0]
    tensor([ 0.2500, -0.1500], dtype=torch.float64)
    """
    own = functional.one_hot(labels, n).to(pairs.dtype)  # (… s n)
    others = pairs - torch.diag_embed(pairs.diagonal(dim1=-2, dim2=-1))
    total = others @ own  # (… s n)
    count = own.sum(-2, keepdim=True) - own  # (… s n)
    inside = (total * own).sum(-2, keepdim=True) - 2 * total * own
    shots = own.sum(-2)
    number = (shots * (shots - 1)).sum(-1)[..., None, None]
    mean = (total * own).sum((-2, -1), keepdim=True) / number.clamp_min(1)
    intra_class = (inside + count * mean) / count.clamp_min(1) ** 2
    scores = total / count.clamp_min(1) - intra_class / 2
    return scores.masked_fill(count == 0, torch.nan)


def log_likelihood(scores: Tensor, labels: Tensor, temperature: float) -> Tensor:
    """Return Σ_i log softmax(g_i / temperature)[label of i] (…), over clips that can be scored.

    Args:
        scores: Scores (… s n) of ``held_out_scores``.
        labels: Classes (… s) of the clips.
        temperature: Temperature of the method.
    """
    each = (scores / temperature).nan_to_num(nan=-torch.inf).log_softmax(-1)
    own = each.gather(-1, labels[..., None])[..., 0]
    return own.masked_fill(own.isinf(), 0.0).sum(-1)
