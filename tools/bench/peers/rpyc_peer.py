# SPDX-License-Identifier: MIT
"""RPyC.

In its favour: a unix socket, one connection for all calls, a server that has only this client, and
methods that are looked up once.
"""

import os
import socket

import rpyc
from rpyc.utils.factory import connect_stream
from rpyc.core.stream import SocketStream

from peer import CLIENT_CPU, SERVER_CPU, pin, serve


class Service(rpyc.Service):

    def __init__(self):
        self.sum = 0
        self.numbers = {"a": 1}

    def exposed_add(self, n):
        self.sum += n
        return self.sum

    def exposed_get(self, key):
        return self.numbers[key]


def main():
    ours, theirs = socket.socketpair()
    if os.fork() == 0:
        ours.close()
        pin(SERVER_CPU)
        connect_stream(SocketStream(theirs), Service()).serve_all()
        os._exit(0)
    theirs.close()
    pin(CLIENT_CPU)
    root = connect_stream(SocketStream(ours)).root
    add, get = root.add, root.get
    serve({"call": lambda: add(1), "dict-get": lambda: get("a")})


if __name__ == "__main__":
    main()
