"""Slow versions of methods in numpy, sum by sum, from the equations of the papers' public code.

Each takes the weights as vector files name them, and returns what these files expect.
"""

from collections.abc import Mapping
from itertools import combinations, permutations
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Weights = Mapping[str, Any]


def softmax(x: Array) -> Array:
    shifted = np.exp(x - x.max())
    return shifted / shifted.sum()


def relu(x: Array) -> Array:
    return np.maximum(x, 0)


def layer_norm(x: Array, gain: Array, bias: Array) -> Array:
    return (x - x.mean()) / np.sqrt(x.var() + 1e-5) * gain + bias


def cosine(x: Array, y: Array, eps: float) -> float:
    return float(x @ y / (np.linalg.norm(x) * np.linalg.norm(y) + eps))


def by_class(scores: Array, labels: Array) -> Array:
    """Mean over the shots of each class: (q s) → (q n)."""
    return np.stack([scores[:, labels == c].mean(1) for c in range(labels.max() + 1)], 1)


def sinusoids(t: int, d: int, scale: float) -> Array:
    table = np.zeros((t, d))
    for p in range(t):
        for i in range(d):
            angle = p * 10_000 ** (-2 * (i // 2) / d)
            table[p, i] = scale * (np.sin(angle) if i % 2 == 0 else np.cos(angle))
    return table


def tuple_scores(
    weights: Weights, size: int, support: Array, labels: Array, query: Array, scale: float
) -> Array:
    """TRX of one cardinality: (s t d), (q t d) → (q n)."""
    t, d = query.shape[1:]

    def tuples(video: Array) -> list[tuple[Array, Array]]:
        frames = video + sinusoids(t, d, scale)
        found = []
        for indices in combinations(range(t), size):
            x = np.concatenate([frames[i] for i in indices])
            key = weights["Wk"] @ x + weights["bk"]
            value = weights["Wv"] @ x + weights["bv"]
            found.append((layer_norm(key, weights["ln_g"], weights["ln_b"]), value))
        return found

    each = [tuples(video) for video in support]
    scores = np.zeros((len(query), labels.max() + 1))
    for q, video in enumerate(query):
        own = tuples(video)
        for c in range(scores.shape[1]):
            others = [one for s, found in enumerate(each) if labels[s] == c for one in found]
            for key, value in own:
                attention = softmax(np.array([key @ k for k, _ in others]) / np.sqrt(len(key)))
                prototype = sum(a * v for a, (_, v) in zip(attention, others, strict=True))
                scores[q, c] -= ((value - prototype) ** 2).sum() / len(own)
    return scores


def trx(params: Weights, weights: Weights, support: Array, labels: Array, query: Array) -> Weights:
    found = {
        f"logits_card{size}": tuple_scores(
            weights[f"card{size}"], size, support, labels, query, params["pe_scale"]
        )
        for size in params["cardinalities"]
    }
    table = sinusoids(query.shape[1], query.shape[2], params["pe_scale"])
    mean = sum(found.values()) / len(found)
    return {**found, "logits": mean, "positional_table": table}


def strm(params: Weights, weights: Weights, support: Array, labels: Array, query: Array) -> Weights:
    """STRM of patches (s t p d), (q t p d)."""
    patch, frame, classes = weights["patch"], weights["frame"], weights["qc"]

    def of_patches(video: Array) -> Array:
        frames = []
        for patches in video:
            x = patches + sinusoids(*patches.shape, 0.1)
            q, k, v = (
                np.stack([patch[f"W{n}"] @ one + patch[f"b{n}"] for one in x]) for n in "qkv"
            )
            attended = np.stack([softmax(k @ one) @ v for one in q])
            y = patch["gamma"] * attended + x
            out = []
            for one in y:
                hidden = relu(patch["m1"] @ one + patch["c1"])
                hidden = relu(patch["m2"] @ hidden + patch["c2"])
                out.append(patch["m3"] @ hidden + patch["c3"] + one)
            frames.append(np.mean(out, 0))
        return np.stack(frames)

    def over_time(video: Array) -> Array:
        x = video + sinusoids(*video.shape, 0.1)
        mixed = np.empty_like(x)
        for i in range(x.shape[1]):
            hidden = relu(frame["t1"] @ x[:, i] + frame["e1"])
            mixed[:, i] = x[:, i] + frame["t2"] @ hidden + frame["e2"]
        out = []
        for one in mixed:
            hidden = relu(frame["n1"] @ one + frame["f1"])
            out.append(one + frame["n2"] @ hidden + frame["f2"])
        return np.stack(out)

    def embedded(video: Array) -> list[Array]:
        pairs = combinations(range(len(video)), params["cardinality"])
        joined = (np.concatenate([video[i] for i in one]) for one in pairs)
        return [relu(classes["Wc"] @ x + classes["bc"]) for x in joined]

    patch_s, patch_q = (np.stack([of_patches(x) for x in side]) for side in (support, query))
    frame_s, frame_q = (np.stack([over_time(x) for x in side]) for side in (patch_s, patch_q))
    attended = tuple_scores(weights["trx"], params["cardinality"], frame_s, labels, frame_q, 0.1)
    nearest = np.zeros_like(attended)
    for q, video in enumerate(patch_q):
        for c in range(nearest.shape[1]):
            others = [e for s in np.flatnonzero(labels == c) for e in embedded(patch_s[s])]
            smallest = [min(np.linalg.norm(e - other) for other in others) for e in embedded(video)]
            nearest[q, c] = -np.mean(smallest)
    return {
        **{"patch_s": patch_s, "patch_q": patch_q, "frame_s": frame_s, "frame_q": frame_q},
        **{"logits_query_class": nearest, "logits_trx": attended},
        "logits": attended + params["lambda_query_class"] * nearest,
    }


def attention(x: Array, weights: Weights, heads: int) -> Array:
    """Multi-head attention among tokens (m d), with its output map."""
    q, k, v = (np.stack([weights[f"W{n}"] @ one for one in x]) for n in "qkv")
    width = q.shape[1] // heads
    joined = []
    for h in range(heads):
        own = slice(h * width, (h + 1) * width)
        rows = [softmax(k[:, own] @ one / np.sqrt(width)) @ v[:, own] for one in q[:, own]]
        joined.append(np.stack(rows))
    return np.concatenate(joined, 1) @ weights["Wo"].T + weights["bo"]


def set_distance(x: Array, y: Array, eps: float) -> float:
    """Bidirectional mean Hausdorff distance of frames (t d), (u d): the sum form."""
    cost = np.array([[1 - cosine(a, b, eps) for b in y] for a in x])
    return float(cost.min(1).sum() + cost.min(0).sum())


def hyrsm(
    params: Weights, weights: Weights, support: Array, labels: Array, query: Array
) -> Weights:
    t, d = query.shape[1:]
    heads, n = params["heads"], labels.max() + 1
    table = np.zeros((t, d))
    for p in range(t):
        for i in range(0, d, 2):
            table[p, i] = np.sin(p / 10_000 ** (2 * i / d))
            table[p, i + 1] = np.cos(p / 10_000 ** (2 * (i + 1) / d))

    def inside(video: Array) -> Array:
        x = video * np.sqrt(d / params["A"]) + params["B"] * table
        norm = [layer_norm(one, weights["intra"]["ln_g"], weights["intra"]["ln_b"]) for one in x]
        return relu(x + attention(np.stack(norm), weights["intra"], heads))

    own, asked = (np.stack([inside(video) for video in side]) for side in (support, query))
    items = own
    if params["merge"]:
        items = np.stack([own[labels == c].mean(0) for c in range(n)])
    distances, first = [], None
    for video in asked:
        z = np.stack([*items.mean(1), video.mean(0)])
        inter = weights["inter"]
        r = [layer_norm(x, inter["ln_g"], inter["ln_b"]) for x in z + attention(z, inter, heads)]
        fused = [
            np.stack([weights["fuse_w"] @ np.concatenate([f, relu(token)]) for f in frames])
            + weights["fuse_b"]
            for frames, token in zip([*items, video], r, strict=True)
        ]
        first = first or (np.stack(fused[:-1]), fused[-1])
        distances.append([set_distance(fused[-1], x, 0.0) for x in fused[:-1]])
    logits = -np.array(distances)
    assert first is not None
    return {
        **{"intra_s": own, "intra_q": asked, "positional_table": table},
        **{"task_s_for_query0": first[0], "task_q_for_query0": first[1]},
        "logits": logits if params["merge"] else by_class(logits, labels),
    }


def team(params: Weights, weights: Weights, support: Array, labels: Array, query: Array) -> Weights:
    """TEAM of frames (s t d), (q t d)."""
    t, d = query.shape[1:]
    n, tokens = labels.max() + 1, weights["tokens"]
    classes = range(n)

    def normed(x: Array) -> Array:
        return np.stack([layer_norm(one, weights["ln_g"], weights["ln_b"]) for one in x])

    def gathered(video: Array) -> Array:
        frames = normed(video + sinusoids(t, d, params["pe_scale"]))
        scale = np.sqrt(d // params["heads"])
        return np.stack([softmax(frames @ token / scale) @ frames for token in normed(tokens)])

    def finished(x: Array) -> Array:
        hidden = relu(x @ weights["w1"].T + weights["b1"])
        return relu(x + hidden @ weights["w2"].T + weights["b2"])

    def distance(x: Array, y: Array) -> float:
        return sum(1 - cosine(a, b, 1e-16) for a, b in zip(x, y, strict=True))

    own = [gathered(support[labels == c].mean(0)) for c in classes]
    of_class: list[list[Array]] = []
    for sign in (1, -1):
        plain = [finished(tokens + sign * o) for o in own]
        of_class.append([])
        for c in classes:
            found = []
            for other in set(classes) - {c}:
                pairs = zip(plain[c], plain[other], strict=True)
                alike = np.array([cosine(a, b, 1e-16) for a, b in pairs])[:, None]
                found.append(finished(tokens + sign * (own[c] - alike * (own[other] - own[c]))))
            of_class[-1].append(np.mean(found, 0))
    near, far = np.zeros((2, len(query), n))
    for q, video in enumerate(query):
        instance, exclusive = (finished(tokens + sign * gathered(video)) for sign in (1, -1))
        for c in classes:
            near[q, c] = distance(of_class[0][c], instance)
            others = set(classes) - {c}
            far[q, c] = max(distance(of_class[0][o], exclusive) for o in others) / 2
            far[q, c] += max(distance(of_class[1][o], instance) for o in others) / 2
    return {"logits_pos": -near, "logits_neg": -far, "logits": -near - far}


def molo(params: Weights, inputs: Mapping[str, Array]) -> Weights:
    """MoLo's head, of a token and frames for each video and branch."""
    labels, found, total = inputs["labels"], {}, 0.0
    for suffix, weight, scale in (("", 1.0, "scale"), ("_motion", params["motion_weight"], "")):
        support, query = inputs[f"support{suffix}"], inputs[f"query{suffix}"]
        sigma = params[scale or "scale_motion"]
        classes = [support[labels == c].mean(0) for c in range(labels.max() + 1)]
        tables = {name: np.zeros((len(query), len(classes))) for name in ("dist", "s2q", "q2s")}
        for q, video in enumerate(query):
            for c, prototype in enumerate(classes):
                tables["dist"][q, c] = set_distance(video[1:], prototype[1:], params["eps"])
                for name, frames, token in (
                    ("s2q", prototype[1:], video[0]),
                    ("q2s", video[1:], prototype[0]),
                ):
                    costs = [1 - cosine(frame, token, params["eps"]) for frame in frames]
                    tables[name][q, c] = -sigma * sum(costs)
        found[f"dist{suffix}"] = tables["dist"]
        found[f"logits_s2q{suffix}"], found[f"logits_q2s{suffix}"] = tables["s2q"], tables["q2s"]
        total = total - weight * tables["dist"]
    return {**found, "logits": total}


def cpm(inputs: Mapping[str, Array]) -> Weights:
    """Similarities (q s) of compound prototypes: by index, and by the best assignment of all."""
    shape = (len(inputs["global_query"]), len(inputs["global_support"]))
    by_index, assigned = np.zeros(shape), np.zeros(shape)
    for q, s in np.ndindex(shape):
        pairs = zip(inputs["global_query"][q], inputs["global_support"][s], strict=True)
        by_index[q, s] = np.mean([cosine(x, y, 0) for x, y in pairs])
        x, y = inputs["focused_query"][q], inputs["focused_support"][s]
        orders = permutations(range(len(y)))
        assigned[q, s] = max(
            np.mean([cosine(x[i], y[j], 0) for i, j in enumerate(order)]) for order in orders
        )
    return {"global": by_index, "focused": assigned, "total": by_index + assigned}
