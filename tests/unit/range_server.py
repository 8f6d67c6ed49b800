"""Server of the files of a folder that answers requests for ranges of bytes, as stores of objects do.

Run as a program with the folder's name; prints its port.
"""

from __future__ import annotations

import contextlib
import http.server
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote


class _Ranges(http.server.BaseHTTPRequestHandler):
    folder = Path()

    def do_HEAD(self) -> None:
        self._answer(False)

    def do_GET(self) -> None:
        self._answer(True)

    def _answer(self, whole: bool) -> None:
        path = self.folder / unquote(self.path.partition("?")[0]).lstrip("/")
        if not path.is_file():
            self.send_error(404)
            return
        data = path.read_bytes()
        asked = re.match(r"bytes=([0-9]+)-([0-9]*)", self.headers.get("Range", ""))
        first, last = 0, len(data) - 1
        if asked:
            first, last = int(asked[1]), min(int(asked[2] or last), last)
        self.send_response(206 if asked else 200)
        self.send_header("Accept-Ranges", "bytes")
        if asked:
            self.send_header("Content-Range", f"bytes {first}-{last}/{len(data)}")
        self.send_header("Content-Length", str(last + 1 - first))
        self.end_headers()
        if whole:
            self.wfile.write(data[first : last + 1])

    def log_message(self, *_: object) -> None:
        """Silence."""


@contextlib.contextmanager
def serving(folder: Path) -> Iterator[str]:
    """Host and port of a server of a folder, in a process of its own: GDAL may hold this one's lock."""
    server = subprocess.Popen([sys.executable, __file__, str(folder)], stdout=subprocess.PIPE, text=True)
    try:
        assert server.stdout is not None
        yield f"127.0.0.1:{server.stdout.readline().strip()}"
    finally:
        server.kill()
        server.communicate()


if __name__ == "__main__":
    _Ranges.folder = Path(sys.argv[1])
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Ranges) as running:
        print(running.server_port, flush=True)
        running.serve_forever()
