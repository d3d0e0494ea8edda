"""Runs a command and sees to it that nothing of it survives: neither its own end nor that of whoever started the guard.

    python -m rpt_core.verl_backend.guard MARK FOLDER COMMAND...

In: standard input, whose end says that the starter wants to stop or is dead (a killed process cannot say more). Out:
the command's exit code; FOLDER, which held temporary files, is removed. The guard belongs to a session of its own,
where a KILL to the starter's group does not reach.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import threading

from rpt_core.verl_backend.process_tree import KEEP_ENVIRONMENT, MARK, end_marked

GRACE_SECONDS = 3.0
"""Between TERM and KILL: there is nothing to save, since checkpoints are complete or not there."""
POLL_SECONDS = 0.2


def main(mark: str, folder: str, command: list[str]) -> int:
    """Run the command to its end, or until standard input ends."""
    stop = threading.Event()
    for signum in (signal.SIGTERM, signal.SIGINT):
        signal.signal(signum, lambda *_: stop.set())
    environment = {**os.environ, **KEEP_ENVIRONMENT, MARK: mark}
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, env=environment, start_new_session=True)
    threading.Thread(target=_wait_for_end, args=(stop,), daemon=True).start()
    while process.poll() is None and not stop.wait(POLL_SECONDS):
        pass
    end_marked(mark, GRACE_SECONDS)
    shutil.rmtree(folder, ignore_errors=True)
    return process.wait()


def _wait_for_end(stop: threading.Event) -> None:
    while os.read(0, 4096):
        pass
    stop.set()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2], sys.argv[3:]))
