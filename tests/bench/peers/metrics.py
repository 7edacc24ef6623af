#!/usr/bin/env python3
"""metrics.py - what tests/bench/metrics.c does, with scikit-learn

usage: metrics.py [PICTURES [LABELS [MEASURED]]]

Only the first MEASURED labels are measured, and the time is scaled to all.
"""
import sys
import time

import numpy as np
import sklearn
from peer import line
from sklearn.metrics import average_precision_score, precision_recall_curve

n, labels, measured = [int(a) for a in sys.argv[1:]] + [100000, 1000, 20][len(sys.argv) - 1 :]
rng = np.random.default_rng(1)
y = (rng.random((n, measured)) < 0.03).astype(np.int8)
s = (rng.random((3, n, measured)).sum(0) - 1.5 + 0.7 * y).astype(np.float32)


def best_f1(j):
    p, r, _ = precision_recall_curve(y[:, j], s[:, j])
    return np.max(2 * p * r / np.maximum(p + r, 1e-12))


def measure(name, f):
    start = time.perf_counter()
    for j in range(measured):
        f(j)
    seconds = (time.perf_counter() - start) * labels / measured
    line(f"{name} {n} x {labels}", "scikit-learn", seconds, "s", "less", version=sklearn.__version__)


measure("average precision", lambda j: average_precision_score(y[:, j], s[:, j]))
measure("thresholds", best_f1)
