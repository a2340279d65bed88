from __future__ import annotations

from pathlib import Path

import pytest

from chatbot.errors import ChatbotError
from chatbot.programs.flag_files import expand_flag_files, list_bundled, read_bundled
from chatbot.system import paths

ROOT = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_bundled_flag_files_are_found_by_name_with_the_projects_paths() -> None:
    names = "dailydialog smalltalk summarising translation tutorial varied_replies"
    assert list_bundled() == names.split()
    for name in list_bundled():
        assert expand_flag_files([f"--flagfile={name}"]) == read_bundled(name)
        assert expand_flag_files(["-flagfile", f"{name}.flags"]) == read_bundled(name)
    for name in ("summarising", "translation"):
        assert read_bundled(name)[:3] == [
            f"--corpus={ROOT}/data/{name}",
            f"--validation_corpus={ROOT}/data/{name}/held_out",
            f"--model_dir={ROOT}/model/{name}",
        ]
    smalltalk, dialogues = read_bundled("smalltalk"), read_bundled("dailydialog")
    assert smalltalk[:2] == [
        f"--corpus={ROOT}/data/smalltalk",
        f"--model_dir={ROOT}/model/smalltalk",
    ]
    assert dialogues[0] == f"--corpus={ROOT}/data/dailydialog/train.zip"
    varied = read_bundled("varied_replies")
    assert dialogues[-len(varied) :] == varied


def test_an_installed_package_has_its_data_and_keeps_models_in_the_working_directory(
    elsewhere: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = elsewhere / "site-packages" / "chatbot"
    (package / "data" / "smalltalk").mkdir(parents=True)
    for name in ("smalltalk", "dailydialog", "varied_replies"):
        text = (ROOT / "data" / f"{name}.flags").read_text(encoding="utf-8")
        (package / "data" / f"{name}.flags").write_text(text, encoding="utf-8")
    monkeypatch.setattr(paths, "PROJECT", package)
    monkeypatch.setattr(paths, "IS_CHECKOUT", False)
    given = expand_flag_files(["--flagfile=smalltalk"])
    assert given[:2] == [f"--corpus={package}/data/smalltalk", "--model_dir=model/smalltalk"]
    given = expand_flag_files(["--flagfile=dailydialog"])  # whose corpus is downloaded
    assert given[0] == "--corpus=data/dailydialog/train.zip"
    assert "--mmi_weight=1" in given
    assert paths.default_model_dir("mine.tsv") == "model/mine"


def test_a_file_here_comes_before_the_bundled_one_and_a_directory_does_not(elsewhere: Path) -> None:
    (elsewhere / "smalltalk").mkdir()
    assert expand_flag_files(["--flagfile=smalltalk"]) == read_bundled("smalltalk")
    (elsewhere / "smalltalk").rmdir()
    (elsewhere / "smalltalk").write_text("--corpus=data/smalltalk\n")
    assert expand_flag_files(["--flagfile=smalltalk"]) == ["--corpus=data/smalltalk"]


def test_whatever_else_is_given_counts_more_than_a_bundled_file_wherever_that_is_named() -> None:
    given = ["--corpus=mine.tsv", "--flagfile=smalltalk", "--x"]
    assert expand_flag_files(given) == [*read_bundled("smalltalk"), "--corpus=mine.tsv", "--x"]


def test_flag_files_stand_where_they_are_named_in_files_too(elsewhere: Path) -> None:
    (elsewhere / "mine").write_text("# mine\n\n  --a=1 \n// no\n--flagfile=~/inner\n--b\u2028=3")
    (elsewhere / "inner").write_text("--i=2\n--flagfile=varied_replies")
    given = ["--x", "--flagfile", "mine", "--y=z", "--flagfile=", "--", "--flagfile=mine"]
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HOME", str(elsewhere))
        assert expand_flag_files(given) == [
            "--x",
            "--a=1",
            *read_bundled("varied_replies"),  # before the rest of the file that names it
            "--i=2",
            "--b\u2028=3",
            "--y=z",
            "--",
            "--flagfile=mine",
        ]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--flagfile=other"], "--flagfile=other cannot be read (No such file or directory); "),
        (["--flagfile=other"], "bundled dailydialog, smalltalk, summarising, translation, tut"),
        (["--flagfile=/"], "--flagfile=/ cannot be read (Is a directory)"),
        (["--flagfile=one"], "--flagfile=one: the file names itself"),
        (["--flagfile"], "--flagfile names no file"),
        (["--flagfile=a://b"], "--flagfile=a://b is an address"),
    ],
)
def test_what_is_no_flag_file_is_one_line(
    elsewhere: Path, arguments: list[str], message: str
) -> None:
    (elsewhere / "one").write_text("--flagfile=./two")
    (elsewhere / "two").write_text("--flagfile=one")
    with pytest.raises(ChatbotError) as caught:
        expand_flag_files(arguments)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)
