"""`/healthz`: whether the web server and its database work. Answers without a login."""

from __future__ import annotations

import logging
import os

from django.contrib.auth.decorators import login_not_required
from django.db import DatabaseError, connection
from django.http import HttpRequest, JsonResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

START_ID = "RPT_START_ID"
"""Environment variable with the id of this start: the supervisor knows by it that its own web server answers."""
logger = logging.getLogger(__name__)


@login_not_required
@never_cache
@require_safe
def healthz(request: HttpRequest) -> JsonResponse:
    """200 with the start id, or 503 with the reason. Details stay in the server's log: anybody may ask."""
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
    except DatabaseError as error:
        logger.error("the database does not answer: %s: %s", type(error).__name__, error)
        return JsonResponse({"status": "unavailable", "reason": "The database does not answer."}, status=503)
    return JsonResponse({"status": "ok", "start_id": os.environ.get(START_ID)})
