#!/usr/bin/env python3
"""Packs a folder of scheduler recordings: one JSON object a line, sorted by scenario so that like stands beside like.

usage: pack.py FOLDER | zstd -19 --long=24 -o sched.jsonl.zst
"""

import json
import pathlib
import sys

files = pathlib.Path(sys.argv[1]).glob("*.json")
for file in sorted(files, key=lambda file: (file.name.split(".", 1)[1], file.name)):
    recording = json.loads(file.read_text())
    print(json.dumps(recording, separators=(",", ":")))
