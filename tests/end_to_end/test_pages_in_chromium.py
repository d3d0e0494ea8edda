"""Every page in headless Chromium, light and dark, wide and narrow: screenshots, and no error of any kind.

A page fails on a console message, a report of the content security policy, a request to another host, or when it is
wider than the window. Screenshots go to ./screenshots (RPT_SCREENSHOT_DIR for another folder). Without Chromium the
tests are skipped; with RPT_REQUIRE_BROWSER=1 they fail then.
"""

from __future__ import annotations

import base64
import json
import os
import shutil
import socket
import tempfile
import threading
import time
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from django.urls import reverse

# The mark makes the test database; the rows are committed before a test's own transaction, which the server cannot see.
pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.django_db]

CHROMIUM = os.environ.get("RPT_CHROMIUM") or shutil.which("chromium") or shutil.which("google-chrome")
DRIVER = os.environ.get("RPT_CHROMEDRIVER") or shutil.which("chromedriver")
SCREENSHOTS = Path(os.environ.get("RPT_SCREENSHOT_DIR", Path(__file__).parents[2] / "screenshots"))
WIDTHS = {"wide": 1400, "narrow": 390}
THEMES = ("light", "dark")
PATIENCE_SECONDS = 30
FLAGS = (
    "--headless=new",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-default-apps",
    "--disable-domain-reliability",
    "--disable-client-side-phishing-detection",
    "--disable-features=OptimizationHints,MediaRouter,Translate,AutofillServerCommunication,InterestFeedContentSuggestions",
    "--no-default-browser-check",
    "--metrics-recording-only",
    "--password-store=basic",
    "--disable-dev-shm-usage",
)
WATCH = """
document.addEventListener("securitypolicyviolation", (event) => {
  (window.__violations ??= []).push(`${event.violatedDirective} ${event.blockedURI} ${event.sourceFile}:${event.lineNumber}`);
});
try { localStorage.setItem("theme", "%s"); } catch {}
"""


@pytest.fixture(scope="module")
def browser():
    if not CHROMIUM or not DRIVER:
        reason = "Chromium or its driver is not installed (Debian: apt-get install chromium chromium-driver)"
        if os.environ.get("RPT_REQUIRE_BROWSER") == "1":
            pytest.fail(reason)
        pytest.skip(reason)
    from selenium import webdriver

    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM
    profile = tempfile.mkdtemp(prefix="rpt-chromium-")
    for flag in (*FLAGS, f"--user-data-dir={profile}", *(["--no-sandbox"] if os.geteuid() == 0 else [])):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    driver = webdriver.Chrome(options=options, service=webdriver.ChromeService(DRIVER))
    driver.set_page_load_timeout(60)
    yield driver
    driver.quit()
    shutil.rmtree(profile, ignore_errors=True)


@pytest.fixture(scope="module")
def rows(django_db_setup, django_db_blocker):
    """What the pages show: a finished experiment, a failed run, a running one."""
    from django.conf import settings
    from django.test import Client

    from rpt_web.runs.models import Experiment
    from rpt_web.teams.models import LoginLink, User
    from tests import factories

    with django_db_blocker.unblock():
        user = factories.make_user("ada")
        finished = factories.finished_experiment(user)
        broken = factories.make_experiment(user, "OmniMATH, first try", preset="", description="Own corpus, R1-Distill")
        failed = factories.failed_run(broken, user)
        running, events = factories.running_rpt(finished, user)
        queued = factories.queued_rpt(finished, user)
        empty = factories.make_experiment(factories.make_user("grace"), "Seed 1, nothing yet", seed=1)
        client = Client()
        client.force_login(user)
        yield {
            "session": client.cookies[settings.SESSION_COOKIE_NAME].value,
            "user": user,
            "finished": finished,
            "rpt": finished.runs.get(name="rpt"),
            "filter": finished.runs.get(name="filter"),
            "hostile": factories.hostile_id(),
            "base": finished.runs.get(name="base"),
            "broken": broken,
            "failed": failed,
            "running": running,
            "events": events,
            "queued": queued,
            "empty": empty,
            "link": LoginLink.issue(user, timedelta(hours=1)),
        }
        Experiment.objects.all().delete()
        User.objects.all().delete()


@pytest.fixture(scope="module")
def site(rows):
    """The address of a real web server on these rows."""
    import uvicorn

    listener = socket.create_server(("127.0.0.1", 0))
    config = uvicorn.Config("rpt_web.asgi:application", lifespan="off", ws="none", log_level="warning",
                            timeout_graceful_shutdown=1)  # fmt: skip
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    server.should_exit = True
    thread.join(20)
    listener.close()


@pytest.fixture
def visit(browser, site, rows):
    """visit(path, theme, width, anonymous=False) opens a page and waits for its charts; checks run on leaving."""
    return Visitor(browser, site, rows["session"])


class Visitor:
    """Opens pages, takes pictures, and collects whatever a page should not have done."""

    def __init__(self, browser, site, session):
        self.browser, self.site, self.session = browser, site, session

    @contextmanager
    def __call__(self, path, theme="light", width="wide", *, anonymous=False, status=200):
        browser = self.browser
        browser.get_log("browser")
        browser.get_log("performance")
        self._session(anonymous)
        watch = browser.execute_cdp_cmd("Page.addScriptToEvaluateOnNewDocument", {"source": WATCH % theme})
        size = {"width": WIDTHS[width], "height": 900, "deviceScaleFactor": 1, "mobile": width == "narrow"}
        browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
        try:
            browser.get(self.site + path)
            self.wait("return document.readyState === 'complete'")
            self.wait("return [...document.querySelectorAll('[data-figure] .plot')].every((plot) => plot.dataset.drawn)")
            assert browser.execute_script("return document.documentElement.dataset.bsTheme") == theme
            yield browser
            problems = self.problems(path, status)
            assert not problems, f"{path} ({theme}, {width}):\n" + "\n".join(problems)
        finally:
            browser.execute_cdp_cmd("Page.removeScriptToEvaluateOnNewDocument", watch)

    def wait(self, script, *arguments):
        """Until a script gives something true."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not (found := self.browser.execute_script(script, *arguments)):
            assert time.monotonic() < deadline, f"still not true: {script}"
            time.sleep(0.05)
        return found

    def picture(self, name):
        """A screenshot of the whole page."""
        SCREENSHOTS.mkdir(parents=True, exist_ok=True)
        shot = self.browser.execute_cdp_cmd("Page.captureScreenshot", {"captureBeyondViewport": True, "format": "png"})
        (SCREENSHOTS / f"{name}.png").write_bytes(base64.b64decode(shot["data"]))

    def problems(self, path, status):
        """Console messages, policy reports, requests elsewhere, overflow."""
        browser = self.browser
        found = [f"policy: {report}" for report in browser.execute_script("return window.__violations ?? []")]
        for entry in browser.get_log("browser"):
            own_status = f"status of {status}" in entry["message"] and path in entry["message"]
            if status == 200 or not own_status:  # a page that is meant to be an error says so in the console
                found.append(f"console: {entry['level']} {entry['message']}")
        found += [f"request elsewhere: {url}" for url in self._requests() if not self._is_ours(url)]
        excess = browser.execute_script(
            "return document.documentElement.scrollWidth - document.documentElement.clientWidth"
        )
        if excess > 0:
            found.append(f"the page is {excess} px wider than the window")
        return found

    def _requests(self):
        for entry in self.browser.get_log("performance"):
            message = json.loads(entry["message"])["message"]
            if message["method"] == "Network.requestWillBeSent":
                yield message["params"]["request"]["url"]

    def _is_ours(self, url):
        parts = urlsplit(url)
        return parts.scheme in ("data", "blob", "about") or f"{parts.scheme}://{parts.netloc}" == self.site

    def _session(self, anonymous):
        from django.conf import settings

        if not self.browser.current_url.startswith(self.site):
            self.browser.get(f"{self.site}/login/")
            self.browser.get_log("browser")
        self.browser.delete_all_cookies()
        if not anonymous:
            self.browser.add_cookie({"name": settings.SESSION_COOKIE_NAME, "value": self.session})


def rollout_address(rows, reason):
    from rpt_web.traces.models import Rollout

    found = Rollout.objects.filter(run_id=rows["rpt"].pk, kind="train", reason=reason, step__gt=3).order_by("id").first()
    return reverse("traces:rollout_detail", args=[rows["rpt"].pk, found.id])


PAGES = {
    "experiments": lambda rows: reverse("runs:experiment_list"),
    "experiments-none-found": lambda rows: reverse("runs:experiment_list") + "?q=nothing-like-it",
    "experiment": lambda rows: reverse("runs:experiment_detail", args=[rows["finished"].pk]),
    "experiment-empty": lambda rows: reverse("runs:experiment_detail", args=[rows["empty"].pk]),
    "run-rpt": lambda rows: reverse("runs:run_detail", args=[rows["rpt"].pk]),
    "run-base": lambda rows: reverse("runs:run_detail", args=[rows["base"].pk]),
    "run-filter": lambda rows: reverse("runs:run_detail", args=[rows["filter"].pk]),
    "run-failed": lambda rows: reverse("runs:run_detail", args=[rows["failed"].pk]),
    "run-queued": lambda rows: reverse("runs:run_detail", args=[rows["queued"].pk]),
    "run-running": lambda rows: reverse("runs:run_detail", args=[rows["running"].pk]),
    "run-new": lambda rows: reverse("runs:run_new") + f"?preset=tiny&experiment={rows['finished'].pk}",
    "run-new-none-ready": lambda rows: reverse("runs:run_new") + "?preset=paper",
    "rollouts": lambda rows: reverse("traces:rollout_list", args=[rows["rpt"].pk]),
    "rollouts-filtered": lambda rows: reverse("traces:rollout_list", args=[rows["rpt"].pk]) + "?step=20&reward=0",
    "rollout-match": lambda rows: rollout_address(rows, "match"),
    "rollout-mismatch": lambda rows: rollout_address(rows, "mismatch"),
    "rollout-not-on-boundary": lambda rows: rollout_address(rows, "not_on_boundary"),
    "rollout-hostile": lambda rows: reverse("traces:rollout_detail", args=[rows["rpt"].pk, rows["hostile"]]),
    "results": lambda rows: reverse("results:experiment_results", args=[rows["finished"].pk]),
    "results-empty": lambda rows: reverse("results:experiment_results", args=[rows["empty"].pk]),
}
PUBLIC_PAGES = {
    "login": (lambda rows: reverse("teams:login"), 200),
    "login-link": (lambda rows: reverse("teams:login_link", args=[rows["link"]]), 200),
    "login-link-used": (lambda rows: reverse("teams:login_link", args=["used-or-cut-short"]), 410),
    "error-404": (lambda rows: "/no/such/page", 404),
}


@pytest.mark.parametrize("page", PAGES)
def test_page_looks_right_and_does_nothing_wrong(visit, rows, page):
    path = PAGES[page](rows)
    for theme in THEMES:
        for width in WIDTHS:
            with visit(path, theme, width):
                visit.picture(f"{page}-{theme}-{width}")


@pytest.mark.parametrize("page", PUBLIC_PAGES)
def test_public_page_looks_right_and_does_nothing_wrong(visit, rows, page):
    make_path, status = PUBLIC_PAGES[page]
    for theme in THEMES:
        for width in WIDTHS:
            with visit(make_path(rows), theme, width, anonymous=True, status=status):
                visit.picture(f"{page}-{theme}-{width}")
