from __future__ import annotations

import fractions
import json
from dataclasses import FrozenInstanceError, fields
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatbot.errors import ChatbotError
from chatbot.settings.config import (
    SECTIONS,
    Config,
    CorpusConfig,
    ModelConfig,
    SearchConfig,
    TrainingConfig,
)
from chatbot.settings.fields import Settings

ITEMS = {item.name: item for kind in SECTIONS.values() for item in fields(kind)}


def is_path(text: str) -> bool:
    """Whether a path means itself."""
    return "~" not in text[:1] and "://" not in text and "\0" not in text


def values_of(name: str) -> st.SearchStrategy[Any]:
    """Every value that a setting allows."""
    item = ITEMS[name]
    low, high, choices = (item.metadata[key] for key in ("low", "high", "choices"))
    if choices is not None:
        return st.sampled_from(choices)
    kind = type(item.default)
    if kind is bool:
        return st.booleans()
    if name == "encoding":
        return st.sampled_from(["auto", "utf-8", "gbk", "cp1252", "shift_jis"])
    if name == "columns":
        return st.sampled_from(["", "2,3", "question,answer", "1, 回答"])
    if kind is str:
        texts = st.text()
        return texts.filter(is_path) if item.metadata["is_path"] else texts
    return st.integers(low, high) if kind is int else st.floats(low, high)


def fit_together(values: dict[str, Any]) -> bool:
    """Whether a network can have these settings at once."""
    model = {**Config().flat(), **values}
    units, attends = model["rnn_size"], model["use_attention"]
    heads = attends and (model["self_attention"] > 0 or model["attention"] == "multi_head")
    faults = (
        heads and units % model["attention_heads"] > 0,
        model["bidirectional"] and units % 2 > 0,
        model["self_attention"] > 0 and not attends,
    )
    return not any(faults)


changes = (
    st.dictionaries(st.sampled_from(sorted(ITEMS)), st.just(None), max_size=6)
    .flatmap(lambda names: st.fixed_dictionaries({name: values_of(name) for name in names}))
    .filter(fit_together)
)


@given(changes)
def test_settings_travel_through_json_unchanged(given_ones: dict[str, Any]) -> None:
    config = Config().replace(given_ones)
    assert Config.from_dict(json.loads(json.dumps(config.to_dict()))) == config


@given(changes)
def test_replace_changes_the_named_settings_and_diff_names_them(given_ones: dict[str, Any]) -> None:
    config, before = Config().replace(given_ones), Config().flat()
    assert config.flat() == {**before, **given_ones}
    expected = {n: (before[n], x) for n, x in given_ones.items() if x != before[n]}
    assert Config().diff(config) == expected


def test_no_setting_stands_in_two_sections() -> None:
    assert len(ITEMS) == sum(len(fields(kind)) for kind in SECTIONS.values())
    assert set(Config().to_dict()) == set(SECTIONS)


@pytest.mark.parametrize("name", sorted(ITEMS))
def test_every_setting_has_help_and_a_default_that_fits(name: str) -> None:
    item = ITEMS[name]
    assert item.metadata["help"].endswith(".")
    assert Config().replace({name: item.default}) == Config()


@pytest.mark.parametrize(
    "name", sorted(n for n, item in ITEMS.items() if item.metadata["low"] is not None)
)
def test_limits_are_allowed_and_what_lies_beyond_is_not(name: str) -> None:
    low, high = ITEMS[name].metadata["low"], ITEMS[name].metadata["high"]
    beyond: tuple[Any, Any] = (low - 1, high + 1)
    if isinstance(ITEMS[name].default, float):
        beyond = (float(np.nextafter(low, -np.inf)), float(np.nextafter(high, np.inf)))
    for limit in (low, high):
        assert Config().replace({name: limit}).flat()[name] == limit
    for value in beyond:
        message = rf"^--{name}=\S+ is out of range; it must lie between \S+ and \S+$"
        with pytest.raises(ChatbotError, match=message):
            Config().replace({name: value})


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"rnn_size": 8.0}, "--rnn_size=8.0 is not a whole number"),
        ({"rnn_size": "8"}, "--rnn_size='8' is not a whole number"),
        ({"rnn_size": True}, "--rnn_size=True is not a whole number"),
        ({"rnn_size": None}, "--rnn_size=None is not a whole number"),
        ({"dropout": "0.5"}, "--dropout='0.5' is not a number"),
        ({"dropout": False}, "--dropout=False is not a number"),
        ({"dropout": float("nan")}, "--dropout=nan is not a finite number"),
        ({"dropout": float("inf")}, "--dropout=inf is not a finite number"),
        ({"dropout": 10**400}, "is out of range"),
        ({"rnn_size": 10**400}, "is out of range"),
        ({"dropout": 1.0}, "--dropout=1.0 is out of range"),
        ({"use_attention": 1}, "--use_attention=1 is not true or false"),
        ({"attention": 5}, "--attention=5 is not a text"),
        ({"attention": "dots"}, "choose one of bahdanau, luong"),
        ({"attention": "two\nlines"}, "choose one of bahdanau, luong"),
    ],
)
def test_value_of_the_wrong_kind_or_size_is_refused_in_one_line(
    values: dict[str, Any], message: str
) -> None:
    with pytest.raises(ChatbotError) as caught:
        ModelConfig(**values)
    assert message in str(caught.value)
    assert len(str(caught.value).splitlines()) == 1


@pytest.mark.parametrize(
    ("name", "value", "plain"),
    [
        ("rnn_size", np.int64(8), 8),
        ("rnn_size", np.uint8(8), 8),
        ("rnn_size", np.array(8), 8),
        ("dropout", np.float32(0.5), 0.5),
        ("dropout", np.float64(0.5), 0.5),
        ("dropout", np.int32(0), 0),
        ("dropout", 0, 0),
        ("dropout", fractions.Fraction(1, 2), 0.5),
        ("use_attention", np.False_, False),
        ("rnn_size", np.float32(8.0), None),
        ("rnn_size", np.True_, None),
        ("rnn_size", np.array([8]), None),
        ("use_attention", np.int64(1), None),
    ],
)
def test_numbers_of_other_libraries_become_pythons_own(name: str, value: Any, plain: Any) -> None:
    if plain is None:
        with pytest.raises(ChatbotError, match=f"--{name}=.* is not "):
            ModelConfig(**{name: value})
        return
    kept = getattr(ModelConfig(**{name: value}), name)
    assert (kept, type(kept)) == (plain, type(plain))
    config = Config(model=ModelConfig(**{name: value}))
    assert Config.from_dict(json.loads(json.dumps(config.to_dict()))) == config


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"modle": {}}, "here.json: unknown section 'modle'"),
        ({"model": {"rnn_sice": 8}}, "here.json: model: unknown setting 'rnn_sice'"),
        ({"model": {"rnn_size": 0}}, "here.json: model: --rnn_size=0 is out of range"),
        ({"search": []}, "here.json: search is not an object"),
        ({"training": None}, "here.json: training is not an object"),
    ],
)
def test_settings_of_a_file_that_do_not_fit_name_the_file(
    values: dict[str, Any], message: str
) -> None:
    with pytest.raises(ChatbotError) as caught:
        Config.from_dict(values, "here.json")
    assert message in str(caught.value)
    assert len(str(caught.value).splitlines()) == 1


def test_what_an_older_file_does_not_have_changes_nothing() -> None:
    older = {
        "embedding_dropout": 0.0,
        "output_dropout": 0.0,
        "warmup_steps": 0,
        "average_decay": 0.0,
    }
    assert Config.from_dict({}) == Config().replace(older)
    config = Config.from_dict({"model": {"rnn_size": 7, "output_dropout": 0.5}, "search": {}})
    assert config == Config().replace({**older, "rnn_size": 7, "output_dropout": 0.5})
    # Whoever adds a setting asks what its absence means.
    added = {name for name, item in ITEMS.items() if item.metadata["absent"] is not None}
    assert added == set(older)


def test_settings_cannot_be_changed_in_place() -> None:
    with pytest.raises(FrozenInstanceError):
        ModelConfig().rnn_size = 5  # type: ignore[misc]


NAMED = {
    CorpusConfig: "corpus corpus_format validation_corpus validation_share max_length vocab_size "
    "min_count",
    ModelConfig: "rnn_size num_layers embedding_size dropout attention use_attention",
    TrainingConfig: "max_gradient_norm learning_rate batch_size num_epochs max_steps "
    "steps_per_checkpoint model_name seed precision patience",
    SearchConfig: "beam_size beam_search max_reply_length",
}


@pytest.mark.parametrize("kind", NAMED)
def test_sections_hold_what_the_command_lines_of_the_documents_name(kind: type[Settings]) -> None:
    assert set(NAMED[kind].split()) <= {item.name for item in fields(kind)}


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"min_reply_length": 9, "max_reply_length": 8}, "min_reply_length=9 is above"),
        ({"beam_size": 5, "diverse_groups": 2}, "beam_size=5 cannot be cut into"),
        ({"validation_corpus": "a", "validation_share": 0.1}, "--validation_share"),
        ({"patience": 1}, "--patience"),
        ({"model_name": "a/b"}, "--model_name=a/b"),
        ({"model_name": ""}, "--model_name="),
    ],
)
def test_settings_that_contradict_each_other_are_refused(
    settings: dict[str, Any], message: str
) -> None:
    config = Config().replace(settings)
    with pytest.raises(ChatbotError, match=message):
        config.check_together()
    if set(settings) <= {item.name for item in fields(SearchConfig)}:
        with pytest.raises(ChatbotError, match=message):
            config.search.check_together()
