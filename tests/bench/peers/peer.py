# SPDX-License-Identifier: MIT
"""peer.py - what the peers' scripts share; tests/bench/run says what becomes of a line"""
import json
import os
import time

CPU = open("/proc/cpuinfo").read() if os.path.exists("/proc/cpuinfo") else ""
FOLDER = os.environ.get("BENCH_DIR", "/tmp")
CORES = len(os.sched_getaffinity(0))


def line(name, who, value, unit, better, **more):
    print(json.dumps({"name": name, "who": who, "value": float(f"{value:.6g}"), "unit": unit, "better": better, **more}), flush=True)


def best(run, least=2, seconds=1.5):
    """the shortest of some calls, after one that warms up; ours count two at least as well, after two that do (../clip.c)"""
    times, begin = [], time.perf_counter()
    run()
    while len(times) < least or time.perf_counter() - begin < seconds:
        t = time.perf_counter()
        run()
        times.append(time.perf_counter() - t)
    return min(times)
