from __future__ import annotations

import pytest

from chatbot.errors import ChatbotError, OnnxError
from chatbot.serving.models import load_models
from tests.test_stored_model import STORED


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (["no form for it"], "no form for it; chat with it by predict.py"),
        (["onnx is not there", "pip install onnx"], "onnx is not there; pip install onnx"),
    ],
)
def test_what_cannot_be_served_is_named_with_a_cure_that_the_server_has(
    given: list[str], said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise OnnxError(*given)

    monkeypatch.setattr("chatbot.engines.onnx.require_form", refuse)
    with pytest.raises(ChatbotError) as caught:
        load_models({"small": str(STORED)})
    assert str(caught.value) == f"{STORED} cannot be served: {said}"
