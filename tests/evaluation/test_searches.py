from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from chatbot.errors import ChatbotError
from chatbot.evaluation import searches
from chatbot.evaluation.searches import Search, list_searches, parse_searches
from chatbot.settings.config import Config, ModelConfig, SearchConfig


def test_settings_are_read_by_their_types() -> None:
    assert parse_searches(["beam_size=20, length_penalty=1.2", "short:max_reply_length=3"]) == [
        Search("beam_size=20,length_penalty=1.2", {"beam_size": 20, "length_penalty": 1.2}),
        Search("short", {"max_reply_length": 3}),
    ]
    (found,) = parse_searches([" a wide  one :beam_size = 7"])
    assert found == Search("a wide one", {"beam_size": 7})
    assert type(found.settings["beam_size"]) is int


def test_a_switch_is_named_alone_or_with_no_before_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(searches, "_NOT_HERE", "length_penalty")  # to have a switch at all
    specs = ["beam_search", "nobeam_search", "off:beam_search=false", "on:beam_search=TRUE"]
    values = [search.settings["beam_search"] for search in parse_searches(specs)]
    assert values == [True, False, False, True]
    with pytest.raises(ChatbotError, match="beam_search=2 is not true or false"):
        parse_searches(["beam_search=2"])


@pytest.mark.parametrize(
    ("specs", "message"),
    [
        (["beam_size=0"], r"--search=beam_size=0: .*must lie between 1 and 1000"),
        (["beam_size=2.5"], "beam_size=2.5 is not a whole number"),
        (["length_penalty=much"], "length_penalty=much is not a number"),
        (["length_penalty=nan"], "not a finite number"),
        (["beam_size"], "beam_size needs a value"),
        (["beam_width=3"], r"'beam_width=3' is no setting of a search; there are .*beam_size"),
        (["nobeam_size"], "'nobeam_size' is no setting"),
        (["beam_search"], "'beam_search' is no setting"),
        ([""], "'' is no setting"),
        (["label:"], "'' is no setting"),
        (["beam_size=3,beam_size=4"], "beam_size is named twice"),
        (["x:beam_size=3", "x:beam_size=4"], "another of this name"),
        (["beam_size=3", "beam_size=3"], "another of this name"),
        (["greedy:beam_size=3"], "'greedy' is taken"),
        (["people:beam_size=3"], "'people' is taken"),
        (["lead:beam_size=3"], "'lead' is taken"),
        (["beam 7:beam_size=3"], "'beam 7' is taken"),
        (["\x1b[2J:beam_size=3"], "cannot be printed"),
    ],
)
def test_a_mistake_is_one_clear_line(specs: list[str], message: str) -> None:
    with pytest.raises(ChatbotError, match=message) as caught:
        parse_searches(specs)
    assert "\n" not in str(caught.value)
    assert str(caught.value).startswith(f"--search={specs[-1]}: ")


def test_the_plain_searches_come_first() -> None:
    named = [Search("wide", {"beam_size": 9})]
    names = [
        search.name for search in list_searches(Config(search=SearchConfig(beam_size=4)), named)
    ]
    assert names == ["greedy", "beam 4", "wide"]
    for without in (SearchConfig(beam_search=False), SearchConfig(beam_size=1)):
        assert [search.name for search in list_searches(Config(search=without), named)] == [
            "greedy",
            "wide",
        ]
    greedy, beam, _ = list_searches(Config(search=SearchConfig(beam_size=4)), named)
    assert greedy.settings["beam_size"] == 1
    assert beam.settings["beam_size"] == 4


def test_the_models_own_search_has_a_row_where_it_is_not_a_plain_one() -> None:
    own = SearchConfig(beam_size=4, mmi_weight=0.5, no_repeat_ngram=3, diverse_groups=2)
    greedy, beam, chat = list_searches(Config(search=own), [])
    assert [greedy.name, beam.name, chat.name] == ["greedy", "beam 4", "chat"]
    for search in (greedy, beam):
        asked = dataclasses.replace(own, **search.settings)
        asked.check_together()
        assert asked == SearchConfig(beam_size=search.settings["beam_size"])
    assert chat.settings == {}
    with pytest.raises(ChatbotError, match="--search=wide: --beam_size=5 cannot be cut"):
        list_searches(Config(search=own), [Search("wide", {"beam_size": 5, "diverse_groups": 2})])


def test_a_named_search_is_searched_as_it_says_whatever_the_model_shows() -> None:
    own = SearchConfig(beam_search=False, beam_size=6)
    named = parse_searches(["groups:diverse_groups=3", "one:beam_size=1", "drawn:sample"])
    found = {
        search.name: own.resolve(search.settings)
        for search in list_searches(Config(search=own), named)
    }
    assert found["greedy"].beam_size == found["one"].beam_size == 1
    assert (found["groups"].beam_size, found["groups"].diverse_groups) == (6, 3)
    assert (found["drawn"].beam_size, found["drawn"].sample) == (6, True)
    in_groups = Config(search=SearchConfig(beam_size=4, diverse_groups=2))
    assert list_searches(in_groups, parse_searches(["x:beam_size=1"]))


def test_a_named_search_is_the_same_whatever_search_is_the_models_own() -> None:
    varied: dict[str, Any] = {
        "sample": True,
        "temperature": 0.5,
        "min_reply_length": 8,
        "mmi_weight": 1.0,
    }
    varied |= {"no_repeat_ngram": 3, "top_k": 7, "diverse_groups": 3, "coverage_penalty": 0.5}
    theirs: dict[str, Any] = {
        "beam_size": 6,
        "max_reply_length": 20,
        "length_penalty": 0.5,
        "ban_unk": False,
    }
    named = parse_searches(["wide:beam_size=9", "drawn:sample,temperature=2", "x:top_p=0.5"])
    for own in (SearchConfig(**theirs), SearchConfig(**theirs, **varied)):
        listed = list_searches(Config(search=own), named)
        found = {search.name: own.resolve(search.settings) for search in listed}
        assert found["wide"] == SearchConfig(**{**theirs, "beam_size": 9})
        assert found["drawn"] == SearchConfig(**theirs, sample=True, temperature=2.0)
        assert found["x"] == SearchConfig(**theirs, top_p=0.5)


def test_coverage_needs_a_model_that_attends() -> None:
    named = parse_searches(["seen:coverage_penalty=0.2"])
    assert list_searches(Config(), named)[-1].name == "seen"
    with pytest.raises(ChatbotError, match="--search=seen: --coverage_penalty needs attention"):
        list_searches(Config(model=ModelConfig(use_attention=False)), named)


@pytest.mark.parametrize("label", ["query", "corpus", "chat"])
def test_labels_of_other_columns_are_taken(label: str) -> None:
    with pytest.raises(ChatbotError, match="is taken already; choose another"):
        parse_searches([f"{label}:beam_size=2"])
