"""Starts verl: on this machine with a Ray of its own, or as a job of a Ray cluster. Loads without torch.

In: hydra's words, the attempt's folder, a mark. Out: an object to be polled and stopped; verl's output goes to the
attempt's log. The Ray of its own has no dashboard, and listens on loopback or where `machine.ray_network` allows it.
"""

from __future__ import annotations

import contextlib
import importlib.util
import os
import secrets
import shlex
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from rpt_core.config import VerlConfig
from rpt_core.errors import UserError, said
from rpt_core.files import write_whole
from rpt_core.machine import ray_network
from rpt_core.machine.environments import ENGINE_SETUPS
from rpt_core.verl_backend.folder import VerlFolder
from rpt_core.verl_backend.process_tree import end_marked
from rpt_core.verl_backend.progress import NO_ANSWER
from rpt_core.verl_backend.settings import OwnRay

MAIN = "verl.trainer.main_ppo"
LOG_EVERY_SECONDS = 20.0
"""How often a job's log is fetched."""
SUBMIT_SECONDS = 60.0
"""How long a cluster that says so is asked again to take a job."""
UNREACHABLE_SECONDS = 300.0
"""How long a cluster may be away before its job counts as lost."""
ALIVE_SECONDS = 10.0
"""How often a stage says that it lives, to the guard of its job."""
ABANDONED_SECONDS = 300.0
"""How long a stage may be silent before its job is ended."""
ENVIRONMENT = {"RAY_USAGE_STATS_ENABLED": "0", "VLLM_NO_USAGE_STATS": "1", "TOKENIZERS_PARALLELISM": "false"}
PASSED_ON = ("RPT_ALLOW_CUSTOM_REWARDS", "HF_HOME", "HF_HUB_OFFLINE")
"""What the stage's environment tells verl's processes on other machines, too."""
CPU_ENVIRONMENT = {
    "VERL_PLATFORM": "cpu",
    "VERL_USE_EXTERNAL_MODULES": "rpt_core.verl_backend.cpu_platform",
    "VERL_ENGINE_DEVICE": "cuda",  # selects the FSDP engine, which then takes the platform's device
    "VLLM_TARGET_DEVICE": "cpu",
    "VLLM_CPU_KVCACHE_SPACE": "1",
    "RAY_DISABLE_MEMORY_MONITOR": "1",
}
"""What lets verl and vLLM run where there is no GPU."""


class Verl(Protocol):
    """A started verl."""

    @property
    def ray(self) -> OwnRay | None:
        """The Ray that it starts; None on a cluster."""
        ...

    def start(self, words: Sequence[str]) -> None:
        """Start it with these words of hydra."""
        ...

    def poll(self) -> int | None:
        """The exit code, or None while it runs."""
        ...

    def stop(self) -> None:
        """End it and all that it has started. Nothing is asked for: its newest checkpoint counts."""
        ...


def cluster_address(config: VerlConfig) -> str | None:
    """The job server of a Ray cluster, when the config or RAY_ADDRESS names one."""
    return config.ray_address or os.environ.get("RAY_ADDRESS") or None


def make_verl(config: VerlConfig, folder: VerlFolder, has_gpu: bool) -> Verl:
    """Where verl will run. What an earlier attempt has left running is ended first."""
    address = cluster_address(config)
    environment = {**ENVIRONMENT, **({} if has_gpu else CPU_ENVIRONMENT), "VERL_FILE_LOGGER_PATH": str(folder.metrics)}
    environment |= {name: os.environ[name] for name in PASSED_ON if name in os.environ}
    if address:
        return ClusterVerl(address, folder, environment)
    if importlib.util.find_spec(MAIN.partition(".")[0]) is None:
        raise UserError(f"verl is not installed here. {ENGINE_SETUPS} Or use `engine: torch`.")
    return LocalVerl(folder, environment)


class LocalVerl:
    """A process tree of this machine, ended by its guard."""

    def __init__(self, folder: VerlFolder, environment: Mapping[str, str]) -> None:
        self.folder = folder
        self.mark = str(folder.path)
        self._guard: subprocess.Popen[bytes] | None = None
        end_marked(self.mark, grace_seconds=1.0)
        node_ip = ray_network.node_address()
        # Ray's sockets are named below the folder, and a socket's name has at most 107 bytes. The guard removes it.
        self.ray: OwnRay = OwnRay(Path(tempfile.mkdtemp(prefix="rpt-ray-")), node_ip)
        self.environment = {**environment, **ray_network.environment(node_ip), **_token()}

    def start(self, words: Sequence[str]) -> None:
        """Start verl with these command-line words, under a guard that ends it with this process."""
        guard = [sys.executable, "-m", "rpt_core.verl_backend.guard", self.mark, str(self.ray.folder)]
        command = [*guard, sys.executable, "-m", MAIN, *words]
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("RAY_ADDRESS")}
        with self.folder.log.open("wb") as log:
            self._guard = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=subprocess.STDOUT,
                cwd=self.folder.attempt,
                env={**inherited, **self.environment},
                start_new_session=True,
            )

    def poll(self) -> int | None:
        """The exit code, or None while verl runs."""
        assert self._guard is not None
        return self._guard.poll()

    def stop(self) -> None:
        """End verl and all its processes."""
        if self._guard is not None:
            assert self._guard.stdin is not None
            self._guard.stdin.close()
            self._guard.wait()


class ClusterVerl:
    """A job of a Ray cluster, by its job server. Python, verl and this package are the cluster's.

    A thread touches a file as long as this process lives; without it the job ends by itself (`job_guard`).
    """

    ray = None

    def __init__(self, address: str, folder: VerlFolder, environment: Mapping[str, str]) -> None:
        self.folder, self.environment = folder, environment
        self.client = _client(ray_network.checked_job_server(address))
        self._job: str | None = None
        self._log_at = 0.0
        self._silent_since: float | None = None
        self._ended = threading.Event()
        if folder.job.is_file():
            self._end(folder.job.read_text())

    def start(self, words: Sequence[str]) -> None:
        """Submit verl with these command-line words as a job."""
        guard = ["-m", "rpt_core.verl_backend.job_guard", str(self.folder.alive), str(ABANDONED_SECONDS)]
        command = shlex.join(["python", *guard, "python", "-m", MAIN, *words])
        threading.Thread(target=self._stay_alive, daemon=True).start()
        self._job = self._submit(command)
        write_whole(self.folder.job, self._job.encode())

    def poll(self) -> int | None:
        """The exit code, or None while the job runs. Raises UserError when the cluster has been away for long."""
        try:
            status = str(self.client.get_job_status(self._job).value)
        except (RuntimeError, OSError) as error:
            self._check_patience(error)
            return None
        self._silent_since = None
        code = {"SUCCEEDED": 0, "FAILED": 1, "STOPPED": 1}.get(status)
        if code is not None or time.monotonic() - self._log_at > LOG_EVERY_SECONDS:
            self._fetch_log()
        if code is not None:
            self.folder.job.unlink(missing_ok=True)
        return code

    def stop(self) -> None:
        """End the job."""
        self._ended.set()
        if self._job is not None:
            self._end(self._job)

    def _submit(self, command: str) -> str:
        """The job's number. A cluster that has just been started takes no jobs yet."""
        deadline = time.monotonic() + SUBMIT_SECONDS
        while True:
            try:
                environment = {"env_vars": dict(self.environment)}
                return str(self.client.submit_job(entrypoint=command, runtime_env=environment))
            except (RuntimeError, OSError) as error:
                if "try again" not in str(error) or time.monotonic() > deadline:
                    raise UserError(f"The Ray cluster does not accept the job: {said(error)}.") from error
            time.sleep(1)

    def _stay_alive(self) -> None:
        """Touch the file that the job's guard looks at."""
        while True:
            with contextlib.suppress(OSError):  # the shared folder may be away for a while
                self.folder.alive.touch()
            if self._ended.wait(ALIVE_SECONDS):
                return

    def _end(self, job: str) -> None:
        """Of a cluster that does not answer, the next attempt asks again, and the job's guard ends it before."""
        try:
            self.client.stop_job(job)
            while not self.client.get_job_status(job).is_terminal():
                time.sleep(0.5)
        except OSError:
            return
        except RuntimeError:  # it has ended, or the cluster was restarted
            pass
        self.folder.job.unlink(missing_ok=True)

    def _check_patience(self, error: Exception) -> None:
        """Raise UserError for a cluster that has been away for too long, or that does not know the job any more."""
        if "does not exist" in str(error):
            raise UserError(
                f"The Ray cluster was restarted, and the job is gone. Retry the run. ({said(error)})"
            ) from error
        if self._silent_since is None:  # it was not asked for a while, when a large checkpoint was exported
            self._silent_since = time.monotonic()
            self._note_silence()
        if time.monotonic() - self._silent_since > UNREACHABLE_SECONDS:
            raise UserError(
                f"The Ray cluster has not answered for {UNREACHABLE_SECONDS:.0f} s. Look at the machine where "
                f"`ray start --head` runs, and at its network; then retry the run. ({said(error)})"
            ) from error

    def _note_silence(self) -> None:
        """In the log, until it is fetched again: the stage's progress says where verl is by what it finds there."""
        with self.folder.log.open("a", encoding="utf-8") as log:
            log.write(f"\n{NO_ANSWER}\n")

    def _fetch_log(self) -> None:
        self._log_at = time.monotonic()
        with contextlib.suppress(RuntimeError, OSError):
            self.folder.log.write_text(self.client.get_job_logs(self._job), encoding="utf-8")


def _token() -> dict[str, str]:
    """A password for a Ray that nobody else is to use, on a machine with other users for instance."""
    return {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": secrets.token_hex(32)}


def _client(address: str) -> Any:
    try:
        from ray.job_submission import JobSubmissionClient
    except ImportError:
        raise UserError("`verl.ray_address` is set, but Ray is not installed here. Install ray[default].") from None
    try:
        return JobSubmissionClient(address)
    except (RuntimeError, ConnectionError, ValueError) as error:
        raise UserError(
            f"No Ray job server answers at {address!r}, or it wants a token that RAY_AUTH_TOKEN does not hold. Give "
            "the address that `ray start --head` printed, such as http://127.0.0.1:8265, or leave "
            f"`verl.ray_address` empty. ({said(error)})"
        ) from error
