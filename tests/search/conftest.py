from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import pytest

from tests import fakes
from tests.conftest import ENGINES


@pytest.fixture(scope="module", params=(*ENGINES, "lite"))
def make_search(request: pytest.FixtureRequest) -> Callable[..., Any]:
    """Makes each engine's search of a model and a width; without one it is greedy."""
    return functools.partial(fakes.make_search, request.param)
