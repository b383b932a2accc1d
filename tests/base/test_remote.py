"""Files elsewhere: fsspec's own store in memory, and a web server of this machine."""

from __future__ import annotations

import http.server
import subprocess
import sys
import threading
import time
from contextlib import suppress
from functools import partial
from pathlib import Path

import pytest

from ikebook.base import remote
from ikebook.base.check import InputError
from ikebook.base.places import shown, user_path
from ikebook.base.remote import RemoteFolder, check_address, fetch, local_copy, matching, name_in, stamp

fsspec = pytest.importorskip("fsspec")

SECRET = "X-Amz-Signature=0123456789"


class Handler(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_) -> None:
        pass

    def do_GET(self) -> None:
        if self.path.startswith("/forbidden"):
            self.send_error(403)
        elif self.path.startswith("/endless"):  # tells no length
            self.send_response(200)
            self.end_headers()
            with suppress(ConnectionError):  # nobody waits for all of it
                self.wfile.write(bytes(1 << 22))
        else:
            super().do_GET()


@pytest.fixture
def server(tmp_path):
    """A web server that shows a folder: its address, and the folder."""
    folder = tmp_path / "shown"
    folder.mkdir()
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, directory=str(folder))) as running:
        thread = threading.Thread(target=running.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield f"http://127.0.0.1:{running.server_port}", folder
        finally:
            running.shutdown()
            thread.join()


class TestAddresses:
    def test_nothing_that_may_be_secret_is_shown(self) -> None:
        assert shown(f"https://me:word@host/a/b.mp4?{SECRET}#x") == "https://host/a/b.mp4"
        assert shown("s3://bucket/a b/c.mp4") == "s3://bucket/a b/c.mp4"

    @pytest.mark.parametrize(
        ("url", "says"),
        [
            ("ftp://host/a.mp4", "ftp://host/a.mp4 is a kind of address that is not read; expected s3://, gs://,"),
            ("file:///etc/passwd", "file:///etc/passwd is a kind of address that is not read"),
            ("s3://me:word@bucket/a.mp4", "s3://bucket/a.mp4 came with a name or a password before an @"),
            ("https://me:word@host/a.mp4", "https://host/a.mp4 came with a name or a password before an @"),
            ("memory://", "memory:// names nothing"),
        ],
    )
    def test_what_is_no_address_here(self, url, says) -> None:
        with pytest.raises(InputError, match="^" + says.replace(".", r"\.")) as error:
            check_address(url)
        assert "word" not in str(error.value).replace("password", "")

    @pytest.mark.parametrize(
        "url", ["memory://b/..", "memory://b/.hidden", "https://h/%2e%2e%2Fx", "memory://b/a:b", "https://h/a%0ab"]
    )
    def test_names_that_no_file_has(self, url) -> None:
        with pytest.raises(InputError, match="ends in a name that no file here can have"):
            name_in(url)

    @pytest.mark.parametrize(("kind", "package"), [("s3", "s3fs"), ("gs", "gcsfs")])
    def test_what_is_missing_is_said_with_its_mend(self, kind, package, monkeypatch) -> None:
        monkeypatch.setitem(sys.modules, package, None)
        with pytest.raises(
            InputError, match=rf"^{kind}:// needs {package}, which is not installed: pip install 'ikebook\[remote\]'\.$"
        ):
            check_address(f"{kind}://bucket/a.mp4")

    def test_paths_say_that_they_are_none(self) -> None:
        with pytest.raises(InputError, match=r"^s3://bucket/a is an address, and expected is a path here"):
            user_path("s3://bucket/a?" + SECRET)

    def test_fsspec_is_not_imported_before_it_is_needed(self) -> None:
        code = "import sys, ikebook.base.remote; sys.exit('fsspec' in sys.modules)"
        assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


class TestCopies:
    def test_a_file_and_it_goes_with_the_block(self, store) -> None:
        store.pipe_file("/b/videos/walk.mp4", b"frames")
        with local_copy("memory://b/videos/walk.mp4") as path:
            assert (path.name, path.read_bytes()) == ("walk.mp4", b"frames")
        assert not path.parent.exists()

    def test_it_goes_when_the_work_fails_too(self, store) -> None:
        store.pipe_file("/b/walk.mp4", b"frames")
        with pytest.raises(KeyboardInterrupt), local_copy("memory://b/walk.mp4") as path:
            raise KeyboardInterrupt
        assert not path.parent.exists()

    def test_of_a_folder_what_is_right_in_it_and_wanted(self, store, tmp_path) -> None:
        for name in ("00000.png", "00001.png", ".hidden.png", "notes.txt", "deeper/00002.png"):
            store.pipe_file(f"/b/frames/{name}", name.encode())
        copy = fetch("memory://b/frames/", tmp_path, wanted=lambda name: name.endswith(".png"))
        assert copy == tmp_path / "frames"
        assert sorted(file.name for file in copy.rglob("*")) == ["00000.png", "00001.png"]

    def test_a_pattern(self, store, tmp_path) -> None:
        for name in ("a/1.png", "a/2.png", "a/2.jpg", "b/3.png"):
            store.pipe_file(f"/b/{name}", b"x")
        assert matching("memory://b/*/*.png") == ["memory://b/a/1.png", "memory://b/a/2.png", "memory://b/b/3.png"]
        assert sorted(file.name for file in fetch("memory://b/a/*.png", tmp_path).iterdir()) == ["1.png", "2.png"]
        with pytest.raises(InputError, match=r"^memory://b/c/\* stands for nothing that is there"):
            matching("memory://b/c/*")

    def test_two_of_one_name_do_not_replace_each_other(self, store, tmp_path) -> None:
        store.pipe_file("/b/a/1.png", b"x")
        store.pipe_file("/b/b/1.png", b"y")
        with pytest.raises(InputError, match=r"^memory://b/b/1.png is the second one that is called 1.png"):
            remote._copy_all(matching("memory://b/*/1.png"), tmp_path / "frames", 100)

    def test_what_is_missing(self, store, tmp_path) -> None:
        with pytest.raises(InputError, match=r"^memory://b/walk.mp4 does not exist; mend the address\.$"):
            fetch("memory://b/walk.mp4", tmp_path)

    @pytest.mark.parametrize("told", [True, False])
    def test_no_more_than_there_is_room_for(self, store, tmp_path, told, monkeypatch) -> None:
        store.pipe_file("/b/walk.mp4", bytes(3_000_000))
        if not told:
            known = type(store).info
            silent = lambda *path, **more: {key: value for key, value in known(*path, **more).items() if key != "size"}  # noqa: E731
            monkeypatch.setattr(type(store), "info", silent)
            monkeypatch.setattr(remote, "CHUNK", 1 << 20)
        with pytest.raises(InputError, match=r"has (0.003 GB|more), and there is room for 0.002 GB; free some"):
            fetch("memory://b/walk.mp4", tmp_path, limit=2_000_000)
        assert sum(file.stat().st_size for file in tmp_path.rglob("*") if file.is_file()) <= 2_000_000

    def test_frames_count_together(self, store, tmp_path) -> None:
        for index in range(3):
            store.pipe_file(f"/b/frames/{index}.png", bytes(1000))
        with pytest.raises(InputError, match=r"^memory://b/frames/2.png has"):
            fetch("memory://b/frames", tmp_path, limit=2500)

    def test_no_permission_and_other_errors_in_one_line(self, store, tmp_path, monkeypatch) -> None:
        store.pipe_file("/b/walk.mp4", b"frames")

        def refuse(error):
            def opened(*_, **__):
                raise error

            monkeypatch.setattr(type(store), "open", opened)

        refuse(PermissionError(13, "Forbidden"))
        with pytest.raises(
            InputError, match=r"^memory://b/walk.mp4 can't be read: no permission\. Look at the credentials"
        ):
            fetch("memory://b/walk.mp4", tmp_path)
        refuse(RuntimeError(f"GET https://me:word@host/walk.mp4?{SECRET} failed\nat once"))
        with pytest.raises(InputError) as told:
            fetch("memory://b/walk.mp4", tmp_path)
        assert (
            str(told.value)
            == "memory://b/walk.mp4 can't be read (RuntimeError: GET https://host/walk.mp4 failed at once)."
        )

    def test_a_stamp_changes_with_the_file_alone(self, store) -> None:
        store.pipe_file("/b/frames/1.png", b"x")
        first = stamp("memory://b/frames"), stamp("memory://b/frames/1.png"), stamp("memory://b/frames/*.png")
        assert first == (stamp("memory://b/frames"), stamp("memory://b/frames/1.png"), stamp("memory://b/frames/*.png"))
        time.sleep(0.001)
        store.pipe_file("/b/frames/1.png", b"y")
        assert all(a != b for a, b in zip(first, map(stamp, ("memory://b/frames", "memory://b/frames/1.png", "memory://b/frames/*.png")), strict=True))  # fmt: skip


class TestTheWeb:
    def test_a_file_by_its_name(self, server, tmp_path) -> None:
        address, folder = server
        (folder / "walk 1.mp4").write_bytes(b"frames")
        copy = fetch(f"{address}/walk%201.mp4?{SECRET}", tmp_path)
        assert (copy.name, copy.read_bytes()) == ("walk 1.mp4", b"frames")

    @pytest.mark.parametrize(("path", "says"), [("none.mp4", "404"), ("forbidden.mp4", "403")])
    def test_what_is_not_there_or_not_allowed(self, server, tmp_path, path, says) -> None:
        with pytest.raises(InputError, match=rf"^{server[0]}/{path} answered {says} ") as error:
            fetch(f"{server[0]}/{path}?{SECRET}", tmp_path)
        assert SECRET not in str(error.value)

    @pytest.mark.parametrize("name", ["told.mp4", "endless.mp4"])
    def test_no_more_than_there_is_room_for(self, server, tmp_path, name) -> None:
        (server[1] / "told.mp4").write_bytes(bytes(1 << 22))
        with pytest.raises(InputError, match=r"has 0.00\d+ GB or more, and there is room for 0.002 GB"):
            fetch(f"{server[0]}/{name}", tmp_path, limit=2_000_000)
        assert sum(file.stat().st_size for file in tmp_path.glob("*.mp4")) <= 2_000_000

    def test_a_stamp_changes_with_the_file(self, server) -> None:
        file = server[1] / "walk.mp4"
        file.write_bytes(b"x")
        first = stamp(f"{server[0]}/walk.mp4?{SECRET}")
        assert first == stamp(f"{server[0]}/walk.mp4?another")
        file.write_bytes(b"yy")
        assert first != stamp(f"{server[0]}/walk.mp4")

    def test_no_results_go_there(self) -> None:
        with pytest.raises(InputError, match=r"^https://host/out is on a web server, which takes no results"):
            RemoteFolder("https://host/out")


class TestFolders:
    def test_files_and_their_names(self, store, tmp_path) -> None:
        (tmp_path / "masks").mkdir()
        (tmp_path / "masks" / "1.png").write_bytes(b"mask")
        (tmp_path / "summary.json").write_bytes(b"{}")
        place = RemoteFolder("memory://b/out/")
        assert place.names() == []
        place.upload(tmp_path, ["masks/1.png", "summary.json"])
        store.pipe_file("/b/outside/x", b"")
        assert place.names() == ["masks/1.png", "summary.json"]
        assert (place.read("summary.json", 10), place.read("nothing.json", 10)) == (b"{}", None)
        place.remove(["summary.json", "nothing.json"])
        assert place.names() == ["masks/1.png"]

    @pytest.mark.parametrize("name", ["../x", "a/../../x", "/etc/passwd", "", ".", "a\nb"])
    def test_nothing_outside_it(self, store, tmp_path, name) -> None:
        place = RemoteFolder("memory://b/out")
        for act in (lambda: place.write(name, b""), lambda: place.upload(Path(), [name]), lambda: place.remove([name])):
            with pytest.raises(InputError, match="is no name of a file within memory://b/out"):
                act()

    def test_a_small_file_that_is_large(self, store) -> None:
        store.pipe_file("/b/out/summary.json", bytes(11))
        with pytest.raises(InputError, match="has more than 10 bytes"):
            RemoteFolder("memory://b/out").read("summary.json", 10)
