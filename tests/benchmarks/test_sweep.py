"""What a sweep leaves behind, and that nothing from outside gets into its page."""

from __future__ import annotations

import base64
import io
import itertools
import json
import re
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
import soundfile
from rich.console import Console

from benchmarks.sweep.labels import Label, place
from benchmarks.sweep.paper import TABLE_II
from benchmarks.sweep.points import at_rates, lines, point_label, suits
from benchmarks.sweep.tables import build_tables, markdown
from benchmarks.sweep.write import write_sweep
from eval.colours import FAMILIES, colour_of, marker_of
from eval.reconstruction.cache import Cache
from eval.reconstruction.compact import print_compact
from eval.reconstruction.names import split_codecs
from eval.reconstruction.results import Results
from eval.reconstruction.runner import run
from eval.reconstruction.show import problems
from eval.reconstruction.summary import summarise
from tests.eval.reconstruction.doubles import SETUP, Tone, open_codec

HOSTILE = '<script src="https://evil.example/x.js">alert(1)</script>"\'|&`\n](http://x)'
CODECS = ["bits@4", "bits@8", "short", "tokens", "missing@<b>1</b>"]
CLIPS = [
    Tone("clip0", text="hello"),
    Tone(HOSTILE, text=f"</script></title>{HOSTILE}"),
    Tone("third", text="x"),
    Tone("drum", "sound", samples=300),
    Tone("unreadable"),
]


@pytest.fixture(scope="module")
def swept(tmp_path_factory: pytest.TempPathFactory) -> tuple[Results, Path]:
    folder = tmp_path_factory.mktemp("sweep")
    results = run(CODECS, CLIPS, SETUP, Cache(folder / "cache"), 0, HOSTILE, {"codecs": CODECS, "data": HOSTILE})
    write_sweep(results, CLIPS, open_codec, folder, reference="bits@8", examples=2, paper=True)
    return results, folder


class Page(HTMLParser):
    """Notes what a browser would see, and stumbles over tags that are not closed in order."""

    VOID = frozenset(("meta", "input", "img", "link", "br"))

    def __init__(self) -> None:
        super().__init__()
        self.stack: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text: list[str] = []
        self.scripts: list[tuple[dict[str, str | None], str]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self.stack.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.stack.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.stack and self.stack[-1] == "script":
            self.scripts.append((self.tags[-1][1], data))
        else:
            self.text.append(data)


@pytest.fixture(scope="module")
def page(swept: tuple[Results, Path]) -> Page:
    parser = Page()
    parser.feed((swept[1] / "report.html").read_text("utf-8"))
    parser.close()
    assert not parser.stack
    return parser


def test_page_loads_nothing_from_outside(page: Page, swept: tuple[Results, Path]) -> None:
    for tag, attributes in page.tags:
        for name in ("src", "href", "srcset", "action", "poster", "data", "style"):
            value = attributes.get(name)
            assert value is None or value.startswith(("data:image/", "#")), (tag, name, value)
        assert not any(name.startswith("on") for name in attributes), "a handler in the markup"
        assert tag not in ("link", "iframe", "object", "embed", "base")
    raw = (swept[1] / "report.html").read_text("utf-8")
    assert "default-src 'none'" in raw
    script = next(text for attributes, text in page.scripts if not attributes)
    assert "fetch(" not in script
    assert not re.search(r"https?://", script)
    assert "url(" not in raw.split("<style>")[1].split("</style>")[0]


def test_hostile_names_are_text(page: Page, swept: tuple[Results, Path]) -> None:
    assert [attributes for attributes, _ in page.scripts if attributes.get("class") != "audio"] == [{}], "one script, ours"
    text = "".join(page.text)
    assert HOSTILE in text, "the clip's name"
    assert "missing@<b>1</b>" in text
    tables = (swept[1] / "tables.md").read_text("utf-8")
    assert all(line.startswith(("|", "#", "-")) or not line for line in tables.splitlines())
    assert "<script" not in tables


def test_one_table_fits_the_terminal_and_the_best_is_bold(swept: tuple[Results, Path]) -> None:
    results, _ = swept
    text = io.StringIO()
    summaries = summarise(results)
    print_compact(results, summaries, Console(file=text, width=80, force_terminal=True, color_system="truecolor"))
    plain = re.sub(r"\x1b\[[0-9;]*m", "", text.getvalue())
    lines = plain.splitlines()
    assert max(map(len, lines)) <= 80
    assert len(lines) < 4 + 2 * len(CODECS), "a line a codec"
    assert all(any(line.split()[:1] == [codec] for line in lines) for codec in ("bits@4", "bits@8", "tokens"))
    assert "\x1b[1m" in text.getvalue()


def test_every_clip_and_codec_is_embedded(page: Page) -> None:
    players = [attributes for tag, attributes in page.tags if attributes.get("class") == "player"]
    assert len(players) == 3, "two of speech, one of sound"
    audio = [text for attributes, text in page.scripts if attributes.get("class") == "audio"]
    assert len(audio) == 3 * 4, "reference and three codecs; the one that fails has no sound"
    radios = [attributes for tag, attributes in page.tags if attributes.get("type") == "radio"]
    assert len(radios) == len(audio)
    lengths = [len(soundfile.read(io.BytesIO(base64.b64decode(text)))[0]) for text in audio]
    assert lengths == [800] * 8 + [300] * 4
    assert "the output has shape (799,), the input (800,)" in "".join(page.text)


def test_embedded_audio_is_what_the_codec_made(page: Page) -> None:
    audio = [text for attributes, text in page.scripts if attributes.get("class") == "audio"]
    reference, coarse = (soundfile.read(io.BytesIO(base64.b64decode(text)))[0] for text in audio[:2])
    wave, _ = CLIPS[0].load()
    assert np.abs(reference - wave).max() < 1e-4
    assert np.abs(coarse - np.round(wave * 16) / 16).max() < 1e-4


def test_plots_follow_dark_mode_and_codecs_keep_their_colours(swept: tuple[Results, Path]) -> None:
    svg = (swept[1] / "overview.svg").read_text()
    drawn = re.sub(r"<style>@media \(prefers-color-scheme: dark\).*?</style>", "", svg)
    assert drawn != svg
    known = {"#ffffff", "#888888", "#e6e6e6", "#000000", "#555555", "#222222", "#777777"}
    assert set(re.findall(r"(?:fill|stroke): (#[0-9a-f]{6})", drawn)) <= known | {colour_of(name).lower() for name in CODECS}
    names = [name for name in FAMILIES if name not in ("original", "noise")]
    assert len({(colour_of(name), marker_of(name)) for name in names}) == len(names)
    assert [marker_of(name) for name in names] == [marker_of(f"{name}@3,x=1") for name in names]


def test_files(swept: tuple[Results, Path]) -> None:
    results, folder = swept
    for name in ("overview", "plots/speech-error", "plots/speech-wer", "plots/sound-error"):
        root = ElementTree.parse(folder / f"{name}.svg").getroot()
        assert root.tag.endswith("svg")
        assert (folder / f"{name}.png").read_bytes().startswith(b"\x89PNG")
    assert sorted(path.name for path in (folder / "sheets").iterdir()) == ["sound-1.png", "speech-1.png", "speech-2.png"]
    assert not list(folder.rglob(".codec-*"))
    raw = json.loads((folder / "results.json").read_text())
    assert raw["provenance"]["config"]["codecs"] == CODECS
    assert raw["refused"] == results.refused


def test_tables_say_what_was_measured_and_what_failed(swept: tuple[Results, Path]) -> None:
    results, folder = swept
    summaries = summarise(results, "bits@8")
    speech = next(table for table in build_tables(results, summaries) if table.domain == "speech")
    assert [row.codec for row in speech.rows] == ["bits@4", "bits@8", "short", "tokens"]
    assert "25.0%" in [cell.text for cell in speech.rows[0].cells]
    assert speech.rows[2].cells[-1].text == "3 of 3"
    column = speech.columns.index(next(title for title in speech.columns if title.startswith("error"))) - 1
    assert [row.codec for row in speech.rows if row.cells[column].best] == ["bits@8"]
    assert f"**{speech.rows[1].cells[column].text}**" in markdown([speech])
    assert markdown([speech]) in (folder / "tables.md").read_text()
    assert "| tokens | 4800 | 4 8 | 50.0% 12.5% | 1.00 0.000 |" in (folder / "tables.md").read_text()
    assert "<h2>Use of codebooks</h2>" in (folder / "report.html").read_text("utf-8")
    failed = "\n".join(problems(results))
    assert "program c2enc is missing: apt-get install codec2" in failed
    assert "unreadable cannot be read: unreadable.wav: not audio" in failed
    assert "short failed on 3 clips (clip0, …): the output has shape (799,), the input (800,)" in failed

    coarse, fine = (next(s for s in summaries if s.codec == name and s.domain == "speech") for name in ("bits@4", "bits@8"))
    difference = coarse.scores["error"].difference
    assert difference is not None
    assert coarse.scores["error"].mean is not None
    assert fine.scores["error"].mean is not None
    assert difference.value == pytest.approx(coarse.scores["error"].mean.value - fine.scores["error"].mean.value)
    assert fine.scores["error"].difference is None
    assert coarse.kbps == pytest.approx(32)


def test_pictures_are_the_same_every_time(swept: tuple[Results, Path], tmp_path: Path) -> None:
    write_sweep(swept[0], CLIPS, open_codec, tmp_path, reference="bits@8", examples=0, paper=True)
    assert (tmp_path / "overview.svg").read_text() == (swept[1] / "overview.svg").read_text()
    assert (tmp_path / "tables.md").read_text() == (swept[1] / "tables.md").read_text()


def test_nothing_to_plot_is_no_error(tmp_path: Path) -> None:
    results = run(["short"], CLIPS[:1], SETUP, Cache(tmp_path / "cache"), workers=0)
    write_sweep(results, CLIPS[:1], open_codec, tmp_path)
    assert "the output has shape" in (tmp_path / "report.html").read_text()


def test_names_and_rates() -> None:
    assert split_codecs("opus,semcodec@50,semantic,  dac_16khz@n=2,opus") == ["opus", "semcodec@50,semantic", "dac_16khz@n=2"]
    assert split_codecs("original,semcodec,vocab=4096,opus@6,,") == ["original", "semcodec,vocab=4096", "opus@6"]
    assert split_codecs(" ") == []
    assert at_rates(["semcodec,vocab=4096", "original"], []) == ["semcodec,vocab=4096", "original"]
    assert point_label("codec2@700C") == "700C"
    assert point_label("no@@such,,name") == ""
    assert suits("semcodec:my/model@50", "music")
    assert not suits("speex@2.15", "sound")


def test_lines_join_the_points_of_one_codec(swept: tuple[Results, Path]) -> None:
    [line, *_] = lines(summarise(swept[0]), "speech")
    assert [point.codec for point in line.points] == ["bits@4", "bits@8"]


def test_published_figures_are_the_papers() -> None:
    best = [row for row in TABLE_II if row.model == "SemantiCodec"]
    assert [row.tokens for row in best] == [25, 50, 100]
    # The paper prints the mean of its three ViSQOL columns besides.
    for row, mean in zip(best, (3.17, 3.55, 3.81), strict=True):
        assert sum(row.visqol) / 3 == pytest.approx(mean, abs=0.011)
    assert best[1].value("speech", "wer") == 5.1
    assert best[1].value("music", "wer") is None
    assert best[1].value("sound", "mel_distance") == 4.67


def test_labels_of_points_that_lie_close_do_not_lie_on_each_other() -> None:
    from matplotlib import pyplot

    figure, axis = pyplot.subplots(figsize=(6, 4))
    labels = [Label(f"point {n}", 1 + 0.03 * n, 2 + 0.02 * (n % 2), "black", n == 0) for n in range(7)]
    axis.scatter([label.x for label in labels], [label.y for label in labels])
    figure.canvas.draw()
    boxes = [text.get_window_extent() for text in place(axis, labels)]
    pyplot.close(figure)
    assert not [pair for pair in itertools.combinations(boxes, 2) if pair[0].overlaps(pair[1])]
    naive = Label("x" * 500, 1.0, 2.0, "black", False)  # fits nowhere, and is written all the same
    figure, axis = pyplot.subplots()
    figure.canvas.draw()
    assert len(place(axis, [naive])) == 1
    pyplot.close(figure)
