"""All settings, read from the environment. A bad value stops the start and is named with what is allowed.

RPT_DATA_DIR      folder of everything the platform keeps (default: ./data)
DATABASE_URL      postgresql://user:password@host:port/name (default: the embedded server in the data folder)
REDIS_URL         redis://..., rediss://... or unix://... (default: the embedded server in the data folder)
RPT_DEBUG         yes or no (default: no)
RPT_ALLOWED_HOSTS comma-separated host names (default: localhost,127.0.0.1,[::1])
RPT_HTTPS         yes when served over HTTPS behind a proxy: secure cookies, HSTS (default: no)
RPT_LEASE_SECONDS how long a silent worker keeps its run (default: 60)
RPT_QUIET_SECONDS           a stage that writes and computes nothing for so long is shown as not responding, and ended
                            after thrice as long, or many times its own step (default: 600)
RPT_REDISPATCH_SECONDS      a queued run no worker has taken is sent again after this long (default: 30)
RPT_CANCEL_GRACE_SECONDS    how long a cancelled stage may take for its checkpoint (default: 20)
RPT_SHUTDOWN_GRACE_SECONDS  the same when its worker is being stopped (default: 6)
RPT_LOG_LEVEL     least level that is logged: DEBUG, INFO, WARNING or ERROR (default: INFO; of other commands: WARNING)
RPT_PROGRESS_SECONDS        how often a stage whose output goes to a file writes how far it is (default: 60)
RPT_WEB_THREADS   requests that the web server answers at once, each with at most one connection (default: 16)
RPT_WEB_QUEUE     requests that may wait for that; more get 503 (default: 1000)
RPT_WEB_PATIENCE_SECONDS    how long one waits before it gets 503 (default: 30)
RPT_WEB_STREAMS   live pages that may be open at once; more get 503 and try again (default: 2000)
RPT_CONNECTION_POOL  yes in the web server, which sets it by itself; a process that forks must not have one
RPT_STAGE_COMMAND the program that runs a stage, as words of a shell (default: this Python with -m rpt_core)
RPT_READ_ROOTS    comma-separated folders that runs may read, beside other runs' (default: corpora, models, templates)
RPT_HUB_MODELS    comma-separated names of models that runs may fetch from a hub, * stands for anything (default: those
                  of the shipped presets)
RPT_CORPUS_ADDRESSES        comma-separated beginnings of addresses that corpora may be fetched from, such as
                  s3://texts/ or hf://datasets/our-team/ (default: none)
RPT_UPLOAD_BYTES  largest size of all files of one corpus version that are uploaded or fetched (default: 20000000000)
RPT_JOB_MEMORY_BYTES        what a job of the quick lane, such as the check of a corpus, may take (default: 4000000000)
RPT_UPLOAD_DAYS   an upload that nobody continues is forgotten after so many days (default: 7)
RPT_RAY_ADDRESSES comma-separated job servers that a run may name (default: none)
RPT_RAY_NODE_IP   where a Ray that a run starts listens: loopback or a private address (default: 127.0.0.1)
RPT_SMTP_URL      smtps://user:password@host:port, or smtp:// for STARTTLS: where mail goes out (default: none is sent)
RPT_MAIL_FROM     the address that mail comes from (default: rpt@ and the first of RPT_ALLOWED_HOSTS)
RPT_PUBLIC_URL    the platform's address as people type it, https://rpt.example.org: for links in e-mails and webhooks
                  (default: http:// or https:// and the first of RPT_ALLOWED_HOSTS)
RPT_WEBHOOK_ADDRESSES       comma-separated beginnings of addresses that webhooks may go to although they are http:// or
                  in a private network, such as http://10.0.0.7:8065/hooks/ (default: none)
RPT_OIDC_URL      issuer of an OpenID Connect provider to log in with, https://... (default: there is none)
RPT_OIDC_CLIENT_ID, RPT_OIDC_SECRET  how the platform is registered there
RPT_OIDC_NAME     what people call the provider (default: its host)
RPT_COMMIT        the git commit, where there is no checkout to ask (an image)
"""

from __future__ import annotations

import os
import secrets
import shlex
import sys
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from csp.constants import NONCE, NONE, SELF
from django.core.exceptions import ImproperlyConfigured

from rpt_core.files import write_first
from rpt_web.serving import logs
from rpt_web.serving.outside import Oidc, Smtp
from rpt_web.supervisor import paths

ROOT = Path(__file__).resolve().parents[2]


def read_bool(name: str, default: bool) -> bool:
    """yes or no from the environment."""
    value = os.environ.get(name, "yes" if default else "no").strip().lower()
    if value not in ("yes", "no", "1", "0", "true", "false"):
        raise ImproperlyConfigured(f"{name}={value!r} is not a choice. Allowed: yes, no.")
    return value in ("yes", "1", "true")


def read_int(name: str, default: int, low: int, high: int) -> int:
    """A whole number within bounds from the environment."""
    value = os.environ.get(name, str(default))
    if not value.strip().lstrip("-").isdigit() or not low <= int(value) <= high:
        raise ImproperlyConfigured(f"{name}={value!r} is not allowed. Give a whole number from {low} to {high}.")
    return int(value)


def read_choice(name: str, default: str, allowed: tuple[str, ...]) -> str:
    """One of a few words from the environment."""
    value = os.environ.get(name, default).strip()
    if value not in allowed:
        raise ImproperlyConfigured(f"{name}={value!r} is not a choice. Allowed: {', '.join(allowed)}.")
    return value


def read_list(name: str, default: str) -> list[str]:
    """Comma-separated words from the environment."""
    return [word.strip() for word in os.environ.get(name, default).split(",") if word.strip()]


def read_roots(data_dir: Path) -> list[Path]:
    """Absolute folders from RPT_READ_ROOTS, or the data folder's own."""
    names = read_list("RPT_READ_ROOTS", "")
    for name in names:
        if not Path(name).is_absolute():
            raise ImproperlyConfigured(
                f"RPT_READ_ROOTS: {name!r} is not an absolute path. Write each folder with its whole path, from /."
            )
    return [Path(name) for name in names] or [data_dir / name for name in ("corpora", "models", "templates")]


def read_addresses() -> list[str]:
    """The beginnings of addresses from RPT_CORPUS_ADDRESSES."""
    names = read_list("RPT_CORPUS_ADDRESSES", "")
    for name in names:
        if "://" not in name:
            raise ImproperlyConfigured(
                f"RPT_CORPUS_ADDRESSES: {name!r} is not an address. Write each with its protocol, such as s3://texts/."
            )
    return names


def read_webhook_addresses() -> list[str]:
    """The beginnings of addresses from RPT_WEBHOOK_ADDRESSES."""
    names = read_list("RPT_WEBHOOK_ADDRESSES", "")
    for name in names:
        if not name.startswith(("http://", "https://")) or not urlsplit(name).hostname:
            raise ImproperlyConfigured(
                f"RPT_WEBHOOK_ADDRESSES: {name!r} is not an address. Write each as http://host:port/path or https://..."
            )
    return names


def read_public_url(is_https: bool, hosts: list[str]) -> str:
    """The platform's address from RPT_PUBLIC_URL, without a slash at its end."""
    scheme = "https" if is_https else "http"
    url = os.environ.get("RPT_PUBLIC_URL", "") or f"{scheme}://{(hosts or ['localhost'])[0]}"
    if urlsplit(url).scheme not in ("http", "https") or not urlsplit(url).hostname:
        raise ImproperlyConfigured(f"RPT_PUBLIC_URL={url!r} is not an address. Write it as https://rpt.example.org.")
    return url.rstrip("/")


def read_database(data_dir: Path) -> dict[str, Any]:
    """Django's database settings from DATABASE_URL, or the embedded server's."""
    url = os.environ.get("DATABASE_URL", "")
    base: dict[str, Any] = {"ENGINE": "django.db.backends.postgresql", "CONN_HEALTH_CHECKS": True}
    if not url:
        return base | {"NAME": "rpt", "USER": "rpt", "HOST": str(paths.socket_dir(data_dir))}
    parts = urlsplit(url)
    if parts.scheme not in ("postgresql", "postgres") or not parts.path.strip("/"):
        raise ImproperlyConfigured(
            f"DATABASE_URL with scheme {parts.scheme!r} and database {parts.path.strip('/')!r} is not usable. "
            "Allowed: postgresql://user:password@host:port/name"
        )
    return base | {
        "NAME": unquote(parts.path.strip("/")),
        "USER": unquote(parts.username or ""),
        "PASSWORD": unquote(parts.password or ""),
        "HOST": unquote(parts.hostname or ""),
        "PORT": str(parts.port or ""),
        "OPTIONS": dict(parse_qsl(parts.query)),
    }


def with_pool(database: dict[str, Any], threads: int) -> dict[str, Any]:
    """The same with a pool: a connection for each thread that answers requests, and some for readers of live pages."""
    pool = {"min_size": 2, "max_size": threads + 4, "timeout": 10, "max_idle": 120}
    return database | {"OPTIONS": {**database.get("OPTIONS", {}), "pool": pool}}


def read_redis(data_dir: Path) -> str:
    """Address of Redis from REDIS_URL, or the embedded server's socket."""
    url = os.environ.get("REDIS_URL", "") or f"unix://{paths.socket_dir(data_dir) / 'redis.sock'}"
    if urlsplit(url).scheme not in ("redis", "rediss", "unix"):
        raise ImproperlyConfigured(f"REDIS_URL={url!r} is not usable. Allowed: redis://, rediss://, unix://")
    return url


def broker_url(redis_url: str) -> str:
    """The same address as Celery spells it: kombu knows unix sockets as redis+socket://."""
    return redis_url.replace("unix://", "redis+socket://", 1) if redis_url.startswith("unix://") else redis_url


def read_secret_key(data_dir: Path) -> str:
    """The secret key in the data folder; made on first start."""
    path = data_dir / "secret_key"
    try:
        if not path.exists():
            make_secret_key(path)
        key = path.read_text().strip()
    except OSError as error:
        raise ImproperlyConfigured(
            f"The data folder {data_dir} cannot be used: {error.strerror}: {error.filename}. Set RPT_DATA_DIR to a "
            "folder that this user may write, or give this one to the user."
        ) from error
    if not key:
        raise ImproperlyConfigured(
            f"{path} is empty. Put a backup of the key into it, or delete the file: the next start makes a new key, "
            "and everybody must log in again."
        )
    return key


def make_secret_key(path: Path) -> None:
    """Write a new one, which only its owner may read."""
    write_first(path, secrets.token_urlsafe(50).encode(), mode=0o600)


RPT_DATA_DIR = Path(os.environ.get("RPT_DATA_DIR", ROOT / "data")).resolve()
RPT_LEASE_SECONDS = read_int("RPT_LEASE_SECONDS", 60, 2, 3600)
RPT_QUIET_SECONDS = read_int("RPT_QUIET_SECONDS", 600, 1, 86400)
RPT_REDISPATCH_SECONDS = read_int("RPT_REDISPATCH_SECONDS", 30, 1, 3600)
RPT_CANCEL_GRACE_SECONDS = read_int("RPT_CANCEL_GRACE_SECONDS", 20, 0, 3600)
RPT_SHUTDOWN_GRACE_SECONDS = read_int("RPT_SHUTDOWN_GRACE_SECONDS", 6, 0, 3600)
RPT_READ_ROOTS = read_roots(RPT_DATA_DIR)  # what may be read: runs.reach
RPT_HUB_MODELS = read_list("RPT_HUB_MODELS", "") if "RPT_HUB_MODELS" in os.environ else None
RPT_CORPUS_ADDRESSES = read_addresses()
RPT_JOB_MEMORY_BYTES = read_int("RPT_JOB_MEMORY_BYTES", 4_000_000_000, 100_000_000, 10**15)
RPT_UPLOAD_BYTES = read_int("RPT_UPLOAD_BYTES", 20_000_000_000, 1, 10**15)
RPT_UPLOAD_DAYS = read_int("RPT_UPLOAD_DAYS", 7, 1, 365)
RPT_RAY_ADDRESSES = read_list("RPT_RAY_ADDRESSES", "")
RPT_STAGE_COMMAND = shlex.split(os.environ.get("RPT_STAGE_COMMAND", "")) or [sys.executable, "-m", "rpt_core"]
SECRET_KEY = read_secret_key(RPT_DATA_DIR)
DEBUG = read_bool("RPT_DEBUG", False)
ALLOWED_HOSTS = read_list("RPT_ALLOWED_HOSTS", "localhost,127.0.0.1,[::1]")

INSTALLED_APPS = [
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django.forms",
    "django_htmx",
    "pgtrigger",
    "pghistory",
    "allauth",
    "allauth.account",
    "allauth.mfa",
    "allauth.socialaccount",
    "rpt_web.teams",
    "rpt_web.jobs",
    "rpt_web.notices",
    "rpt_web.runs",
    "rpt_web.corpora",
    "rpt_web.traces",
    "rpt_web.searches",
    "rpt_web.run_table",
    "rpt_web.review",
    "rpt_web.results",
    "rpt_web.compare",
    "rpt_web.comments",
    "rpt_web.reports",
    "rpt_web.pages",
    "rpt_web.supervisor",
    "workers",  # by name only, for `manage.py reaper`; the web imports nothing of it
]

_PROGRAM = logs.program_name()
LOGGING = logs.logging_config(_PROGRAM, read_choice("RPT_LOG_LEVEL", logs.default_level(_PROGRAM), logs.LEVELS))

MIDDLEWARE = [
    "rpt_web.serving.requests.named",
    "rpt_web.serving.latency.timed",
    "rpt_web.serving.admission.connections_given_back",
    "django.middleware.security.SecurityMiddleware",
    "rpt_web.serving.static_files.StaticFiles",
    "rpt_web.serving.compression.Gzipped",
    "rpt_web.serving.headers.not_kept",
    "csp.middleware.CSPMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.auth.middleware.LoginRequiredMiddleware",
    "rpt_web.teams.audit.named",
    "allauth.account.middleware.AccountMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
]

ROOT_URLCONF = "rpt_web.urls"
ASGI_APPLICATION = "rpt_web.asgi.application"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [ROOT / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "csp.context_processors.nonce",
                "rpt_web.pages.rights.of_user",
            ]
        },
    }
]

FORM_RENDERER = "django.forms.renderers.TemplatesSetting"  # templates/django/forms comes before Django's own
RPT_WEB_THREADS = read_int("RPT_WEB_THREADS", 16, 1, 256)
RPT_WEB_QUEUE = read_int("RPT_WEB_QUEUE", 1000, 0, 100_000)
RPT_WEB_PATIENCE_SECONDS = read_int("RPT_WEB_PATIENCE_SECONDS", 30, 1, 600)
RPT_WEB_STREAMS = read_int("RPT_WEB_STREAMS", 2000, 0, 100_000)

DATABASES = {"default": read_database(RPT_DATA_DIR)}
if read_bool("RPT_CONNECTION_POOL", False):
    DATABASES["default"] = with_pool(DATABASES["default"], RPT_WEB_THREADS)
PGHISTORY_CREATED_AT_FUNCTION = "CLOCK_TIMESTAMP()"  # pages of the audit trail are cut by time
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
AUTH_USER_MODEL = "teams.User"
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in ("MinimumLengthValidator", "CommonPasswordValidator", "NumericPasswordValidator")
]
ACCOUNT_ADAPTER = "rpt_web.teams.adapters.Accounts"
ACCOUNT_LOGIN_METHODS = {"username"}
ACCOUNT_SIGNUP_FIELDS = ["username*", "password1*"]  # of a form that nobody gets to see: accounts come by invitation
ACCOUNT_EMAIL_VERIFICATION = "none"
ACCOUNT_EMAIL_UNKNOWN_ACCOUNTS = False
ACCOUNT_EMAIL_SUBJECT_PREFIX = ""
MFA_ADAPTER = "rpt_web.teams.adapters.SecondFactors"
MFA_SUPPORTED_TYPES = ["totp", "recovery_codes", "webauthn"]
MFA_PASSKEY_LOGIN_ENABLED = True
MFA_FORMS = {
    "add_webauthn": "rpt_web.pages.teams.passkeys.AddPasskeyForm",
    "edit_webauthn": "rpt_web.pages.teams.passkeys.RenamePasskeyForm",
    "authenticate_webauthn": "rpt_web.pages.teams.passkeys.SecondFactorForm",
    "login_webauthn": "rpt_web.pages.teams.passkeys.PasskeyLoginForm",
    "reauthenticate_webauthn": "rpt_web.pages.teams.passkeys.ConfirmPasskeyForm",
}
MFA_TOTP_TOLERANCE = 1  # clocks of phones may be off by half a minute
SOCIALACCOUNT_ADAPTER = "rpt_web.teams.adapters.Identities"
SOCIALACCOUNT_REAUTHENTICATION_REQUIRED = True  # an identity is a way in: who connects one confirms that it is they
RPT_OIDC = Oidc.read()
RPT_MAILS = (_SMTP := Smtp.read()) is not None
EMAIL_TIMEOUT = 10
if _SMTP is not None:
    EMAIL_HOST, EMAIL_PORT, EMAIL_HOST_USER, EMAIL_HOST_PASSWORD = _SMTP.host, _SMTP.port, _SMTP.user, _SMTP.password
    EMAIL_USE_SSL, EMAIL_USE_TLS = _SMTP.is_tls, _SMTP.is_starttls
DEFAULT_FROM_EMAIL = SERVER_EMAIL = os.environ.get("RPT_MAIL_FROM") or f"rpt@{(ALLOWED_HOSTS or ['localhost'])[0]}"
LOGIN_URL = LOGOUT_REDIRECT_URL = "teams:login"
LOGIN_REDIRECT_URL = "home:home"

STATIC_URL = "/static/"
STATICFILES_DIRS = [ROOT / "static"]
STORAGES = {"staticfiles": {"BACKEND": "rpt_web.serving.static_files.LastingNames"}}

LANGUAGE_CODE = "en"
USE_I18N = False  # all is in English, and each link and number of a page would look up the reader's language
TIME_ZONE = "UTC"

_HTTPS = read_bool("RPT_HTTPS", False)
RPT_PUBLIC_URL = read_public_url(_HTTPS, ALLOWED_HOSTS)
RPT_WEBHOOK_ADDRESSES = read_webhook_addresses()
SESSION_ENGINE = "rpt_web.teams.session_store"
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = _HTTPS
SECURE_HSTS_SECONDS = 31_536_000 if _HTTPS else 0
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if _HTTPS else None
CSRF_FAILURE_VIEW = "rpt_web.serving.errors.csrf_failure"

CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [NONE],
        "script-src": [SELF, NONCE],
        "style-src": [SELF, NONCE],
        "img-src": [SELF, "data:", "blob:"],  # a blob is what a chart is drawn from when it becomes a file
        "font-src": [SELF],
        "connect-src": [SELF],
        "form-action": [SELF],
        "base-uri": [NONE],
        "frame-ancestors": [NONE],
    }
}

REDIS_URL = read_redis(RPT_DATA_DIR)
CACHES = {
    "default": {  # counters of tries and used codes; it may be wiped at any time
        "BACKEND": "django.core.cache.backends.redis.RedisCache",
        "LOCATION": REDIS_URL,
        "KEY_PREFIX": "rpt-cache",
        "OPTIONS": {"socket_connect_timeout": 1, "socket_timeout": 2},
    }
}
CELERY_BROKER_URL = broker_url(REDIS_URL)
CELERY_TASK_DEFAULT_QUEUE = "default"  # the others are `gpu`, see runs.queues, and `quick`, see jobs
CELERY_TASK_IGNORE_RESULT = True
# Training takes days: a task is acknowledged when it starts, since Redis would deliver it again after an hour.
CELERY_TASK_ACKS_LATE = False
# One run at a time, on all GPUs of its node; `--concurrency` asks for more. Celery's default is the number of cores.
CELERY_WORKER_CONCURRENCY = CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_WORKER_CANCEL_LONG_RUNNING_TASKS_ON_CONNECTION_LOSS = False
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
# Lost tasks are sent again by the reaper, so sending must fail fast instead of blocking a request.
# A worker waits at its socket for the next message; who only sends gives up after a second.
CELERY_BROKER_TRANSPORT_OPTIONS = {
    "socket_connect_timeout": 1,
    "socket_timeout": 30 if _PROGRAM == "worker" else 1,
    "max_retries": 0,
}
CELERY_TASK_PUBLISH_RETRY = False
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
# SIGQUIT waits this long, so that a stage can write its checkpoint; SIGTERM waits until the runs are handed back.
CELERY_WORKER_SOFT_SHUTDOWN_TIMEOUT = RPT_SHUTDOWN_GRACE_SECONDS + 1
