"""What README and docs say of the tree is so: folders are there, functions that others rely on can be called."""

from __future__ import annotations

import importlib
import inspect
import re
from pathlib import Path

ROOT = Path(__file__).parents[1]


def tree_of_the_readme():
    """The first words of each line of README's tree, with the folder above it: rpt_core/text/."""
    (tree,) = re.findall(r"## Where things are\n\n```\n(.*?)```", (ROOT / "README.md").read_text(), re.S)
    above = ""
    for line in tree.splitlines():
        words = re.match(r"( *)(\S+(?: \S+)*)", line)
        indent, names = len(words[1]), words[2].split()
        above = above if indent else names[0]
        yield from [above + name if indent else name for name in names]


def test_the_tree_of_the_readme_is_the_tree():
    names = list(tree_of_the_readme())
    there = [
        ("platform/rpt_web/" + n.removeprefix("platform/rpt_web/")) if n.startswith("platform") else n for n in names
    ]
    assert len(names) > 25
    assert [name for name in there if not (ROOT / name).exists()] == []


def test_the_readme_names_every_folder_of_the_core():
    folders = {path.name for path in (ROOT / "rpt_core").iterdir() if (path / "__init__.py").exists()}
    named = {name.removeprefix("rpt_core/").strip("/") for name in tree_of_the_readme() if name.startswith("rpt_core/")}
    assert folders <= named


def test_the_functions_that_others_rely_on_take_what_the_design_says():
    table = re.findall(r"^\| `(rpt_core[\w.]+)\((.*?)\)` \|", (ROOT / "docs" / "design.md").read_text(), re.M)
    assert len(table) == 8
    for path, parameters in table:
        module, _, name = path.rpartition(".")
        signature = inspect.signature(getattr(importlib.import_module(module), name))
        assert list(signature.parameters)[: len(parameters.split(", "))] == parameters.split(", "), path


def test_the_modules_of_the_walkthrough_are_there():
    text = (ROOT / "docs" / "walkthrough.md").read_text()
    named = set(re.findall(r"`([a-z_]+(?:/[\w.]+)+|[a-z_]+\.py)`", text))
    roots = (ROOT, ROOT / "rpt_core", ROOT / "platform" / "rpt_web")
    runs_own = {"rollouts/train-000001.parquet"}
    assert len(named) > 40
    assert [name for name in named - runs_own if not any((root / name).exists() for root in roots)] == []
