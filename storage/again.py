"""Calls that are done again where others were in their way: every method of a store is one transaction.

On a database with one writer at a time nobody ever is. On others two transactions may wait for each other, or look
whether a row is there, see none, and both insert it.
"""

import functools
import logging
from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar

from storage.database import Duplicate, TryAgain

log = logging.getLogger(__name__)

TRIES = 4

C = TypeVar("C", bound=type[Any])
P = ParamSpec("P")
T = TypeVar("T")


def done_again(kind: C) -> C:
    """The class, whose public methods are called again after TryAgain and Duplicate, a few times."""
    for name, method in list(vars(kind).items()):
        if callable(method) and not name.startswith("_"):
            setattr(kind, name, _again(method))
    return kind


def _again(method: Callable[P, T]) -> Callable[P, T]:
    @functools.wraps(method)
    def call(*args: P.args, **kwargs: P.kwargs) -> T:
        for tries_left in reversed(range(TRIES)):
            try:
                return method(*args, **kwargs)
            except (TryAgain, Duplicate) as error:
                if not tries_left:
                    raise
                log.info("%s is done again: %s", method.__qualname__, error.__cause__)
        raise AssertionError("not reached")

    return call
