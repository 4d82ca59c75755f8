"""A page in Chromium, where it is installed, sends an event and reads the answer."""

import json
import re
import shutil
import subprocess
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from tests.ingest.conftest import Server
from tests.ingest.fake_server import SLOW_KEY
from tests.ingest.wire import BASIC, EVENT

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
SECONDS = 60

# Sends events one after the other, each as SDKs and monitoring scripts send them, and writes what the page could read.
PAGE = """<!doctype html><pre id="read"></pre><script>
(async () => {
  const read = [];
  for (const key of KEYS) {
    try {
      const answer = await fetch("URL/v1/identify", {
        method: "POST", credentials: "include", body: JSON.stringify(EVENT),
        headers: {
          "Authorization": key, "AnonymousId": "YQ==", "Content-Type": "application/json", "X-Retry-Count": "1",
          "traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
          "sentry-trace": "0-0-0", "baggage": "a=b",
        },
      });
      read.push([answer.status, answer.headers.get("retry-after"), await answer.json()]);
    } catch (error) { read.push([0, null, String(error)]); }
  }
  document.getElementById("read").textContent = JSON.stringify(read);
})();
</script>"""


@pytest.fixture
def site() -> Iterator[ThreadingHTTPServer]:
    """Serve PAGE at a separate origin."""

    class Site(BaseHTTPRequestHandler):
        page = b""

        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.end_headers()
            self.wfile.write(self.page)

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Site) as serving:
        thread = threading.Thread(target=serving.serve_forever)
        thread.start()
        yield serving
        serving.shutdown()
        thread.join(60)


@pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed")
def test_a_page_sends_and_reads(servers: Callable[..., Server], site: ThreadingHTTPServer, tmp_path: Path) -> None:
    """With credentials and every header allowed; refused for its rate, it reads when to send again."""
    origin = f"http://127.0.0.1:{site.server_port}"
    server = servers(origin)
    keys = [BASIC.partition(b": ")[2].decode(), *[f"Bearer {SLOW_KEY}"] * 3]
    page = PAGE.replace("KEYS", json.dumps(keys)).replace("EVENT", json.dumps(EVENT))
    site.RequestHandlerClass.page = page.replace("URL", "http://{}:{}".format(*server.http)).encode()  # type: ignore[attr-defined]
    accepted, *limited = _read(origin, tmp_path)
    assert accepted == [200, None, {"success": True}]
    status, retry_after, _ = limited[-1]
    assert status == 429
    assert int(retry_after) >= 1


def _read(url: str, profile: Path) -> Any:
    options = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-proxy-server"]
    options += [f"--user-data-dir={profile}", "--timeout=20000", "--virtual-time-budget=20000", "--dump-dom"]
    command = [str(CHROMIUM), *options, url]
    done = subprocess.run(command, check=True, capture_output=True, text=True, timeout=SECONDS)
    found = re.search(r'<pre id="read">(.+)</pre>', done.stdout)
    assert found is not None, f"the page wrote nothing: {done.stdout[-500:]}"
    return json.loads(found[1])
