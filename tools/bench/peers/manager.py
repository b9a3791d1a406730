# SPDX-License-Identifier: MIT
"""Python's multiprocessing.Manager.

In its favour: processes are forked, the manager has a core to itself, and its proxies are made
once. It goes by a unix socket, as it does by default.
"""

import multiprocessing
import multiprocessing.managers

from peer import CLIENT_CPU, SERVER_CPU, pin, serve


class Counter:

    def __init__(self):
        self.sum = 0

    def add(self, n):
        self.sum += n
        return self.sum


class Manager(multiprocessing.managers.SyncManager):
    pass


Manager.register("Counter", Counter)


def echo(there, back):
    while True:
        back.put(there.get())


def main():
    context = multiprocessing.get_context("fork")
    manager = Manager(ctx=context)
    manager.start(pin, (SERVER_CPU,))
    counter = manager.Counter()
    numbers = manager.dict({"a": 1})
    value = manager.Value("i", 1)
    queue, there, back = manager.Queue(), manager.Queue(), manager.Queue()
    lock = manager.Lock()
    context.Process(target=echo, args=(there, back), daemon=True).start()
    pin(CLIENT_CPU)

    def put_and_get():
        queue.put(1)
        queue.get()

    def acquire_and_release():
        lock.acquire()
        lock.release()

    def round_trip():
        there.put(1)
        back.get()

    serve({
        "call": lambda: counter.add(1),
        "dict-get": lambda: numbers["a"],
        "dict-set": lambda: numbers.__setitem__("a", 2),
        "value-get": lambda: value.value,
        "queue-put-get": put_and_get,
        "lock-acquire-release": acquire_and_release,
        "queue-round-trip": round_trip,
    })


if __name__ == "__main__":
    main()
