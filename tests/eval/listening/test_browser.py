"""A rater in a real browser, by keyboard and mouse, and what is stored, analysed and drawn of it."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from fastapi.staticfiles import StaticFiles

from eval.listening.analyse import analyse, plot
from eval.listening.export import export_study
from eval.listening.results import collect
from eval.listening.server import make_app
from eval.listening.study import REFERENCE, Study, load_study
from tests.eval.listening.axe import serious
from tests.eval.listening.conftest import PATIENCE, serving
from tests.eval.listening.rater import by_keyboard, on_trial, practise, set_up, slide, take_part, with_loudspeakers


def rated(study: Study, rater: int, number: int, scores: list[int]) -> dict[tuple[str, str], float]:
    """What the database should hold of the number-th trial."""
    trial = study.plan(rater)[number - 1]
    return {(trial.id, s.id): score for s, score in zip(trial.stimuli, scores, strict=True)}


def stored(folder: Path) -> dict[tuple[str, str], float]:
    with sqlite3.connect(folder / "ratings.sqlite") as db:
        return {(trial, stimulus): score for trial, stimulus, score in db.execute("SELECT trial, stimulus, score FROM ratings")}


def nothing_hinders(page: Any) -> None:
    found = serious(page)
    assert not found, found


def test_whole_study(page: Any, new_study: Callable[..., Path], tmp_path: Path) -> None:
    folder = new_study()
    study = load_study(folder)
    with serving(make_app(folder), page) as address:
        page.goto(f"{address}/#join={study.invite}")
        take_part(page, "Ada")
        set_up(page, lambda name: nothing_hinders(page))
        practise(page)

        on_trial(page, 1)  # all by keyboard
        nothing_hinders(page)
        by_keyboard(
            page, {"A": ["End"], "B": ["PageUp"] * 3, "C": ["PageUp", "ArrowRight"], "D": ["Home"], "E": ["PageUp"] * 7}
        )
        page.keyboard.press("Enter")
        expected = rated(study, 0, 1, [100, 30, 11, 0, 70])

        on_trial(page, 2)  # by mouse, half of it; then the page is reloaded
        assert page.get_by_role("button", name="Next").is_disabled()
        scores = [slide(page, letter, share) for letter, share in (("A", 0.3), ("B", 0.9))]
        assert 20 < scores[0] < 40 < 80 < scores[1]
        page.wait_for_function(
            "() => !localStorage.getItem(Object.keys(localStorage).find(k => k.startsWith('queue')))?.includes('trial')"
        )
        page.reload()
        on_trial(page, 2)
        assert [int(page.get_by_role("slider", name=f"Sound {letter}:").input_value()) for letter in "AB"] == scores
        assert page.get_by_role("button", name="Next").is_disabled()
        scores += [slide(page, letter, share) for letter, share in (("C", 0.5), ("D", 0.004), ("E", 0.999))]
        assert scores[3:] == [0, 100]  # a click at the very left counts as 0
        page.get_by_role("button", name="Next").click()
        expected |= rated(study, 0, 2, scores)

        on_trial(page, 3)
        by_keyboard(page, {letter: ["PageUp"] * i for i, letter in enumerate("ABCDE", 1)})
        page.get_by_role("button", name="Finish").click()
        expected |= rated(study, 0, 3, [10, 20, 30, 40, 50])
        page.get_by_role("heading", name="Thank you").wait_for()
        page.reload()
        page.get_by_role("heading", name="Thank you").wait_for()
        nothing_hinders(page)
        assert stored(folder) == expected

        results = collect(study, folder)  # while the server runs
        assert results.raters[0].finished == 3

    by_id = {(t.id, s.id): (t.clip, t.domain, s.condition) for t in study.trials for s in t.stimuli}
    assert {(r.clip, r.domain, r.condition): r.score for r in results.ratings} == {
        by_id[key]: score for key, score in expected.items()
    }


def test_plot_and_report_hold_what_was_rated(page: Any, new_study: Callable[..., Path]) -> None:
    """A careful rater this time, so that screening keeps them: the reference gets 100, the rest less."""
    folder = new_study()
    study = load_study(folder)
    given = {REFERENCE: 100, "fine": 80, "coarse": 20, "anchor 3.5 kHz": 30, "anchor 7 kHz": 60}
    with serving(make_app(folder), page) as address:
        page.goto(f"{address}/#join={study.invite}")
        take_part(page, "Bob")
        with_loudspeakers(page)
        practise(page)
        for number, trial in enumerate(study.plan(0), 1):
            on_trial(page, number)
            keys = {letter: ["PageUp"] * (given[s.condition] // 10) for letter, s in zip("ABCDE", trial.stimuli, strict=True)}
            by_keyboard(page, keys)
            page.keyboard.press("Enter")
        page.get_by_role("heading", name="Thank you").wait_for()
    analysis = analyse(folder)
    assert [v.kept for v in analysis.screening] == [True]
    names = [c.name for c in study.conditions]
    for axis in plot(analysis).axes:
        drawn = {
            names[round(y)]: x for line in axis.lines if line.get_marker() not in ("None", "|") for x, y in line.get_xydata()
        }
        assert drawn == given


def test_switching_keeps_the_position(page: Any, new_study: Callable[..., Path]) -> None:
    """Recorded behind the player: where in the one sound it was before the switch, and where in the other after it."""
    folder = new_study()
    with serving(make_app(folder), page) as address:
        page.goto(f"{address}/#join={load_study(folder).invite}")
        take_part(page, "Ada")
        with_loudspeakers(page)
        page.get_by_role("button", name="Reference").click()
        jumps = [page.evaluate(MEASURE) for _ in range(3)]
    assert max(abs(jump) for jump in jumps) <= 20, jumps  # ms


MEASURE = """async () => {
  const context = player.context, rate = context.sampleRate;
  const recorder = context.createAnalyser();
  recorder.fftSize = 32768;
  player.output.connect(recorder);
  const until = (time) => new Promise((resolve) => {
    const look = () => (context.currentTime >= time ? resolve() : setTimeout(look, 5));
    look();
  });
  const heard = new Float32Array(recorder.fftSize);
  // Where in a sound a stretch of the recording is, by correlation around where it should be.
  const find = (name, start, size, guess) => {
    const samples = player.buffers.get(name).getChannelData(0), n = samples.length;
    const reach = Math.round(0.1 * rate);
    let best = -Infinity, at = 0;
    for (let lag = -reach; lag <= reach; lag += 1) {
      let sum = 0, energy = 1e-9;
      for (let i = 0; i < size; i += 2) {
        const sample = samples[(((guess + lag + i) % n) + n) % n];
        sum += heard[start + i] * sample;
        energy += sample * sample;
      }
      const likeness = sum / Math.sqrt(energy); // or the loudest place would win
      if (likeness > best) [best, at] = [likeness, guess + lag];
    }
    return at;
  };
  const names = [...player.buffers.keys()].slice(0, 2);
  for (let attempt = 0; attempt < 20; attempt += 1) {
    await player.play(names[0]);
    player.seek(0.1);
    await until(context.currentTime + 0.5);
    const switched = context.currentTime;
    player.select(names[1]);
    await until(switched + 0.25);
    recorder.getFloatTimeDomainData(heard);
    const end = context.currentTime, place = player.position;
    if (end - switched > 0.33) continue; // the machine stalled, the switch is not in the middle of the recording
    const size = Math.round(0.1 * rate), stop = heard.length - size - 2000;
    const guess = (start) => Math.round((place - (heard.length - start) / rate) * rate);
    const before = find(names[0], 2000, size, guess(2000)), after = find(names[1], stop, size, guess(stop));
    return ((after - before) - (stop - 2000)) / rate * 1000;
  }
  throw new Error("the machine is too busy to measure");
}"""


def test_on_a_phone_by_touch(browser: Any, new_study: Callable[..., Path]) -> None:
    """A trial by fingers alone; nothing is wider than the screen, every word can be read, and the focus can be seen."""
    folder = new_study(per_rater=1)
    study = load_study(folder)
    context = browser.new_context(viewport={"width": 390, "height": 760}, has_touch=True, is_mobile=True)
    context.set_default_timeout(PATIENCE)
    page = context.new_page()

    def look() -> None:
        assert page.evaluate("document.documentElement.scrollWidth") <= 390
        for scheme in ("light", "dark"):
            page.emulate_media(color_scheme=scheme)
            assert not page.evaluate(HARD_TO_READ), scheme

    def rate_all(button: str) -> list[int]:
        for letter in "ABCDE":
            page.get_by_role("button", name=f"{letter} sound", exact=True).tap()
            slider = page.get_by_role("slider", name=f"Sound {letter}:")
            slider.scroll_into_view_if_needed()
            box = slider.bounding_box()
            assert box["height"] >= 44, "room for a thumb"
            page.touchscreen.tap(box["x"] + 0.7 * box["width"], box["y"] + box["height"] / 2)
            page.wait_for_function(RATED, arg=slider.element_handle())  # a finger's click comes later than its touch
        look()
        scores = [int(page.get_by_role("slider", name=f"Sound {letter}:").input_value()) for letter in "ABCDE"]
        page.get_by_role("button", name=button).tap()
        return scores

    with serving(make_app(folder), page) as address:
        page.goto(f"{address}/#join={study.invite}")
        page.get_by_label("Your name").wait_for()
        look()
        page.get_by_label("Your name").focus()
        seen = [page.keyboard.press("Tab") or page.evaluate(OUTLINE) for _ in range(2)]
        assert min(seen) >= 2, "pixels around what has the focus"
        take_part(page, "Ada")
        look()
        page.get_by_role("button", name="Play a sound").tap()
        page.get_by_label("Loudspeakers").tap()
        page.get_by_role("button", name="Go on to practice").tap()
        page.get_by_role("button", name="Play", exact=True).wait_for()
        rate_all("Start the test")
        page.get_by_role("heading", name="Trial 1 of 1").wait_for()
        page.get_by_role("button", name="Reference").wait_for()
        scores = rate_all("Finish")
        page.get_by_role("heading", name="Thank you").wait_for()
        look()
    assert all(60 < score < 80 for score in scores)
    assert stored(folder) == rated(study, 0, 1, scores)
    context.close()


RATED = "slider => slider.getAttribute('aria-valuetext') !== 'not rated'"
HARD_TO_READ = """() => {
  const light = (colour) => {
    const linear = (v) => (v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
    const [r, g, b] = colour.match(/[\\d.]+/g).slice(0, 3).map((v) => linear(v / 255));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const ground = (node) => {
    for (; node; node = node.parentElement) {
      const colour = getComputedStyle(node).backgroundColor;
      if (!/, 0\\)$/.test(colour)) return colour;
    }
    return "rgb(255, 255, 255)";
  };
  return [...document.querySelectorAll("body *")].filter((node) => {
    const says = [...node.childNodes].some((child) => child.nodeType === 3 && child.data.trim());
    if (!says || !node.checkVisibility() || node.closest(":disabled, .hidden, script, option")) return false;
    const [a, b] = [light(getComputedStyle(node).color), light(ground(node))];
    return (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05) < 4.5;
  }).map((node) => node.textContent.trim());
}"""
"""Texts whose contrast is below the 4.5 of WCAG's level AA."""
OUTLINE = """() => {
  const width = (style) => (style.outlineStyle === "none" ? 0 : parseFloat(style.outlineWidth));
  const focus = document.activeElement;
  return Math.max(width(getComputedStyle(focus)), width(getComputedStyle(focus.parentElement)));
}"""


@pytest.mark.parametrize("mode", ["ab", "acr"])
def test_other_modes(page: Any, new_study: Callable[..., Path], mode: str) -> None:
    folder = new_study(mode=mode, per_rater=2)
    study = load_study(folder)
    with serving(make_app(folder), page) as address:
        page.goto(f"{address}/#join={study.invite}")
        take_part(page, "Ada")
        with_loudspeakers(page)
        letters = "AB" if mode == "ab" else "A"
        for heading, answer in (("Practice", "2"), ("Trial 1 of 2", "1"), ("Trial 2 of 2", "3")):
            page.get_by_role("heading", name=heading).wait_for()
            page.get_by_role("button", name="Play", exact=True).wait_for()
            for letter in letters:
                page.keyboard.press(letter)
            page.keyboard.press(answer)
            page.get_by_text("All rated").wait_for()
            nothing_hinders(page)
            page.keyboard.press("Enter")
        page.get_by_role("heading", name="Thank you").wait_for()
    first, second = study.plan(0)
    scores = {"ab": ((1, 0), (0, 1)), "acr": ((5,), (3,))}[mode]
    expected = {
        (t.id, s.id): v for t, row in zip((first, second), scores, strict=True) for s, v in zip(t.stimuli, row, strict=True)
    }
    assert stored(folder) == expected


def test_links_that_do_not_work(page: Any, new_study: Callable[..., Path]) -> None:
    folder = new_study()
    with serving(make_app(folder), page) as address:
        for link, message in (("", "Ask whoever runs it"), ("#r=forged", "not valid")):
            page.goto(f"{address}/{link}")
            page.get_by_text(message).wait_for()
            nothing_hinders(page)
        page.goto("about:blank")
        page.goto(f"{address}/#join={load_study(folder).invite}")
        take_part(page, "Ada")
        page.goto("about:blank")
        page.goto(f"{address}/#join={load_study(folder).invite}")  # the same browser again: let in, not asked
        page.get_by_role("heading", name="Set your volume").wait_for()
        page.evaluate("localStorage.clear()")
        page.goto("about:blank")
        page.goto(f"{address}/#join={load_study(folder).invite}")
        page.get_by_label("Your name").fill("ada")
        page.get_by_label("I take part").check()
        page.get_by_role("button", name="Take part").click()
        page.get_by_text("already taking part").wait_for()
    page.problems[:] = [p for p in page.problems if "status of 4" not in p]  # the browser's own lines about refusals


def test_ratings_wait_for_a_server_that_is_away(page: Any, new_study: Callable[..., Path]) -> None:
    folder = new_study()
    study = load_study(folder)
    with serving(make_app(folder), page) as address:
        page.goto(f"{address}/#join={study.invite}")
        take_part(page, "Ada")
        with_loudspeakers(page)
        practise(page)
        on_trial(page, 1)
        page.route("**/api/ratings", lambda route: route.abort())
        by_keyboard(page, {"A": ["End"]})
        page.get_by_text("No connection").wait_for()
        assert stored(folder) == {}
        with page.expect_response("**/api/ratings"):
            page.unroute("**/api/ratings")
        page.get_by_text("No connection").wait_for(state="hidden")
        assert list(stored(folder).values()) == [100]
    page.problems[:] = [p for p in page.problems if "ERR_FAILED" not in p]


def test_another_device_whose_clock_is_behind(page: Any, new_study: Callable[..., Path]) -> None:
    folder = new_study()
    study = load_study(folder)
    with serving(make_app(folder), page) as address:
        page.goto(f"{address}/#join={study.invite}")
        take_part(page, "Ada")
        with_loudspeakers(page)
        practise(page)
        on_trial(page, 1)
        with page.expect_response("**/api/ratings"):
            by_keyboard(page, {"A": ["PageUp"]})
        page.add_init_script("Date.now = () => 1000")
        page.reload()
        on_trial(page, 1)
        with page.expect_response("**/api/ratings"):
            by_keyboard(page, {"A": ["PageUp"]})
    assert list(stored(folder).values()) == [20]


def test_exported_page(page: Any, new_study: Callable[..., Path], tmp_path: Path) -> None:
    folder = new_study(per_rater=1)
    study = load_study(folder)
    export_study(folder, tmp_path / "out")
    text = (tmp_path / "out" / "session.json").read_text()
    assert not any(c.name in text for c in study.conditions if c.name != REFERENCE)
    from fastapi import FastAPI

    app = FastAPI()
    app.mount("/test", StaticFiles(directory=tmp_path / "out", html=True))
    with serving(app, page) as address:
        page.goto(f"{address}/test/")
        take_part(page, "Cy")
        with_loudspeakers(page)
        practise(page)
        page.get_by_role("heading", name="Trial 1 of 1").wait_for()
        page.get_by_role("button", name="Reference").wait_for()
        by_keyboard(page, {"A": ["End"], "B": ["End"]})
        page.reload()
        page.get_by_role("heading", name="Trial 1 of 1").wait_for()
        page.get_by_role("button", name="Reference").wait_for()
        by_keyboard(page, {letter: ["End"] for letter in "CDE"})
        page.get_by_role("button", name="Finish").click()
        with page.expect_download() as download:
            page.get_by_role("link", name="Save results").click()
        (folder / "results").mkdir()
        download.value.save_as(folder / "results" / "cy.json")
        download.value.save_as(folder / "results" / "cy again.json")
    (folder / "results" / "junk.json").write_text("[1]")
    results = collect(study, folder)
    assert [r.score for r in results.ratings] == [100] * 5
    assert [r.rater for r in results.raters] == ["Cy"]
    assert ["same rater" in note or "not a file of results" in note for note in results.notes] == [True, True]
