"""Tests of one file run on one worker of pytest-xdist, so that what they share is made once."""

from __future__ import annotations

import os

import pytest


@pytest.mark.skipif("PYTEST_XDIST_WORKER" not in os.environ, reason="on one processor there are no groups")
def test_this_file_is_a_group(request):
    assert request.node.nodeid.endswith("@test_groups.py")


def test_no_test_is_named_by_the_contents_of_a_file(request):
    """Such as of a packed one, which holds the second it was made in: workers that differ by one collect nothing."""
    long = [item.nodeid[:200] for item in request.session.items if len(item.nodeid) > 500]
    assert not long
