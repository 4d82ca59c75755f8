"""URLs of Redis, and every URL with a login: understood, or refused without a part of the secret."""

import os
import subprocess
import sys
from pathlib import Path
from urllib.parse import quote

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from redis.connection import parse_url

from daymark import redis_url, urls
from daymark.urls import Host

ODD = st.text(st.sampled_from("#/?@%:&=,+[]ab09 é~"), min_size=1, max_size=12)
SECRET = "zqxjkvw"
RAW = st.builds("{}{}{}".format, st.text("#/?@%:&=,[]ab"), st.just(SECRET), st.text("#/?@%:&=,[]ab"))
HOSTS = st.sampled_from(["127.0.0.1:1", "[::1]:6379", "redis.example.com", "h:abc", ""])
TAILS = st.sampled_from(["", "/0", "/staging", "?ssl=true", "?timeout=2", "/1?db=2", "/%zz"])


@given(ODD, ODD)
def test_an_encoded_login_reaches_the_driver(user: str, password: str) -> None:
    """Whatever characters it has."""
    read = redis_url.parse(f"redis://{quote(user, safe='')}:{quote(password, safe='')}@redis.example.com:7000/3")
    found = parse_url(read)  # type: ignore[no-untyped-call]
    assert found == {"username": user, "password": password, "host": "redis.example.com", "port": 7000, "db": 3}


@given(st.sampled_from(["redis", "rediss", "unix", "redis+cluster", "http", ""]), RAW, HOSTS, TAILS)
def test_a_raw_password_is_understood_or_refused(scheme: str, password: str, host: str, tail: str) -> None:
    """Never misread, and never shown, not in part."""
    try:
        read = redis_url.parse(f"{scheme}://:{password}@{host}{tail}")
    except ValueError as refusal:
        shown = str(refusal)
        assert not any(SECRET[begin : begin + 3] in shown for begin in range(len(SECRET) - 2)), shown
        assert "\n" not in shown
    else:
        assume("%" not in password)  # two digits behind it are an encoded character
        assert urls.split(read).password == password


@given(st.text())
def test_any_text_is_a_url_or_refused(text: str) -> None:
    """No other exception, whatever the variable holds; what was read is read as itself."""
    try:
        read = redis_url.parse(text)
    except ValueError:
        return
    assert redis_url.parse(read) == read


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("redis://localhost", "redis://localhost:6379"),
        ("redis://", "redis://localhost:6379"),
        ("redis://h:7000/5", "redis://h:7000/5"),
        ("redis://h?db=5", "redis://h:6379/5"),
        ("redis://h/", "redis://h:6379"),
        ("redis://[::1]:7000/0", "redis://[::1]:7000"),
        ("redis://u@h", "redis://u@h:6379"),
        ("redis://:p@h", "redis://:p@h:6379"),
        ("redis://:p@ss:w@h", "redis://:p%40ss%3Aw@h:6379"),
        ("redis://h?ssl=true", "rediss://h:6379"),
        ("rediss://h?ssl=True&ssl_cert_reqs=CERT_NONE", "rediss://h:6379?ssl_cert_reqs=none"),
        ("redis://h?ssl=false", "redis://h:6379"),
        ("rediss://h?ssl_ca_certs=/etc/a%20b.pem", "rediss://h:6379?ssl_ca_certs=%2Fetc%2Fa%20b.pem"),
        ("rediss://127.0.0.1?ssl_check_hostname=no", "rediss://127.0.0.1:6379?ssl_check_hostname=false"),
        ("unix:///run/valkey.sock", "unix:///run/valkey.sock"),
        ("unix://u:p@/run/valkey.sock?db=2", "unix://u:p@/run/valkey.sock?db=2"),
        ("unix:///run/valkey.sock?db=2&password=p", "unix://:p@/run/valkey.sock?db=2"),
        ("redis+cluster://h", "redis+cluster://h:6379"),
        ("redis+cluster://u:p@a:1,b,[::1]:3/0", "redis+cluster://u:p@a:1,b:6379,[::1]:3"),
        ("redis+cluster://h?ssl=true", "rediss+cluster://h:6379"),
        (
            "rediss+cluster://x.memorydb.eu-west-1.amazonaws.com",
            "rediss+cluster://x.memorydb.eu-west-1.amazonaws.com:6379",
        ),
    ],
)
def test_a_url_that_is_understood(text: str, read: str) -> None:
    """Each in one spelling, with what was left out."""
    assert redis_url.parse(text) == read
    assert redis_url.parse(read) == read


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("localhost:6379", "scheme"),
        ("http://h", "redis://"),
        ("redis:// h", "white space"),
        ("redis://h\n", "white space"),
        ("redis://:pass#word@h", "%23"),
        ("redis://:pass/word@h", "%2F"),
        ("redis://:pass?word@h", "%3F"),
        ("redis://:100%off@h", "%25"),
        ("redis://:%ff@h", "UTF-8"),
        ("redis://h:abc", "port"),
        ("redis://h:", "port"),
        ("redis://h:0", "port"),
        ("redis://h:65536", "port"),
        ("redis://h:6379:6379", "port"),
        ("redis://::1", "brackets"),
        ("redis://h/staging", "database"),
        ("redis://h/0/1", "database"),
        ("redis://h/-1", "database"),
        ("redis://h/1?db=2", "twice"),
        ("redis://h?timeout=2", "unknown option; known are db, "),
        ("redis://h?ssl", "name=value"),
        ("redis://h?ssl=maybe", "true"),
        ("redis://h?ssl=true&ssl=true", "twice"),
        ("redis://h?ssl_cert_reqs=none", "rediss://"),
        ("rediss://h?ssl=false", "remove one"),
        ("rediss://h?ssl_certfile=/c", "together"),
        ("rediss://h?ssl_ca_certs=", "name=value|path"),
        ("rediss://127.0.0.1:6379", "ssl_ca_certs"),
        ("rediss+cluster://127.0.0.1:1", "ssl_ca_certs"),
        ("redis+cluster://localhost:1?ssl=true", "ssl_ca_certs"),
        ("redis://a,b", "cluster"),
        ("redis+cluster://a,,b", "host:port"),
        ("redis+cluster://a/1", "database"),
        ("unix://", "unix:///path"),
        ("unix://h/path", "unix:///path"),
        ("unix:///run/valkey.sock?ssl=true", "TLS"),
    ],
)
def test_a_url_that_is_refused(text: str, words: str) -> None:
    """With what is wanted."""
    with pytest.raises(ValueError, match=words):
        redis_url.parse(text)


def test_a_repr_shows_no_secret() -> None:
    """A login stays out of logs and of failed assertions."""
    assert repr(urls.split("https://u:hunter2@h:8081/path")) == "Url(https://…)"
    assert urls.split("https://u:hunter2@h:8081/path").hosts == (Host("h", 8081),)


def test_certificate_files_that_are_missing(tmp_path: Path) -> None:
    """They are a fault of the settings; the path, which may be the tail of a password, is not shown."""
    there = tmp_path / "a b.pem"
    there.write_text("")
    good = redis_url.parse(f"rediss://h?ssl_ca_certs={quote(str(there))}&ssl_check_hostname=false")
    assert redis_url.missing_files(good) == []
    missing = redis_url.parse(f"rediss://h?ssl_ca_certs={tmp_path}/none&ssl_certfile={tmp_path}/x&ssl_keyfile=/y")
    assert redis_url.missing_files(missing) == ["ssl_ca_certs", "ssl_certfile", "ssl_keyfile"]


def test_a_worker_with_a_missing_certificate_file_ends_as_on_bad_settings() -> None:
    """Before it connects to anything, with exit status 2."""
    environ = {**os.environ, "DAYMARK_REDIS": "rediss://h?ssl_ca_certs=/no/such/file", "DAYMARK_KAFKA": "127.0.0.1:1"}
    said = subprocess.run(
        [sys.executable, "-m", "daymark", "process"], env=environ, capture_output=True, text=True, check=False
    )
    assert said.returncode == 2
    assert said.stderr == "daymark: DAYMARK_REDIS: the file of ssl_ca_certs does not exist\n"
