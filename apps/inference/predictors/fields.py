"""Takes checked fields out of an operator's JSON, and says which one is wrong.

Knows what numbers look like, not what any field is for.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
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
            raise self.wrong(name, expected)
        return self._values[name]

    def wrong(self, name: str, expected: str) -> ConfigError:
        return ConfigError(f"The field {name} in {self._file} must be {expected}.")

    def number(
        self, name: str, *, largest: float, default: float | None = None
    ) -> float:
        if default is not None and name not in self._values:
            return default
        expected = f"a number above 0 and at most {largest}"
        return float(
            self.take(name, expected, lambda n: is_positive(n) and n <= largest)
        )

    def choice(self, name: str, choices: Sequence[str]) -> str:
        """One of several, the first if the file says null or nothing."""
        if self._values.get(name) is None:
            return choices[0]
        return str(self.take(name, " or ".join(choices), lambda said: said in choices))

    def flag(self, name: str) -> bool:
        """True or false; what isn't there isn't wanted."""
        if name not in self._values:
            return False
        said = self.take(name, "true or false", lambda said: isinstance(said, bool))
        return bool(said)


def is_positive(value: object) -> TypeGuard[float]:
    return is_number(value) and value > 0


def is_number(value: object) -> TypeGuard[float]:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    return math.isfinite(value)


def is_whole(value: object, *, least: int = 1) -> TypeGuard[int]:
    return isinstance(value, int) and not isinstance(value, bool) and value >= least
