import hashlib
import http.server
from pathlib import Path
import threading

from gluon_deeprnn import d2l
from gluon_deeprnn.errors import CorpusUnavailableError
import pytest

CONTENT = b"a text for tests\n" * 10
SHA1 = hashlib.sha1(CONTENT).hexdigest()


@pytest.fixture
def requests():
    """A web server on this machine; the paths that it was asked for."""
    asked = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            asked.append(self.path)
            self.send_response(404 if "missing" in self.path else 200)
            self.send_header("Content-Length", str(len(CONTENT)))
            self.end_headers()
            self.wfile.write(CONTENT[:20] if "truncated" in self.path else CONTENT)

        def log_message(self, *args):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, daemon=True).start()
        asked.append(f"http://127.0.0.1:{server.server_port}/")
        yield asked
        server.shutdown()


@pytest.fixture(autouse=True)
def no_data(monkeypatch, real_text):
    monkeypatch.delenv("GLUON_DEEPRNN_DATA", raising=False)
    monkeypatch.setenv("no_proxy", "*")


def test_a_file_is_downloaded_once(requests, tmp_path):
    folder = tmp_path / "new" / "data"
    for _ in range(2):
        path = d2l.download(requests[0] + "files/text.txt?version=1", str(folder), SHA1)
        assert Path(path) == folder / "text.txt"
        assert Path(path).read_bytes() == CONTENT
    assert requests[1:] == ["/files/text.txt?version=1"]
    assert [file.name for file in folder.iterdir()] == ["text.txt"]


def test_a_damaged_file_is_downloaded_again(requests, tmp_path):
    (tmp_path / "text.txt").write_bytes(CONTENT[:-1])
    assert Path(d2l.download(requests[0] + "text.txt", str(tmp_path), SHA1)).read_bytes() == CONTENT


def test_a_name_of_the_hub_has_address_and_checksum(requests, tmp_path, monkeypatch):
    monkeypatch.setitem(d2l.DATA_HUB, "ours", (requests[0] + "text.txt", SHA1))
    assert Path(d2l.download("ours", str(tmp_path))).read_bytes() == CONTENT


def test_the_folder_of_texts_comes_first(real_text, tmp_path, monkeypatch):
    monkeypatch.setenv("GLUON_DEEPRNN_DATA", str(tmp_path))
    (tmp_path / "text.txt").write_bytes(CONTENT)
    address = "http://127.0.0.1:9/text.txt"
    assert d2l.download(address, str(tmp_path / "other"), SHA1) == str(tmp_path / "text.txt")
    with pytest.raises(CorpusUnavailableError):  # the file there is another one
        d2l.download(address, str(tmp_path / "other"), "0" * 40)
    assert not (tmp_path / "other").exists()


def test_the_time_machine_has_the_books_address_and_checksum(real_text, monkeypatch):
    monkeypatch.setenv("GLUON_DEEPRNN_DATA", str(real_text("timemachine.txt").parent))
    path = d2l.download(d2l.DATA_URL + "timemachine.txt", sha1_hash="090b5e7e70c295757f55df93cb0a180b9691891a")
    assert path == d2l.download("time_machine") == str(real_text("timemachine.txt"))


@pytest.mark.parametrize(("name", "sha1", "reason"), [
    ("missing.txt", None, "Not Found"), ("truncated.txt", None, "the response ends 150 bytes too early"),
    ("text.txt", "0" * 40, f"must be the file with SHA-1 0{{40}}; got '{SHA1}'"),
])
def test_what_cannot_be_downloaded_is_one_line_and_leaves_nothing(requests, tmp_path, name, sha1, reason):
    with pytest.raises(CorpusUnavailableError, match=reason) as error:
        d2l.download(requests[0] + name, str(tmp_path), sha1)
    assert "\n" not in str(error.value)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("url", ["", "no_such_name", "ftp://127.0.0.1/x", "file:///etc/passwd", "http://127.0.0.1/",
                                 "http://127.0.0.1/..", 3])
def test_other_addresses_are_refused(url, tmp_path):
    with pytest.raises(ValueError, match=r"^url must be (an http address|a string|a non-empty string)"):
        d2l.download(url, str(tmp_path))


def test_a_folder_that_cannot_be_made_is_named(requests, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(ValueError, match=r"^folder must be a folder that can be written; got "):
        d2l.download(requests[0] + "text.txt", str(tmp_path / "file" / "data"))
