"""Reads a pickle as text: which names it asks for, and whether it is out to do harm.

Nothing is imported, built or called. Knows the pickle machine, not what a name means.
"""

from __future__ import annotations

import pickletools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import IO

from apps.inference.exceptions import CorruptWeightsError, UntrustedPickleError

# The hash of a nested tuple recurses in C: a million levels would kill the process.
DEEPEST_TUPLE = 100

_PUT = {"PUT", "BINPUT", "LONG_BINPUT"}
_GET = {"GET", "BINGET", "LONG_BINGET"}
_TUPLE = {"TUPLE", "TUPLE1", "TUPLE2", "TUPLE3"}
# With these a pickle of bytes is written by protocol 2, and nothing else is.
_ENCODE, _ENCODING = "_codecs.encode", "latin1"


def names_in(pickle: IO[bytes]) -> frozenset[str]:
    """Every "module.name" that loading one pickle would look up; reads past it.

    Raises:
        CorruptWeightsError: it isn't a pickle, or not a whole one.
        UntrustedPickleError: loading it would exhaust the stack or the memory.
    """
    machine = _Machine()
    try:
        for opcode, argument, _ in pickletools.genops(pickle):
            machine.step(opcode, argument)
    except (ValueError, LookupError, OverflowError) as error:
        raise CorruptWeightsError(
            "The file isn't a readable checkpoint: its table of contents is damaged."
        ) from error
    return frozenset(machine.names)


@dataclass(frozen=True, slots=True)
class _Value:
    """What is known of an object: a text or a tuple's items, and how deep it nests."""

    text: str | None = None
    items: tuple[_Value, ...] = ()
    depth: int = 0


_PLAIN = _Value()


class _Machine:
    """The pickle machine with the shadows of its objects on the stack."""

    def __init__(self) -> None:
        self.names: set[str] = set()
        self._stack: list[_Value] = []
        self._marks: list[int] = []
        self._memo: dict[int, _Value] = {}

    def step(self, opcode: pickletools.OpcodeInfo, argument: object) -> None:
        if opcode.name in _PUT:
            self._memo[_index(argument)] = self._stack[-1]
        elif opcode.name == "MEMOIZE":
            self._memo[len(self._memo)] = self._stack[-1]
        elif opcode.name in _GET:
            self._stack.append(self._memo[_index(argument)])
        elif opcode.name == "MARK":
            self._marks.append(len(self._stack))
        else:
            taken = self._take(opcode.stack_before)
            value = self._result(opcode.name, argument, taken)
            self._stack.extend([value] * len(opcode.stack_after))

    def _take(self, expected: Sequence[pickletools.StackObject]) -> list[_Value]:
        """Pop what the opcode consumes, lowest first."""
        above: list[_Value] = []
        count = len(expected)
        if pickletools.markobject in expected:
            mark = self._marks.pop()
            above = self._stack[mark:]
            del self._stack[mark:]
            count = expected.index(pickletools.markobject)
        if count > len(self._stack):
            raise IndexError
        start = len(self._stack) - count
        below = self._stack[start:]
        del self._stack[start:]
        return below + above

    def _result(self, opcode: str, argument: object, taken: list[_Value]) -> _Value:
        depth = max((value.depth for value in taken), default=0)
        if opcode in _TUPLE:
            if depth >= DEEPEST_TUPLE:
                raise UntrustedPickleError(
                    "The file nests its contents deeper than any network needs, which"
                    " is a way to crash whoever loads it."
                )
            return _Value(items=tuple(taken), depth=depth + 1)
        if opcode in {"GLOBAL", "INST"}:
            return self._named(*str(argument).split(" ", 1))
        if opcode == "STACK_GLOBAL":
            return self._named(*(value.text or "?" for value in taken))
        if opcode == "REDUCE":
            _refuse_growth(*taken)
        if isinstance(argument, str):
            return _Value(text=argument)
        return _Value(depth=depth) if depth else _PLAIN

    def _named(self, module: str, name: str) -> _Value:
        module = "builtins" if module == "__builtin__" else module
        self.names.add(f"{module}.{name}")
        return _Value(text=f"{module}.{name}")


def _refuse_growth(function: _Value, arguments: _Value) -> None:
    """Encoding bytes as hexadecimal digits, say, doubles them at every turn."""
    encoding = [value.text for value in arguments.items[1:]]
    if function.text == _ENCODE and encoding != [_ENCODING]:
        raise UntrustedPickleError(
            f"The file asks for `{_ENCODE}` to do what no network needs, which is a way"
            " to fill the memory of whoever loads it."
        )


def _index(argument: object) -> int:
    if not isinstance(argument, int):
        raise TypeError(f"a memo's index is a number, not {argument!r}")
    return argument
