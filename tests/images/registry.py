#!/usr/bin/env python3
"""A registry that misbehaves: serves the images of a layout, reading only.

registry.py LAYOUT LOG [--port N] [--cut N] [--busy N] [--token] [--corrupt] [--redirect]

--cut N      the first N answers with blobs end early, after a random number of bytes
--busy N     the first N requests are answered with 503
--token      wants a token, which /token gives to user:secret
--corrupt    changes a byte of every blob
--redirect   blobs are at another address, which refuses whoever brings a header Authorization

Writes to LOG what was asked for. Prints a line when it listens.
"""
import argparse
import base64
import json
import os
import random
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

parser = argparse.ArgumentParser()
parser.add_argument("layout")
parser.add_argument("log")
parser.add_argument("--port", type=int, default=5001)
parser.add_argument("--cut", type=int, default=0)
parser.add_argument("--busy", type=int, default=0)
parser.add_argument("--token", action="store_true")
parser.add_argument("--corrupt", action="store_true")
parser.add_argument("--redirect", action="store_true")
args = parser.parse_args()
lock = threading.Lock()
log = open(args.log, "a", buffering=1)
BASIC = "Basic " + base64.b64encode(b"user:secret").decode()


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def answer(self, status, body=b"", headers=()):
        self.send_response(status)
        for name, value in headers:
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def counted(self, what):
        with lock:
            left = getattr(args, what)
            setattr(args, what, max(0, left - 1))
            return left > 0

    def do_GET(self):
        authorization = self.headers.get("Authorization", "")
        log.write(f"{self.path} {self.headers.get('Range', '-')} {authorization.split(' ')[0] or '-'}\n")
        if self.counted("busy"):
            return self.answer(503, headers=[("Retry-After", "0")])
        host = self.headers["Host"]
        elsewhere = host.startswith("127.0.0.2")
        if elsewhere and authorization:
            return self.answer(400)
        if self.path.startswith("/token"):
            if authorization != BASIC or "scope=repository%3Aapp%3Apull" not in self.path:
                return self.answer(401, json.dumps({"errors": [{"code": "DENIED", "message": "who?\x1b[31m"}]}).encode())
            return self.answer(200, b'{"token": "tok"}')
        if args.token and not elsewhere and authorization != "Bearer tok":
            realm = f'Bearer realm="http://{host}/token",service="reg",scope="repository:app:pull"'
            return self.answer(401, headers=[("WWW-Authenticate", realm)])
        if self.path == "/v2/":
            return self.answer(200, b"{}")
        kind, name = self.path.split("/")[3:5]
        if kind == "manifests" and not name.startswith("sha256:"):
            with open(os.path.join(args.layout, "index.json")) as file:
                manifests = json.load(file)["manifests"]
            name = manifests[0]["digest"]
        try:
            with open(os.path.join(args.layout, "blobs/sha256", name.split(":")[1]), "rb") as file:
                data = file.read()
        except FileNotFoundError:
            return self.answer(404, b'{"errors": [{"code": "BLOB_UNKNOWN", "message": "not here"}]}')
        if kind == "manifests":
            return self.answer(200, data, [("Content-Type", json.loads(data).get("mediaType", ""))])
        if args.redirect and not elsewhere:
            return self.answer(307, headers=[("Location", f"http://127.0.0.2:{args.port}{self.path}")])
        if args.corrupt:
            data = data[:-1] + bytes([data[-1] ^ 1])
        wanted = self.headers.get("Range")
        start = int(wanted[len("bytes="):-1]) if wanted else 0
        self.send_response(206 if wanted else 200)
        if wanted:
            self.send_header("Content-Range", f"bytes {start}-{len(data) - 1}/{len(data)}")
        self.send_header("Content-Length", str(len(data) - start))
        self.end_headers()
        data = data[start:]
        if len(data) > 1000 and self.counted("cut"):
            self.wfile.write(data[: random.randrange(len(data))])
            self.close_connection = True
            return None
        return self.wfile.write(data)


server = ThreadingHTTPServer(("0.0.0.0", args.port), Handler)
print("listening")
sys.stdout.flush()
server.serve_forever()
