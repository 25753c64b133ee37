"""Takes checked fields out of an operator's JSON, and says which one is wrong.

Knows what numbers look like, not what any field is for.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeGuard

from apps.inference.exceptions import ConfigError


class Fields:
    def __init__(self, file: str, values: Mapping[str, Any]) -> None:
        self._file = file
        self._values = values

    def take(self, name: str, expected: str, is_right: Callable[[Any], bool]) -> Any:
        """The field, if there and right; `expected` says in words what that is.

        Raises:
            ConfigError
        """
        if name not in self._values:
            raise ConfigError(f"{self._file} lacks the field {name}.")
        if not is_right(self._values[name]):
            raise ConfigError(f"The field {name} in {self._file} must be {expected}.")
        return self._values[name]

    def number(self, name: str, *, largest: float) -> float:
        expected = f"a number above 0 and at most {largest}"
        return float(
            self.take(name, expected, lambda n: is_positive(n) and n <= largest)
        )


def is_positive(value: object) -> TypeGuard[float]:
    return isinstance(value, int | float) and not isinstance(value, bool) and value > 0
