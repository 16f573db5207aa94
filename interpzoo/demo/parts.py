"""Scripts that bring content to the page: a page that is opened from a disk may load nothing but scripts."""

import base64
import binascii
import gzip
import json
import re
import zlib
from collections.abc import Mapping


def script(parts: Mapping[str, bytes]) -> str:
    """A script with the content of each part: base64 of gzip, which ``web/src/parts.ts`` reads."""
    lines = [f"interpzoo.part({json.dumps(name)}, {json.dumps(packed(content))});\n" for name, content in parts.items()]
    return "".join(lines)


def packed(content: bytes) -> str:
    """Base64 of gzip, the same each time."""
    return base64.b64encode(gzip.compress(content, mtime=0)).decode()


def content_of(script: str, name: str) -> bytes | None:
    """The content of a part of a script; ``None`` if it has no such part, or one that is damaged."""
    found = re.search(rf'^interpzoo\.part\({re.escape(json.dumps(name))}, "([^"]*)"\);$', script, re.MULTILINE)
    try:
        return None if found is None else gzip.decompress(base64.b64decode(found[1], validate=True))
    except (binascii.Error, OSError, EOFError, zlib.error):
        return None
