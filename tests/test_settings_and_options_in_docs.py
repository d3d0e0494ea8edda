"""Every variable that the code reads and every option of its commands stands in the documents, and in the examples."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[1]
DEPLOY = ROOT / "deploy"
VARIABLE = re.compile(r"RPT_[A-Z_]+|DATABASE_URL|REDIS_URL")
OWN = {"RPT_CONNECTION_POOL", "RPT_START_ID", "RPT_VERL_RUN"}
"""Set by the platform for its own processes."""
OF_THE_CLIENT = {"RPT_URL", "RPT_TOKEN"}
"""Where programs run; docs/client.md has them."""
NO_MATTER_OF_A_NODE = {"RPT_DEBUG", "RPT_STAGE_COMMAND"}
"""For whoever works on the platform itself."""
WEB = {"RPT_ALLOWED_HOSTS", "RPT_HTTPS", "RPT_SMTP_URL", "RPT_MAIL_FROM", "RPT_PUBLIC_URL", "RPT_WEBHOOK_ADDRESSES"}
WEB |= {"RPT_OIDC_URL", "RPT_OIDC_CLIENT_ID", "RPT_OIDC_SECRET", "RPT_OIDC_NAME"}


def texts(word):
    """Each text that stands alone in the code, with its place, where it has this form."""
    for folder in ("platform", "rpt_core", "workers"):
        for path in sorted((ROOT / folder).rglob("*.py")):
            for node in ast.walk(ast.parse(path.read_text())):
                if isinstance(node, ast.Constant) and isinstance(node.value, str) and word.fullmatch(node.value):
                    yield node.value


def variables():
    return set(texts(VARIABLE))


def options():
    """The long options of all parsers: what `add_argument` is called with."""
    for folder in ("platform", "rpt_core", "workers"):
        for path in sorted((ROOT / folder).rglob("*.py")):
            for node in ast.walk(ast.parse(path.read_text())):
                if isinstance(node, ast.Call) and getattr(node.func, "attr", "") == "add_argument":
                    names = [word.value for word in node.args if isinstance(word, ast.Constant)]
                    yield from (str(name) for name in names if str(name).startswith("--"))


def documents():
    return "\n".join(path.read_text() for path in (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))))


def names_in(text):
    return set(re.findall(rf"\b({VARIABLE.pattern})\b", text))


def test_the_page_about_operations_names_every_variable():
    assert len(variables()) > 20
    table = (ROOT / "docs/operations.md").read_text().partition("## Settings")[2].partition("\n## ")[0]
    assert names_in(table) == variables() - OF_THE_CLIENT
    assert names_in((ROOT / "docs/client.md").read_text()) >= OF_THE_CLIENT


@pytest.mark.parametrize(
    ("compose", "example", "service"),
    [("compose.yaml", "env.example", "web"), ("compose.gpu.yaml", "node.env.example", "gpu-worker")],
)
def test_what_may_be_set_stands_in_the_example_and_reaches_the_container(compose, example, service):
    passed = set(yaml.safe_load((DEPLOY / compose).read_text())["services"][service]["environment"])
    in_image = {"RPT_COMMIT"}
    wanted = variables() - OWN - NO_MATTER_OF_A_NODE - OF_THE_CLIENT - in_image
    if service != "web":
        wanted -= WEB | {name for name in wanted if name.startswith("RPT_WEB_")}
    assert wanted <= passed
    fixed = {"RPT_DATA_DIR", "RPT_SHUTDOWN_GRACE_SECONDS", "DATABASE_URL", "REDIS_URL"}
    assert wanted - fixed <= names_in((DEPLOY / example).read_text())


def test_the_documents_name_every_option():
    assert len(set(options())) > 25
    assert {option for option in options() if not re.search(rf"{option}\b", documents())} == set()
