"""`rpt`: the platform from a shell.

rpt login URL                        asks for a token and stores it
rpt list                             runs, newest first; `rpt list experiments`
rpt table                            runs with the columns that you choose; `rpt table FILE` writes them
rpt submit EXPERIMENT CONFIG         queues a run from a YAML or JSON file; --watch follows it
rpt watch RUN                        shows how far it is until it ends
rpt cancel RUN                       asks it to stop
rpt compare RUN RUN ...              what differs in their configs, and at the same positions
rpt export RUN WHAT FILE             metrics, evaluations, rollouts, ... as .parquet, .csv or .jsonl
rpt COMMAND --help                   says what that command takes
"""

from __future__ import annotations

import argparse
import getpass
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from rpt_core.client import login
from rpt_core.client.client import Client
from rpt_core.client.comparing import paired_lines, settings_lines
from rpt_core.client.connection import root_of
from rpt_core.client.errors import ClientError, Refusal, said
from rpt_core.client.exporting import ENDINGS, WHAT, export, write
from rpt_core.client.files import read_config
from rpt_core.client.watching import watch
from rpt_core.client.words import lines_of

DONE, ENDED_BADLY, WRONG, INTERRUPTED = 0, 1, 2, 130
"""Exit codes."""
MODES = ("sampled", "standard", "greedy")
"""In which positions are evaluated."""


def main(argv: list[str] | None = None) -> int:
    """Carry out one command; returns the exit code: 0 done, 1 the watched run ended badly, 2 refused or wrong."""
    arguments = _parser().parse_args(argv)
    try:
        code: int = arguments.act(arguments)
    except ClientError as error:
        print(f"error: {error}", file=sys.stderr)
        return WRONG
    except KeyboardInterrupt:
        print("\nStopped watching; nothing on the platform was stopped.", file=sys.stderr)
        return INTERRUPTED
    except BrokenPipeError:  # whoever reads has seen enough
        sys.stderr.close()
        return DONE
    return code


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="rpt", description="The platform from a shell.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    new = _command(commands, "login", _login, "ask for a token and store it")
    new.add_argument("url", metavar="URL", help="where its pages are, such as http://127.0.0.1:8000")
    new.add_argument("--token-file", type=Path, help="read the token from this file, or - for standard input")
    new = _command(commands, "list", _list, "runs or experiments, newest first")
    new.add_argument("what", nargs="?", choices=("runs", "experiments"), default="runs")
    new.add_argument("--experiment", type=int, help="of runs: only those of this experiment")
    new.add_argument("--status", help="of runs: only those in this state")
    new.add_argument("--limit", type=_count, default=30, help="at most so many (30)")
    new = _command(commands, "table", _table, "runs with the columns that you choose")
    new.add_argument("file", type=Path, nargs="?", metavar="FILE", help=f"ends in {', '.join(ENDINGS)}")
    new.add_argument("--columns", default="", help="such as seed,config.budget.steps,metric.loss.last")
    new.add_argument("--where", action="append", default=[], help="such as config.seed=1; may be repeated")
    new.add_argument("--sort", help="a column; --sort=-flops begins with the largest")
    new.add_argument("--group", default="", help="columns; a row is then a mean over seeds")
    new.add_argument("--limit", type=_count, help="at most so many (on the screen 30)")
    new = _command(commands, "submit", _submit, "queue a run")
    new.add_argument("experiment", type=int, metavar="EXPERIMENT", help="its number")
    new.add_argument("config", type=Path, metavar="CONFIG", help="a YAML or JSON file, with its `stage`")
    new.add_argument("--name", help="of the run; by default the file's")
    new.add_argument("--hardware", help="what pre-flight reckons with, such as h100")
    new.add_argument("--anyway", action="store_true", help="submit although there are warnings")
    new.add_argument("--watch", action="store_true", help="show how far it is until it ends")
    new = _command(commands, "watch", _watch, "show how far a run is until it ends")
    new.add_argument("run", type=int, metavar="RUN")
    new = _command(commands, "cancel", _cancel, "ask a run to stop")
    new.add_argument("run", type=int, metavar="RUN")
    new = _command(commands, "compare", _compare, "what differs between runs")
    new.add_argument(
        "entries",
        type=_entry,
        nargs="+",
        metavar="RUN",
        help="numbers, or 15@40 for a step, 15@40:standard for its own mode; the others are held against the first",
    )
    new.add_argument("--mode", choices=MODES, help="of runs that name none; by default that of most evaluations")
    new = _command(commands, "export", _export, "write what a run wrote to a file")
    new.add_argument("run", type=int, metavar="RUN")
    new.add_argument("what", choices=tuple(WHAT), metavar="WHAT", help=", ".join(WHAT))
    new.add_argument("file", type=Path, metavar="FILE", help=f"ends in {', '.join(ENDINGS)}")
    new.add_argument("--step", type=int, help="of shard and outcomes; by default the newest outcomes")
    new.add_argument("--kind", choices=("train", "sampled", "greedy"), help="of rollouts and shard")
    return parser


def _command(commands: Any, name: str, act: Callable[[argparse.Namespace], int], words: str) -> argparse.ArgumentParser:
    new: argparse.ArgumentParser = commands.add_parser(name, help=words, description=f"{words[0].upper()}{words[1:]}.")
    new.set_defaults(act=act)
    return new


def _login(arguments: argparse.Namespace) -> int:
    url = root_of(arguments.url)
    token = _token(arguments.token_file, url).strip()
    if not token:
        where = "standard input" if str(arguments.token_file) == "-" else arguments.token_file or "what was typed"
        raise ClientError(f"The token is empty: nothing stands in {where}. Make a token at {url}/account/.")
    teams = Client(url, token).teams().to_pylist()
    path = login.store(login.Credentials(url, token))
    said = ", ".join(f"{team['name']} ({team['role']})" for team in teams) or "no team"
    print(f"Logged in at {url}, in {said}. The token is in {path}.")
    return DONE


def _token(file: Path | None, url: str) -> str:
    if file is None:
        if not sys.stdin.isatty():
            raise ClientError(
                "There is no terminal to ask for the token. Give it with --token-file FILE, or - for standard input."
            )
        return getpass.getpass(f"API token (made at {url}/account/): ")
    try:
        return sys.stdin.read() if str(file) == "-" else file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ClientError(f"{file} cannot be read: {said(error)}.") from None


def _list(arguments: argparse.Namespace) -> int:
    head, rows = _EXPERIMENTS if arguments.what == "experiments" else _RUNS
    print("\n".join(lines_of(head, rows(Client(), arguments))))
    return DONE


def _table(arguments: argparse.Namespace) -> int:
    limit = arguments.limit or (30 if arguments.file is None else None)
    columns, group = ([part for part in text.split(",") if part] for text in (arguments.columns, arguments.group))
    found = Client().table(columns, where=arguments.where, sort=arguments.sort, group=group, limit=limit)
    if arguments.file is not None:
        print(f"{arguments.file}: {write(found, arguments.file)} rows")
        return DONE
    print("\n".join(lines_of(found.column_names, [list(row.values()) for row in found.to_pylist()])))
    return DONE


def _experiments(platform: Client, arguments: argparse.Namespace) -> list[list[Any]]:
    found = platform.experiments(limit=arguments.limit).to_pylist()
    return [[one["id"], one["name"], one["preset"], str(one["created_at"])[:16]] for one in found]


def _runs(platform: Client, arguments: argparse.Namespace) -> list[list[Any]]:
    asked = {name: getattr(arguments, name) for name in ("experiment", "status", "limit")}
    found = platform.runs(**asked).to_pylist()
    return [[one["id"], one["title"] or one["name"], one["stage"], one["status"], one["progress"]] for one in found]


_EXPERIMENTS = ("id", "experiment", "preset", "made"), _experiments
_RUNS = ("id", "run", "stage", "state", "progress"), _runs


def _submit(arguments: argparse.Namespace) -> int:
    platform = Client()
    run = platform.submit(
        arguments.experiment,
        arguments.name or arguments.config.stem,
        read_config(arguments.config),
        anyway=arguments.anyway,
        hardware=arguments.hardware,
    )
    print(f"Run {run['id']} {run['name']} is {run['status']}: {platform.url}/runs/{run['id']}/")
    return _ended(watch(platform, run["id"])) if arguments.watch else DONE


def _watch(arguments: argparse.Namespace) -> int:
    return _ended(watch(Client(), arguments.run))


def _ended(run: dict[str, Any]) -> int:
    return DONE if run["status"] == "succeeded" else ENDED_BADLY


def _cancel(arguments: argparse.Namespace) -> int:
    run = Client().cancel(arguments.run)
    asked = run["status"] not in ("cancelled", "waiting")
    print(f"Run {run['id']} {'is asked to stop' if asked else 'is cancelled'}.")
    return DONE


def _compare(arguments: argparse.Namespace) -> int:
    platform = Client()
    entries = list(dict.fromkeys(arguments.entries))
    if len(entries) < 2:
        raise ClientError("Give two runs or more, or two steps of one, such as 12@0 12@40.")
    asked = [int(re.split("[@:]", entry)[0]) for entry in entries]
    runs = [platform.run(number) for number in dict.fromkeys(asked)]
    print("\n".join([*settings_lines(runs), ""]), flush=True)
    try:
        found = platform.compare(entries, arguments.mode)
    except Refusal as refusal:
        print(f"Not compared at the same positions: {refusal.detail}")
        return DONE
    print("\n".join(paired_lines(found, {run["id"]: run["name"] for run in runs}, asked)))
    return DONE


def _export(arguments: argparse.Namespace) -> int:
    rows = export(Client(), arguments.run, arguments.what, arguments.file, kind=arguments.kind, step=arguments.step)
    print(f"{arguments.file}: {rows} rows")
    return DONE


def _entry(text: str) -> str:
    if not re.fullmatch(rf"[0-9]+(@[0-9]+)?(:({'|'.join(MODES)}))?", text):
        raise argparse.ArgumentTypeError(
            "give the number of a run, such as 12, or of one at a step or in a mode, such as 12@40 or 12@40:standard; "
            f"modes are {', '.join(MODES)}"
        )
    return text


def _count(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("give a number above 0")
    return number
