"""A load balancer is told when a process can serve sessions."""

from __future__ import annotations

import pytest
from django.test import Client


@pytest.mark.django_db
@pytest.mark.usefixtures("redis_server")
def test_a_process_with_a_database_and_a_redis_is_ready(client: Client):
    response = client.get("/readyz")
    assert (response.status_code, response.json()) == (200, {"status": "ok"})
