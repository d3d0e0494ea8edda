"""The example files of nginx and Caddy agree with what the platform listens to, reads and sends."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest
from django.urls import Resolver404, resolve

from rpt_web import settings
from rpt_web.pages.runs.stream import HEARTBEAT_SECONDS
from rpt_web.supervisor.management.commands.up import Command

ROOT = Path(__file__).parents[2]
NGINX, CADDY = ROOT / "deploy" / "nginx.conf", ROOT / "deploy" / "Caddyfile"
PART_BYTES = int(re.search(r"CHUNK_BYTES = ([\d_]+)", (ROOT / "static/js/uploads.js").read_text())[1].replace("_", ""))


def of_nginx(name):
    """What a directive is given, wherever it stands."""
    return re.findall(rf"^\s*{name}\s+([^;]+);", NGINX.read_text(), re.MULTILINE)


def test_both_lead_to_the_port_that_the_platform_listens_to():
    options = Command().create_parser("manage.py", "up").parse_args([])
    place = f"{options.host}:{options.port}"
    assert set(of_nginx("proxy_pass")) == {f"http://{place}"}
    assert f"reverse_proxy {place} " in CADDY.read_text()


def test_the_header_that_says_https_is_the_one_that_the_platform_reads():
    header = "X-Forwarded-Proto"
    assert f'"HTTP_{header.upper().replace("-", "_")}", "https"' in Path(settings.__file__).read_text()
    assert f"{header} https" in of_nginx("proxy_set_header")
    assert "Host $host" in of_nginx("proxy_set_header")
    inner = re.findall(r"location [^{]+\{([^}]*)\}", NGINX.read_text())
    assert not any("proxy_set_header" in block for block in inner), "one in a block would undo those around it"


def test_parts_of_files_fit_and_live_pages_are_not_held_back():
    (body,) = of_nginx("client_max_body_size")
    assert int(body.removesuffix("m")) * 1_000_000 > PART_BYTES
    assert int(re.search(r"max_size (\d+)MB", CADDY.read_text())[1]) * 1_000_000 > PART_BYTES
    assert all(float(seconds.removesuffix("s")) > 2 * HEARTBEAT_SECONDS for seconds in of_nginx("proxy_read_timeout"))
    (stream,) = re.findall(r"location ~ (\S+) \{\s*[^}]*proxy_buffering off;", NGINX.read_text())
    assert re.fullmatch(stream, "/runs/7/stream")
    assert resolve("/runs/7/stream").url_name == "run_stream"
    with pytest.raises(Resolver404):
        resolve("/runs/x/stream")
    assert resolve("/login/").view_name == "teams:login"


def test_braces_and_ends_of_lines_are_right():
    for path in (NGINX, CADDY):
        text = re.sub(r"#.*", "", path.read_text())
        assert text.count("{") == text.count("}")
    lines = [re.sub(r"\s*#.*", "", line).strip() for line in NGINX.read_text().splitlines()]
    assert all(line.endswith((";", "{", "}")) for line in lines if line)


@pytest.mark.parametrize(
    ("program", "words"), [("caddy", ["validate", "--adapter", "caddyfile", "--config", str(CADDY)])]
)
def test_the_program_takes_its_file_where_it_is_installed(program, words):
    if shutil.which(program) is None:
        pytest.skip(f"{program} is not installed")
    subprocess.run([program, *words], check=True, capture_output=True, timeout=60)
