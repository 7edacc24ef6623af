#!/usr/bin/env python3
"""metrics.py - what tests/bench/metrics.c does, with scikit-learn

usage: metrics.py [PICTURES [LABELS [MEASURED]]]

Only the first MEASURED labels are measured, and the time is scaled to all.
"""
import json
import sys
import time

import numpy as np
import sklearn
from sklearn.metrics import average_precision_score, precision_recall_curve

n, labels, measured = [int(a) for a in sys.argv[1:]] + [100000, 1000, 100][len(sys.argv) - 1 :]
rng = np.random.default_rng(1)
y = (rng.random((n, measured)) < 0.03).astype(np.int8)
s = (rng.random((3, n, measured)).sum(0) - 1.5 + 0.7 * y).astype(np.float32)


def clocks():
    return time.perf_counter(), time.process_time()


def show(bench, start, value):
    seconds, processor = ((b - a) * labels / measured for a, b in zip(start, clocks()))
    print(json.dumps({"bench": bench, "peer": "scikit-learn " + sklearn.__version__, "pictures": n, "labels": labels, "processor": processor, "seconds": seconds, "value": value}))


def best_f1(j):
    p, r, _ = precision_recall_curve(y[:, j], s[:, j])
    return np.max(2 * p * r / np.maximum(p + r, 1e-12))


start = clocks()
ap = float(np.mean([average_precision_score(y[:, j], s[:, j]) for j in range(measured)]))
show("mAP", start, ap)
start = clocks()
f1 = float(np.mean([best_f1(j) for j in range(measured)]))
show("thresholds", start, f1)
