"""Offline tasks on a made-up corpus, and the programs that speak and play."""

from __future__ import annotations

import hashlib
import io
import json
import struct
import tarfile
import zlib
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from codec.data.recording import Recording
from codec.data.store import Corpus, Entry
from codec.errors import CodecError
from eval.semantics.interface import SPLITS, read_card
from eval.semantics.tasks import build_tasks, instruments, task_names
from eval.semantics.tasks.instruments import Note, render, write_score
from eval.semantics.tasks.item import Item, check, without_repeats, without_unlearnable
from eval.semantics.tasks.mixtures import mixed
from eval.semantics.tasks.programs import Voice, run, trimmed
from eval.semantics.tasks.rhythm import TEMPOS, played
from eval.semantics.tasks.sounds import drum_of
from eval.semantics.tasks.spoken import NUMBER_LANGUAGES

VOICES = tuple(f"x{letter}" for letter in "abcdefghij")
CORPUS_TASKS = (
    *("word", "letter_or_digit", "language", "prompt_language", "object_word", "prompt", "taunt"),
    *("drum", "domain", "music_family", "speaker_count", "tempo", "speaker_verification", "sound_events"),
)


def rows() -> list[tuple[str, str, str, dict[str, str], float]]:
    """Origin, source, domain, labels and seconds of clips like the free corpus's."""
    found = []
    for number in range(12):
        for word in ("moon", "tree", "cat"):
            labels = {"language": f"l{number}", "speaker": f"ktuberling-l{number}", "prompt": word}
            found.append(("ktuberling-data", f"{number}/{word}", "speech", labels, 0.2))
    for person in VOICES:
        for syllable in (f"said {i}" for i in range(9)):
            labels = {"language": person, "speaker": f"klettres-{person}", "kind": "syllab", "prompt": syllable}
            found.append(("klettres-data", f"{person}/{syllable}", "speech", labels, 0.9))
    for voice in ("British", "Mobster", "Pirate", "Robot", "Surfer", "Singer", "Classic", "HillBilly", "Default_pl"):
        for taunt in ("Hello", "Ouch"):
            found.append(("hedgewars-data", f"{voice}/{taunt}", "speech", {"speaker": voice, "prompt": taunt}, 0.2))
    for speaker, package in (("Carlo", "asterisk-core-sounds-it-g722"), ("Menardi", "asterisk-prompt-it-menardi-wav")):
        for prompt in ("digits/1", "letters/a", "letters/b", "hello", *(f"p{i}" for i in range(20))):
            labels = {"speaker": speaker, "language": "it", "prompt": prompt}
            found.append((package, f"{speaker}/{prompt}", "speech", labels, 0.2))
    for prompt, text in (("digits/1", "one"), ("phonetic/a_p", "alpha"), ("hello", "Hello.")):
        labels = {"speaker": "Allison", "language": "en", "prompt": prompt, "text": text}
        found.append(("asterisk-core-sounds-en-g722", f"Allison/{prompt}", "speech", labels, 0.2))
    for language, letters in (("de", "ab"), ("en_GB", "ab"), ("nb", ("U0061", "U00E5"))):
        for letter in letters:
            labels = {"language": language, "speaker": f"klettres-{language}", "kind": "alpha", "prompt": letter}
            found.append(("klettres-data", f"{language}/{letter}", "speech", labels, 0.2))
    for kit in "ABCDEFGH":
        for name in (*(f"kick{i}" for i in range(4)), *(f"Snare_{i}" for i in range(4)), "rimshot"):
            found.append(("hydrogen-drumkits", f"hydrogen/{kit}", "sound", {"kit": kit, "instrument": name}, 0.1))
    for origin in (
        "warzone2100-music",
        "wesnoth-1.16-music",
        "supertuxkart-data",
        "hedgewars-data",
        "asterisk-moh-opsound-wav",
    ):
        found += [(origin, f"{origin}/{i}", "music", {}, 7.0) for i in range(12)]
    found += [(origin, f"{origin}/s", "sound", {}, 0.5) for origin in ("oxygen-sounds", "sound-theme-freedesktop")]
    return found


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("corpus")
    random = np.random.default_rng(0)
    position, lines, audio = 0, [], []
    for number, (origin, source, domain, labels, seconds) in enumerate(rows()):
        split = "test" if source.startswith("Menardi/p1") else "train"
        wave = random.integers(-9_000, 9_000, round(seconds * 16_000)).astype("<i2")
        for speed in (1.0, 1.1):
            entry = Entry(Recording(f"{number}.wav", source, domain, origin, labels), split, position, len(wave), speed)
            lines.append(json.dumps(asdict(entry)))
        audio.append(wave)
        position += len(wave)
    np.concatenate(audio).tofile(folder / "audio.i16")
    (folder / "clips.jsonl").write_text("\n".join(lines))
    return folder


@pytest.fixture
def quick_voices(monkeypatch: pytest.MonkeyPatch) -> None:
    """Synthetic voices that hum instead of speak: a pitch of their own for every voice, language and text."""

    def hum(voice: Voice, text: str, language: str = "en") -> np.ndarray:
        seed = zlib.crc32(f"{voice} {text} {language}".encode())
        return np.random.default_rng(seed).integers(-9_000, 9_000, 400).astype(np.int16)

    monkeypatch.setattr(Voice, "say", hum)


def labels_of(about: dict[str, Any]) -> list[str]:
    return [event["label"] for event in about["events"]] if "events" in about else [about["label"]]


def manifest(root: Path, task: str, split: str) -> list[tuple[dict[str, Any], np.ndarray]]:
    """What a reader of the tar files finds."""
    found = []
    for path in read_card(root / task).tars(root, split):
        with tarfile.open(path) as tar:
            files = {member.name: tar.extractfile(member).read() for member in tar}
        keys = sorted({name.split(".")[0] for name in files})
        assert sorted(files) == sorted(f"{key}.{suffix}" for key in keys for suffix in ("flac", "json"))
        for key in keys:
            wave, rate = soundfile.read(io.BytesIO(files[f"{key}.flac"]), dtype="int16")
            assert rate == 16_000
            found.append((json.loads(files[f"{key}.json"]), wave))
    return found


@pytest.mark.usefixtures("quick_voices")
def test_nothing_leaks_and_cards_are_true(corpus: Path, tmp_path: Path) -> None:
    cards = build_tasks(tmp_path, corpus, names=CORPUS_TASKS)
    assert {card.name for card in cards} == set(CORPUS_TASKS)
    for card in cards:
        assert read_card(tmp_path / card.name) == card
        splits = {split: manifest(tmp_path, card.name, split) for split in SPLITS}
        assert {split: len(clips) for split, clips in splits.items()} == card.counts
        groups = {
            split: {group for about, _ in clips for group in (about["group"], *about.get("also", ()))}
            for split, clips in splits.items()
        }
        audio = {split: {wave.tobytes() for _, wave in clips} for split, clips in splits.items()}
        for one, other in (("train", "valid"), ("train", "test"), ("valid", "test")):
            assert not groups[one] & groups[other], card.name
            assert not audio[one] & audio[other], card.name
        labels = {split: {name for about, _ in clips for name in labels_of(about)} for split, clips in splits.items()}
        if card.kind == "verification":
            assert not labels["train"] & labels["test"]
            assert labels["train"] | labels["valid"] | labels["test"] == set(card.classes)
        else:
            assert labels["valid"] | labels["test"] <= labels["train"] == set(card.classes)
        assert (tmp_path / card.name / ".audio_tar_ready").exists()


@pytest.mark.usefixtures("quick_voices")
def test_the_same_bytes_twice_and_others_for_another_seed(corpus: Path, tmp_path: Path) -> None:
    def digest(folder: str, seed: int) -> dict[str, str]:
        build_tasks(tmp_path / folder, corpus, names=["taunt", "language"], seed=seed)
        files = sorted((tmp_path / folder).rglob("*.*"))
        return {str(f.relative_to(tmp_path / folder)): hashlib.sha256(f.read_bytes()).hexdigest() for f in files if f.is_file()}

    assert digest("a", 0) == digest("b", 0)
    assert digest("a", 0) != digest("c", 1)


def test_prompts_are_asked_by_the_other_speaker_and_unheard_ones_test(corpus: Path, tmp_path: Path) -> None:
    build_tasks(tmp_path, corpus, names=["prompt"])
    speakers = {split: {about["group"].split("/")[0] for about, _ in manifest(tmp_path, "prompt", split)} for split in SPLITS}
    assert speakers == {"train": {"Carlo"}, "valid": {"Menardi"}, "test": {"Menardi"}}
    asked = {split: {about["label"] for about, _ in manifest(tmp_path, "prompt", split)} for split in SPLITS}
    assert asked["test"] == {"p1", *(f"p1{i}" for i in range(10))}
    assert not asked["test"] & asked["valid"]
    assert read_card(tmp_path / "prompt").seen == ""


@pytest.mark.usefixtures("quick_voices")
def test_a_voice_that_the_model_heard_in_other_sentences_is_told(corpus: Path, tmp_path: Path) -> None:
    (card,) = build_tasks(tmp_path, corpus, names=["word"])
    assert card.seen.startswith("2 of 6 test clips, without labels; one of the two synthetic test voices (flite's slt)")


@pytest.mark.usefixtures("quick_voices")
def test_languages_of_prompts_are_learned_elsewhere(corpus: Path, tmp_path: Path) -> None:
    (card,) = build_tasks(tmp_path, corpus, names=["prompt_language"])
    assert card.classes == ("en", "it")  # the other languages have no prompts here
    groups = {split: {about["group"] for about, _ in manifest(tmp_path, card.name, split)} for split in SPLITS}
    assert groups["test"] == {"Allison", "Carlo", "Menardi"}
    assert "klettres-en_GB" in groups["train"]
    assert "klettres-de" not in groups["train"]
    languages = [about["label"] for about, _ in manifest(tmp_path, card.name, "test")]
    assert languages.count("it") == 30
    assert card.counts["valid"] == 2 * 4


def test_how_much_of_the_test_the_model_heard_is_told(corpus: Path, tmp_path: Path) -> None:
    (card,) = build_tasks(tmp_path, corpus, names=["drum"])
    assert card.seen == f"{card.counts['test']} of {card.counts['test']} test clips, without labels"


@pytest.mark.parametrize(
    ("name", "drum"),
    [
        *(("HiHatClosed-1", "hat"), ("EE_Kick_Low_2", "kick"), ("PearlTomFloor-Hard", "tom"), ("BD_03", "kick")),
        *(("CrashRide18Bow-0", "ride"), ("Crash18-0", "crash"), ("Djembe2 Slap", "hand drum"), ("SN_04", "snare")),
        *(("PearlSnareRimshot-Soft", ""), ("beats_01-10", ""), ("stick_Woody", ""), ("cc_01", "crash")),
    ],
)
def test_drums_by_their_file_names(name: str, drum: str) -> None:
    assert drum_of(name) == drum


def item(label: str, group: str, split: str, seed: int | None = None) -> Item:
    random = np.random.default_rng(zlib.crc32(f"{label}{group}{split}".encode()) if seed is None else seed)
    return Item(random.integers(-9, 9, 50).astype(np.int16), label, group, split)


GOOD = [item("a", "1", "train"), item("a", "2", "valid"), item("a", "3", "test")]


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ([item("a", "1", "test")], "1 is on two sides"),
        ([item("b", "4", "test")], "class b is tested but never shown"),
        ([item("a", "5", "train", seed=1), item("a", "6", "test", seed=1)], "audio .* is on two sides"),
    ],
)
def test_leaks_are_refused(more: list[Item], message: str) -> None:
    check("toy", GOOD)
    with pytest.raises(CodecError, match=f"task toy: {message}"):
        check("toy", GOOD + more)
    with pytest.raises(CodecError, match="valid split is empty"):
        check("toy", [i for i in GOOD if i.split != "valid"])


def test_filters() -> None:
    assert without_repeats([*GOOD, *GOOD]) == GOOD
    rare = item("b", "7", "train")
    assert without_unlearnable([*GOOD, rare]) == GOOD
    assert without_unlearnable(GOOD, at_least=2) == []


def test_what_is_missing_is_said(corpus: Path, tmp_path: Path) -> None:
    with pytest.raises(CodecError, match="unknown task 'nope'; there are word"):
        build_tasks(tmp_path, corpus, names=["nope"])
    with pytest.raises(CodecError, match="codec train corpus"):
        build_tasks(tmp_path, tmp_path / "none", names=["taunt"])
    with pytest.raises(CodecError, match="apt-get install fluid-soundfont-gm"):
        build_tasks(tmp_path, corpus, tmp_path / "none.sf2", names=["instrument_family"])
    with pytest.raises(CodecError, match="no-such-program is missing: apt-get install"):
        run(["no-such-program"])
    with pytest.raises(CodecError, match="failed with exit code 3"):
        run(["sh", "-c", "exit 3"])
    with pytest.raises(CodecError, match="task taunt: the train split is empty"):
        build_tasks(tmp_path, _only(corpus, tmp_path / "poor", "warzone"), names=["taunt"])
    assert not (tmp_path / "taunt").exists()


def _only(corpus: Path, folder: Path, origin: str) -> Path:
    folder.mkdir()
    lines = [line for line in (corpus / "clips.jsonl").read_text().splitlines() if origin in line]
    (folder / "clips.jsonl").write_text("\n".join(lines))
    (folder / "audio.i16").write_bytes((corpus / "audio.i16").read_bytes())
    Corpus(folder)
    return folder


def test_pitches_are_those_of_the_notes_and_instruments_on_one_side(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def sines(soundfont: Path, played: dict[int, list[Note]]) -> dict[int, list[np.ndarray]]:
        time = np.arange(8_000) / 16_000
        tone = {p: [np.sin(2 * np.pi * 440 * 2 ** ((n.pitch - 69) / 12) * time) for n in notes] for p, notes in played.items()}
        return {p: [(9_000 * wave + p).astype(np.int16) for wave in waves] for p, waves in tone.items()}

    monkeypatch.setattr(instruments, "render_all", sines)
    items = instruments.note_pitch(tmp_path, 0)
    check("note_pitch", items)
    assert len({item.label for item in items}) == 24
    for item in items[::37]:
        name, octave = item.label[:-1], int(item.label[-1])
        pitch = 12 * (octave + 1) + instruments.NAMES.index(name)
        peak = np.argmax(np.abs(np.fft.rfft(item.wave - item.wave.mean()))) * 2.0
        assert 69 + 12 * np.log2(peak / 440) == pytest.approx(pitch, abs=0.3)


def test_beats_are_as_fast_as_they_say() -> None:
    click = np.zeros(800, np.int16)
    click[:80] = 9_000
    for beats in (60, 117, 183):
        wave = np.abs(played({"kick": [click], "snare": [click]}, beats, np.random.default_rng(1)).astype(float))
        envelope = wave[: len(wave) // 160 * 160].reshape(-1, 160).sum(1)
        together = np.correlate(envelope, envelope, "full")[len(envelope) :]
        lags = np.array([round(60 / other * 100) for other in TEMPOS])
        near = [together[lag - 4 : lag + 3].sum() for lag in lags]
        assert TEMPOS[int(np.argmax(near))] == beats


def test_speakers_say_no_text_twice_and_are_heard_in_other_rooms(corpus: Path, tmp_path: Path) -> None:
    (card,) = build_tasks(tmp_path, corpus, names=["speaker_verification"])
    assert (card.kind, card.metric) == ("verification", "EER_inv")
    assert len(card.classes) == len(VOICES)
    assert card.counts == {"train": 7 * 9, "valid": 9, "test": 2 * 9}


def test_as_many_voices_speak_as_the_label_says() -> None:
    waves = [(9_000 * np.sin(np.arange(40_000) / speed)).astype(np.int16) for speed in (3, 7, 19)]
    for count in (1, 2, 3):
        spectrum = np.abs(np.fft.rfft(mixed(waves[:count], np.random.default_rng(0))[8_000:32_000].astype(float)))
        assert np.sum(spectrum > 0.1 * spectrum.max()) <= 6 * count
        peaks = [spectrum[round(24_000 / (2 * np.pi * speed)) + np.arange(-3, 4)].max() for speed in (3, 7, 19)]
        assert [peak > 0.2 * spectrum.max() for peak in peaks] == [n < count for n in range(3)]


@pytest.mark.parametrize("voice", [Voice("flite", "slt"), Voice("espeak-ng", "f2")])
def test_synthesisers_speak_the_same_twice(voice: Voice) -> None:
    wave = voice.say("nineteen")
    assert wave.dtype == np.int16
    assert 4_000 < len(wave) < 32_000
    assert np.abs(wave[:400]).max() < np.abs(wave).max()
    np.testing.assert_array_equal(wave, voice.say("nineteen"))


def test_numbers_are_read_the_same_twice_in_every_language() -> None:
    said = [(number, name) for number in ("4711", "6789", "9999") for name in NUMBER_LANGUAGES]
    waves = [[Voice("espeak-ng", "m1").say(number, name).tobytes() for number, name in said] for _ in range(2)]
    assert waves[0] == waves[1]
    assert len(set(waves[0])) == len(said)


def test_silence_is_no_speech() -> None:
    with pytest.raises(CodecError, match="nothing but silence"):
        trimmed(np.zeros(100, np.float32))


def chunk(name: bytes, content: bytes) -> bytes:
    return name + struct.pack("<I", len(content)) + content + b"\0" * (len(content) % 2)


def tone_soundfont(path: Path) -> Path:
    """The smallest SoundFont that plays: one looped sine of 440 Hz as program 0, root key 69."""
    rate, period, periods = 44_000, 100, 44
    sine = (12_000 * np.sin(2 * np.pi * np.arange(period * periods) / period)).astype("<i2").tobytes() + bytes(92)
    end = period * periods

    def named(text: str) -> bytes:
        return text.encode().ljust(20, b"\0")

    presets = struct.pack("<20sHHHIII", named("tone"), 0, 0, 0, 0, 0, 0) + struct.pack(
        "<20sHHHIII", named("EOP"), 0, 0, 1, 0, 0, 0
    )
    bags = struct.pack("<HHHH", 0, 0, 1, 0)
    instrument = struct.pack("<20sH", named("tone"), 0) + struct.pack("<20sH", named("EOI"), 1)
    looped = struct.pack("<HHHH", 54, 1, 53, 0)
    samples = struct.pack("<20sIIIIIBbHH", named("sine"), 0, end, period, end - period, rate, 69, 0, 0, 1)
    samples += struct.pack("<20sIIIIIBbHH", named("EOS"), 0, 0, 0, 0, 0, 0, 0, 0, 0)
    hydra = [
        *((b"phdr", presets), (b"pbag", bags), (b"pmod", bytes(10)), (b"pgen", struct.pack("<HHHH", 41, 0, 0, 0))),
        *((b"inst", instrument), (b"ibag", struct.pack("<HHHH", 0, 0, 2, 0)), (b"imod", bytes(10))),
        *((b"igen", looped + bytes(4)), (b"shdr", samples)),
    ]
    info = chunk(b"ifil", struct.pack("<HH", 2, 1)) + chunk(b"isng", b"EMU8000\0") + chunk(b"INAM", b"tone\0\0")
    body = b"sfbk" + chunk(b"LIST", b"INFO" + info) + chunk(b"LIST", b"sdta" + chunk(b"smpl", sine))
    body += chunk(b"LIST", b"pdta" + b"".join(chunk(name, content) for name, content in hydra))
    path.write_bytes(chunk(b"RIFF", body))
    return path


def test_fluidsynth_plays_the_notes_asked_for(tmp_path: Path) -> None:
    font = tone_soundfont(tmp_path / "tone.sf2")
    waves = render(font, 0, [Note(69, 100), Note(81, 100), Note(57, 30)])
    assert [len(wave) for wave in waves] == [16_000] * 3
    for wave, hertz in zip(waves, (440, 880, 220), strict=True):
        steady = wave[1_600:12_800].astype(float)
        peak = np.abs(np.fft.rfft(steady * np.hanning(len(steady)))).argmax() * 16_000 / len(steady)
        assert peak == pytest.approx(hertz, abs=4)
    assert np.abs(waves[2]).max() < np.abs(waves[0]).max()  # velocity


def test_scores_hold_what_was_asked_for(tmp_path: Path) -> None:
    import mido

    write_score(tmp_path / "s.mid", 40, [Note(60, 90), Note(72, 30)])
    played = mido.MidiFile(tmp_path / "s.mid")
    assert played.length == pytest.approx(2 * instruments.SPACING)
    kinds = [(m.type, m.note, m.velocity) for m in played.tracks[0] if m.type == "note_on"]
    assert kinds == [("note_on", 60, 90), ("note_on", 72, 30)]


def test_instrument_families_hold_out_whole_instruments(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def play(font: Path, program: int, notes: list[Note]) -> list[np.ndarray]:
        return [np.random.default_rng([program, i]).integers(-9_000, 9_000, 64).astype(np.int16) for i in range(len(notes))]

    monkeypatch.setattr(instruments, "render", play)
    (family,) = build_tasks(tmp_path, tmp_path, names=["instrument_family"])
    assert len(family.classes) == 16
    groups = [{about["group"] for about, _ in manifest(tmp_path, family.name, split)} for split in SPLITS]
    assert not groups[0] & groups[1] | groups[0] & groups[2] | groups[1] & groups[2]
    assert family.counts == {"train": 16 * 5 * 8, "valid": 16 * 8, "test": 16 * 2 * 8}


def test_task_names_are_folders() -> None:
    assert all(name.isidentifier() for name in task_names())
