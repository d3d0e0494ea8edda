"""python -m scripts.soak: a suite on a real platform, harmed at random, must end like an undisturbed one.

First the suite is played once from the shell, undisturbed. Then `manage.py up` runs on a fresh data folder, the same
suite is submitted to it, and faults come at random, spread over the time: kills of stages, worker, web server, reaper,
Redis (its data wiped or spoilt) and Postgres, a full disk, a lost mount, a frozen stage. While faults are left and the
suite has ended, it is submitted again. At the end every run's results are bit-equal with the undisturbed ones, and the
database has every row exactly once. The exit code is 0 only then. The seed of the faults is printed; give it again for
the same ones.
"""

from __future__ import annotations

import argparse
import importlib
import os
import secrets
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SETTINGS = {
    "RPT_LEASE_SECONDS": "10",
    "RPT_REDISPATCH_SECONDS": "3",
    "RPT_QUIET_SECONDS": "8",
    "OMP_NUM_THREADS": "1",
    "DJANGO_SETTINGS_MODULE": "rpt_web.settings",
    "PYTHONPATH": f"{ROOT}:{ROOT / 'platform'}",
}
"""Short times, so that what heals by itself does so within the soak; one thread: sums are added in one order."""


def main() -> int:
    """Play, harm, compare; the exit code says whether everything held."""
    options = _options()
    folder = Path(tempfile.mkdtemp(prefix="rpt-soak-"))
    folder.chmod(0o755)
    data_dir = (options.data_dir or folder / "data").absolute()
    os.environ.update(SETTINGS, RPT_DATA_DIR=str(data_dir))
    sys.path[:0] = [str(ROOT), str(ROOT / "platform")]
    print(f"soak: faults with seed {options.seed}, in {folder}", flush=True)
    options.undisturbed = (options.undisturbed or folder / "undisturbed").absolute()
    command = [sys.executable, "-m", "rpt_core", "preset", options.preset, str(options.undisturbed), "--seed", "0"]
    with (folder / "undisturbed.log").open("wb") as log:
        if subprocess.run(command, cwd=ROOT, stdout=log, stderr=subprocess.STDOUT).returncode:
            print(f"The undisturbed suite failed: {log.name}", file=sys.stderr)
            return 2
    # Now, since it reads the settings: the environment is made.
    found: list[str] = importlib.import_module("scripts.soak.fire").run(options, folder, data_dir)
    for sentence in found:
        print(f"soak: WRONG: {sentence}")
    print(f"soak: {len(found)} differences with seed {options.seed}" if found else "soak: everything held", flush=True)
    if not (found or options.keep):
        shutil.rmtree(folder)
    return 1 if found else 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m scripts.soak", description=__doc__)
    parser.add_argument("--seed", type=int, default=secrets.randbelow(10**6), help="of the faults (default: any)")
    parser.add_argument("--seconds", type=float, default=600, help="over which the faults are spread (default: 600)")
    parser.add_argument("--kills", type=int, default=20, help="how many (default: 20)")
    parser.add_argument("--kills-only", action="store_true", help="no full disk, lost mount and frozen stage")
    parser.add_argument("--preset", default="smoke", help="a preset or a YAML file with a plan (default: smoke)")
    parser.add_argument("--undisturbed", type=Path, help="folder of the undisturbed suite, to play it only once")
    parser.add_argument("--data-dir", type=Path, help="of the platform, which may have a database (default: a new one)")
    parser.add_argument("--keep", action="store_true", help="keep the folder even when everything held")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
