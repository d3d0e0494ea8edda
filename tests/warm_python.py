"""Python that has loaded torch and transformers already: for tests that start many stages in processes of their own.

To load them takes a processor four seconds, each time. A server loads them once and forks for each command. A client
stands in for `sys.executable`: it hands the server a command that is listed in WARM, with its own folder, environment
and three streams, passes signals on and ends as the command did; when it is killed, so is the command. Any other
command gets a plain Python. Nothing of this repository is loaded before the fork. A command's entry in /proc has the
server's environment: whoever looks there for a process by its mark does not find it, so such a test takes a plain one.

In: `started()` in a test's process; this file as a program is the server, until its standard input ends. Out: the path
of the client.
"""

from __future__ import annotations

import gc
import importlib
import json
import os
import runpy
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

STAGES = ("filter", "ntp", "sft", "rpt", "expert_iteration", "evaluate")
WARM = (
    *(["-m", "rpt_core", stage] for stage in STAGES),
    ["-m", "rpt_core", "preset"],  # whose stages are to find the client, too
    ["-m", "tests.rpt_core.verl_backend.played_verl"],
)
LOADED = (
    "pyarrow.parquet",
    "pydantic",
    "safetensors.torch",
    "torch.distributed.tensor",
    "torch.utils.data",
    "transformers.models.auto.modeling_auto",
    "transformers.models.llama.modeling_llama",
    "transformers.models.qwen2.modeling_qwen2",
    "transformers.tokenization_utils_tokenizers",
)
CLIENT = """#!{python} -IS
import json, os, signal, socket, sys
words = sys.argv[1:]
if not any(words[: len(start)] == start for start in {warm!r}):
    os.execv(sys.executable, [sys.executable, *words])
server = socket.socket(socket.AF_UNIX)
server.connect({address!r})
for number in (signal.SIGTERM, signal.SIGINT):
    signal.signal(number, lambda number, _: server.send(bytes([number])))
asked = json.dumps([words, os.getcwd(), dict(os.environ)]).encode()
socket.send_fds(server, [len(asked).to_bytes(4, "big")], [0, 1, 2])
server.sendall(asked)
answer = server.recv(4)
code = int.from_bytes(answer, "big", signed=True) if answer else 1
if code < 0:
    signal.signal(-code, signal.SIG_DFL)
    os.kill(os.getpid(), -code)
os._exit(code)
"""


@contextmanager
def started() -> Iterator[str]:
    """A server of our own; gives the path that stands in for `sys.executable`."""
    folder = tempfile.mkdtemp(prefix="rpt-warm-")
    command = [sys.executable, "-P", __file__, folder]  # no file beside this one is taken for a package
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        assert server.stdout.readline() == "ready\n"
        yield f"{folder}/python"
        server.communicate()
    shutil.rmtree(folder)


def main(folder: Path) -> None:
    """Serve; in a process that runs a command this returns after it."""
    address, client = str(folder / "socket"), folder / "python"
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(address)
    listener.listen()
    for name in LOADED:
        importlib.import_module(name)
    gc.freeze()
    client.write_text(CLIENT.format(python=sys.executable, warm=WARM, address=address))
    client.chmod(0o755)
    sys.executable = str(client)
    print("ready", flush=True)
    words = _next_command(listener)
    sys.argv = words[1:]
    sys.path[:0] = [os.getcwd(), *filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep))]
    sys.stdout.reconfigure(line_buffering=os.isatty(1))  # type: ignore[union-attr]  # it is a file
    runpy.run_module(words[1], run_name="__main__", alter_sys=True)


def _next_command(listener: socket.socket) -> list[str]:
    """Wait for commands; returns the words of one in the process that is to run it."""
    keepers: set[int] = set()
    while True:
        ready, _, _ = select.select([listener, sys.stdin], [], [])
        keepers -= {keeper for keeper in keepers if os.waitpid(keeper, os.WNOHANG)[0]}
        if sys.stdin in ready:
            os._exit(0)
        connection, _ = listener.accept()
        if (keeper := os.fork()) == 0:
            listener.close()
            return _keep(connection)
        connection.close()
        keepers.add(keeper)


def _keep(connection: socket.socket) -> list[str]:
    """Fork once more: one process is the command, the other passes on its signals and tells how it ended."""
    head, streams, _, _ = socket.recv_fds(connection, 4, 3)
    size, asked = int.from_bytes(head, "big"), b""
    while len(asked) < size:
        asked += connection.recv(size - len(asked))
    if (command := os.fork()) == 0:
        connection.close()
        for number, stream in enumerate(streams):
            os.dup2(stream, number)
            os.close(stream)
        words, folder, environment = json.loads(asked)
        os.chdir(folder)
        os.environ.clear()
        os.environ.update(environment)
        return list(words)
    for stream in streams:
        os.close(stream)
    os.dup2(os.open(os.devnull, os.O_RDWR), 0)
    ended = os.pidfd_open(command)
    while ended not in select.select([ended, connection], [], [])[0]:
        number = connection.recv(1)
        os.kill(command, number[0] if number else signal.SIGKILL)
        if not number:
            break
    code = os.waitstatus_to_exitcode(os.waitpid(command, 0)[1])
    try:
        connection.send(code.to_bytes(4, "big", signed=True))
    finally:
        os._exit(0)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
