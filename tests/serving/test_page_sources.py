"""The page's files, read as text: what no browser has to be there for."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.helpers_chat import ROOT

PAGE = ROOT / "chatbot" / "serving" / "page"
FILES = sorted(PAGE.iterdir())
SCRIPTS = sorted(PAGE.glob("*.js"))
HTML = (PAGE / "index.html").read_text(encoding="utf-8")
NAMESPACE = "http://www.w3.org/2000/svg"


def read(path: Path) -> str:
    return path.read_text(encoding="utf-8")


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_nothing_comes_from_elsewhere_and_no_text_becomes_markup(path: Path) -> None:
    text = read(path).replace(NAMESPACE, "")
    assert not re.search(r"https?:|//[a-z]|@import|url\(", text)
    assert not re.search(
        r"(inner|outer)HTML|insertAdjacent|document\.write|\beval\b|Function\(", text
    )
    assert not re.search(r"<script>|<style|\sstyle=|\son\w+=", text)
    assert len(text.splitlines()) <= 300


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.name)
def test_every_script_says_what_it_is_and_its_functions_are_short(path: Path) -> None:
    text = read(path)
    assert text.startswith("// ")
    for documented in re.findall(r"(.*)\nexport (?:async )?(?:function|class|const)", text):
        assert documented.endswith(" */"), documented
    for body in re.split(r"\n(?=\S.*function |  (?:async )?#?\w+\(.*\) \{\n)", text)[1:]:
        end = re.search(r"\n(?:\}|  \})(?:\n|$)", body)
        assert end is not None
        assert body[: end.start()].count("\n") <= 30, body.splitlines()[0]


def test_every_import_names_a_file_and_what_it_exports() -> None:
    for path in SCRIPTS:
        for names, file in re.findall(r"import \{ (.*?) \} from \"\./(.*?)\"", read(path)):
            exported = re.findall(
                r"export (?:async )?(?:function|class|const) (\w+)", read(PAGE / file)
            )
            assert {*names.split(", ")} <= {*exported}
    for file in re.findall(r'"/page/(.*?)"', HTML):
        assert (PAGE / file).is_file()


def list_words(language: str) -> list[str]:
    (block,) = re.findall(rf"const {language} = \{{(.*?)\n\}};", read(PAGE / "words.js"), re.DOTALL)
    return re.findall(r"(?:^|, |\n  )(\w+): \"", block)


def test_both_languages_have_every_word_that_the_page_says() -> None:
    english, chinese = list_words("ENGLISH"), list_words("CHINESE")
    assert english == chinese
    assert len({*english}) == len(english) > 50
    scripts = "".join(map(read, SCRIPTS))
    said = {
        *re.findall(r'(?:say|tell)\("(\w+)"', scripts),
        *re.findall(r'data-(?:text|label)="(\w+)"', HTML),
    }
    assert said <= {*english}
    unsaid = {word for word in english if f'"{word}"' not in scripts + HTML}
    assert unsaid == set()


def test_every_setting_of_a_comparison_has_a_label() -> None:
    from chatbot.settings.config import SearchConfig

    labels = re.findall(r"^  (\w+): \[", read(PAGE / "words.js"), re.MULTILINE)
    assert {*labels} == {*SearchConfig.__dataclass_fields__} - {"beam_search", "sample"}
