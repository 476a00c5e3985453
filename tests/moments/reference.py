"""The M² block written down window by window, in NumPy and float64."""

import numpy as np


def newton_schulz(p, steps):
    trace = np.trace(p)
    if trace <= 1e-12:
        return np.zeros_like(p)
    a, three = p / trace, 3 * np.eye(len(p))
    if steps == 1:
        return np.sqrt(trace) * 0.5 * a @ (three - a)
    z = 0.5 * (three - a)
    y = a @ z
    for _ in range(steps - 2):
        t = 0.5 * (three - z @ y)
        y, z = y @ t, t @ z
    return np.sqrt(trace) * 0.5 * y @ (three - z @ y)


def spans(t, lengths):
    return [
        range(start, min(start + length, t)) for length in lengths for start in range(0, t, length)
    ]


def node_samples(maps, lengths):
    """Samples (M d) of each node of one video's maps (t d h w)."""
    for span in spans(maps.shape[0], lengths):
        yield np.moveaxis(maps[list(span)], 1, -1).reshape(-1, maps.shape[1])


def moments(maps, lengths=(1, 2, 4), steps=3, descriptor="sqrt", subtract_clip_mean=False):
    """Nodes (m D) of one video's maps (t d h w)."""
    maps = np.asarray(maps, dtype=np.float64)
    if subtract_clip_mean:
        maps = maps - maps.mean(0)
    rows = np.triu_indices(maps.shape[1])
    nodes = []
    for samples in node_samples(maps, lengths):
        mean = samples.mean(0)
        if descriptor == "mean":
            nodes.append(mean)
            continue
        z = samples if maps.shape[2:] == (1, 1) and len(samples) == 1 else samples - mean
        p = z.T @ z / len(samples)
        nodes.append((newton_schulz(p, steps) if descriptor == "sqrt" else p)[rows])
    return np.stack(nodes)
