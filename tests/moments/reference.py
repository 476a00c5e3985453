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


def regions(h, w, grid):
    whole = [(slice(0, h), slice(0, w))]
    rows, columns = (slice(0, h // 2), slice(h // 2, h)), (slice(0, w // 2), slice(w // 2, w))
    return whole, [(row, column) for row in rows for column in columns] if grid == 2 else []


def node_samples(maps, lengths, grid=1):
    """Samples (M d) of each node of one video's maps (t d h w)."""
    t, d, h, w = maps.shape
    whole, quarters = regions(h, w, grid)
    places = [(span, *region) for span in spans(t, lengths) for region in whole]
    places += [(span, *region) for span in spans(t, lengths) for region in quarters]
    for span, row, column in places:
        yield np.moveaxis(maps[list(span)][:, :, row, column], 1, -1).reshape(-1, d)


def moments(maps, lengths=(1, 2, 4), steps=3, descriptor="sqrt", grid=1, subtract_clip_mean=False):
    """Nodes (m D) of one video's maps (t d h w)."""
    maps = np.asarray(maps, dtype=np.float64)
    if subtract_clip_mean:
        maps = maps - maps.mean(0)
    rows = np.triu_indices(maps.shape[1])
    nodes = []
    for samples in node_samples(maps, lengths, grid):
        mean = samples.mean(0)
        if descriptor == "mean":
            nodes.append(mean)
            continue
        z = samples if maps.shape[2:] == (1, 1) and len(samples) == 1 else samples - mean
        p = z.T @ z / len(samples)
        nodes.append((newton_schulz(p, steps) if descriptor == "sqrt" else p)[rows])
    return np.stack(nodes)
