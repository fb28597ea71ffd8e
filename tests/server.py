"""A small web server on this machine that answers as good and bad ones do, for tests of downloads."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Site:
    """What the server holds and how it behaves; `asked` lists the Range headers of the requests so far (None without)."""

    def __init__(self, content: bytes):
        self.content = content
        self.tag = '"v1"'
        self.ranges = True  # answers Range with 206
        self.breaks: list[int] = []  # bytes after which the next answers break off
        self.status: list[int] = []  # codes with which the next answers refuse
        self.pause_s = 0.0  # before the body
        self.kind = "application/zip"
        self.endless = False  # sends the content again and again, and does not say how long it is
        self.drip_s = 0.0  # between single bytes
        self.elsewhere = ""  # an address to which the server sends on
        self.asked: list[str | None] = []
        self.sent = 0


@contextmanager
def serve(site: Site) -> Iterator[str]:
    """Serve a site on a free port of this machine; gives its address."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            asked = self.headers["Range"]
            site.asked.append(asked)
            if site.status and (code := site.status.pop(0)):
                self.send_error(code)
                return
            if site.elsewhere:
                self.send_response(302)
                self.send_header("Location", site.elsewhere)
                self.end_headers()
                return
            start = 0
            if asked and site.ranges and self.headers["If-Range"] in (None, site.tag):
                start = int(asked.removeprefix("bytes=").rstrip("-"))
            body = site.content[start:]
            self.send_response(206 if start else 200)
            if start:
                self.send_header(
                    "Content-Range", f"bytes {start}-{len(site.content) - 1}/{len(site.content)}"
                )
            if site.tag:
                self.send_header("ETag", site.tag)
            self.send_header("Content-Type", site.kind)
            if not site.endless:
                self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            time.sleep(site.pause_s)
            while site.endless:
                self.wfile.write(body)
            for byte in body if site.drip_s else b"":
                self.wfile.write(bytes([byte]))
                time.sleep(site.drip_s)
            if site.breaks:
                body = body[: site.breaks.pop(0)]
            self.wfile.write(body)
            site.sent += len(body)

        def log_message(self, *words):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.handle_error = lambda *_: None  # a client that hangs up is what some tests are about
    threading.Thread(target=server.serve_forever, args=[0.02], daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/images.zip"
    finally:
        server.shutdown()
        server.server_close()
