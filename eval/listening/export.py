"""``codec eval listen export``: the same page for any web server that hands out files."""

from __future__ import annotations

import json
import shutil
import tempfile
from pathlib import Path

from codec.errors import CodecError
from eval.listening.results import PLANS, study_id
from eval.listening.server import PAGE_FILES, invitation_of, session_of, without_order
from eval.listening.study import load_study
from eval.listening.web import PAGE, POLICY


def export_study(study_folder: Path, folder: Path) -> None:
    """Writes ``index.html``, the page, the sounds, and ``session.json`` with everything but the key.

    Raises:
        CodecError: no study, or the folder is not empty.
    """
    study = load_study(study_folder)
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise CodecError(f"{folder}: exists and is not empty")
    folder.parent.mkdir(parents=True, exist_ok=True)
    plans = [[{"trial": t.id, "stimuli": [s.id for s in t.stimuli]} for t in study.plan(index)] for index in range(PLANS)]
    session = session_of(
        study, tuple(without_order(trial) for trial in sorted((*study.trials, *study.checks), key=lambda trial: trial.id))
    )
    session |= {"invitation": invitation_of(study), "completion": study.briefing.completion}
    session |= {"study": study_id(study), "trials": {t["id"]: t for t in session["trials"]}, "plans": plans}
    with tempfile.TemporaryDirectory(prefix=".listen-", dir=folder.parent) as scratch:
        root = Path(scratch) / "page"
        (root / "page").mkdir(parents=True)
        (root / "audio").mkdir()
        for name in PAGE_FILES:
            shutil.copy(PAGE / name, root / "page" / name)
        for name in study.audio_ids:
            shutil.copy(study_folder / "audio" / f"{name}.flac", root / "audio")
        policy = f'<meta http-equiv="content-security-policy" content="{POLICY}">'
        html = (PAGE / "listen.html").read_text("utf-8")
        html = html.replace('data-store="server"', 'data-store="download"').replace("<title>", f"{policy}\n<title>")
        (root / "index.html").write_text(html, "utf-8")
        (root / "session.json").write_text(json.dumps(session), "utf-8")
        root.replace(folder)
