from __future__ import annotations

from random import Random

import pytest

from chatbot.network.attention import Attention
from tests.conftest import U


def test_unknown_mechanism_is_refused_with_the_known_names() -> None:
    with pytest.raises(ValueError, match="'dot' is not one of bahdanau, luong"):
        Attention("dot", U, Random(0))
