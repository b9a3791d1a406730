# SPDX-License-Identifier: MIT
"""The main loop of the peers in Python; see peer.h, which is the same in C++."""

import os
import sys
import time

CLIENT_CPU, SERVER_CPU = (int(argument) for argument in sys.argv[1:3])


def pin(cpu):
    os.sched_setaffinity(0, {cpu})


def serve(operations):
    """Takes turns: reads "OPERATION COUNT", prints what each call took, in microseconds."""
    for call in operations.values():
        call()
    print("ready", flush=True)
    for line in sys.stdin:
        name, count = line.split()
        call, times = operations[name], []
        for _ in range(int(count)):
            begin = time.perf_counter_ns()
            call()
            times.append(time.perf_counter_ns() - begin)
        print("\n".join("%.3f" % (t / 1000) for t in times), flush=True)
