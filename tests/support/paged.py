"""Files of several pages, and files that claim to be, in TIFF and in PDF."""

import io
import struct
from collections.abc import Sequence

from PIL import Image

from drawn import page


def encoded(texts: Sequence[str], kind: str, **options: object) -> bytes:
    """A page or frame a text."""
    first, *others = (Image.fromarray(page(text, 80, 8)) for text in texts)
    file = io.BytesIO()
    first.save(file, kind, save_all=True, append_images=others, **options)
    return file.getvalue()


def chain(count: int, back: bool = False, side: int = 1) -> bytes:
    """A TIFF of so many pages that share one strip; `back`: the last is followed by the first."""
    size = 2 + 4 * 12 + 4
    content = [b"II*\0" + struct.pack("<I", 8)]
    tags = [(256, side), (257, side), (273, 8), (279, side * side)]  # size, and where the strip is
    table = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in tags)
    for number in range(count):
        last = 8 if back else 0
        after = 8 + size * (number + 1) if number < count - 1 else last
        content.append(struct.pack("<H", len(tags)) + table + struct.pack("<I", after))
    return b"".join(content)


def pdf(*objects: bytes, trailer: bytes = b"") -> bytes:
    """A PDF of these objects, numbered from 1; the first is its catalogue."""
    content, places = b"%PDF-1.7\n", []
    for number, thing in enumerate(objects, start=1):
        places.append(len(content))
        content += b"%d 0 obj\n%s\nendobj\n" % (number, thing)
    table = len(content)
    content += b"xref\n0 %d\n0000000000 65535 f \n" % (len(objects) + 1)
    content += b"".join(b"%010d 00000 n \n" % place for place in places)
    content += b"trailer\n<< /Size %d /Root 1 0 R %s >>\n" % (len(objects) + 1, trailer)
    return content + b"startxref\n%d\n%%%%EOF\n" % table


def stream(content: bytes, more: bytes = b"") -> bytes:
    return b"<< /Length %d %s >>\nstream\n%s\nendstream" % (len(content), more, content)


def document(*objects: bytes, count: int = 1) -> bytes:
    """A PDF that claims `count` pages, the first of which, or a node above it, is object 3."""
    kids = b"3 0 R" if objects else b""
    return pdf(
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"<< /Type /Pages /Kids [%s] /Count %d >>" % (kids, count),
        *objects,
    )


def one_page(box: bytes = b"0 0 200 200", count: int = 1) -> bytes:
    """A PDF of one empty page, which claims `count` pages."""
    return document(
        b"<< /Type /Page /Parent 2 0 R /MediaBox [%s] /Contents 4 0 R >>" % box,
        stream(b""),
        count=count,
    )


def locked() -> bytes:
    """A PDF that opens with a password only: its keys fit none."""
    return pdf(
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"<< /Type /Pages /Kids [] /Count 0 >>",
        b"<< /Filter /Standard /V 2 /R 3 /Length 128 /P -4 /O <%s> /U <%s> >>"
        % (b"11" * 32, b"22" * 32),
        trailer=b"/Encrypt 3 0 R /ID [<00> <00>]",
    )
