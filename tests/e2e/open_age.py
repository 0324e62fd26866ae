"""python open_age.py IDENTITY FILE: decrypts FILE with the PyPI package pyrage."""

import sys

import pyrage

identity, file = sys.argv[1:]
with open(identity, encoding="utf-8") as lines:
    keys = [pyrage.x25519.Identity.from_str(line.strip()) for line in lines if line.startswith("AGE-SECRET-KEY-")]
with open(file, "rb") as sealed:
    sys.stdout.buffer.write(pyrage.decrypt(sealed.read(), keys))
