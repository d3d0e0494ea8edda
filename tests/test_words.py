"""One word for one thing: the table of words in CONTRIBUTING.md holds, and no name of a class stands for two."""

from __future__ import annotations

import ast
import re
from collections import defaultdict
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
TABLE = "## Words"
SEARCHED = {
    "rpt_core": "py yaml txt",
    "platform": "py",
    "workers": "py",
    "templates": "html",
    "static/js": "js",
    "scripts": "py",
    "benchmarks": "py",
    "tests": "py",
    "docs": "md yaml",
    ".": "md",
}
STORED_TWINS = {"Corpus", "ResultTable", "Rollout"}
"""Models of Django with the name of what they keep."""
OF_DJANGO = {"Command", "Meta", "Migration", "TracesConfig"}


def retired_words() -> list[str]:
    _, _, table = (ROOT / "CONTRIBUTING.md").read_text().partition(TABLE)
    rows = [line.strip("|").split("|") for line in table.splitlines() if line.startswith("|")]
    return [word for row in rows for word in re.findall("`([^`]+)`", row[-1])]


def files() -> list[Path]:
    found = []
    for folder, endings in SEARCHED.items():
        for ending in endings.split():
            pattern = f"*.{ending}" if folder == "." else f"**/*.{ending}"
            found += (ROOT / folder).glob(pattern)
    return [path for path in found if path != Path(__file__).resolve()]


def test_retired_words_are_used_nowhere_but_in_their_table():
    words = retired_words()
    assert len(words) > 10
    retired = re.compile(rf"\b({'|'.join(map(re.escape, words))})\b", re.IGNORECASE)
    used = []
    for path in files():
        text = path.read_text()
        if path.name == "CONTRIBUTING.md":
            text = text.partition(TABLE)[0]
        text = re.sub(r"\s+", " ", text)
        used += [f"{path.relative_to(ROOT)}: {found[0]}" for found in retired.finditer(text)]
    assert not used


def test_no_class_has_the_name_of_another_one():
    places = defaultdict(list)
    for folder in ("rpt_core", "platform", "workers"):
        for path in (ROOT / folder).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text())):
                if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                    places[node.name].append(str(path.relative_to(ROOT)))
    twice = {name: where for name, where in places.items() if len(where) > 1}
    assert not {name: where for name, where in twice.items() if name not in STORED_TWINS | OF_DJANGO}
