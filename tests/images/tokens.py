#!/usr/bin/env python3
"""Gives the tokens that docker-registry's `auth: token` believes, on a loopback address.

tokens.py CERTIFICATE KEY LOG [--port N]

The user "user" with the password "secret" may pull and push; anybody may pull below public/. Writes to LOG what was
asked for, and by whom. Prints a line when it listens.
"""
import argparse
import base64
import json
import ssl
import subprocess
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlparse

parser = argparse.ArgumentParser()
parser.add_argument("certificate")
parser.add_argument("key")
parser.add_argument("log")
parser.add_argument("--port", type=int, default=5003)
args = parser.parse_args()
log = open(args.log, "a", buffering=1)
certificate = base64.b64encode(ssl.PEM_cert_to_DER_cert(open(args.certificate).read())).decode()


def part(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=")


def token(user, service, access):
    """A JSON web token, RS256 (RFC 7519), with its certificate."""
    now = int(time.time())
    said = {"iss": "tests", "sub": user, "aud": service, "exp": now + 300, "nbf": now - 10, "iat": now,
            "jti": str(time.time_ns()), "access": access}
    head = {"typ": "JWT", "alg": "RS256", "x5c": [certificate]}
    text = part(json.dumps(head).encode()) + b"." + part(json.dumps(said).encode())
    signature = subprocess.run(["openssl", "dgst", "-sha256", "-sign", args.key], input=text, check=True,
                               stdout=subprocess.PIPE).stdout
    return (text + b"." + part(signature)).decode()


class Handler(BaseHTTPRequestHandler):
    def log_message(self, *_):
        pass

    def do_GET(self):
        asked = parse_qs(urlparse(self.path).query)
        kind, _, word = self.headers.get("Authorization", "").partition(" ")
        user, _, password = base64.b64decode(word).decode().partition(":") if kind == "Basic" else ("", "", "")
        log.write(f"{user or '-'} {' '.join(asked.get('scope', ['-']))}\n")
        if user and (user, password) != ("user", "secret"):
            status, answer = 401, {"errors": [{"code": "UNAUTHORIZED", "message": "who are you?"}]}
        else:
            access = []
            for scope in " ".join(asked.get("scope", [])).split():
                kind, name, actions = scope.split(":")
                allowed = actions.split(",") if user else ["pull"] if name.startswith("public/") else []
                access.append({"type": kind, "name": name, "actions": allowed})
            status, answer = 200, {"token": token(user, asked["service"][0], access)}
        body = json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


server = ThreadingHTTPServer(("127.0.0.1", args.port), Handler)
print("listening", flush=True)
server.serve_forever()
