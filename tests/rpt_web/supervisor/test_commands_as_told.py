"""Commands that pages, README and docs tell a person to type work as the setup leaves a machine: nothing activated."""

from __future__ import annotations

import re

import pytest
from django.conf import settings

FILES = [
    *sorted((settings.ROOT / "templates").rglob("*.html")),
    settings.ROOT / "README.md",
    settings.ROOT / "CONTRIBUTING.md",
    *(settings.ROOT / "docs" / f"{name}.md" for name in ("nodes", "engines", "preflight")),
    settings.ROOT / "deploy" / "gpu-node.sh",
]
PYTHON = re.compile(r"(\S*)python (?:manage\.py|-m rpt_core)")
WORKER = re.compile(r"(\S+ ?)celery -A rpt_web worker[^`#<\"\n]*")


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_a_command_names_its_environment_and_a_worker_speaks(file):
    text = file.read_text(encoding="utf-8")
    bare = [
        found[0] for found in PYTHON.finditer(text) if not re.search(r"\.venv[\w-]*/bin/$|\$venv/bin/\"?$", found[1])
    ]
    assert [words for words in bare if f"exec web {words}" not in text] == []  # an image has one Python
    for found in WORKER.finditer(text):
        assert found[1].endswith(("bin/", "&& ")), found[0]
        assert "--loglevel INFO" in found[0]
