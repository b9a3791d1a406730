# SPDX-License-Identifier: MIT
"""What Python's multiprocessing.Manager takes, for manager_benchmark.cc.

Prints a line for each figure: its name, a tab, and the median in microseconds.
"""

import multiprocessing
import os
import statistics
import sys
import time

CALLS = 2000


def pin(cpu):
    os.sched_setaffinity(0, {cpu} if cpu >= 0 else range(os.cpu_count()))


def measure(name, call, calls=CALLS):
    for _ in range(calls // 10):
        call()
    times = []
    for _ in range(calls):
        begin = time.perf_counter_ns()
        call()
        times.append(time.perf_counter_ns() - begin)
    print(f"{name}\t{statistics.median(times) / 1000:.3f}", flush=True)


def echo(there, back):
    while True:
        back.put(there.get())


def main():
    client_cpu, server_cpu = int(sys.argv[1]), int(sys.argv[2])
    context = multiprocessing.get_context("fork")
    manager = multiprocessing.managers.SyncManager(ctx=context)
    manager.start(pin, (server_cpu,))
    pin(client_cpu)

    numbers = manager.dict({"a": 1})
    measure("dict get", lambda: numbers["a"])
    measure("dict set", lambda: numbers.__setitem__("a", 2))
    value = manager.Value("i", 1)
    measure("value get", lambda: value.value)

    queue = manager.Queue()

    def put_and_get():
        queue.put(1)
        queue.get()

    measure("queue put+get", put_and_get)

    lock = manager.Lock()

    def acquire_and_release():
        lock.acquire()
        lock.release()

    measure("lock acquire+release", acquire_and_release)

    there, back = manager.Queue(), manager.Queue()
    other = context.Process(target=echo, args=(there, back), daemon=True)
    other.start()

    def hand_over():
        there.put(1)
        back.get()

    measure("queue round trip", hand_over)
    other.terminate()


if __name__ == "__main__":
    import multiprocessing.managers

    main()
