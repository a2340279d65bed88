"""The page in a real browser, over a real server."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlencode

import pytest

from chatbot.bot import Chatbot
from chatbot.serving.compare import SEARCHES, compare

if TYPE_CHECKING:
    from playwright.sync_api import Request

    from tests.web.browsers import Visit

Open = Callable[..., "Visit"]
NODE = "[role=treeitem]"


def read_fragment(visit: Visit) -> dict[str, list[str]]:
    return parse_qs(visit.page.url.partition("#")[2])


def find_current(visit: Visit) -> str:
    return str(visit.page.locator(f"{NODE}[aria-selected=true] text").text_content())


def test_it_chats_in_english(visit: Open, bot: Chatbot) -> None:
    page = visit()
    assert page.page.locator("html").get_attribute("lang") == "en"
    for line in ("hello", "who are you ?"):
        page.say(line)
    said = [text.split("\n")[-1] for text in page.read(".bubble")]
    assert [text.removeprefix("You: ").removeprefix("Bot: ") for text in said] == [
        "hello",
        str(bot.reply("hello")[0]),
        "who are you ?",
        str(bot.reply("who are you ?")[0]),
    ]
    assert page.page.input_value("#line") == ""


def test_it_chats_in_chinese(visit: Open, bot: Chatbot) -> None:
    page = visit(locale="zh-CN")
    assert page.read("#send") == ["发送"]
    page.say("你好")
    assert page.read(".bubble.theirs")[0].endswith(str(bot.reply("你好")[0]))
    assert page.read(".column h4") == ["贪心", "束搜索", "采样"]
    assert page.page.locator("html").get_attribute("lang") == "zh-CN"


def test_greedy_beam_and_samples_stand_side_by_side(visit: Open, bot: Chatbot) -> None:
    page = visit()
    page.say("how are you ?")
    for name, changes in SEARCHES.items():
        expected = [reply.text for reply in bot.reply("how are you ?", **changes)]
        assert page.read(f".column.{name} .text") == [text or "(nothing)" for text in expected]
    boxes = [each.bounding_box() for each in page.page.locator(".column").all()]
    assert len({box["y"] for box in boxes if box}) == 1


def test_another_reply_can_be_chosen_and_its_score_is_taken_apart(visit: Open) -> None:
    page = visit()
    page.say("hello")
    second = page.page.locator(".column.beam button").nth(1)
    second.click()
    text = second.locator(".text").inner_text()
    assert second.get_attribute("aria-pressed") == "true"
    assert page.read(".bubble.theirs")[0].endswith(text)
    assert page.read(".reply-text") == [text]
    score = page.read(".parts .total td")[0]
    assert score in second.locator(".quiet").inner_text()
    page.say("hi")
    assert read_fragment(page)["turn"] == ["hello", text, "hi"]


def test_the_slider_steps_through_the_tree(visit: Open) -> None:
    page = visit()
    page.say("hello")
    slider, nodes = page.page.locator(".steps"), page.page.locator(NODE)
    everything = nodes.count()
    slider.press("Home")
    assert nodes.count() == 1
    slider.press("ArrowRight")
    levels = {each.get_attribute("aria-level") for each in nodes.all()}
    assert levels == {"1", "2"}
    slider.press("End")
    assert nodes.count() == everything
    page.page.clock.install()
    page.page.get_by_role("button", name="Play").click()
    assert nodes.count() == 1
    page.page.clock.run_for(600)
    assert {each.get_attribute("aria-level") for each in nodes.all()} == levels
    page.page.clock.run_for(60_000)
    assert nodes.count() == everything


def test_the_tree_shows_probability_searches_and_what_was_dropped(
    visit: Open, bot: Chatbot
) -> None:
    page = visit()
    page.say("hello")
    tree = compare(bot, ["hello"])["tree"]
    assert page.page.locator(NODE).count() == len(tree)
    for number, node in enumerate(tree[1:], start=1):
        drawn = page.page.locator(f"[data-node='{number}']")
        label = drawn.get_attribute("aria-label") or ""
        assert label.startswith("end of the reply" if node["ended"] else node["token"])
        for search in ("greedy", "beam", "samples"):
            assert (search in node["searches"]) == (search.capitalize() in label)
        assert (node["kept"] is False) == ("Dropped" in label)
    dashed = page.page.locator(".strand[stroke-dasharray]").count()
    assert dashed >= sum(node["kept"] is False for node in tree) > 0
    page.page.get_by_label("Show what the beam dropped").uncheck()
    assert page.page.locator(".node.dropped").count() == 0


def test_hovering_shows_attention_and_the_likeliest_words(visit: Open, bot: Chatbot) -> None:
    page = visit()
    page.say("how are you ?")
    found = compare(bot, ["how are you ?"])
    second = found["searches"][1]["replies"][0]["nodes"][1]
    page.page.locator(f"[data-node='{second}']").hover()
    before = found["tree"][found["tree"][second]["parent"]]
    assert page.read(".likeliest .name") == [
        "end" if word["token"] == "<eos>" else word["token"] for word in before["next"]["likeliest"]
    ]
    shares = page.page.locator(".word").evaluate_all(
        "words => words.map((word) => word.style.getPropertyValue('--share'))"
    )
    assert shares == [f"{int(75 * x + 0.5)}%" for x in before["next"]["attention"]]
    banned = [word for word in before["next"]["likeliest"] if word["banned"]]
    assert page.page.locator(".likeliest .banned").count() == len(banned)


def test_a_click_decodes_on_from_a_word(visit: Open, bot: Chatbot) -> None:
    page = visit()
    page.say("hello")
    found = compare(bot, ["hello"])
    dropped = next(n for n, x in enumerate(found["tree"]) if x["kept"] is False and not x["ended"])
    path: list[str] = []
    node = dropped
    while node:
        path.insert(0, found["tree"][node]["token"])
        node = found["tree"][node]["parent"]
    page.page.locator(f"[data-node='{dropped}']").click()
    page.page.wait_for_selector(".beginning")
    assert page.read(".beginning strong") == [" ".join(path)]
    assert read_fragment(page)["begin"] == path
    expected = compare(bot, ["hello"], prefix=path)["searches"][1]["replies"]
    assert page.read(".column.beam .text") == [reply["text"] for reply in expected]
    page.page.get_by_role("button", name="From the start").click()
    page.page.wait_for_selector(".beginning", state="detached")
    page.settle()
    assert "begin" not in read_fragment(page)


def test_a_likely_word_decodes_on_too(visit: Open) -> None:
    page = visit()
    page.say("hello")
    button = page.page.locator(".likeliest button").nth(3)
    word = button.locator(".name").inner_text()
    button.click()
    page.page.wait_for_selector(".beginning")
    assert page.read(".beginning strong") == [word]


def test_the_tree_obeys_the_keyboard(visit: Open) -> None:
    page = visit()
    page.say("hello")
    page.page.locator(f"{NODE}[tabindex='0']").focus()
    first = find_current(page)
    for key in ("ArrowRight", "ArrowLeft"):
        page.page.keyboard.press(key)
    assert find_current(page) == first
    page.page.keyboard.press("ArrowDown")
    assert find_current(page) != first
    page.page.keyboard.press("ArrowUp")
    assert find_current(page) == first
    page.page.keyboard.press("Enter")
    page.page.wait_for_selector(".beginning")
    assert page.read(".beginning strong") == [first]
    page.settle()
    assert page.page.evaluate("document.activeElement.getAttribute('role')") == "treeitem"
    page.page.keyboard.press("Home")
    assert find_current(page) == "start"


def test_a_finger_looks_at_a_word_first_and_takes_it_then(visit: Open) -> None:
    page = visit(has_touch=True, is_mobile=True, viewport={"width": 390, "height": 800})
    page.say("hello")
    node = page.page.locator(f"{NODE}:not(.path):not(.ended)").nth(1)
    word = node.locator("text").text_content()
    node.tap()
    page.wait_for_count(f"{NODE}[aria-selected=true] >> text='{word}'", 1)
    assert page.page.locator(".beginning").count() == 0
    page.page.locator(f"{NODE}[aria-selected=true]").tap()
    page.page.wait_for_selector(".beginning")
    assert page.read(".beginning strong")[0].endswith(str(word))


def test_two_models_reply_side_by_side_and_can_be_switched(visit: Open) -> None:
    page = visit()
    page.say("hello")
    page.page.select_option("#other", "other")
    page.page.wait_for_selector(".answer:nth-child(2) .tree")
    assert page.read(".answer h3") == ["small", "other"]
    one, other = (each.bounding_box() for each in page.page.locator(".answer").all())
    assert one is not None
    assert other is not None
    assert one["y"] == other["y"]
    page.page.select_option("#other", "")
    page.page.select_option("#model", "other")
    page.settle()
    assert page.page.locator(".tree").count() == 1
    assert read_fragment(page)["model"] == ["other"]


def test_settings_have_the_models_defaults_and_change_the_replies(
    visit: Open, bot: Chatbot
) -> None:
    page = visit()
    page.say("hello")
    page.page.click("#open-settings")
    assert page.page.get_attribute("#open-settings", "aria-expanded") == "true"
    width = page.page.get_by_label("Beam size and samples")
    assert width.input_value() == str(bot.config.search.beam_size)
    width.fill("2")
    width.press("Enter")
    page.wait_for_count(".column.beam button", 2)
    assert read_fragment(page)["set.beam_size"] == ["2"]
    page.page.get_by_role("button", name="Back to the model's own").click()
    page.settle()
    assert "set.beam_size" not in read_fragment(page)
    assert width.input_value() == str(bot.config.search.beam_size)


def test_a_link_shows_the_same_again(visit: Open) -> None:
    page = visit()
    page.say("hello")
    page.say("who are you ?")
    page.page.click("#open-settings")
    page.page.get_by_label("Temperature").fill("1.5")
    page.page.get_by_label("Temperature").press("Enter")
    page.settle()
    assert read_fragment(page)["set.temperature"] == ["1.5"]
    again = visit(f"#{page.page.url.partition('#')[2]}")
    again.page.wait_for_selector(".tree")
    again.settle()
    for selector in (".bubble", ".turn:last-child .text", ".turn:last-child td"):
        assert again.read(selector) == page.read(selector)
    assert again.page.url == page.page.url


def test_the_link_is_copied(visit: Open) -> None:
    page = visit()
    page.page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.say("hello")
    page.page.get_by_role("button", name="Copy link").click()
    page.page.get_by_role("button", name="Link copied").wait_for()
    assert page.page.evaluate("navigator.clipboard.readText()") == page.page.url


def test_fewer_turns_can_be_read(visit: Open) -> None:
    turns = ["hello", "hi", "who are you ?"]
    page = visit("#" + urlencode({"turn": turns}, doseq=True))
    for context in (0, 2, 1):  # 0 leaves it to the model
        given = urlencode({"turn": turns, "context": context}, doseq=True)

        def asks(request: Request, read: list[str] = turns[-context:]) -> bool:
            body = request.post_data if request.url.endswith("/api/compare") else None
            return body is not None and json.loads(body)["turns"] == read

        with page.page.expect_request(asks):
            page.page.evaluate("fragment => { location.hash = fragment; }", given)
    assert page.page.locator(".turn").count() == 2


def test_a_new_chat_forgets_the_dialogue(visit: Open) -> None:
    page = visit()
    page.say("hello")
    page.page.click("#reset")
    assert page.page.locator(".turn").count() == 0
    assert page.page.is_visible("#welcome")
    assert "turn" not in read_fragment(page)


def test_escape_stops_and_the_line_comes_back(visit: Open) -> None:
    page = visit()
    page.page.route("**/api/compare", lambda route: None)  # never answered
    page.page.fill("#line", "hello")
    page.page.press("#line", "Enter")
    page.page.wait_for_selector(".waiting")
    page.page.keyboard.press("Escape")
    page.page.wait_for_selector(".failed")
    assert page.read(".failed p") == ["Stopped."]
    assert page.page.input_value("#line") == "hello"
    page.page.unroute("**/api/compare")
    page.page.get_by_role("button", name="Try again").click()
    page.page.wait_for_selector(".tree")


def test_a_draft_survives_a_reload(visit: Open) -> None:
    page = visit()
    page.page.fill("#line", "half a li")
    page.page.reload()
    assert page.page.input_value("#line") == "half a li"


def test_errors_stand_where_the_reply_would(visit: Open) -> None:
    page = visit()
    page.page.route("**/api/compare", lambda route: route.abort())
    page.say("hello")
    assert page.read(".answer .failed p") == ["The server does not answer. Is it still running?"]
    page.page.unroute("**/api/compare")
    page.page.get_by_role("button", name="Try again").click()
    page.page.wait_for_selector(".tree")
    page.page.click("#open-settings")
    page.page.get_by_label("Diverse groups").fill("2")
    page.page.get_by_label("Diverse groups").press("Enter")
    page.page.wait_for_selector(".failed")
    assert "equal groups" in page.read(".failed p")[0]
    assert len(page.errors) == 2  # the browser's own lines about the two requests
    page.errors.clear()


def test_what_people_write_is_text(visit: Open) -> None:
    page = visit()
    line = "<img src=x onerror=alert(1)> <b>hello</b>"
    page.say(line)
    assert page.read(".bubble.mine")[0].endswith(line)
    assert page.page.locator("main img, main b").count() == 0


def test_what_is_shown_can_be_saved(visit: Open, bot: Chatbot) -> None:
    page = visit()
    page.say("hello")
    with page.page.expect_download() as started:
        page.page.get_by_role("button", name="Save JSON").click()
    saved = json.loads(Path(started.value.path()).read_text(encoding="utf-8"))
    assert saved == compare(bot, ["hello"])
    with page.page.expect_download() as started:
        page.page.get_by_role("button", name="Save SVG").click()
    assert started.value.suggested_filename == "hello.svg"
    drawing = ElementTree.parse(started.value.path()).getroot()
    space = "{http://www.w3.org/2000/svg}"
    assert drawing.tag == f"{space}svg"
    assert len(drawing.findall(f".//{space}rect")) == len(saved["tree"])
    for strand in drawing.iter(f"{space}path"):
        assert (strand.get("fill"), strand.get("class")) == ("none", None)
        assert (strand.get("stroke") or "").startswith("rgb")


def test_a_screen_reader_hears_the_reply(visit: Open, bot: Chatbot) -> None:
    page = visit()
    page.say("hello")
    assert page.page.inner_text("[role=status]") == f"small: {bot.reply('hello')[0]}"


@pytest.mark.parametrize(
    "window",
    [
        {},
        {"color_scheme": "dark"},
        {"viewport": {"width": 360, "height": 740}},
        {"locale": "zh-CN", "viewport": {"width": 360, "height": 740}, "color_scheme": "dark"},
    ],
)
def test_it_is_accessible_and_fits(visit: Open, window: dict[str, Any]) -> None:
    axe = pytest.importorskip("axe_playwright_python.sync_playwright")
    page = visit("#other=other", **window)
    check(axe, page)
    page.page.click("#open-settings")
    page.say("hello")
    page.page.locator(NODE).nth(2).hover()
    check(axe, page)


def check(axe: Any, page: Visit) -> None:
    found = axe.Axe().run(page.page).response["violations"]
    serious = [each for each in found if each["impact"] in ("serious", "critical")]
    assert [(each["id"], each["nodes"][0]["html"]) for each in serious] == []
    assert page.page.evaluate("document.documentElement.scrollWidth <= innerWidth")
