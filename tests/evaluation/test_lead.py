from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatbot.corpus import Pair
from chatbot.evaluation.lead import cut_words, take_lead
from chatbot.evaluation.replies import count_overlaps
from chatbot.evaluation.tasks import TASKS


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("Don't  stop, - it's\n5.30!", ["Don't", "  stop,", " -", " it's", "\n5.30!"]),
        ("他说：「你 好」，tom。", ["他", "说：「", "你", " 好」，", "tom。"]),
        ("「京都」iPhone 15の店", ["「京", "都」", "iPhone", " 15", "の", "店"]),
        ("スーパーか\u3099", ["ス", "ー", "パ", "ー", "か\u3099"]),
        ("저는 학생입니다.", ["저는", " 학생입니다."]),
        (" \n", []),
    ],
)
def test_a_text_ends_behind_a_word_and_is_otherwise_left_as_it_is(
    text: str, parts: list[str]
) -> None:
    for count in range(len(parts) + 2):
        assert cut_words(text, count) == "".join(parts[:count])


def test_a_flood_of_signs_is_cut_in_linear_time() -> None:
    flood = "。" * 100_000  # takes minutes in quadratic time
    assert cut_words(f"{flood} 上", 1) == flood


@given(st.text(st.characters(max_codepoint=0x2FFF) | st.just(" ")), st.integers(0, 9))
def test_words_of_scripts_with_blanks_are_what_stands_between_blanks(text: str, count: int) -> None:
    assert text.startswith(cut_words(text, count))
    assert cut_words(text, count).split() == text.split()[:count]


@given(st.text(st.sampled_from("上海ひらー「」，。a1 \n")), st.integers(0, 9))
def test_what_is_left_out_begins_with_the_next_word(text: str, count: int) -> None:
    first = cut_words(text, count)
    assert first + cut_words(text[len(first) :], 9) == cut_words(text, count + 9)


def test_chinese_is_counted_and_compared_by_the_character() -> None:
    pair = Pair("上海「昨」晚，下了大雨。", "上海下大雨", 0)
    lead = take_lead([pair])
    assert (lead.words, lead.replies.texts) == (5, ["上海「昨」晚，下"])
    metrics = TASKS["summarising"].make_metrics([pair.replies])
    ((counts, figures),) = count_overlaps(lead.replies, metrics, is_talk=False).overlaps
    # 3 of 5 characters, 1 of 4 pairs, 3 in their order.
    expected = {"rouge_1": 60.0, "rouge_2": 25.0, "rouge_l": 60.0}
    found = {name: compute(counts.sum(axis=0).tolist()) for name, compute in figures.items()}
    assert found == pytest.approx(expected)


def test_a_lead_has_the_mean_length_of_all_references() -> None:
    pairs = [Pair("a b c d", "x", 0, ("z",), others=("x y", "x y")), Pair("e", "x y z w x y z", 1)]
    lead = take_lead(pairs)  # 12 words in 4 references
    assert (lead.words, lead.replies.texts) == (3, ["a b c", "e"])
