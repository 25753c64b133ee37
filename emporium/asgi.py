"""The web process: HTTP to Django, the session's WebSocket to the nexus.

Server-neutral: any ASGI server may run it.
"""

from __future__ import annotations

import os

from django.core.asgi import get_asgi_application

from emporium.security import require_secret_key

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "emporium.settings")
http_application = get_asgi_application()
require_secret_key()

# Django must be set up before anything that knows its models is imported.
from channels.routing import ProtocolTypeRouter, URLRouter  # noqa: E402
from channels.security.websocket import AllowedHostsOriginValidator  # noqa: E402

from apps.nexus.routing import websocket_urlpatterns  # noqa: E402

application = ProtocolTypeRouter(
    {
        "http": http_application,
        "websocket": AllowedHostsOriginValidator(URLRouter(websocket_urlpatterns)),
    }
)
