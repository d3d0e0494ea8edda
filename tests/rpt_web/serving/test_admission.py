"""Many at once: threads are handed out in turn, the rest wait, and beyond that there is a clear 503."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import quote

import pytest
from django.db import connection
from django.test import RequestFactory

from rpt_web.serving.admission import Busy, Threads, busy
from tests.rpt_web.api_client import ROOT


def test_threads_are_handed_out_in_the_order_of_coming():
    async def ask():
        threads, order = Threads(1, 10, 5), []

        async def one(name):
            async with threads.one():
                order.append(name)
                await asyncio.sleep(0)

        await asyncio.gather(*(one(name) for name in range(5)))
        return order, len(threads._free)

    assert asyncio.run(ask()) == ([0, 1, 2, 3, 4], 1)


def test_more_than_may_wait_are_refused_and_so_is_who_waits_too_long():
    async def ask():
        threads = Threads(1, 1, 0.05)
        async with threads.one():
            waiting = asyncio.create_task(threads.one().__aenter__())
            await asyncio.sleep(0)
            with pytest.raises(Busy):
                await threads.one().__aenter__()
            with pytest.raises(Busy):
                await waiting
        async with threads.one():
            return len(threads._free), len(threads._waiting)

    assert asyncio.run(ask()) == (0, 0)


def test_a_thread_is_not_lost_with_a_caller_who_goes():
    async def ask():
        threads = Threads(2, 10, 5)
        async with threads.one(), threads.one():
            tasks = [asyncio.create_task(threads.one().__aenter__()) for _ in range(4)]
            await asyncio.sleep(0)
            tasks[0].cancel()
            await asyncio.sleep(0)
        for task in tasks[1:]:  # those who were next have theirs in this very instant
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        return len(threads._free)

    assert asyncio.run(ask()) == 2


def test_busy_is_a_page_or_json():
    page, answer = (busy(RequestFactory().get(path)) for path in ("/", f"{ROOT}/runs"))
    assert "The platform is busy" in page.content.decode()
    assert answer["Content-Type"] == "application/problem+json"
    assert answer["Retry-After"] == "5"


@contextlib.contextmanager
def served(**environment):
    """The web server as a process of its own, as the supervisor starts it, on the test's database."""
    found = connection.settings_dict
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    database = f"postgresql://{found['USER']}@/{found['NAME']}?host={quote(found['HOST'], safe='')}"
    if os.environ.get("DATABASE_URL"):
        pytest.skip("needs the embedded server")
    process = subprocess.Popen(
        [sys.executable, "-m", "uvicorn", "rpt_web.asgi:application", "--port", str(port), "--lifespan", "off"],
        env=os.environ | {"DATABASE_URL": database} | environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )
    try:
        deadline = time.monotonic() + 60
        while True:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
                break
            assert process.poll() is None, process.stderr.read().decode()
            assert time.monotonic() < deadline
            time.sleep(0.1)
        yield port
    finally:
        process.terminate()
        process.communicate(timeout=20)


def statuses(port, number, path="/healthz"):
    """The statuses of requests that are all sent before the first is answered."""
    sockets = [socket.create_connection(("127.0.0.1", port), 60) for _ in range(number)]
    try:
        for one in sockets:
            one.sendall(f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode())
        with ThreadPoolExecutor(8) as pool:
            return list(pool.map(lambda one: int(one.recv(12)[9:12]), sockets))
    finally:
        for one in sockets:
            one.close()


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
def test_five_hundred_at_once_are_all_answered():
    with served() as port:
        assert set(statuses(port, 500)) == {200}
        with connection.cursor() as cursor:
            cursor.execute("SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()")
            assert cursor.fetchone()[0] <= 21


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
def test_callers_who_go_away_cost_no_thread_and_no_connection():
    with served(RPT_WEB_THREADS="2") as port:
        for _ in range(5):
            gone = [socket.create_connection(("127.0.0.1", port), 10) for _ in range(20)]
            for one in gone:
                one.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
                one.close()
        assert set(statuses(port, 50)) == {200}


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
def test_beyond_the_limit_there_is_503_and_never_500():
    with served(RPT_WEB_THREADS="1", RPT_WEB_QUEUE="0") as port:
        found = statuses(port, 200)
        assert set(found) == {200, 503}
        assert statuses(port, 1) == [200]


def test_what_the_web_server_starts_has_no_pool():
    told = "import os, rpt_web.asgi; from django.db import connection as c; "
    told += "print('pool' in c.settings_dict['OPTIONS'], 'RPT_CONNECTION_POOL' in os.environ)"
    done = subprocess.run([sys.executable, "-c", told], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout == "True False\n", done.stderr
