#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Starts a peer: peers.py FOLDER NAME CLIENT_CPU SERVER_CPU.

The programs are in peers/. Programs in C++ are compiled into FOLDER first. A peer that is not
installed says so in a line, and is left out of its rows.
"""

import os
import shutil
import subprocess
import sys

HERE = os.path.join(os.path.dirname(os.path.realpath(__file__)), "peers")

# By the names that they have in rows: the program, and how it is known to be possible.
PYTHON = {
    "multiprocessing": ("processes.py", "multiprocessing"),
    "multiprocessing.Manager": ("manager.py", "multiprocessing"),
    "Python's remoteobj": ("remoteobj_peer.py", "remoteobj"),
    "RPyC": ("rpyc_peer.py", "rpyc"),
}
# The program, a header, and the name that pkg-config knows.
CXX = {
    "Boost.Interprocess": ("boost.cc", "boost/interprocess/ipc/message_queue.hpp", None),
    "ZeroMQ": ("zeromq.cc", "zmq.hpp", "libzmq"),
    "gRPC": ("grpc.cc", "grpcpp/grpcpp.h", "grpc++"),
}

# Packages that Debian does not have.
INSTALL = {"Python's remoteobj": "pip install remoteobj"}


class NotHere(Exception):
    """A peer that can't be run, and why."""


def compiler():
    return os.environ.get("CXX") or shutil.which("c++") or shutil.which("g++") or "c++"


def run(*command):
    try:
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                              check=False)
    except OSError as e:
        raise NotHere("%s: %s" % (command[0], e.strerror)) from e
    if done.returncode != 0:
        raise NotHere("%s failed: %s" % (os.path.basename(command[0]),
                                         (done.stdout.strip().splitlines() or ["no message"])[-1]))
    return done.stdout


def build(folder, source, header, package):
    """The program, compiled."""
    probe = subprocess.run([compiler(), "-x", "c++", "-E", "-"], input="#include <%s>\n" % header,
                           capture_output=True, text=True, check=False)
    if probe.returncode != 0:
        raise NotHere("there is no header %s" % header)
    program = os.path.join(folder, source[:-len(".cc")])
    if os.path.exists(program):
        return program
    sources = [os.path.join(HERE, source)]
    flags = run("pkg-config", "--cflags", "--libs", package).split() if package else []
    if source == "grpc.cc":
        run("protoc", "-I", HERE, "--cpp_out", folder, "--grpc_out", folder,
            "--plugin=protoc-gen-grpc=%s" % (shutil.which("grpc_cpp_plugin") or "grpc_cpp_plugin"),
            "counter.proto")
        sources += [os.path.join(folder, "counter.pb.cc"),
                    os.path.join(folder, "counter.grpc.pb.cc")]
        flags += run("pkg-config", "--cflags", "--libs", "protobuf").split()
    run(compiler(), "-std=c++17", "-O2", "-I", HERE, "-I", folder, *sources, "-o", program, *flags,
        "-pthread", "-lrt")
    return program


def command(folder, name):
    if name in PYTHON:
        source, module = PYTHON[name]
        # Debian's modules are found by Debian's Python.
        for python in (sys.executable, "/usr/bin/python3"):
            if subprocess.run([python, "-c", "import " + module], stderr=subprocess.DEVNULL,
                              check=False).returncode == 0:
                return [python, os.path.join(HERE, source)]
        raise NotHere("there is no module %s" % module)
    return [build(folder, *CXX[name])]


def main():
    folder, name = sys.argv[1:3]
    try:
        arguments = command(folder, name) + sys.argv[3:]
    except NotHere as e:
        sys.exit("no %s: %s (%s installs it)" % (name, e, INSTALL.get(name, "tools/install bench")))
    os.execv(arguments[0], arguments)


if __name__ == "__main__":
    main()
