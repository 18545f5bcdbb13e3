"""What a rater does on the pages of a study, one step a function."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any


def take_part(page: Any, name: str) -> None:
    page.get_by_label("Your name").fill(name)
    page.get_by_label("I take part").check()
    page.get_by_role("button", name="Take part").click()
    page.get_by_role("heading", name="Set your volume").wait_for()


def set_up(page: Any, picture: Callable[[str], None]) -> None:
    page.get_by_role("button", name="Play a sound").click()
    page.get_by_label("Headphones").check()
    for number in range(1, 7):
        page.get_by_role("button", name=f"Play round {number} of 6").click()
        if number == 1:
            picture("setup")
        page.get_by_role("button", name="Tone 2").click()
    page.get_by_text(re.compile("[0-6] of 6 right")).wait_for()
    page.get_by_role("button", name="Go on to practice").click()
    page.get_by_role("heading", name="Practice").wait_for()


def with_loudspeakers(page: Any) -> None:
    """The shortest way through the set-up."""
    page.get_by_role("button", name="Play a sound").click()
    page.get_by_label("Loudspeakers").check()
    page.get_by_role("button", name="Go on to practice").click()


def practise(page: Any, letters: str = "ABCDE") -> None:
    page.get_by_role("button", name="Play", exact=True).wait_for()
    assert page.get_by_role("button", name="Start the test").is_disabled()
    for key in letters:
        page.keyboard.press(key)
        page.keyboard.press("PageUp")
    page.get_by_role("button", name="Start the test").click()


def on_trial(page: Any, number: int) -> None:
    page.get_by_role("heading", name=f"Trial {number} of 3").wait_for()
    page.get_by_role("button", name="Reference").wait_for()


def by_keyboard(page: Any, presses: dict[str, list[str]]) -> None:
    for letter, keys in presses.items():
        page.keyboard.press(letter)
        for key in keys:
            page.keyboard.press(key)


def slide(page: Any, letter: str, share: float) -> int:
    """Clicks into a slider; gives the score that the page shows."""
    slider = page.get_by_role("slider", name=f"Sound {letter}:")
    page.get_by_role("button", name=f"{letter} sound", exact=True).click()
    box = slider.bounding_box()
    page.mouse.click(box["x"] + share * box["width"], box["y"] + box["height"] / 2)
    return int(slider.input_value())
