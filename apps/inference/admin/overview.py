"""What the first page of the admin shows above its lists: panels, and what needs care.

Any app of ours adds its own: a panel is a function of the request that gives markup, or
nothing where it has nothing to show or the reader may not see it; a concern gives
notices. They are asked for at each look, so they cost few and cheap queries.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TypeVar

from django.http import HttpRequest
from django.utils.safestring import SafeString


@dataclass(frozen=True, slots=True)
class Notice:
    """What somebody should look at, in a sentence, and where."""

    sentence: str
    link: str = ""


Panel = Callable[[HttpRequest], SafeString | str]
Concern = Callable[[HttpRequest], Iterable[Notice]]
PanelT = TypeVar("PanelT", bound=Panel)
ConcernT = TypeVar("ConcernT", bound=Concern)

_panels: list[Panel] = []
_concerns: list[Concern] = []


def panel(function: PanelT) -> PanelT:
    """Show what the function gives, behind the panels before it."""
    _panels.append(function)
    return function


def concern(function: ConcernT) -> ConcernT:
    _concerns.append(function)
    return function


def panels(request: HttpRequest) -> list[SafeString | str]:
    return [shown for each in _panels if (shown := each(request))]


def notices(request: HttpRequest) -> list[Notice]:
    return [notice for each in _concerns for notice in each(request)]
