"""Tests of pages in headless Chromium. A package, so that conftest.py's fixtures last as long as its modules run."""
