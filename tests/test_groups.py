"""Tests of one file run on one worker of pytest-xdist, so that what they share is made once."""

from __future__ import annotations

import os

import pytest


@pytest.mark.skipif("PYTEST_XDIST_WORKER" not in os.environ, reason="on one processor there are no groups")
def test_this_file_is_a_group(request):
    assert request.node.nodeid.endswith("@test_groups.py")
