"""Headless Chromium for tests: starts it, opens pages, and collects whatever a page should not have done."""

from __future__ import annotations

import base64
import json
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from django.conf import settings

from tests.end_to_end import axe

CHROMIUM = os.environ.get("RPT_CHROMIUM") or shutil.which("chromium") or shutil.which("google-chrome")
DRIVER = os.environ.get("RPT_CHROMEDRIVER") or shutil.which("chromedriver")
SCREENSHOTS = os.environ.get("RPT_SCREENSHOT_DIR")
"""Where pictures go; without it none are taken, since nothing is compared with them."""
WIDTHS = {"wide": 1400, "narrow": 390}
THEMES = ("light", "dark")
PATIENCE_SECONDS = 90
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
FONTS_ARE_THERE = """
const done = arguments[arguments.length - 1];
document.fonts.load('16px "Space sign"', '\u2420').then(() => requestAnimationFrame(() => requestAnimationFrame(done)));
"""
DRAWN = """
const [inView] = arguments;
return [...document.querySelectorAll('[data-figure] .plot')].every((plot) => {
  const { top, bottom } = plot.getBoundingClientRect();
  return plot.dataset.drawn || !plot.checkVisibility() || (inView && (bottom < 0 || top > innerHeight));
});
"""
PARTS_ARE_THERE = "return document.querySelector('.htmx-request') === null"
"""Whether what a page asks for by itself has come: it is asked for before the page is complete."""
STOP = """
window.stop();
for (let timer = setTimeout(() => {}); timer > 0; timer--) clearTimeout(timer);
"""
"""Stops requests, intervals and timeouts. An empty page in between would do the same, by another process each time."""
ABORTED = ("htmx:sendAbort", "htmx:afterRequest")
"""What htmx writes to the console when a newer request takes the place of one under way (`hx-sync`), as it should. One
that failed is said by `htmx:sendError`, beside its `htmx:afterRequest`."""
PICTURE = {"format": "png", "captureBeyondViewport": True, "optimizeForSpeed": True}
WATCH = """
document.addEventListener("securitypolicyviolation", (event) => {
  const { violatedDirective, blockedURI, sourceFile, lineNumber } = event;
  (window.__violations ??= []).push(`${violatedDirective} ${blockedURI} ${sourceFile}:${lineNumber}`);
});
try { localStorage.setItem("theme", "%s"); } catch {}
"""


@contextmanager
def chromium() -> Iterator[object]:
    """A browser with an empty profile that talks to nobody by itself. Skips (or fails) without one installed."""
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
    driver.set_page_load_timeout(PATIENCE_SECONDS)
    driver.set_script_timeout(60)
    try:
        yield driver
    finally:
        driver.quit()
        shutil.rmtree(profile, ignore_errors=True)


class Visitor:
    """Opens pages, takes pictures, and collects whatever a page should not have done."""

    def __init__(self, browser, site, session):
        self.browser, self.site, self.session = browser, site, session

    @contextmanager
    def __call__(self, path, theme="light", width="wide", *, anonymous=False, status=200):
        browser = self.browser
        self._leave(anonymous)
        watch = browser.execute_cdp_cmd("Page.addScriptToEvaluateOnNewDocument", {"source": WATCH % theme})
        self._size(width)
        still = {"name": "prefers-reduced-motion", "value": "reduce"}
        browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [still]})
        try:
            browser.get(self.site + path)
            self.wait("return document.readyState === 'complete'")
            self.wait(PARTS_ARE_THERE)
            self.wait(DRAWN, True)
            self.browser.execute_async_script(FONTS_ARE_THERE)
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

    def until(self, found):
        """Until a function finds something."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not (it := found()):
            assert time.monotonic() < deadline, "still nothing"
            time.sleep(0.05)
        return it

    def axe(self, within="html"):
        """Fail on whatever axe-core finds on the page as it is now, or within a part of it."""
        found = axe.violations(self.browser, within)
        assert not found, f"{self.browser.current_url}:\n" + "\n".join(found)

    def switch(self, theme):
        """The other theme, on the page that is open; its address need not be asked again."""
        self.browser.execute_script("window.theme.choose(arguments[0])", theme)
        assert self.browser.execute_script("return document.documentElement.dataset.bsTheme") == theme
        self.wait(DRAWN, True)

    def resize(self, width):
        """The other width, of the page that is open."""
        self._size(width)
        self.wait(DRAWN, True)

    def draw_all(self):
        """Have the charts drawn that are far from the window too, as on paper."""
        self.browser.execute_script("window.charts?.drawAll()")
        self.wait(DRAWN, False)

    def picture(self, name, *, all_charts=True):
        """Draw all charts, or leave it at those near the window, and take a screenshot of the page if one is wanted."""
        if all_charts:
            self.draw_all()
        if SCREENSHOTS is None:
            return
        shot = self.browser.execute_cdp_cmd("Page.captureScreenshot", PICTURE)
        file = Path(SCREENSHOTS) / f"{name}.png"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(base64.b64decode(shot["data"]))

    def problems(self, path, status):
        """Console messages, policy reports, requests elsewhere, overflow."""
        browser = self.browser
        found = [f"policy: {report}" for report in browser.execute_script("return window.__violations ?? []")]
        for entry in browser.get_log("browser"):
            if any(event in entry["message"] for event in ABORTED):
                continue
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

    def _size(self, width):
        size = {"width": WIDTHS[width], "height": 900, "deviceScaleFactor": 1, "mobile": width == "narrow"}
        self.browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)

    def _leave(self, anonymous):
        """Stop what is open, which may ask for its next part until the last moment, and be who visits next."""
        self.browser.execute_script(STOP)
        self.browser.get_log("browser")
        self.browser.get_log("performance")
        self.browser.execute_cdp_cmd("Network.clearBrowserCookies", {})
        if not anonymous:
            cookie = {"name": settings.SESSION_COOKIE_NAME, "value": self.session, "url": self.site}
            self.browser.execute_cdp_cmd("Network.setCookie", cookie)


def committed(work):
    """Do something with the database outside of the test's transaction, so that the web server sees it."""
    from django.db import connection

    def do():
        try:
            return work()
        finally:
            connection.close()

    with ThreadPoolExecutor(1) as other_thread:
        return other_thread.submit(do).result()


def press(browser, selector, again=2):
    """Click on something; on the new one where htmx has just put another in its place."""
    from selenium.common.exceptions import StaleElementReferenceException
    from selenium.webdriver.common.by import By

    try:
        element = browser.find_element(By.CSS_SELECTOR, selector)
        browser.execute_script("arguments[0].scrollIntoView({block: 'center', behavior: 'instant'})", element)
        element.click()
    except StaleElementReferenceException:
        if not again:
            raise
        press(browser, selector, again - 1)
