"""Files come whole and right or not at all, whatever the server does."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from comps.core.errors import EngineUnavailableError
from comps.core.weights import ModelFolder, Puller, PullOptions, State, Watcher
from comps.core.weights.download import Patience
from tests.core.weights.file_server import CONTENT, SHA256, Answer, FileServer, serving

ROOT = Path(__file__).parents[3]
HALF = len(CONTENT) // 2


class Listener(Watcher):
    def __init__(self) -> None:
        self.said: list[str] = []
        self.begun: list[tuple[str, int, int | None]] = []
        self.bytes = 0

    def fetches(self, name: str, done: int, total: int | None) -> None:
        self.begun.append((name, done, total))

    def checks(self, name: str, total: int) -> None:
        self.begun.append((f"checking {name}", 0, total))

    def moved(self, count: int) -> None:
        self.bytes += count

    def says(self, sentence: str) -> None:
        self.said.append(sentence)


@pytest.fixture
def listener() -> Listener:
    return Listener()


def pulling(folder: ModelFolder, listener: Watcher | None = None, **options: object) -> Puller:
    patience = options.pop("patience", Patience(connect_s=5, silence_s=5))
    given = {"patience": patience, "sleep": lambda seconds: None, **options}
    return Puller(folder, PullOptions(**given), listener)  # type: ignore[arg-type]


def names(folder: ModelFolder) -> list[str]:
    return sorted(path.name for path in folder.path.iterdir() if not path.name.endswith(".lock"))


def test_a_file_is_fetched_once_and_recorded(server: FileServer, folder: ModelFolder, listener: Listener) -> None:
    file = server.file()
    with pulling(folder, listener) as puller:
        first, second = puller.pull(file), puller.pull(file)
    assert first.path.read_bytes() == CONTENT
    assert first.state is second.state is State.VERIFIED
    assert (first.source, second.source) == (file.urls[0], "")
    assert len(server.seen) == 1
    assert names(folder) == ["w.pth", "w.pth.sha256"]
    assert folder.path.joinpath("w.pth.sha256").read_text() == f"{SHA256}  w.pth\n"
    assert listener.begun == [("w.pth", 0, len(CONTENT)), ("checking w.pth", 0, len(CONTENT))]
    assert listener.bytes == 2 * len(CONTENT)


def test_what_broke_off_is_continued(server: FileServer, folder: ModelFolder) -> None:
    server.plan = [Answer(cut=HALF), Answer(cut=100)]
    with pulling(folder) as puller:
        assert puller.pull(server.file()).path.read_bytes() == CONTENT
    assert server.asked == [None, f"bytes={HALF}-", f"bytes={HALF + 100}-"]
    assert server.seen[1][1]["If-Range"] == '"one"'
    assert all(headers["Accept-Encoding"] == "identity" for _, headers in server.seen)


def test_a_later_run_continues(server: FileServer, folder: ModelFolder) -> None:
    server.plan = [Answer(cut=HALF), *[Answer(status=503)] * 4]
    with pulling(folder) as puller, pytest.raises(EngineUnavailableError, match="503"):
        puller.pull(server.file())
    assert folder.state(server.file()) is State.PARTIAL
    assert names(folder) == ["w.pth.part", "w.pth.part.json"]
    with pulling(folder) as puller:
        assert puller.pull(server.file()).path.read_bytes() == CONTENT
    assert server.asked[-1] == f"bytes={HALF}-"


def test_a_file_that_changed_is_fetched_anew(server: FileServer, folder: ModelFolder) -> None:
    """Without a documented hash only If-Range keeps halves of two files apart."""
    server.content, server.etag = b"old" * 100_000, '"old"'
    server.plan = [Answer(cut=HALF), *[Answer(status=503)] * 4]
    file = server.file(sha256=None, size=None)
    with pulling(folder) as puller, pytest.raises(EngineUnavailableError):
        puller.pull(file)
    server.content, server.etag = CONTENT, '"new"'
    with pulling(folder) as puller:
        assert puller.pull(file).path.read_bytes() == CONTENT
    assert server.seen[-1][1]["If-Range"] == '"old"'


@pytest.mark.parametrize(
    ("etag", "date", "sent"),
    [
        ('W/"weak"', "Mon, 01 Jan 2024 00:00:00 GMT", "Mon, 01 Jan 2024 00:00:00 GMT"),
        ('W/"weak"', None, None),
        (None, None, None),
    ],
)
def test_only_a_strong_validator_continues_an_unproven_file(
    server: FileServer, folder: ModelFolder, etag: str | None, date: str | None, sent: str | None
) -> None:
    server.etag, server.last_modified = etag, date
    server.plan = [Answer(cut=HALF)]
    with pulling(folder) as puller:
        assert puller.pull(server.file(sha256=None, size=None)).path.read_bytes() == CONTENT
    assert server.seen[1][1]["If-Range"] == sent
    assert server.asked[1] == (f"bytes={HALF}-" if sent else None)


def test_a_server_without_ranges_starts_again(server: FileServer, folder: ModelFolder) -> None:
    server.ranges = False
    server.plan = [Answer(cut=HALF)]
    with pulling(folder) as puller:
        assert puller.pull(server.file()).path.read_bytes() == CONTENT
    assert server.asked == [None, f"bytes={HALF}-"]


def test_a_server_without_lengths_is_enough_with_a_hash(server: FileServer, folder: ModelFolder) -> None:
    server.lengths = False
    with pulling(folder) as puller:
        assert puller.pull(server.file()).path.read_bytes() == CONTENT


def test_pieces_of_two_files_are_noticed_and_fetched_in_one(
    server: FileServer, folder: ModelFolder, listener: Listener
) -> None:
    server.content, server.etag = bytes(len(CONTENT)), None
    server.plan = [Answer(cut=HALF), *[Answer(status=503)] * 4]
    with pulling(folder) as puller, pytest.raises(EngineUnavailableError):
        puller.pull(server.file())
    server.content = CONTENT
    with pulling(folder, listener) as puller:
        assert puller.pull(server.file()).path.read_bytes() == CONTENT
    assert server.asked[-2:] == [f"bytes={HALF}-", None]
    assert "w.pth: its pieces do not fit together; fetching it in one" in listener.said


def test_a_part_that_is_already_whole_is_taken(server: FileServer, folder: ModelFolder) -> None:
    folder.path.mkdir()
    folder.part(server.file()).write_bytes(CONTENT)
    with pulling(folder) as puller:
        assert puller.pull(server.file()).path.read_bytes() == CONTENT
    assert server.asked == [f"bytes={len(CONTENT)}-"]


def test_a_part_longer_than_the_file_is_dropped(server: FileServer, folder: ModelFolder) -> None:
    folder.path.mkdir()
    folder.part(server.file()).write_bytes(CONTENT + b"more")
    with pulling(folder) as puller:
        assert puller.pull(server.file()).path.read_bytes() == CONTENT


def test_a_wrong_file_is_never_kept(server: FileServer, folder: ModelFolder) -> None:
    server.content = bytes(len(CONTENT))
    with pulling(folder) as puller, pytest.raises(EngineUnavailableError, match=f"sha256 .*, not {SHA256}"):
        puller.pull(server.file())
    assert names(folder) == []


def test_a_file_of_another_size_is_refused_unread(server: FileServer, folder: ModelFolder) -> None:
    server.content = CONTENT + b"x"
    with pulling(folder) as puller, pytest.raises(EngineUnavailableError, match=f"of {len(CONTENT) + 1} bytes"):
        puller.pull(server.file())
    assert names(folder) == []


def test_a_server_that_never_stops_is_left(server: FileServer, folder: ModelFolder) -> None:
    server.content, server.lengths = CONTENT * 3, False
    with pulling(folder) as puller, pytest.raises(EngineUnavailableError, match="more than"):
        puller.pull(server.file())
    assert folder.path.joinpath("w.pth").exists() is False


def test_mirrors_are_asked_in_order(server: FileServer, folder: ModelFolder) -> None:
    with serving() as other:
        server.plan = [Answer(status=404)]
        file = server.file(urls=(f"{server.base}/gone.pth", f"{other.base}/w.pth"))
        with pulling(folder) as puller:
            assert puller.pull(file).source == f"{other.base}/w.pth"
    assert len(server.seen) == 1, "what is not there is not asked for again"


def test_another_mirror_continues_what_the_first_began(server: FileServer, folder: ModelFolder) -> None:
    with serving() as other:
        server.plan = [Answer(cut=HALF), *[Answer(status=503)] * 4]
        file = server.file(urls=(f"{server.base}/w.pth", f"{other.base}/w.pth"))
        with pulling(folder) as puller:
            assert puller.pull(file).path.read_bytes() == CONTENT
        assert other.asked == [f"bytes={HALF}-"]
        assert other.seen[0][1]["If-Range"] is None, "an ETag means nothing to another server"


def test_a_mirror_given_comes_first(server: FileServer, folder: ModelFolder) -> None:
    with serving() as mirror:
        with pulling(folder, mirrors=(f"{mirror.base}/deep/folder/",)) as puller:
            puller.pull(server.file())
        assert [path for path, _ in mirror.seen] == ["/deep/folder/w.pth"]
    assert server.seen == []


def test_all_complaints_are_in_the_error(server: FileServer, folder: ModelFolder) -> None:
    server.plan = [Answer(status=404), Answer(status=403)]
    file = server.file(urls=(f"{server.base}/a", f"{server.base}/b"), page="https://example.org/w")
    with pulling(folder) as puller, pytest.raises(EngineUnavailableError) as caught:
        puller.pull(file)
    assert "404 Not Found" in caught.value.message
    assert "403 Forbidden" in caught.value.message
    assert "https://example.org/w" in caught.value.message


def test_a_file_without_addresses_names_its_page(folder: ModelFolder, server: FileServer) -> None:
    with pulling(folder) as puller, pytest.raises(EngineUnavailableError, match="browser from https://example"):
        puller.pull(server.file(urls=(), page="https://example.org/w"))


@pytest.mark.parametrize(
    ("answer", "complaint"),
    [
        (Answer(headers={"Content-Type": "text/html; charset=utf-8"}), "web page"),
        (Answer(headers={"Content-Encoding": "gzip"}), "encoded"),
    ],
)
def test_what_is_not_the_file_is_refused(
    server: FileServer, folder: ModelFolder, answer: Answer, complaint: str
) -> None:
    server.plan = [answer]
    with pulling(folder) as puller, pytest.raises(EngineUnavailableError, match=complaint):
        puller.pull(server.file(sha256=None, size=None))
    assert names(folder) == []


def test_a_silent_server_is_left_and_asked_again(server: FileServer, folder: ModelFolder, listener: Listener) -> None:
    server.plan = [Answer(cut=HALF, silent=True)]
    with pulling(folder, listener, patience=Patience(silence_s=0.2)) as puller:
        assert puller.pull(server.file()).path.read_bytes() == CONTENT
    assert server.asked == [None, f"bytes={HALF}-"]
    assert "fell silent" in listener.said[0]


def test_a_server_that_only_drips_is_left(server: FileServer, folder: ModelFolder) -> None:
    patience = Patience(slow_s=1e-9, slowest=1e15, tries=2)
    with pulling(folder, patience=patience) as puller, pytest.raises(EngineUnavailableError, match="bytes per second"):
        puller.pull(server.file(sha256=None, size=None, urls=(f"{server.base}/w.pth",)))


def test_waits_grow_are_bounded_and_heed_the_server(server: FileServer, folder: ModelFolder) -> None:
    waits: list[float] = []
    server.plan = [
        Answer(status=429, headers={"Retry-After": "7"}),
        Answer(status=500),
        Answer(status=503, headers={"Retry-After": "9999"}),
    ]
    with pulling(folder, sleep=waits.append) as puller:
        puller.pull(server.file())
    assert waits[0] == 7
    assert 1.6 <= waits[1] <= 2.4
    assert waits[2] == 30


def test_nobody_there(folder: ModelFolder, server: FileServer) -> None:
    file = server.file(urls=("http://127.0.0.1:9/w.pth",))
    with pulling(folder) as puller, pytest.raises(EngineUnavailableError, match=r"w\.pth could not be fetched"):
        puller.pull(file)


def test_a_full_disk_is_noticed_before_it_is_full(server: FileServer, folder: ModelFolder) -> None:
    complaint = r"w\.pth needs 307200 bytes more and 1000 bytes are free"
    with (
        pulling(folder, free_bytes=lambda path: 1000) as puller,
        pytest.raises(EngineUnavailableError, match=complaint),
    ):
        puller.pull(server.file())
    assert len(server.seen) == 1


LIMITED = """
import resource, sys
from pathlib import Path
from comps.core.errors import EngineUnavailableError
from comps.core.weights import ModelFolder, Puller, WeightFile
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
try:
    with Puller(ModelFolder(Path(sys.argv[1]))) as puller:
        puller.pull(WeightFile("w.pth", (sys.argv[2],), sys.argv[3], int(sys.argv[4])))
except EngineUnavailableError as error:
    sys.exit(error.message)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="limits of POSIX")
def test_a_disk_that_fills_leaves_a_part_to_continue(server: FileServer, folder: ModelFolder) -> None:
    """The kernel refuses to write past a limit, as a full disk does."""
    command = [sys.executable, "-c", LIMITED, folder.path, f"{server.base}/w.pth", SHA256, str(len(CONTENT))]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, env={"PATH": os.environ["PATH"]})
    assert result.returncode == 1
    assert "w.pth could not be kept in" in result.stderr
    assert "Traceback" not in result.stderr
    assert "w.pth" not in names(folder)
    with pulling(folder) as puller:
        assert puller.pull(server.file()).path.read_bytes() == CONTENT
    assert server.asked[-1] == "bytes=100000-"


PLAIN = """
import sys
from pathlib import Path
from comps.core.weights import ModelFolder, Puller, WeightFile
with Puller(ModelFolder(Path(sys.argv[1]))) as puller:
    print(puller.pull(WeightFile("w.pth", (sys.argv[2],), sys.argv[3], int(sys.argv[4]))).source)
"""


def plain(server: FileServer, folder: ModelFolder) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", PLAIN, str(folder.path), f"{server.base}/w.pth", SHA256, str(len(CONTENT))]
    pipe = subprocess.PIPE
    return subprocess.Popen(command, cwd=ROOT, text=True, stdout=pipe, stderr=pipe, env={"PATH": os.environ["PATH"]})


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL])
def test_a_stopped_process_leaves_a_part_and_no_lock(
    server: FileServer, folder: ModelFolder, how: signal.Signals
) -> None:
    server.plan = [Answer(cut=HALF, silent=True)]
    process = plain(server, folder)
    assert server.started.wait(30)
    wait_for_bytes(folder)
    process.send_signal(how)
    process.communicate(timeout=30)
    assert "w.pth" not in names(folder)
    with pulling(folder) as puller:
        assert puller.pull(server.file()).path.read_bytes() == CONTENT
    assert server.asked[-1] is not None
    assert server.asked[-1] != "bytes=0-"


def wait_for_bytes(folder: ModelFolder) -> None:
    """Until some of the part is on disk: a killed process loses what its writer still holds."""
    part = folder.path / "w.pth.part"
    pause = threading.Event()
    for _ in range(1500):
        if part.exists() and part.stat().st_size > 0:
            return
        pause.wait(0.02)
    raise AssertionError("no part appeared")


def test_two_processes_fetch_one_file_once(server: FileServer, folder: ModelFolder) -> None:
    server.plan = [Answer(cut=HALF, silent=True)]
    first = plain(server, folder)
    assert server.started.wait(30)
    second = plain(server, folder)
    server.released.set()
    sources = sorted(process.communicate(timeout=60)[0].strip() for process in (first, second))
    assert (first.returncode, second.returncode) == (0, 0)
    assert sources == ["", f"{server.base}/w.pth"]
    assert server.asked == [None, f"bytes={HALF}-"]
    assert folder.path.joinpath("w.pth").read_bytes() == CONTENT


def test_the_first_copy_is_trusted_and_said_so(server: FileServer, folder: ModelFolder, listener: Listener) -> None:
    file = server.file(sha256=None)
    with pulling(folder, listener) as puller:
        pulled = puller.pull(file)
    assert (pulled.state, pulled.sha256) == (State.FIRST_USE, SHA256)
    assert SHA256 in listener.said[-1]
    assert "first copy is trusted" in listener.said[-1]


def test_a_second_copy_must_equal_the_first(server: FileServer, folder: ModelFolder) -> None:
    file = server.file(sha256=None)
    with pulling(folder) as puller:
        puller.pull(file).path.unlink()
        server.content = bytes(len(CONTENT))
        with pytest.raises(EngineUnavailableError, match=f"not {SHA256}"):
            puller.pull(file)
    assert names(folder) == ["w.pth.sha256"]


def test_a_damaged_file_is_replaced(server: FileServer, folder: ModelFolder, listener: Listener) -> None:
    folder.path.mkdir()
    for damaged in (b"short", bytes(len(CONTENT))):
        folder.target(server.file()).write_bytes(damaged)
        with pulling(folder, listener) as puller:
            assert puller.pull(server.file()).path.read_bytes() == CONTENT
        assert "is damaged" in listener.said[-1]


def test_a_damaged_file_stays_while_none_better_is_had(server: FileServer, folder: ModelFolder) -> None:
    folder.path.mkdir()
    folder.target(server.file()).write_bytes(b"short")
    server.plan = [Answer(status=404)]
    with pulling(folder) as puller, pytest.raises(EngineUnavailableError):
        puller.pull(server.file())
    assert folder.target(server.file()).read_bytes() == b"short"


def test_a_file_put_there_by_hand_is_checked_not_fetched(server: FileServer, folder: ModelFolder) -> None:
    folder.path.mkdir()
    folder.target(server.file()).write_bytes(CONTENT)
    with pulling(folder) as puller:
        assert puller.pull(server.file()).state is State.VERIFIED
    assert server.seen == []


def test_a_folder_that_is_a_file_is_one_sentence(server: FileServer, tmp_path: Path) -> None:
    (tmp_path / "models").write_text("x")
    folder = ModelFolder(tmp_path / "models")
    with pulling(folder) as puller, pytest.raises(EngineUnavailableError, match="could not be kept in"):
        puller.pull(server.file())


def test_a_proxy_of_the_environment_is_used(
    server: FileServer, folder: ModelFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", server.base)
    monkeypatch.setenv("NO_PROXY", "")
    with pulling(folder) as puller:
        assert puller.pull(server.file(urls=("http://models.invalid/w.pth",))).path.read_bytes() == CONTENT
    assert server.seen[0][0] == "http://models.invalid/w.pth"


def test_a_note_of_the_part_that_is_damaged_costs_only_a_new_start(server: FileServer, folder: ModelFolder) -> None:
    folder.path.mkdir()
    file = server.file(sha256=None, size=None)
    folder.part(file).write_bytes(CONTENT[:10])
    folder.path.joinpath("w.pth.part.json").write_text("{")
    with pulling(folder) as puller:
        assert puller.pull(file).path.read_bytes() == CONTENT
    assert server.asked == [None]


def test_the_part_says_where_it_came_from(server: FileServer, folder: ModelFolder) -> None:
    server.plan = [Answer(cut=HALF), *[Answer(status=404)] * 2]
    with pulling(folder) as puller, pytest.raises(EngineUnavailableError):
        puller.pull(server.file())
    note = json.loads(folder.path.joinpath("w.pth.part.json").read_text())
    assert note == {"url": f"{server.base}/w.pth", "validator": '"one"', "total": len(CONTENT)}
    assert hashlib.sha256(folder.part(server.file()).read_bytes()).digest() == hashlib.sha256(CONTENT[:HALF]).digest()
