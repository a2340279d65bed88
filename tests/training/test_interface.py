from __future__ import annotations

import os
import re
import signal
import threading
from pathlib import Path
from typing import Any

import pytest

import chatbot
from chatbot.errors import ChatbotError
from tests.trainings import read_metrics, tiny_settings, write_pairs

README = Path(__file__).parents[2] / "README.md"


def learn(place: Path, **changes: Any) -> chatbot.Training:
    settings = tiny_settings(write_pairs(place / "pairs.tsv"), **changes)
    return chatbot.train(model_dir=place / "model", cache_dir=place / "encoded", **settings)


def test_a_thread_trains_until_an_event_and_the_same_call_goes_on(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    heard: list[dict[str, Any]] = []
    found: list[chatbot.Training] = []
    stop = threading.Event()

    def listen(report: dict[str, Any]) -> None:
        heard.append(report)
        stop.set()

    thread = threading.Thread(
        target=lambda: found.append(learn(tmp_path, on_report=listen, stop=stop, max_steps=5))
    )
    thread.start()
    thread.join()
    model = tmp_path / "model"
    assert found == [chatbot.Training(model, 2, None, None)]
    assert [report["step"] for report in heard] == [2]
    assert capfd.readouterr() == ("", "")
    done = learn(tmp_path, on_report=heard.append, max_steps=5, progress=True)
    assert done == chatbot.Training(model, 5, "all 5 steps done", None)
    for report in heard:
        report.pop("tokens_per_second", None)
    assert heard == read_metrics(model)
    said = capfd.readouterr().err
    assert "going on from step 2" in said
    assert "finished: all 5 steps done" in said


def test_a_notebook_shows_a_training_with_its_curves_as_long_as_it_has_any(tmp_path: Path) -> None:
    shown = learn(tmp_path, max_steps=3)._repr_html_()
    assert shown.count("<svg ") == 1
    assert "<td>3</td><td>all 3 steps done</td><td></td>" in shown
    gone = chatbot.Training(tmp_path / "<b>", 1234, None, 9.876)._repr_html_()
    assert gone.endswith("/&lt;b&gt;</td><td>1,234</td><td>not yet</td><td>9.88</td></tr></table>")


def test_ctrl_c_saves_and_interrupts(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        learn(tmp_path, on_report=lambda _: os.kill(os.getpid(), signal.SIGINT))
    done = chatbot.train(model_dir=tmp_path / "model", cache_dir=tmp_path / "encoded", max_steps=2)
    assert done.step == 2


@pytest.mark.parametrize("kind", [BrokenPipeError, SystemExit])
def test_what_a_callback_raises_ends_the_training_with_all_saved(
    tmp_path: Path, kind: type[BaseException]
) -> None:
    def refuse(report: dict[str, Any]) -> None:
        raise kind(f"at step {report['step']}")

    with pytest.raises(kind, match="at step 3"):
        # Three steps are an epoch, after which there is a report but no checkpoint is due.
        learn(tmp_path, on_report=refuse, max_steps=5, steps_per_checkpoint=4)
    assert [report["step"] for report in read_metrics(tmp_path / "model")] == [3]
    assert (tmp_path / "model" / "ckpt-3.index").exists()


def test_settings_are_checked_before_anything_is_made(tmp_path: Path) -> None:
    with pytest.raises(TypeError, match="there is no setting 'rnn_sice'"):
        learn(tmp_path, rnn_sice=8)
    with pytest.raises(ChatbotError, match="--rnn_size=0 is out of range"):
        learn(tmp_path, rnn_size=0)
    for no_place in ("", "s3://bucket/model", Path("s3://bucket/model")):
        with pytest.raises(ChatbotError, match=r"model_dir is empty|^s3:.* is an address"):
            chatbot.train(tmp_path / "pairs.tsv", model_dir=no_place)
    with pytest.raises(ChatbotError, match=r"^s3:/bucket/pairs.tsv is an address"):
        chatbot.train(Path("s3://bucket/pairs.tsv"), model_dir=tmp_path / "model")
    assert sorted(os.listdir(tmp_path)) == ["pairs.tsv"]


def test_the_example_in_the_readme_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    blocks = re.findall(r"```python\n(.*?)```", README.read_text(encoding="utf-8"), re.DOTALL)
    (example,) = [block for block in blocks if "chatbot.train" in block]
    write_pairs(tmp_path / "mine.tsv")
    monkeypatch.chdir(tmp_path)
    exec(compile(example, "README.md", "exec"), {})
    *reports, end, _ = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in reports] == [str(epoch) for epoch in range(1, 11)]
    assert end == "10 all 10 steps done"
