"""Fetching from a server on this machine: whole, resumed, wrong or unsafe; and never anything left by half."""

from __future__ import annotations

import email.message
import hashlib
import io
import socket
import stat
import threading
import urllib.request
import urllib.response
import zipfile
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ikebook.base.check import InputError
from ikebook.datasets import download
from ikebook.datasets.download import SOURCES, fetch, move_unpacked

FILES = {"DAVIS/README.md": b"made up", "DAVIS/JPEGImages/480p/walk/00000.jpg": bytes(range(256)) * 40}


def archive_of(entries) -> bytes:
    """A zip of entries by name; a `ZipInfo` may stand for a name."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as bundle:
        for name, content in entries.items():
            bundle.writestr(name, content)
    return buffer.getvalue()


BODY = archive_of(FILES)


def unpack(archive, target) -> None:
    """All of an archive to its place."""
    download.unpack(archive, target, "tag")
    assert move_unpacked(target, "tag")


SHA256 = f"sha256:{hashlib.sha256(BODY).hexdigest()}"

pytestmark = pytest.mark.filterwarnings("error:unclosed:ResourceWarning")


class Server(ThreadingHTTPServer):
    """Serves one body at any path, with the manners that a test gives it."""

    daemon_threads = True
    body, status = BODY, 200
    ranges = True  # whether it understands Range
    breaks_after: int | None = None  # bytes of the body after which it hangs up
    length = True  # whether it says how much there is

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.asked: list[str | None] = []  # the Range of each request

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/davis.zip"


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        server, wanted = self.server, self.headers.get("Range")
        server.asked.append(wanted)
        start = int(wanted.removeprefix("bytes=").removesuffix("-")) if wanted and server.ranges else 0
        if server.status != 200 or start >= len(server.body):
            self.send_error(server.status if server.status != 200 else 416)
            return
        body = server.body[start:]
        self.send_response(206 if start else 200)
        if server.length:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body[: server.breaks_after])

    def log_message(self, *_) -> None:
        """Say nothing."""


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch) -> None:
    """This machine is asked directly."""
    monkeypatch.setenv("no_proxy", "*")


@pytest.fixture
def server():
    server = Server()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def tree(root) -> dict[str, bytes]:
    return {str(f.relative_to(root)): f.read_bytes() for f in sorted(root.rglob("*")) if f.is_file()}


class TestFetch:
    def test_an_archive_is_fetched_checked_and_unpacked_and_goes(self, server, tmp_path) -> None:
        root = tmp_path / "new" / "data"
        assert fetch("davis2016", root, url=server.url, checksum=SHA256) == root
        assert tree(root) == FILES
        assert server.asked == [None]

    @pytest.mark.parametrize("length", [True, False])
    def test_progress_counts_bytes(self, server, tmp_path, monkeypatch, length) -> None:
        monkeypatch.setattr("ikebook.base.download.CHUNK", 1000)
        server.length, calls = length, []
        fetch("davis2016", tmp_path, url=server.url, checksum=SHA256, progress=lambda *call: calls.append(call))
        there = [call[0] for call in calls]
        assert there == sorted(there)
        assert there[0] == 1000
        assert there[-1] == len(BODY)
        assert {call[1] for call in calls} == {len(BODY) if length else 0}

    @pytest.mark.parametrize("checksum", ["none", SHA256], ids=["none", "sha256"])
    def test_that_nothing_was_compared_is_said(self, checksum, server, tmp_path) -> None:
        said: list[str] = []
        fetch("davis2016", tmp_path, url=server.url, checksum=checksum, say=said.append)
        assert said == (
            [f"davis2016.zip was compared with no checksum, as none is known or wanted; it has {SHA256}."]
            if checksum == "none"
            else []
        )

    @pytest.mark.parametrize(
        "place", ["http://127.0.0.1:{port}/davis.zip", "HTTP://127.0.0.1:{port}/davis.zip", "ftp://127.0.0.1/x"]
    )
    def test_https_does_not_lead_to_http(self, place, server, tmp_path, monkeypatch) -> None:
        headers = email.message.Message()
        headers["Location"] = place.format(port=server.server_port)

        def moved(self, request):
            answer = urllib.response.addinfourl(io.BytesIO(), headers, request.full_url, 302)
            answer.msg = "Found"
            return answer

        monkeypatch.setattr(urllib.request.HTTPSHandler, "https_open", moved)
        with pytest.raises(InputError, match=r"could not be fetched .*leads to .*, which is not https"):
            fetch("davis2016", tmp_path, url="https://example.org/davis.zip", checksum="none")
        assert server.asked == []
        assert tree(tmp_path) == {}

    def test_http_is_taken_where_it_is_named(self, server, tmp_path) -> None:
        assert all(source.url.startswith("https://") for source in SOURCES.values())
        assert server.url.startswith("http://")
        fetch("davis2016", tmp_path, url=server.url, checksum=SHA256)
        assert tree(tmp_path) == FILES

    def test_every_kind_of_checksum(self, server, tmp_path) -> None:
        md5 = hashlib.md5(BODY).hexdigest()
        for i, checksum in enumerate([SHA256, f"md5:{md5}", f"md5:{md5.upper()}", "none"]):
            fetch("davis2016", tmp_path / str(i), url=server.url, checksum=checksum)
            assert tree(tmp_path / str(i)) == FILES

    def test_a_broken_transfer_goes_on_where_it_stopped(self, server, tmp_path) -> None:
        server.breaks_after = 4000
        for stop in (4000, 8000):
            with pytest.raises(
                InputError, match=rf"the connection ended after {stop} of {len(BODY)} bytes.*Run the com"
            ):
                fetch("davis2016", tmp_path, url=server.url, checksum=SHA256)
            assert tree(tmp_path) == {"davis2016.zip.part": BODY[:stop]}
        server.breaks_after, calls = None, []
        fetch("davis2016", tmp_path, url=server.url, checksum=SHA256, progress=lambda *call: calls.append(call))
        assert calls == [(len(BODY), len(BODY))]
        assert server.asked == [None, "bytes=4000-", "bytes=8000-"]
        assert tree(tmp_path) == FILES

    def test_a_server_that_cannot_resume_sends_all_again(self, server, tmp_path) -> None:
        server.ranges = False
        (tmp_path / "davis2016.zip.part").write_bytes(b"something else" * 100)
        fetch("davis2016", tmp_path, url=server.url, checksum=SHA256)
        assert server.asked == ["bytes=1400-"]
        assert tree(tmp_path) == FILES

    def test_a_whole_part_needs_no_more_bytes(self, server, tmp_path) -> None:
        (tmp_path / "davis2016.zip.part").write_bytes(BODY)
        fetch("davis2016", tmp_path, url=server.url, checksum=SHA256)
        assert tree(tmp_path) == FILES

    def test_a_part_of_another_archive_is_found_out_and_goes(self, server, tmp_path) -> None:
        (tmp_path / "davis2016.zip.part").write_bytes(b"x" * 500)
        with pytest.raises(InputError, match="gave a file whose sha256 is"):
            fetch("davis2016", tmp_path, url=server.url, checksum=SHA256)
        assert tree(tmp_path) == {}
        fetch("davis2016", tmp_path, url=server.url, checksum=SHA256)
        assert tree(tmp_path) == FILES

    def test_a_wrong_checksum_keeps_nothing(self, server, tmp_path) -> None:
        wrong = "sha256:" + 64 * "0"
        found = SHA256.partition(":")[2]
        message = rf"davis\.zip gave a file whose sha256 is {found}, not 0{{64}}; it was removed.*pass --checksum"
        with pytest.raises(InputError, match=message):
            fetch("davis2016", tmp_path, url=server.url, checksum=wrong)
        assert tree(tmp_path) == {}

    def test_an_archive_that_is_there_is_not_fetched_again(self, server, tmp_path) -> None:
        (tmp_path / "davis2016.zip").write_bytes(BODY)
        fetch("davis2016", tmp_path, url=server.url, checksum=SHA256)
        assert server.asked == []
        assert tree(tmp_path) == {**FILES, "davis2016.zip": BODY}

    def test_an_archive_of_the_user_s_is_kept_though_its_checksum_differs(self, server, tmp_path) -> None:
        (tmp_path / "davis2016.zip").write_bytes(b"mine")
        with pytest.raises(InputError, match=r"davis2016\.zip, which was there before, has the sha256 .* Remove it"):
            fetch("davis2016", tmp_path, url=server.url, checksum=SHA256)
        assert tree(tmp_path) == {"davis2016.zip": b"mine"}

    def test_a_file_address_will_do(self, tmp_path) -> None:
        (tmp_path / "mine.zip").write_bytes(BODY)
        fetch("davis2016", tmp_path / "data", url=(tmp_path / "mine.zip").as_uri(), checksum=SHA256)
        assert tree(tmp_path / "data") == FILES

    def test_what_is_no_archive_is_said_to_be_none(self, server, tmp_path) -> None:
        server.body = b"<html>Moved for ever</html>"
        with pytest.raises(InputError, match=r"davis2016\.zip is no zip archive, or a damaged one; remove it and try"):
            fetch("davis2016", tmp_path, url=server.url, checksum="none")
        assert list(tree(tmp_path)) == ["davis2016.zip"]

    @pytest.mark.parametrize(
        ("status", "reason"), [(404, "Not Found"), (403, "Forbidden"), (503, "Service Unavailable")]
    )
    def test_a_server_that_refuses(self, server, tmp_path, status, reason) -> None:
        server.status = status
        with pytest.raises(
            InputError, match=rf"davis\.zip answered {status} {reason}. Give another address with --url"
        ):
            fetch("davis2016", tmp_path, url=server.url)
        assert tree(tmp_path) == {}

    def test_a_server_that_refuses_leaves_the_part(self, server, tmp_path) -> None:
        server.status = 503
        (tmp_path / "davis2016.zip.part").write_bytes(BODY[:100])
        with pytest.raises(InputError, match="answered 503"):
            fetch("davis2016", tmp_path, url=server.url)
        assert tree(tmp_path) == {"davis2016.zip.part": BODY[:100]}

    def test_nobody_answers(self, tmp_path) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        message = (
            rf"http://127\.0\.0\.1:{port}/x\.zip could not be fetched \(.*refused.*\). Is there a network\?.*--url"
        )
        with pytest.raises(InputError, match=message):
            fetch("davis2016", tmp_path, url=f"http://127.0.0.1:{port}/x.zip")
        assert tree(tmp_path) == {}

    @pytest.mark.parametrize(
        "url",
        ["http://", "http:///x.zip", "http://[bad/x.zip", "http://localhost:port/", "http://local host/", "file:///no"],
    )
    def test_an_address_that_cannot_be(self, tmp_path, url) -> None:
        with pytest.raises(InputError, match=r"could not be fetched \(.+\)\. Is there a network\?"):
            fetch("davis2016", tmp_path, url=url)
        assert tree(tmp_path) == {}

    @pytest.mark.parametrize("url", ["ftp://localhost/x.zip", "x.zip", "/etc/hosts", "data:,hello"])
    def test_an_address_of_another_kind(self, tmp_path, url) -> None:
        with pytest.raises(InputError, match=f"url is '{url}'; expected one that begins with https://"):
            fetch("davis2016", tmp_path, url=url)

    @pytest.mark.parametrize("checksum", ["md5", "md5:", "sha1:00", "0cb3", "NONE"])
    def test_a_checksum_of_no_known_kind(self, tmp_path, checksum) -> None:
        with pytest.raises(InputError, match=f"checksum is '{checksum}'; expected md5:..., sha256:... or none"):
            fetch("davis2016", tmp_path, url="http://127.0.0.1:1/x.zip", checksum=checksum)

    def test_a_data_set_that_nobody_knows(self, tmp_path) -> None:
        with pytest.raises(InputError, match="data set is 'davis'; expected one of 'davis2016'"):
            fetch("davis", tmp_path)

    def test_a_root_that_is_a_file(self, tmp_path) -> None:
        (tmp_path / "data").write_text("a file")
        with pytest.raises(InputError, match=r"data can't be made \(.+\); choose another --root"):
            fetch("davis2016", tmp_path / "data")

    def test_the_recorded_sources_say_all_that_is_needed(self) -> None:
        for source in SOURCES.values():
            assert source.url.startswith("https://")
            if source.checksum != "none":
                algorithm, _, digest = source.checksum.partition(":")
                assert len(bytes.fromhex(digest)) == {"md5": 16, "sha256": 32}[algorithm]
            assert all((source.title, source.size, source.note))


def link(name: str) -> zipfile.ZipInfo:
    entry = zipfile.ZipInfo(name)
    entry.create_system = 3
    entry.external_attr = (stat.S_IFLNK | 0o777) << 16
    return entry


class TestUnpack:
    @pytest.fixture
    def target(self, tmp_path):
        (tmp_path / "target").mkdir()
        return tmp_path / "target"

    def put(self, target, content) -> object:
        archive = target.parent / "a.zip"
        archive.write_bytes(content if isinstance(content, bytes) else archive_of(content))
        return archive

    def test_folders_and_files_come_out(self, target) -> None:
        unpack(self.put(target, FILES | {"empty/": b"", "top.txt": b"x"}), target)
        assert tree(target) == FILES | {"top.txt": b"x"}
        assert (target / "empty").is_dir()
        assert sorted(entry.name for entry in target.iterdir()) == ["DAVIS", "empty", "top.txt"]

    @pytest.mark.parametrize(
        "name",
        [
            "../evil",
            "a/../../evil",
            "a/..",
            "/tmp/evil",
            "//evil",
            "C:/evil",
            "C:evil",
            "..\\evil",
            "a\\..\\..\\evil",
            ".",
        ],
    )
    def test_a_path_that_leads_out_is_refused(self, target, name) -> None:
        with pytest.raises(InputError, match=r"a\.zip holds '.+', which is not safe to unpack"):
            unpack(self.put(target, FILES | {name: b"evil"}), target)
        assert tree(target) == {}
        assert sorted(entry.name for entry in target.parent.iterdir()) == ["a.zip", "target"]

    @given(st.lists(st.sampled_from(["..", ".", "", "a", "/", "\\", "C:", "b.txt"]), min_size=1, max_size=5))
    def test_no_path_leads_out(self, tmp_path_factory, parts) -> None:
        home = tmp_path_factory.mktemp("home")
        (home / "target").mkdir()
        archive = self.put(home / "target", {"/".join(parts) or ".": b"x"})
        try:
            unpack(archive, home / "target")
        except InputError:
            assert tree(home / "target") == {}
        assert sorted(entry.name for entry in home.iterdir()) == ["a.zip", "target"]

    def test_a_link_is_refused(self, target) -> None:
        with pytest.raises(InputError, match="holds 'DAVIS/link', which is not safe to unpack"):
            unpack(self.put(target, FILES | {link("DAVIS/link"): b"/etc/passwd"}), target)
        assert tree(target) == {}

    def test_what_is_there_is_not_overwritten(self, target) -> None:
        (target / "DAVIS").mkdir()
        (target / "DAVIS" / "mine").write_bytes(b"kept")
        with pytest.raises(InputError, match=r"DAVIS exists already; remove it, or choose another --root"):
            unpack(self.put(target, {"A/x": b"1"} | FILES | {"Z/x": b"1", "b.txt": b"2"}), target)
        assert tree(target) == {"DAVIS/mine": b"kept"}
        assert [entry.name for entry in target.iterdir()] == ["DAVIS"]

    @pytest.mark.parametrize("moment", range(1, 6))
    def test_stopped_between_moves_it_goes_on_there(self, moment, server, tmp_path, monkeypatch) -> None:
        server.body = archive_of(FILES | {"more.txt": b"1", "A/x": b"2"})
        actual, left = Path.rename, moment

        def rename(path, place):
            nonlocal left
            left -= 1
            if left == 0:
                raise KeyboardInterrupt
            return actual(path, place)

        monkeypatch.setattr(Path, "rename", rename)
        if moment < 5:  # one for the folder, one for each of three things in it
            with pytest.raises(KeyboardInterrupt):
                fetch("davis2016", tmp_path, url=server.url, checksum="none")
        monkeypatch.undo()
        monkeypatch.setenv("no_proxy", "*")
        fetch("davis2016", tmp_path, url=server.url, checksum="none")
        assert {name: content for name, content in tree(tmp_path).items() if name != "davis2016.zip"} == {
            **FILES, "more.txt": b"1", "A/x": b"2"
        }  # fmt: skip
        assert list(tmp_path.glob(".*")) == []
        assert server.asked == [None]

    def test_what_a_killed_call_has_left_goes(self, server, tmp_path) -> None:
        for tag in (download._tag("davis2016", server.url, SHA256), "0123456789abcdef"):
            (tmp_path / f".unpacking-{tag}" / "DAVIS").mkdir(parents=True)
            (tmp_path / f".unpacking-{tag}" / "DAVIS" / "half").write_bytes(b"x")
        fetch("davis2016", tmp_path, url=server.url, checksum=SHA256)
        assert tree(tmp_path) == FILES

    def test_two_at_a_time_do_not_mix(self, target) -> None:
        archive = self.put(target, FILES)
        with download._lock(target), pytest.raises(InputError, match="another run unpacks to"):
            unpack(archive, target)
        unpack(archive, target)
        assert tree(target) == FILES

    def test_an_archive_kept_by_a_refusal_serves_the_next_call(self, server, tmp_path) -> None:
        (tmp_path / "DAVIS").mkdir()
        with pytest.raises(InputError, match="DAVIS exists already"):
            fetch("davis2016", tmp_path, url=server.url, checksum=SHA256)
        (tmp_path / "DAVIS").rmdir()
        fetch("davis2016", tmp_path, url=server.url, checksum=SHA256)
        assert server.asked == [None]
        assert tree(tmp_path) == {**FILES, "davis2016.zip": BODY}

    def test_an_archive_that_would_fill_the_disk_is_refused(self, target, monkeypatch) -> None:
        monkeypatch.setattr(download, "LARGEST", 1000)
        with pytest.raises(InputError, match=r"a\.zip would unpack to 10247 bytes; at most 1000 are taken"):
            unpack(self.put(target, FILES), target)
        assert tree(target) == {}

    @pytest.mark.parametrize("content", [b"", b"no archive", b"PK\x03\x04", BODY[:-30], BODY[: len(BODY) // 2]])
    def test_no_archive(self, target, content) -> None:
        with pytest.raises(InputError, match=r"a\.zip is no zip archive, or a damaged one; remove it and try again"):
            unpack(self.put(target, content), target)
        assert tree(target) == {}

    def test_an_empty_archive(self, target) -> None:
        with pytest.raises(InputError, match=r"a\.zip is an empty zip archive; remove it and try again"):
            unpack(self.put(target, {}), target)

    def test_damaged_content(self, target) -> None:
        content = BODY.replace(bytes(range(100)), bytes(100), 1)
        with pytest.raises(InputError, match="damaged"):
            unpack(self.put(target, content), target)
        assert list(target.iterdir()) == []

    def test_an_encrypted_archive(self, target) -> None:
        content = bytearray(BODY)
        content[6] |= 1
        content[BODY.index(b"PK\x01\x02") + 8] |= 1
        with pytest.raises(InputError, match=r"a\.zip can't be unpacked \(.*encrypted.*\); make room, or remove it"):
            unpack(self.put(target, bytes(content)), target)
        assert list(target.iterdir()) == []

    def test_entries_that_get_in_each_others_way(self, target) -> None:
        with pytest.raises(InputError, match=r"a\.zip can't be unpacked \(.*\); make room, or remove it and try again"):
            unpack(self.put(target, {"a": b"1", "a/b": b"2"}), target)
        assert list(target.iterdir()) == []

    @given(st.integers(0, len(BODY) - 1), st.integers(1, 255))
    def test_a_damaged_byte_leaves_all_or_nothing(self, tmp_path_factory, place, change) -> None:
        target = tmp_path_factory.mktemp("home") / "target"
        target.mkdir()
        archive = self.put(target, BODY[:place] + bytes([BODY[place] ^ change]) + BODY[place + 1 :])
        try:
            unpack(archive, target)
        except InputError:
            assert list(target.iterdir()) == []
        else:
            assert list(target.glob(".unpacking-*")) == []
