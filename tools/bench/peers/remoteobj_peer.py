# SPDX-License-Identifier: MIT
"""Python's remoteobj.

In its favour: a method of an object, called by a proxy that is made before the fork. The listener
does nothing but look for requests, on a core of its own, and never sleeps.
"""

import multiprocessing

import remoteobj

from peer import CLIENT_CPU, SERVER_CPU, pin, serve


class Counter:

    def __init__(self):
        self.sum = 0
        self.remote = remoteobj.Proxy(self)

    def add(self, n):
        self.sum += n
        return self.sum

    def run(self):
        pin(SERVER_CPU)
        with self.remote.listen_():
            while True:
                self.remote.process_requests()


def main():
    counter = Counter()
    context = multiprocessing.get_context("fork")
    context.Process(target=counter.run, daemon=True).start()
    pin(CLIENT_CPU)
    counter.remote.wait_until_listening()
    serve({"call": lambda: counter.remote.add(1)})


if __name__ == "__main__":
    main()
