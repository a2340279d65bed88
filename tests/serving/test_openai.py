"""The interface as OpenAI's own client meets it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import openai
import pytest

from chatbot.bot import Chatbot
from tests.serving.servers import SECONDS, Running, SlowBot, read_all, serve_paper

DIALOGUE: list[Any] = [
    {"role": "system", "content": "be kind"},
    {"role": "user", "content": "hello pip"},
    {"role": "assistant", "content": "hi"},
    {
        "role": "user",
        "content": [{"type": "text", "text": "are "}, {"type": "text", "text": "you?"}],
    },
]
TURNS = ["hello pip", "hi", "are you?"]


def make_client(server: Running, slash: str = "", **options: Any) -> openai.OpenAI:
    return openai.OpenAI(
        base_url=f"{server.address}v1{slash}", api_key="none", max_retries=0, **options
    )


@pytest.fixture(scope="module", params=["", "/"])
def client(server: Running, request: pytest.FixtureRequest) -> Iterator[openai.OpenAI]:
    with make_client(server, request.param) as made:
        yield made


def test_models_are_listed_and_retrieved(client: openai.OpenAI) -> None:
    assert [model.id for model in client.models.list()] == ["small", "小"]
    assert client.models.retrieve("小").id == "小"
    with pytest.raises(openai.NotFoundError) as caught:
        client.models.retrieve("large")
    assert caught.value.code == "model_not_found"


def test_a_chat_is_the_models_own_search(client: openai.OpenAI, bot: Chatbot) -> None:
    found = client.chat.completions.create(model="small", messages=DIALOGUE)
    best = bot.reply(TURNS)[0]
    (choice,) = found.choices
    assert (choice.message.role, choice.message.content) == ("assistant", best.text)
    assert found.usage is not None
    assert found.usage.prompt_tokens == len(bot.read(TURNS).ids)
    assert found.usage.completion_tokens == len(best.tokens)
    assert found.usage.total_tokens == found.usage.prompt_tokens + len(best.tokens)
    length = bot.config.search.max_reply_length
    assert choice.finish_reason == ("length" if len(best.tokens) == length else "stop")


def test_a_stream_is_the_same_piece_by_piece(client: openai.OpenAI, bot: Chatbot) -> None:
    with client.chat.completions.create(
        model="small", messages=DIALOGUE, stream=True, stream_options={"include_usage": True}
    ) as stream:
        chunks = list(stream)
    *rest, last = chunks
    assert len({(chunk.id, chunk.created) for chunk in chunks}) == 1
    assert last.choices == []
    assert last.usage is not None
    assert last.usage.prompt_tokens == len(bot.read(TURNS).ids)
    deltas = [chunk.choices[0] for chunk in rest]
    assert (deltas[0].delta.role, deltas[0].delta.content) == ("assistant", "")
    text = "".join(choice.delta.content or "" for choice in deltas)
    assert text == bot.reply(TURNS)[0].text
    assert [choice.finish_reason for choice in deltas[:-1]] == [None] * (len(deltas) - 1)
    assert deltas[-1].finish_reason in ("stop", "length")


def test_several_choices_are_the_best_of_the_beam(client: openai.OpenAI, bot: Chatbot) -> None:
    for count in (2, 5):
        found = client.chat.completions.create(model="small", messages=DIALOGUE, n=count)
        expected = bot.reply(TURNS, beam_size=max(count, bot.config.search.beam_size))[:count]
        assert [choice.message.content for choice in found.choices] == [*map(str, expected)]
        assert [choice.index for choice in found.choices] == list(range(len(expected)))


def test_samples_follow_temperature_top_p_and_seed(client: openai.OpenAI, bot: Chatbot) -> None:
    found = client.chat.completions.create(
        model="small", messages=DIALOGUE, n=4, temperature=1.5, top_p=0.9, seed=7
    )
    expected = bot.reply(
        TURNS, sample=True, beam_size=4, temperature=1.5, top_p=0.9, sampling_seed=7
    )
    assert [choice.message.content for choice in found.choices] == [*map(str, expected)]


def test_samples_without_a_seed_differ(client: openai.OpenAI) -> None:
    def draw() -> str | None:
        found = client.chat.completions.create(model="small", messages=DIALOGUE, temperature=2)
        return found.choices[0].message.content

    assert len({draw() for _ in range(20)}) > 1


def test_a_reply_is_cut_at_most_tokens_and_at_a_stop(client: openai.OpenAI, bot: Chatbot) -> None:
    best = bot.reply(TURNS)[0]
    assert len(best.tokens) > 1
    for name in ("max_tokens", "max_completion_tokens"):
        limit: Any = {name: 1}
        found = client.chat.completions.create(model="small", messages=DIALOGUE, **limit)
        assert found.choices[0].message.content == best.tokens[0]
        assert found.choices[0].finish_reason == "length"
        assert found.usage is not None
        assert found.usage.completion_tokens == 1
    last = best.tokens[-1]
    found = client.chat.completions.create(model="small", messages=DIALOGUE, stop=["zzz", last])
    assert found.choices[0].message.content == best.text.partition(last)[0]
    assert found.choices[0].finish_reason == "stop"


def test_mistakes_are_the_clients_own_errors(client: openai.OpenAI) -> None:
    create = client.chat.completions.create
    with pytest.raises(openai.NotFoundError):
        create(model="large", messages=DIALOGUE)
    with pytest.raises(openai.APIStatusError) as caught:
        create(model="small", messages=[{"role": "user", "content": "x" * 100_000}])
    assert (caught.value.status_code, caught.value.code) == (413, "request_too_large")
    with pytest.raises(openai.BadRequestError) as refused:
        create(model="small", messages=DIALOGUE, n=1000)
    assert refused.value.param == "n"


def test_a_full_queue_is_a_rate_limit_that_says_when_to_come_again() -> None:
    bot = SlowBot()
    with serve_paper(bot, max_waiting=1) as server, server.begin_chat() as first:
        assert bot.started.acquire(timeout=SECONDS)
        with server.begin_chat() as second, make_client(server) as client:
            server.wait_for("chatbot_waiting_requests 1.0")
            with pytest.raises(openai.RateLimitError) as caught:
                client.chat.completions.create(model="small", messages=DIALOGUE)
            assert int(caught.value.response.headers["retry-after"]) >= 1
            bot.gate.set()
            for connection in (first, second):
                assert read_all(connection).startswith(b"HTTP/1.1 200 OK\r\n")
