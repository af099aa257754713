#!/usr/bin/env python3
"""Makes an image of OCI, as the layout DIR, from archives or directories that are its layers.

make.py DIR TAG CONFIG-JSON [--arch ARCH] [--pack gzip|none] [--docker FILE] LAYER...

Further images of one TAG become an index by platform. With --docker FILE the image is also written as
`docker save` does. Layers are directories, or archives that are taken as they are.
"""
import argparse
import gzip
import hashlib
import io
import json
import os
import subprocess
import tarfile


def layer_of(path):
    if not os.path.isdir(path):
        with open(path, "rb") as file:
            return file.read()
    # Python's own module leaves extended attributes out.
    tar = ["tar", "-C", path, "--numeric-owner", "--xattrs", "--xattrs-include=*", "--format=posix"]
    return subprocess.run([*tar, "--sort=name", "-cf", "-", "."], check=True, stdout=subprocess.PIPE).stdout


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("dir")
    parser.add_argument("tag")
    parser.add_argument("config")
    parser.add_argument("layers", nargs="+")
    parser.add_argument("--arch", default="amd64" if os.uname().machine == "x86_64" else "arm64")
    parser.add_argument("--pack", default="gzip")
    parser.add_argument("--docker")
    args = parser.parse_args()
    blobs = os.path.join(args.dir, "blobs/sha256")
    os.makedirs(blobs, exist_ok=True)

    def blob(data, kind):
        digest = hashlib.sha256(data).hexdigest()
        with open(os.path.join(blobs, digest), "wb") as file:
            file.write(data)
        return {"mediaType": kind, "digest": "sha256:" + digest, "size": len(data)}

    layers = [layer_of(path) for path in args.layers]
    config = {
        "architecture": args.arch,
        "os": "linux",
        "config": json.loads(args.config),
        "rootfs": {
            "type": "layers",
            "diff_ids": ["sha256:" + hashlib.sha256(layer).hexdigest() for layer in layers],
        },
    }
    text = json.dumps(config).encode()
    kind = "application/vnd.oci.image."
    packed = [gzip.compress(layer, 1) if args.pack == "gzip" else layer for layer in layers]
    suffix = "+gzip" if args.pack == "gzip" else ""
    manifest = {
        "schemaVersion": 2,
        "mediaType": kind + "manifest.v1+json",
        "config": blob(text, kind + "config.v1+json"),
        "layers": [blob(layer, kind + "layer.v1.tar" + suffix) for layer in packed],
    }
    descriptor = blob(json.dumps(manifest).encode(), kind + "manifest.v1+json")
    descriptor["platform"] = {"os": "linux", "architecture": args.arch}
    descriptor["annotations"] = {"org.opencontainers.image.ref.name": args.tag}
    index = os.path.join(args.dir, "index.json")
    try:
        with open(index) as file:
            document = json.load(file)
    except FileNotFoundError:
        document = {"schemaVersion": 2, "manifests": []}
    document["manifests"].append(descriptor)
    with open(index, "w") as file:
        json.dump(document, file)
    with open(os.path.join(args.dir, "oci-layout"), "w") as file:
        file.write('{"imageLayoutVersion": "1.0.0"}')
    if args.docker:
        with tarfile.open(args.docker, "w") as tar:
            def add(name, data):
                info = tarfile.TarInfo(name)
                info.size = len(data)
                tar.addfile(info, io.BytesIO(data))

            names = []
            for number, layer in enumerate(layers):
                names.append(f"{number}/layer.tar")
                add(names[-1], layer)
            add("config.json", text)
            entry = {"Config": "config.json", "RepoTags": [args.tag], "Layers": names}
            add("manifest.json", json.dumps([entry]).encode())


main()
