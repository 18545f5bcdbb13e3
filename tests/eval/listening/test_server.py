import json
import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from codec.errors import CodecError
from eval.listening import store
from eval.listening.server import make_app
from eval.listening.store import Store
from eval.listening.study import REFERENCE, load_study, sounds_of


@contextmanager
def client_of(folder: Path) -> Iterator[TestClient]:
    app = make_app(folder)
    with TestClient(app) as client:
        yield client
    app.state.store.close()


@pytest.fixture
def folder(new_study: Callable[..., Path]) -> Path:
    return new_study(per_rater=2)


@pytest.fixture
def client(folder: Path) -> Iterator[TestClient]:
    with client_of(folder) as client:
        yield client


def join(client: TestClient, folder: Path, name: str, key: str | None = None) -> dict[str, str]:
    answer = client.post(
        "/api/join", json={"invite": load_study(folder).invite, "name": name, "key": key or secrets.token_hex(16)}
    )
    assert answer.status_code == 200, answer.text
    return {"authorization": f"Bearer {answer.json()['token']}"}


def test_a_rater_from_joining_to_the_end(client: TestClient, folder: Path) -> None:
    me = join(client, folder, "Ada")
    session = client.get("/api/session", headers=me).json()
    assert [t["id"] for t in session["trials"]] == [t.id for t in load_study(folder).plan(0)]
    assert session["setup"] is None
    assert client.post("/api/setup", json={"consent": True, "device": "headphones", "right": 6, "of": 6}, headers=me).is_success
    trial = session["trials"][0]
    assert client.get(f"/audio/{trial['reference']}.flac", headers=me).content[:4] == b"fLaC"
    first, *rest = trial["stimuli"]
    body = {"trial": trial["id"], "scores": {first: 70.0}, "stamp": 10}
    assert client.post("/api/ratings", json=body, headers=me).is_success
    assert client.post("/api/done", json={"trial": trial["id"], "seconds": 9.0}, headers=me).status_code == 409
    client.post("/api/ratings", json=body | {"scores": dict.fromkeys(rest, 50.0)}, headers=me)
    assert client.post("/api/done", json={"trial": trial["id"], "seconds": 9.0}, headers=me).is_success
    assert client.post("/api/done", json={"trial": trial["id"], "seconds": 11.0}, headers=me).is_success  # sent again
    assert client.post("/api/ratings", json=body | {"stamp": 99}, headers=me).status_code == 409
    later = client.get("/api/session", headers=me).json()
    assert later["scores"] == {trial["id"]: {first: 70.0} | dict.fromkeys(rest, 50.0)}
    assert later["finished"] == {trial["id"]: 9.0}
    assert (session["stamp"], later["stamp"]) == (0, 10)
    assert later["setup"]["right"] == 6


def test_nothing_that_raters_get_says_what_they_hear(client: TestClient, folder: Path) -> None:
    me = join(client, folder, "Ada")
    study = load_study(folder)
    text = client.get("/api/session", headers=me).text
    hidden = [*(c.name for c in study.conditions if c.name != REFERENCE), *(t.clip for t in study.trials), study.invite]
    assert not any(name in text for name in hidden)
    # Nor does the order: over raters, the reference is everywhere.
    places = {[s.condition for s in t.stimuli].index(REFERENCE) for rater in range(50) for t in study.plan(rater)}
    assert places == set(range(5))
    assert json.loads(text)["training"]["stimuli"] == sorted(s.id for s in study.training.stimuli)


def test_the_latest_rating_stays_in_whatever_order_they_come(client: TestClient, folder: Path) -> None:
    me = join(client, folder, "Ada")
    trial = client.get("/api/session", headers=me).json()["trials"][0]
    name = trial["stimuli"][0]
    for score, stamp in ((10.0, 100), (30.0, 300), (20.0, 200), (30.0, 300)):
        body = {"trial": trial["id"], "scores": {name: score}, "stamp": stamp}
        assert client.post("/api/ratings", json=body, headers=me).is_success
    assert client.get("/api/session", headers=me).json()["scores"] == {trial["id"]: {name: 30.0}}


def test_raters_are_kept_apart(client: TestClient, folder: Path) -> None:
    ada, bob = join(client, folder, "Ada"), join(client, folder, "Bob")
    mine = client.get("/api/session", headers=ada).json()["trials"]
    theirs = {t["id"] for t in client.get("/api/session", headers=bob).json()["trials"]}
    trial = next(t for t in mine if t["id"] not in theirs)  # three trials, two for each
    body = {"trial": trial["id"], "scores": {trial["stimuli"][0]: 1.0}, "stamp": 1}
    assert client.post("/api/ratings", json=body, headers=bob).status_code == 403
    assert client.post("/api/done", json={"trial": trial["id"], "seconds": 1.0}, headers=bob).status_code == 403
    assert client.post("/api/ratings", json=body, headers=ada).is_success
    assert client.get("/api/session", headers=bob).json()["scores"] == {}


def test_raters_hear_only_their_own_trials(client: TestClient, folder: Path) -> None:
    me = join(client, folder, "Ada")
    study = load_study(folder)
    own = sounds_of((*study.plan(0), study.training))
    assert own < study.audio_ids
    for name in study.audio_ids:
        assert client.get(f"/audio/{name}.flac", headers=me).status_code == (200 if name in own else 404)


def test_a_full_study_says_so(client: TestClient, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store, "MAX_RATERS", 1)
    join(client, folder, "Ada")
    body = {"invite": load_study(folder).invite, "name": "Bob", "key": secrets.token_hex(16)}
    answer = client.post("/api/join", json=body)
    assert answer.status_code == 409  # not a failure of the server, after which the page would ask again for ever
    assert "already has 1 raters" in answer.json()["detail"]


def test_joining_twice(client: TestClient, folder: Path) -> None:
    key = secrets.token_hex(16)
    first = join(client, folder, "Ada", key)
    assert join(client, folder, "Ada", key) == first  # the answer was lost, the page asked again
    body = {"invite": load_study(folder).invite, "name": "ada", "key": secrets.token_hex(16)}
    answer = client.post("/api/join", json=body)
    assert answer.status_code == 409
    assert "already taking part" in answer.json()["detail"]


@pytest.mark.parametrize("link", ["", "Bearer ", "Bearer " + "x" * 43, "Bearer ' OR 1=1 --", "Bearer %00"])
def test_forged_links(client: TestClient, folder: Path, link: str) -> None:
    join(client, folder, "Ada")
    name = next(iter(load_study(folder).audio_ids))
    for path in ("/api/session", f"/audio/{name}.flac"):
        assert client.get(path, headers={"authorization": link}).status_code == 401
    assert client.post("/api/join", json={"invite": "x", "name": "Eve", "key": "0" * 32}).status_code == 401


def test_links_cannot_be_guessed(folder: Path) -> None:
    raters = Store(folder)
    tokens = {raters.join(f"{i}", secrets.token_hex(16)).token for i in range(50)}
    assert len(tokens) == 50
    assert all(len(token) >= 43 for token in tokens)  # 256 bits
    assert len(load_study(folder).invite) >= 22


def test_expired_links(new_study: Callable[..., Path]) -> None:
    folder = new_study(closes=(datetime.now(timezone.utc) - timedelta(seconds=1)).isoformat())
    with client_of(folder) as client:
        body = {"invite": load_study(folder).invite, "name": "late", "key": "0" * 32}
        for answer in (client.post("/api/join", json=body), client.get("/api/session", headers={"authorization": "Bearer x"})):
            assert answer.status_code == 410
            assert "over" in answer.json()["detail"]


def test_only_known_files_are_served(client: TestClient, folder: Path) -> None:
    me = join(client, folder, "Ada")
    for path in (
        "/page/../server.py", "/page/%2e%2e/server.py", "/page/..%2fserver.py", "/page/%2e%2e%2f%2e%2e%2fcli.py",
        "/page/ui.html",
        "/study.json", "/ratings.sqlite", "/audio/../study.json", "/audio/..%2fstudy.flac", "/audio/%2e%2e%2fstudy.json.flac",
        "/audio/0000000000000000.flac", "/docs", "/openapi.json", "/redoc",
    ):  # fmt: skip
        assert client.get(path, headers=me).status_code == 404, path


def test_headers_on_every_answer(client: TestClient) -> None:
    for answer in (client.get("/"), client.get("/nothing"), client.post("/api/join", content=b"{"), client.put("/")):
        policy = answer.headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert "http" not in policy
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["referrer-policy"] == "no-referrer"


def test_oversized_bodies(client: TestClient, folder: Path) -> None:
    me = join(client, folder, "Ada")
    assert client.post("/api/ratings", content=b" " * 20_000, headers=me).status_code == 413

    def chunks() -> Iterator[bytes]:
        for _ in range(100):
            yield b" " * 1000

    assert client.post("/api/ratings", content=chunks(), headers=me).status_code == 413
    assert client.post("/api/ratings", content=b"[" * 16_000, headers=me).status_code in (400, 422)
    assert client.post("/api/ratings", content=b"{}", headers=me | {"content-length": "9" * 30}).status_code == 413


def test_malformed_bodies(client: TestClient, folder: Path) -> None:
    me = join(client, folder, "Ada")
    trial = client.get("/api/session", headers=me).json()["trials"][0]
    name = trial["stimuli"][0]
    good: dict[str, Any] = {"trial": trial["id"], "scores": {name: 50.0}, "stamp": 1}
    for bad in (
        {"scores": {name: 101.0}}, {"scores": {name: -0.1}}, {"scores": {name: "50"}}, {"scores": {name: True}},
        {"scores": {name: None}}, {"scores": {}}, {"scores": {"0" * 16: 50.0}}, {"scores": {"../x": 50.0}}, {"scores": [50]},
        {"stamp": -1}, {"stamp": 1 << 60}, {"stamp": "now"}, {"trial": "x"},
        {"trial": 1}, {"more": 1}, {"scores": {trial["reference"]: 50.0}},
    ):  # fmt: skip
        assert client.post("/api/ratings", json=good | bad, headers=me).status_code == 422, bad
    for raw in (
        b'{"trial": "%s", "scores": {"%s": NaN}, "stamp": 1}' % (trial["id"].encode(), name.encode()),
        b"\xff",
        b"null",
        b"",
    ):
        assert client.post("/api/ratings", content=raw, headers=me).status_code in (400, 422)
    for name in ("", " ", "x" * 41, "a\x00b", "a\nb", "\u202eevil"):
        body = {"invite": load_study(folder).invite, "name": name, "key": "0" * 32}
        assert client.post("/api/join", json=body).status_code == 422
    assert client.get("/api/session", headers=me).json()["scores"] == {}


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.sampled_from(["/api/join", "/api/setup", "/api/ratings", "/api/done"]),
    st.one_of(
        st.binary(max_size=200),
        st.recursive(
            st.none() | st.booleans() | st.floats() | st.text(max_size=5),
            lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
        ).map(lambda value: json.dumps(value).encode()),
    ),
)
def test_no_body_breaks_the_server(client: TestClient, folder: Path, path: str, body: bytes) -> None:
    me = join(client, folder, "Eve", "e" * 32)
    assert 400 <= client.post(path, content=body, headers=me).status_code < 500


def test_two_servers_on_one_folder(folder: Path) -> None:
    app = make_app(folder)
    with pytest.raises(CodecError, match="another server"):
        make_app(folder)
    app.state.store.close()
    make_app(folder).state.store.close()


def test_a_foreign_database(folder: Path) -> None:
    (folder / "ratings.sqlite").write_bytes(b"not a database, but long enough to be looked at" * 40)
    with pytest.raises(CodecError, match="not a database of ratings"):
        Store(folder)
