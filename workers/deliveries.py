"""Sends what is due: e-mails by the mail server of the settings, posts to webhooks. See `rpt_web.notices.deliveries`.

In: rows that are due. Out: the same rows with what came of them. No error ends the worker, and no message is sent again
for an error of its receiver's making that a further try cannot put right.
"""

from __future__ import annotations

import json
import logging
import smtplib
import time

from django.conf import settings
from django.core.mail import EmailMessage

from rpt_core.errors import UserError, said
from rpt_web.notices import deliveries, hooks
from rpt_web.notices.models import Delivery
from rpt_web.notices.words import mail_body, public_address
from workers import shutdown, webhooks

AT_ONCE = 50
"""Of one waking; the reaper wakes again for the rest."""
NO_MAIL = "This platform sends no e-mail: RPT_SMTP_URL is not set for the quick worker."
logger = logging.getLogger(__name__)


def send_due() -> int:
    """Try what is due, one after the other. Returns how many were tried."""
    for count in range(AT_ONCE):
        if shutdown.is_requested() or (delivery := deliveries.take()) is None:
            return count
        _send(delivery)
    return AT_ONCE


def _send(delivery: Delivery) -> None:
    if delivery.webhook is None and not settings.RPT_MAILS:
        deliveries.note_failed(delivery, NO_MAIL, for_good=True)
        return
    try:
        answer = _post(delivery) if delivery.webhook else _mail(delivery)
    except UserError as error:
        deliveries.note_failed(delivery, str(error))
    except smtplib.SMTPRecipientsRefused:
        deliveries.note_failed(delivery, "The mail server does not take this address.", for_good=True)
    except (OSError, smtplib.SMTPException) as error:
        logger.warning("delivery %s: %s", delivery.pk, said(error))
        deliveries.note_failed(delivery, f"The mail server cannot be reached: {said(error)}")
    except Exception:
        logger.exception("delivery %s", delivery.pk)
        deliveries.note_failed(delivery, "Internal error; the log of the quick worker has the details.")
    else:
        deliveries.note_sent(delivery, answer)


def _mail(delivery: Delivery) -> str:
    assert delivery.user is not None
    _, _, host = settings.DEFAULT_FROM_EMAIL.rpartition("@")
    headers = {"Message-ID": f"<rpt-delivery-{delivery.pk}@{host.strip('>')}>", "Auto-Submitted": "auto-generated"}
    body = mail_body(delivery.payload["text"], delivery.payload["path"])
    EmailMessage(delivery.payload["subject"], body, to=[delivery.user.email], headers=headers).send()
    return f"Sent to {delivery.user.email}."


def _post(delivery: Delivery) -> str:
    hook = delivery.webhook
    assert hook is not None
    told = {"delivery": delivery.pk, **delivery.payload}
    if "run" in told:
        told["run"] = {**told["run"], "url": public_address(told["run"]["path"])}
    body = json.dumps(told, ensure_ascii=False).encode()
    now = int(time.time())
    headers = {
        "Content-Type": "application/json",
        "User-Agent": "rpt-platform",
        "X-RPT-Delivery": str(delivery.pk),
        "X-RPT-Timestamp": str(now),
        "X-RPT-Signature": f"sha256={hooks.signature(hooks.secret_of(hook), now, body)}",
    }
    return webhooks.post(hook.url, body, headers)
