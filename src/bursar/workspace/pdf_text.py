"""`python -m bursar.workspace.pdf_text`: a PDF from standard input, a JSON list of its pages' texts to standard output.

A process of its own, because files come from strangers: what hangs or swells in here ends here. Exit status 1 for what
is no readable PDF.
"""

from __future__ import annotations

import contextlib
import json
import sys
from typing import Final

MEMORY_BYTES: Final = 1_500_000_000
CPU_SECONDS: Final = 40
MOST_PAGES: Final = 2_000


def bound_resources() -> None:
    """Where the system can; elsewhere the parent's time-out has to do."""
    with contextlib.suppress(ImportError, ValueError, OSError):
        import resource

        resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
        resource.setrlimit(resource.RLIMIT_CPU, (CPU_SECONDS, CPU_SECONDS))


def pages_of(content: bytes) -> list[str]:
    """The text of each page. Raises whatever the library raises."""
    import pypdfium2

    document = pypdfium2.PdfDocument(content)
    texts = []
    for number in range(min(len(document), MOST_PAGES + 1)):
        text = document[number].get_textpage().get_text_bounded()
        texts.append(text.replace("\r\n", "\n").replace("\x00", "").replace("\ufffe", "-").strip())
    return texts


def main() -> int:
    bound_resources()
    try:
        texts = pages_of(sys.stdin.buffer.read())
    except Exception:
        return 1
    sys.stdout.buffer.write(json.dumps(texts, ensure_ascii=True).encode())
    return 0


if __name__ == "__main__":
    sys.exit(main())
