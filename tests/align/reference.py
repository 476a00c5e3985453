"""Aligners written down cell by cell, in float64: slow, and obvious."""

import itertools
import math

import numpy as np


def soft_minimum(values, lam):
    least = min(values)
    if lam == 0 or math.isinf(least):
        return least
    return least - lam * math.log(sum(math.exp((least - value) / lam) for value in values))


def otam_table(cost, lam):
    t, u = cost.shape
    padded = np.zeros((t, u + 2))
    padded[:, 1:-1] = cost
    table = np.zeros((t, u + 2))
    table[0] = np.cumsum(padded[0])
    for i in range(1, t):
        for j in range(1, u + 2):
            moves = [table[i - 1, j - 1], table[i, j - 1]]
            if j in (1, u + 1):
                moves.append(table[i - 1, j])
            table[i, j] = padded[i, j] + soft_minimum(moves, lam)
    return table


def otam(cost, lam, both=True):
    value = otam_table(cost, lam)[-1, -1]
    return value + otam_table(cost.T, lam)[-1, -1] if both else value


def dtw(cost, lam=0.0):
    table = np.full((cost.shape[0] + 1, cost.shape[1] + 1), np.inf)
    table[0, 0] = 0
    for i, j in np.ndindex(cost.shape):
        moves = [table[i, j], table[i, j + 1], table[i + 1, j]]
        table[i + 1, j + 1] = cost[i, j] + soft_minimum(moves, lam)
    return table[-1, -1]


def bi_mhm(cost, reduction, both=True):
    rows = [min(row) for row in cost]
    columns = [min(column) for column in cost.T]
    one = np.mean if reduction == "mean" else np.sum
    return one(rows) + (one(columns) if both else 0)


def hungarian(cost):
    """Mean cost of the best assignment: every row and column is repeated until they are square."""
    m, others = cost.shape
    size = math.lcm(m, others)
    square = np.repeat(np.repeat(cost, size // m, 0), size // others, 1)
    rows = range(size)
    return min(square[rows, order].sum() for order in itertools.permutations(rows)) / size


def sinkhorn(cost, a, b, eps, iterations):
    kernel = np.exp(-cost / eps)
    columns = np.ones(len(b))
    for _ in range(iterations):
        rows = a / (kernel @ columns)
        columns = b / (kernel.T @ rows)
    flow = rows[:, None] * kernel * columns
    return (flow * cost).sum(), flow


def cosine_cost(x, y, eps):
    cost = np.ones((len(x), len(y)))
    for i, j in np.ndindex(cost.shape):
        scale = np.linalg.norm(x[i]) * np.linalg.norm(y[j]) + eps
        cost[i, j] = 1 - (x[i] @ y[j] / scale if scale else 0)
    return cost
