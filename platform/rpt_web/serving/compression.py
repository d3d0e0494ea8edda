"""Pages and JSON are sent gzipped to whoever takes it; streams as they are, since each line must arrive at once.

How long a gzipped page is could tell a secret in it to somebody who can make a browser ask again and again (BREACH).
Against that, Django pads each answer by a random length, and masks the CSRF token again in each page.
"""

from __future__ import annotations

from django.http import HttpRequest, HttpResponseBase
from django.middleware.gzip import GZipMiddleware


class Gzipped(GZipMiddleware):
    """Django's, without streams."""

    def process_response(self, request: HttpRequest, response: HttpResponseBase) -> HttpResponseBase:
        """Compress an answer that is whole."""
        return response if response.streaming else super().process_response(request, response)
