# SPDX-License-Identifier: MIT
"""Python's multiprocessing.Process, and ProcessPoolExecutor.

In their favour: processes are forked, from a small program. The process gives its result as its
exit code, so that it needs no queue. The executor has its worker already, and starts nothing.
"""

import concurrent.futures
import multiprocessing
import sys

from peer import serve


def add(x, y):
    return x + y


def add_and_exit(x, y):
    sys.exit(add(x, y))


def main():
    context = multiprocessing.get_context("fork")
    executor = concurrent.futures.ProcessPoolExecutor(max_workers=1, mp_context=context)

    def process():
        child = context.Process(target=add_and_exit, args=(5, 6))
        child.start()
        child.join()
        assert child.exitcode == 11

    def submit():
        assert executor.submit(add, 5, 6).result() == 11

    serve({"process": process, "executor": submit})
    executor.shutdown()


if __name__ == "__main__":
    main()
