"""The one settings module. Everything that differs between machines is an environment
variable (or a line of `.env`), documented in `docs/settings.md`; an impossible value
stops the process with a sentence that names it.
"""

from __future__ import annotations

import os
import re
import ssl
from ipaddress import ip_address
from pathlib import Path
from urllib.parse import SplitResult, urlsplit

import environ
from django.core.exceptions import ImproperlyConfigured

from apps.inference.engines import AUTO, ENGINES
from emporium.redis_server import default_port, read_env_file

BASE_DIR = Path(__file__).resolve().parent.parent
VAR_DIR = BASE_DIR / "var"
STATIC_ROOT = VAR_DIR / "static"
VAR_DIR.mkdir(mode=0o700, exist_ok=True)
STATIC_ROOT.mkdir(exist_ok=True)

read_env_file()
env = environ.Env()


def integer(name: str, default: int, low: int, high: int) -> int:
    """Read a whole number between two bounds, both included."""
    raw = env.str(name, default=str(default))
    if not raw.strip().isdecimal() or not low <= int(raw) <= high:
        raise ImproperlyConfigured(
            f"{name} must be a whole number from {low} to {high}, not {raw!r}."
        )
    return int(raw)


def boolean(name: str, default: bool) -> bool:
    raw = env.str(name, default=str(default)).strip().lower()
    if raw not in {"true", "false", "1", "0", "yes", "no", "on", "off"}:
        raise ImproperlyConfigured(f"{name} must be true or false, not {raw!r}.")
    return raw in {"true", "1", "yes", "on"}


def words(name: str, default: list[str]) -> list[str]:
    """Read a list that commas separate."""
    said = [word.strip() for word in env.list(name, default=default)]
    return [word for word in said if word]


def ip(name: str, said: str) -> str:
    """Take one IP address, in its canonical form."""
    try:
        read = ip_address(said)
    except ValueError:
        read = None
    if read is None or read.is_unspecified or read.is_multicast or "%" in said:
        raise ImproperlyConfigured(
            f"{name} must name single IP addresses, as 192.0.2.7 or 2001:db8::7 is, "
            f"not {said!r}."
        )
    return str(read)


def address(name: str) -> str:
    """Read an IP address, or nothing."""
    said = env.str(name, default="").strip()
    return said and ip(name, said)


def addresses(name: str) -> list[str]:
    return [ip(name, said) for said in words(name, [])]


def ports(name: str) -> range:
    """Read a range of ports; it is 0 alone, the kernel's choice, if there is none."""
    said = env.str(name, default="").replace(" ", "")
    if not said:
        return range(1)
    match = re.fullmatch(r"(\d{4,5})-(\d{4,5})", said)
    low, high = map(int, match.groups()) if match else (0, 0)
    if not 1024 <= low <= high <= 65535:
        raise ImproperlyConfigured(
            f"{name} must be a range from 1024 to 65535, the lower port first, as "
            f"50000-50199 is; not {said!r}."
        )
    return range(low, high + 1)


def split_url(name: str, url: str, schemes: set[str]) -> SplitResult:
    """Refuse what no server can be reached by, without repeating its password."""
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError as error:
        raise ImproperlyConfigured(f"{name} is no address: {error}.") from error
    if parts.scheme not in schemes:
        known = " or ".join(f"{scheme}://" for scheme in sorted(schemes))
        raise ImproperlyConfigured(
            f"{name} must begin with {known}, not with {parts.scheme or 'nothing'!r}."
        )
    return parts


def hosts() -> list[str]:
    said = words("ALLOWED_HOSTS", ["localhost", "127.0.0.1", "[::1]"])
    for host in said:
        if "/" in host or (":" in host and not host.startswith("[")):
            raise ImproperlyConfigured(
                f"ALLOWED_HOSTS must be names without scheme and port, not {host!r}."
            )
    return said


def origins() -> list[str]:
    said = words("CSRF_TRUSTED_ORIGINS", [])
    for origin in said:
        if not re.fullmatch(r"https?://[^/]+", origin):
            raise ImproperlyConfigured(
                "CSRF_TRUSTED_ORIGINS must be origins as https://emporium.example.org,"
                f" not {origin!r}."
            )
    return said


def redis_url() -> str:
    port = integer("REDIS_PORT", default_port(BASE_DIR), 1, 65535)
    url = env.str("REDIS_URL", default="") or f"redis://127.0.0.1:{port}/0"
    parts = split_url("REDIS_URL", url, {"redis", "rediss"})
    if not parts.hostname or not re.fullmatch(r"/?|/\d+", parts.path):
        raise ImproperlyConfigured(
            "REDIS_URL must name a host and may name a database by its number, as "
            "redis://host:6379/0 does."
        )
    return url


def database() -> dict[str, object]:
    default = f"sqlite:///{VAR_DIR / 'emporium.sqlite3'}"
    url = env.str("DATABASE_URL", default="") or default
    scheme = split_url("DATABASE_URL", url, {"sqlite", "postgres", "postgresql"}).scheme
    config: dict[str, object] = env.db_url_config(url)
    if scheme == "sqlite":
        # WAL lets the page, the worker and the jobs read while one of them writes; a
        # transaction that will write says so at once, so that it can wait its turn.
        config["OPTIONS"] = {
            "transaction_mode": "IMMEDIATE",
            "timeout": 10,
            "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;",
        }
    else:
        config["CONN_HEALTH_CHECKS"] = True
        config["CONN_MAX_AGE"] = 60
    return config


# --- Django -------------------------------------------------------------------------

DEBUG = boolean("DEBUG", False)
# Whoever serves pages needs it, so `asgi.py` asks for it; a worker is right without.
SECRET_KEY = env.str("SECRET_KEY", default="")
ALLOWED_HOSTS = hosts()
CSRF_TRUSTED_ORIGINS = origins()
PORT = integer("PORT", 8000, 1, 65535)

INSTALLED_APPS = [
    "daphne",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "whitenoise.runserver_nostatic",
    "django.contrib.staticfiles",
    "channels",
    "emporium",
    "apps.inference",
    "apps.sessions",
    "apps.nexus",
]
MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "emporium.security.ContentSecurityPolicy",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]
ROOT_URLCONF = "emporium.urls"
ASGI_APPLICATION = "emporium.asgi.application"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
        },
    },
]
DATABASES = {"default": database()}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in ("MinimumLengthValidator", "CommonPasswordValidator")
]
LANGUAGE_CODE = "en-gb"
TIME_ZONE = "UTC"
USE_TZ = True

STATIC_URL = "static/"
STATICFILES_DIRS = [BASE_DIR / "static"]
# Files are served from where they lie: a checkout needs no collectstatic to be right.
WHITENOISE_USE_FINDERS = True
WHITENOISE_MAX_AGE = 60

# Behind a proxy that ends TLS, and only there: anyone could send these headers.
TRUST_PROXY_HEADERS = boolean("TRUST_PROXY_HEADERS", False)
if TRUST_PROXY_HEADERS:
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
    USE_X_FORWARDED_HOST = True
    SESSION_COOKIE_SECURE = True
    CSRF_COOKIE_SECURE = True
X_FRAME_OPTIONS = "DENY"
SECURE_REFERRER_POLICY = "same-origin"

# --- Redis, Channels, Celery ---------------------------------------------------------

REDIS_URL = redis_url()
CHANNEL_LAYERS = {
    "default": {
        "BACKEND": "channels_redis.pubsub.RedisPubSubChannelLayer",
        # redis-py 8 gives up on a silent socket after 5 s; a subscriber is silent
        # whenever its session is.
        "CONFIG": {
            "hosts": [
                {"address": REDIS_URL, "socket_timeout": None, "socket_keepalive": True}
            ]
        },
    }
}

CELERY_BROKER_URL = REDIS_URL
if REDIS_URL.startswith("rediss://"):
    CELERY_BROKER_USE_SSL = {"ssl_cert_reqs": ssl.CERT_REQUIRED}
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_BROKER_TRANSPORT_OPTIONS = {
    # What a worker has taken is gone from Redis: a lost doorbell is rung again within a
    # second, and who asked for a job finds it in the database. Otherwise a worker whose
    # acknowledgement Redis was too slow for would take nothing any more.
    "ack_emulation": False,
    "socket_connect_timeout": 2,
    # Longer than a worker's blocking read, shorter than anyone's patience.
    "socket_timeout": 5,
    "priority_steps": [0],
}
CELERY_WORKER_POOL = "solo"
CELERY_WORKER_CONCURRENCY = 1
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_WORKER_DISABLE_PREFETCH = True
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_WORKER_SEND_TASK_EVENTS = False
CELERY_TASK_SEND_SENT_EVENT = False
CELERY_TASK_IGNORE_RESULT = True
# A job may take an hour, so it has a queue that nothing else waits in.
CELERY_TASK_DEFAULT_QUEUE = "housekeeping"
CELERY_TASK_ROUTES = {
    "apps.inference.tasks.drain": {"queue": "gpu"},
    "apps.inference.tasks.do_next_job": {"queue": "jobs"},
}
CELERY_TASK_SERIALIZER = "json"
CELERY_BEAT_SCHEDULE = {
    "close-abandoned-sessions": {
        "task": "apps.sessions.tasks.close_abandoned_sessions",
        "schedule": 30.0,
    },
    "look-after-activations": {
        "task": "apps.inference.tasks.look_after_activations",
        "schedule": 2.0,
        # One is enough, however many lie there.
        "options": {"expires": 2},
    },
    "expire-captures": {
        "task": "apps.sessions.tasks.expire_captures",
        "schedule": 600.0,
    },
    "remove-leftovers": {
        "task": "apps.sessions.tasks.remove_leftovers",
        "schedule": 3600.0,
    },
    "remove-abandoned-finetunes": {
        "task": "apps.inference.tasks.remove_abandoned_finetunes",
        "schedule": 300.0,
    },
    "revive-lost-jobs": {
        "task": "apps.inference.tasks.revive_lost_jobs",
        "schedule": 15.0,
    },
}
CELERY_BEAT_SCHEDULE_FILENAME = str(VAR_DIR / "celerybeat-schedule")

# --- The Emporium --------------------------------------------------------------------

# A model family is a module with `load(directory, *, engine) -> Predictor`.
PREDICTOR_FAMILIES = {
    "yolov5": "apps.inference.predictors.yolov5",
    "exported": "apps.inference.predictors.exported",
    "classifier": "apps.inference.predictors.classifier",
    "transformers-detector": "apps.inference.predictors.transformers_detector",
}
# What each kind of job calls, as `function(parameters, progress) -> result`.
JOB_KINDS = {
    "add": "apps.inference.registering.job:add",
    "verify": "apps.inference.registering.job:verify",
    "evaluate": "apps.inference.evaluating.job:run",
    "import": "apps.inference.datasets.importing:run",
    "finetune": "apps.inference.finetuning.job:finetune",
}
# What some kinds call as `function(job)` where one was cancelled or has failed, in any
# process that finds it out: in the web process, too, which has no torch.
JOB_ENDINGS = {
    "add": "apps.inference.registering.asking:adding_ended",
    "verify": "apps.inference.registering.asking:verifying_ended",
    "import": "apps.inference.datasets.importing:ended",
}
# Where the files of added models lie; nodes that don't share a disk copy it.
MODELS_DIR = Path(env.str("MODELS_DIR", default="") or VAR_DIR / "models").resolve()
# Where labelled pictures lie, and the frames that people allowed to be kept.
DATASETS_DIR = Path(
    env.str("DATASETS_DIR", default="") or VAR_DIR / "datasets"
).resolve()
CAPTURES_DIR = Path(
    env.str("CAPTURES_DIR", default="") or VAR_DIR / "captures"
).resolve()
# How many of them may wait until somebody makes use of them; then no more are kept.
CAPTURES_MOST = integer("CAPTURES_MOST", 10_000, 0, 10_000_000)
# Read by OpenMP when torch is loaded. Its threads would spin while they wait for each
# other, and where others want the same cores (the web process, a browser) a forward
# pass takes seconds: measured on two busy cores, 3,200 ms against 13.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
# What runs the networks: the likely fastest on this machine, unless one is named.
ENGINE = env.str("EMPORIUM_ENGINE", default=AUTO)
if ENGINE not in {AUTO, *ENGINES}:
    raise ImproperlyConfigured(
        f"EMPORIUM_ENGINE must be {AUTO}, {', '.join(ENGINES[:-1])} or {ENGINES[-1]},"
        f" not {ENGINE!r}."
    )
# How many frames a worker answers at once; 0 is what verification has measured.
BATCH_SIZE = integer("EMPORIUM_BATCH_SIZE", 0, 0, 64)
# A frame older than this when a worker takes it is dropped as expired.
AGE_BUDGET_MS = integer("AGE_BUDGET_MS", 1000, 50, 60_000)
# Larger pictures are scaled down, still as I420, before they leave the web process.
FRAME_MAX_SIDE = integer("FRAME_MAX_SIDE", 640, 64, 4096)
# How long a peer connection may take from the offer to its first frame.
CONNECT_TIMEOUT_S = integer("CONNECT_TIMEOUT_S", 15, 1, 120)
# How many sessions there may be, and for how long; 0 is without a limit.
SESSIONS_PER_PROCESS = integer("SESSIONS_PER_PROCESS", 20, 0, 100_000)
SESSIONS_PER_NODE = integer("SESSIONS_PER_NODE", 0, 0, 100_000)
SESSIONS_IN_ALL = integer("SESSIONS_IN_ALL", 0, 0, 100_000)
SESSIONS_PER_ADDRESS = integer("SESSIONS_PER_ADDRESS", 10, 0, 100_000)
SESSIONS_PER_USER = integer("SESSIONS_PER_USER", 0, 0, 100_000)
SESSION_MAX_MINUTES = integer("SESSION_MAX_MINUTES", 0, 0, 100_000)
# How long a session waits for a page that was lost, or closed, to come back.
RESUME_GRACE_S = integer("RESUME_GRACE_S", 60, 30, 3600)
# How long a web process that is told to end waits for its pages to move to another.
DRAIN_TIMEOUT_S = integer("DRAIN_TIMEOUT_S", 3, 0, 600)
# Where peer connections are met: on all addresses of the machine, unless some are
# named; under which address the world sees them; and on which ports.
NEXUS_ADDRESSES = addresses("NEXUS_ADDRESSES")
NEXUS_PUBLIC_IP = address("NEXUS_PUBLIC_IP")
NEXUS_UDP_PORTS = ports("NEXUS_UDP_PORTS")

# The TURN server, which takes the streams of browsers that can't send them here: none
# without TURN_IP. TURN_MOCK_IP is where browsers find it; the names are inherited.
TURN_IP = address("TURN_IP")
TURN_MOCK_IP = address("TURN_MOCK_IP") or TURN_IP
TURN_PORT_TCP = integer("TURN_PORT_TCP", 3478, 1, 65535)
TURN_PORT_TLS = integer("TURN_PORT_TLS", 5349, 1, 65535)
TURN_PORT_UDP_FROM = integer("TURN_PORT_UDP_FROM", 49160, 1024, 65535)
TURN_PORT_UDP_TO = integer("TURN_PORT_UDP_TO", 49359, 1024, 65535)
TURN_CERT_TLS = env.str("TURN_CERT_TLS", default="")
TURN_HOST = env.str("TURN_HOST", default="")
TURN_SECRET = env.str("TURN_SECRET", default="")
TURN_PEERS = addresses("TURN_PEERS")
if TURN_PORT_UDP_FROM > TURN_PORT_UDP_TO:
    raise ImproperlyConfigured(
        f"TURN_PORT_UDP_FROM={TURN_PORT_UDP_FROM} must not be above "
        f"TURN_PORT_UDP_TO={TURN_PORT_UDP_TO}."
    )
if TURN_MOCK_IP and (not TURN_IP or (":" in TURN_MOCK_IP) != (":" in TURN_IP)):
    raise ImproperlyConfigured(
        "TURN_MOCK_IP is the address under which the world sees TURN_IP: set both, and "
        "both as IPv4 or both as IPv6."
    )
if TURN_CERT_TLS and TURN_PORT_TLS == TURN_PORT_TCP:
    raise ImproperlyConfigured("TURN_PORT_TLS and TURN_PORT_TCP must differ.")
if not re.fullmatch(r"([a-zA-Z0-9-]+\.)*[a-zA-Z0-9-]+|", TURN_HOST):
    raise ImproperlyConfigured(
        f"TURN_HOST must be a name as turn.example.org, not {TURN_HOST!r}."
    )
if not re.fullmatch(r"[a-zA-Z0-9+/=_-]{16,}|", TURN_SECRET):
    raise ImproperlyConfigured(
        "TURN_SECRET must be 16 or more letters, digits and +/=_-; leave it empty to "
        "have it derived from SECRET_KEY."
    )

LOG_LEVEL = env.str("LOG_LEVEL", default="INFO").upper()
if LOG_LEVEL not in {"DEBUG", "INFO", "WARNING", "ERROR"}:
    raise ImproperlyConfigured(
        f"LOG_LEVEL must be DEBUG, INFO, WARNING or ERROR, not {LOG_LEVEL!r}."
    )
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {
        "line": {"format": "{levelname:<7} {name}: {message}", "style": "{"},
    },
    "filters": {
        # Who asks whether a process is ready is told; each "not yet" is no error.
        "no_readiness": {
            "()": "django.utils.log.CallbackFilter",
            "callback": lambda record: "/readyz" not in record.args,
        }
    },
    "handlers": {"console": {"class": "logging.StreamHandler", "formatter": "line"}},
    "root": {"handlers": ["console"], "level": "WARNING"},
    "loggers": {
        "apps": {"level": LOG_LEVEL},
        "emporium": {"level": LOG_LEVEL},
        # aioice reports every candidate pair, aiortc every odd packet.
        "aioice": {"level": "ERROR"},
        # The line that says that a worker is ready.
        "celery.apps.worker": {"level": "INFO"},
        "django": {"handlers": [], "level": "WARNING"},
        "django.request": {"filters": ["no_readiness"]},
    },
}
