#!/usr/bin/env python3
"""Prints the numbers that tests/unit/test_curve.c compares with: precision at the recalls 0, .05 … 1 by scikit-learn's
precision_recall_curve, of all cells and as the mean over labels. Scores and targets are those of the test.
Usage: curve.py (scikit-learn 1.9.1 was used)"""
import numpy as np
from sklearn.metrics import precision_recall_curve

N, L, STEPS = 331, 23, 200
state = 7


def number():
    global state
    state = (state * 1664525 + 1013904223) % 2**32
    return state


cells = []
for _ in range(N * L):
    r = number()
    y = number() >> 24
    y = 1 if y < 40 else -1 if y < 60 else 0
    cells.append((((r >> 22) - 512 + (r % 300 if y > 0 else 0)) / 64, y))
scores = np.array([c[0] for c in cells]).reshape(N, L)
targets = np.array([c[1] for c in cells]).reshape(N, L)


def at_recalls(s, y):
    """precision at the greatest score at which recall is k/200 or more; the curve's last point, (0, 1), is none"""
    precision, recall, _ = precision_recall_curve(y, s)
    precision, hits = precision[:-1], np.rint(recall[:-1] * y.sum()).astype(int)
    return [precision[np.flatnonzero(hits * STEPS >= max(k * y.sum(), 1))[-1]] for k in range(0, STEPS + 1, 10)]


known = targets >= 0
micro = at_recalls(scores[known], targets[known])
macro = np.mean([at_recalls(scores[known[:, j], j], targets[known[:, j], j]) for j in range(L)], axis=0)
for name, curve in ("micro", micro), ("macro", macro):
    print(f"static const double {name}[] = {{ " + ", ".join(f"{p:.12f}" for p in curve) + " };")
