"""`{% charts run %}`: what a run's page draws."""

from __future__ import annotations

from django.template import Library

from apps.sessions.run_charts import run_charts

register = Library()
register.simple_tag(run_charts, name="charts")
