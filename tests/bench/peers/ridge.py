#!/usr/bin/env python3
"""ridge.py - scikit-learn's linear classifiers on what tests/bench/ridge.c left in $BENCH_DIR: the mean of a picture's tiles, one
classifier a label, no labels held out and no strength chosen.

usage: ridge.py [PICTURES [TILES [LABELS [WIDTH]]]]
"""
import sys
import time

import numpy as np
import sklearn
from peer import FOLDER, line
from sklearn.linear_model import LogisticRegression, RidgeClassifier

size = [int(a) for a in sys.argv[1:]] + [2000, 5, 100, 512][len(sys.argv) - 1 :]
if size[0] * size[1] > 20000:
    sys.exit()
x, y = np.load(f"{FOLDER}/x.npy").mean(1), np.load(f"{FOLDER}/y.npy")
name = "learning {} x {} x {} D{}".format(*size)
start = time.perf_counter()
RidgeClassifier(alpha=1.0).fit(x, y)
line(name, "RidgeClassifier", time.perf_counter() - start, "s", "less", version=sklearn.__version__)
start, some = time.perf_counter(), 10
for k in range(some):
    LogisticRegression(max_iter=1000).fit(x, y[:, k])
line(name, "LogisticRegression", (time.perf_counter() - start) * y.shape[1] / some, "s", "less", version=sklearn.__version__)
