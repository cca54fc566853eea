import contextlib
import hashlib
import http.server
import logging
import threading
import time

from gluon_deeprnn.data import corpora
from gluon_deeprnn.errors import CorpusUnavailableError
import pytest

CONTENT = b"The Time Machine, for tests\n" * 100


@contextlib.contextmanager
def server(answer):
    """A local web server that handles every request by ``answer(handler)``."""
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                answer(self)

        def log_message(self, *args):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as running:
        running.daemon_threads = True
        threading.Thread(target=running.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{running.server_port}/timemachine.txt"
        running.shutdown()


def right(handler):
    handler.send_response(200)
    handler.end_headers()
    handler.wfile.write(CONTENT)


def wrong(handler):
    handler.send_response(200)
    handler.end_headers()
    handler.wfile.write(b"<html>please log in</html>")


def missing(handler):
    handler.send_error(404)


def slow(handler):
    handler.send_response(200)
    handler.end_headers()
    for _ in range(600):  # a minute
        handler.wfile.write(b"x")
        handler.wfile.flush()
        time.sleep(0.1)


def truncated(handler):
    handler.send_response(200)
    handler.send_header("Content-Length", str(len(CONTENT)))
    handler.end_headers()
    handler.wfile.write(CONTENT[:1000])


def redirected(to):
    def answer(handler):
        if handler.path == "/there":
            return right(handler)
        handler.send_response(302)
        handler.send_header("Location", to)
        handler.end_headers()
    return answer


def endless(handler):
    handler.send_response(200)
    handler.end_headers()
    while True:
        handler.wfile.write(b"x" * 65536)


@pytest.fixture
def no_text(monkeypatch, tmp_path):
    """An environment without the text, in which `CONTENT` is the expected text."""
    monkeypatch.delenv("GLUON_DEEPRNN_DATA", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("no_proxy", "*")
    monkeypatch.setattr(corpora, "TIME_MACHINE_SHA1", hashlib.sha1(CONTENT).hexdigest())
    monkeypatch.setattr(corpora, "_TIME_MACHINE_BYTES", len(CONTENT))
    return tmp_path / "cache" / "gluon_deeprnn" / "timemachine.txt"


def test_a_download_is_verified_and_cached(no_text, monkeypatch):
    with server(right) as url:
        monkeypatch.setattr(corpora, "TIME_MACHINE_URL", url)
        assert corpora.time_machine().text == CONTENT.decode()
    assert no_text.read_bytes() == CONTENT
    assert [path.name for path in no_text.parent.iterdir()] == ["timemachine.txt"]
    assert corpora.time_machine().sha1 == hashlib.sha1(CONTENT).hexdigest()  # from the cache: the server has stopped


def test_a_damaged_cache_is_not_used(no_text, monkeypatch):
    no_text.parent.mkdir(parents=True)
    no_text.write_bytes(CONTENT[:-1])
    with server(right) as url:
        monkeypatch.setattr(corpora, "TIME_MACHINE_URL", url)
        assert corpora.time_machine().text == CONTENT.decode()
    assert no_text.read_bytes() == CONTENT


@pytest.mark.parametrize(("answer", "reason"), [
    (wrong, "got '[0-9a-f]{40}'"), (missing, "Not Found"), (slow, "no response within 0.5 seconds|timed out"),
    (endless, "got '[0-9a-f]{40}'"), (truncated, "the response ends 1800 bytes too early"),
    (redirected("file:///etc/hostname"), "Redirection to url 'file:///etc/hostname' is not allowed"),
    (redirected("ftp://127.0.0.1:9/x"), "a redirect to ftp://127.0.0.1:9/x, which has a different scheme"),
    (redirected("https://127.0.0.1:9/x"), "a redirect to https://127.0.0.1:9/x, which has a different scheme"),
    (redirected("/timemachine.txt"), "infinite loop"),
])
def test_a_failed_download_leaves_no_file(no_text, monkeypatch, answer, reason):
    with server(answer) as url:
        monkeypatch.setattr(corpora, "TIME_MACHINE_URL", url)
        started = time.monotonic()
        with pytest.raises(CorpusUnavailableError, match=reason):
            corpora.time_machine(timeout=0.5 if answer is slow else 30)
        assert time.monotonic() - started < 20  # neither the minute that the slow answer takes, nor the time limit
    assert not no_text.exists()


def test_a_redirect_with_the_same_scheme_is_followed(no_text, monkeypatch):
    with server(redirected("/there")) as url:
        monkeypatch.setattr(corpora, "TIME_MACHINE_URL", url)
        assert corpora.time_machine().text == CONTENT.decode()


def test_a_proxy_is_used(no_text, monkeypatch):
    asked = []
    with server(lambda handler: asked.append(handler.path) or right(handler)) as proxy:
        monkeypatch.delenv("no_proxy")
        monkeypatch.setenv("http_proxy", proxy.rsplit("/", 1)[0])
        monkeypatch.setattr(corpora, "TIME_MACHINE_URL", "http://nowhere.invalid/timemachine.txt")
        assert corpora.time_machine().text == CONTENT.decode()
    assert asked == ["http://nowhere.invalid/timemachine.txt"]


def test_a_name_server_that_does_not_respond_does_not_block(no_text, monkeypatch):
    asked, ended = threading.Event(), threading.Event()
    monkeypatch.setattr(corpora, "_fetch", lambda *args: asked.set() or ended.wait(60))
    with pytest.raises(CorpusUnavailableError, match=r"no response within 0\.2 seconds"):
        corpora.time_machine(timeout=0.2)
    assert asked.wait(30)
    assert not ended.is_set()  # the request still waits
    ended.set()


def test_a_cache_that_cannot_be_written_is_ignored(no_text, monkeypatch, caplog):
    no_text.parent.parent.write_text("a file where the folder should be")
    with server(right) as url:
        monkeypatch.setattr(corpora, "TIME_MACHINE_URL", url)
        assert corpora.time_machine().text == CONTENT.decode()
    assert "the downloaded text could not be cached" in caplog.text


def test_without_any_corpus_python_docs_is_used_with_a_warning(no_text, monkeypatch, caplog):
    monkeypatch.setattr(corpora, "TIME_MACHINE_URL", "http://127.0.0.1:9/nothing-listens-here")
    with caplog.at_level(logging.WARNING):
        assert corpora.default_corpus().name == "python-docs"
    assert "training on python-docs instead: time-machine must be in the cache or downloadable" in caplog.text
    with pytest.raises(CorpusUnavailableError):  # there is no fallback for a corpus given by name
        corpora.corpus("time-machine")


def test_the_folder_of_texts_has_precedence_and_is_verified(no_text, monkeypatch, tmp_path):
    monkeypatch.setenv("GLUON_DEEPRNN_DATA", str(tmp_path))
    (tmp_path / "timemachine.txt").write_bytes(CONTENT)
    assert corpora.time_machine().text == CONTENT.decode()
    (tmp_path / "timemachine.txt").write_bytes(b"another edition")
    with pytest.raises(ValueError, match=r"timemachine\.txt must be D2L's edition, SHA-1 \w{40}; got '\w{40}'"):
        corpora.time_machine()


def test_python_docs_is_enough_english_for_the_chapter():
    source = corpora.python_docs()
    assert len(corpora.python_docs().text) > 100_000
    assert source.sha1 == hashlib.sha1(source.text.encode()).hexdigest()
    assert ">>>" not in source.text
