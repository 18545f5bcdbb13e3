"""What raters read and are asked: from files to the page, and back into tables."""

from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

from codec.errors import CodecError
from eval.listening.analyse import analyse, write_analysis
from eval.listening.briefing import Briefing, Question, as_html, read_briefing
from eval.listening.server import make_app
from eval.listening.study import load_study
from tests.eval.listening.axe import serious
from tests.eval.listening.conftest import fits, serving
from tests.eval.listening.rater import by_keyboard, practise, take_part, with_loudspeakers

QUESTIONS = """
- {id: age, text: "How old are you?", kind: number}
- {id: music, text: "Do you play an instrument?", kind: choice, options: ["Yes", "No"]}
- {id: more, text: "Anything else?", optional: true}
"""


@pytest.fixture
def briefing(tmp_path: Path) -> Briefing:
    for name, text in (("i.md", "# Read\n\nListen to *all* of it. <script>alert(1)</script>"), ("c.md", "I **agree**.")):
        (tmp_path / name).write_text(text)
    (tmp_path / "q.yaml").write_text(QUESTIONS)
    return read_briefing(tmp_path / "i.md", tmp_path / "c.md", tmp_path / "q.yaml", True, "C0DE-7")


def test_files_that_make_no_sense(tmp_path: Path) -> None:
    path = tmp_path / "q.yaml"
    for text, message in (
        ("a: [", "not YAML"),
        ("- 3", "not a list of questions"),
        ("- {id: a, text: b, kind: choice}", "options belong"),
        ("- {id: a, text: b}\n- {id: a, text: c}", "an id of its own"),
        ("- {id: a b, text: b}", "an id of its own"),
        ("!!python/object/apply:os.system ['true']", "not YAML"),
    ):
        path.write_text(text)
        with pytest.raises(CodecError, match=message):
            read_briefing(None, None, path, False, "")
    for arguments in ((tmp_path / "none", None, None, False, ""), (None, None, None, False, "http://x.example")):
        with pytest.raises(CodecError):
            read_briefing(*arguments)


def test_markdown_brings_no_script() -> None:
    assert "<script" not in as_html("<script>x</script> [a](javascript:alert(1)) ![b](x.png)")
    assert "javascript:" not in as_html("[a](javascript:alert(1))").partition("href")[2]


def test_answers_are_checked() -> None:
    briefing = Briefing(questions=(Question("age", "Age?", "number"), Question("x", "X?", "choice", ("a", "b"), True)))
    assert [briefing.check(answers) for answers in ({"age": "31"}, {"age": "3.5", "x": "b"})] == ["", ""]
    for answers in ({}, {"age": "old"}, {"age": "3", "x": "c"}, {"age": "3", "y": "1"}, {"age": "9" * 501}):
        assert briefing.check(answers)


def test_from_the_invitation_to_the_code(page: Any, new_study: Callable[..., Path], briefing: Briefing, tmp_path: Path) -> None:
    folder = new_study(per_rater=1, briefing=briefing, title="Which voice?")
    study = load_study(folder)
    app = make_app(folder)
    with serving(app, page) as address:
        page.goto(f"{address}/?PROLIFIC_PID=5f0c#join={study.invite}")
        page.get_by_role("heading", name="Which voice?").wait_for()
        assert page.get_by_label("Your name").input_value() == "5f0c"
        assert page.locator(".prose em").inner_text() == "all"
        assert page.locator(".agree strong").inner_text() == "agree"
        assert not serious(page)
        page.get_by_label("How old are you?").fill("41")
        page.get_by_label("Do you play an instrument?").select_option("No")
        page.locator("#agree").check()
        page.get_by_role("button", name="Take part").click()
        with_loudspeakers(page)
        practise(page)
        page.get_by_role("heading", name="Trial 1 of 1").wait_for()
        page.get_by_role("button", name="Reference").wait_for()
        by_keyboard(page, {letter: ["End"] for letter in "ABCDE"})
        page.get_by_label("Anything to remark?").fill("Loud, = good")
        assert not serious(page)
        page.get_by_role("button", name="Finish").click()
        page.get_by_text("Your completion code: C0DE-7").wait_for()

        page.goto(f"{address}/watch#{app.state.watch}")
        page.get_by_role("heading", name="1 rater, 1 finished").wait_for()
        page.get_by_text("2 of 3 trials were heard by nobody yet").wait_for()
        assert not serious(page)
        fits(page, 390)
        assert page.evaluate(SCROLLED) > 0
        page.evaluate(
            "() => { document.querySelector('.scroll').dataset.old = 'yes'; document.querySelector('.scroll').focus(); }"
        )
        page.locator(".scroll[data-old]").wait_for(state="detached")  # told anew
        assert page.eval_on_selector(".scroll", "box => box.scrollLeft") > 0
        assert page.evaluate("() => document.activeElement.className") == "scroll"
    write_analysis(analyse(folder), tmp_path / "out")
    assert list(csv.DictReader((tmp_path / "out" / "answers.csv").open())) == [
        {"rater": "5f0c", "age": "41", "music": "No", "more": ""}
    ]
    (comment,) = csv.DictReader((tmp_path / "out" / "comments.csv").open())
    assert comment["comment"] == "Loud, = good"


def test_whoever_has_finished_is_sent_back(page: Any, new_study: Callable[..., Path]) -> None:
    there = "https://app.example/submissions/complete?cc=C0DE"
    folder = new_study(mode="acr", per_rater=1, briefing=Briefing(completion=there))
    with serving(make_app(folder), page) as address:
        page.goto(f"{address}/#join={load_study(folder).invite}")
        take_part(page, "Ada")
        with_loudspeakers(page)
        for heading in ("Practice", "Trial 1 of 1"):
            page.get_by_role("heading", name=heading).wait_for()
            page.get_by_role("button", name="Play", exact=True).wait_for()
            for key in ("A", "1", "Enter"):
                page.keyboard.press(key)
        back = page.get_by_role("link", name="Go back to complete")
        back.wait_for()
        assert back.get_attribute("href") == there


SCROLLED = """() => {
  const box = document.querySelector(".scroll"), name = box.querySelector("tbody th");
  const before = name.getBoundingClientRect().left;
  box.scrollLeft = 60;
  return name.getBoundingClientRect().left === before ? box.scrollLeft : 0;
}"""
"""How far the first table moved while its first column stayed."""


def test_who_may_see_what(new_study: Callable[..., Path], briefing: Briefing) -> None:
    folder = new_study(briefing=briefing)
    app = make_app(folder)
    client, invite = TestClient(app), load_study(folder).invite
    assert client.get("/api/invitation", params={"invite": "x"}).status_code == 401
    shown = client.get("/api/invitation", params={"invite": invite})
    assert "C0DE" not in shown.text
    body = {"invite": invite, "name": "Ada", "key": "0" * 32}
    assert client.post("/api/join", json=body).json() == {"detail": "please answer: How old are you?"}
    joined = client.post("/api/join", json={**body, "answers": {"age": "30", "music": "Yes"}})
    session = client.get("/api/session", headers={"authorization": f"Bearer {joined.json()['token']}"})
    assert session.json()["completion"] == ""
    for key in ("", "Bearer ", f"Bearer {invite}", "Bearer é"):
        assert client.get("/api/watch", headers={"authorization": key.encode("latin-1", "replace")}).status_code == 401
    told = client.get("/api/watch", headers={"authorization": f"Bearer {app.state.watch}"}).json()
    assert [(rater["name"], rater["finished"], rater["planned"]) for rater in told["raters"]] == [("Ada", 0, 3)]
