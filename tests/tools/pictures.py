# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Make the pictures of the pages from a real run: pictures.py [FOLDER], by default docs/pictures.

A private server with a million keys is flushed by `ops` in a terminal. What the terminal shows becomes an SVG; the
report is drawn by Chromium (on Debian: apt-get install chromium). The folder and the address of the run are shown as
those that the pages have.
"""

from __future__ import annotations

import codecs
import contextlib
import fcntl
import itertools
import os
import pty
import re
import select
import shutil
import struct
import subprocess
import sys
import tempfile
import termios
import threading
import time
from collections.abc import Iterator
from html import escape
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests"))

from support.dataset import fill  # noqa: E402
from support.servers import RedisServer  # noqa: E402

KEYS = 50_000
# What the application reads in turn, a key after each pause in seconds.
HOT, PAUSE = 200, 0.002
FAMILIES = (b"market:data:", b"market:depth:", b"session:", b"user:profile:", b"order:")
COLUMNS, ROWS = 112, 60
HOME = "/home/ops"
ADDRESS = "cache.example.com:6379"
QUESTION = "Type yes to go on"
SECONDS = 120.0
# Pixels of a character and of a line in a monospaced font of 14 pixels.
WIDTH, HEIGHT, MARGIN = 8.43, 20, 18
PAGE = (1136, 790)
COLOURS = {31: "#ff7b72", 32: "#4cc27a", 33: "#eab04d", 34: "#6ea8ff", 35: "#d2a8ff", 36: "#56d4dd"}
# One that lacks its end does nothing.
_CODE = re.compile(r"\033\[([0-9;?]*)([A-Za-z]?)")


def main() -> int:
    folder = Path(sys.argv[1]).resolve() if sys.argv[1:] else ROOT / "docs" / "pictures"
    browser = shutil.which("chromium") or shutil.which("google-chrome")
    if not browser:
        print("error: there is no Chromium to draw the report; on Debian: apt-get install chromium", file=sys.stderr)
        return 1
    folder.mkdir(parents=True, exist_ok=True)
    with RedisServer("redis-7.0") as server, tempfile.TemporaryDirectory() as home:
        with server.client() as client:
            for seed, family in enumerate(FAMILIES):
                fill(client, KEYS, family, seed=seed)
        place = Path(home)
        (place / "redis.yaml").write_text(
            "redis_caches: [{name: market-data, pattern: 'market:data:*'}]\n"
            f"flush_redis_url: {server.url}\n"
            "flush_redis_accept_ephemeral_storage: true\n"
            "runbooks_backup_dir: ~/runbooks/backups\n"
            "runbooks_reports_dir: ~/runbooks/reports\n"
        )
        with traffic(server):
            shown = type_at_terminal(["ops", "redis", "flush", "market-data"], place)
        shown += type_at_terminal(["ops", "report"], place)
        (page,) = (place / "runbooks" / "reports" / "latest-flush_redis").glob("localhost.html")
        address = f"{server.host}:{server.port}"
        page.write_text(as_on_pages(page.read_text(encoding="utf-8"), home, address), encoding="utf-8")
        (folder / "ops.svg").write_text(drawing(as_on_pages(shown, home, address)), encoding="utf-8")
        draw(browser, page, folder / "report.png", place)
    for path in sorted(folder.iterdir()):
        print(f"{path}: {path.stat().st_size / 1000:.0f} KB")
    return 0


@contextlib.contextmanager
def traffic(server: RedisServer) -> Iterator[None]:
    """Read some keys of the cache all the time, and write those that are missing, as an application does."""
    ended = threading.Event()

    def work() -> None:
        with server.client() as client:
            for number in itertools.cycle(range(HOT)):
                key = b"%s%d" % (FAMILIES[0], number)
                if client.get(key) is None:
                    client.set(key, b"x" * 200, ex=3600)
                if ended.wait(PAUSE):
                    return

    application = threading.Thread(target=work)
    application.start()
    try:
        yield
    finally:
        ended.set()
        application.join()


def as_on_pages(text: str, home: str, address: str) -> str:
    return text.replace(home, HOME).replace(address, ADDRESS)


def type_at_terminal(words: list[str], home: Path) -> str:
    """Return what a terminal shows of a command, which is answered with yes if it asks."""
    environment = {
        "PATH": f"{ROOT / 'bin'}:{Path(sys.executable).parent}:{os.environ['PATH']}",
        "HOME": str(home),
        "TERM": "xterm-256color",
        "LC_ALL": "C.UTF-8",
        "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"),
        "ANSIBLE_COLLECTIONS_PATH": str(ROOT / ".ansible" / "collections"),
    }
    pid, terminal = pty.fork()
    if pid == 0:
        os.chdir(home)
        os.execvpe(words[0], words, environment)
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, COLUMNS, 0, 0))
    shown, answered, deadline = "", False, time.monotonic() + SECONDS
    decoder = codecs.getincrementaldecoder("utf-8")("replace")
    while time.monotonic() < deadline:
        if select.select([terminal], [], [], 0.2)[0]:
            try:
                shown += decoder.decode(os.read(terminal, 65_536))
            except OSError:
                break
        # What is typed before it reads keys is thrown away.
        elif QUESTION in shown and not answered and not termios.tcgetattr(terminal)[3] & termios.ICANON:
            os.write(terminal, b"yes\r")
            answered = True
    _pid, status = os.waitpid(pid, 0)
    if status:
        raise SystemExit(f"{' '.join(words)} ended with {os.waitstatus_to_exitcode(status)}:\n{shown}")
    return f"\033[1m$ {' '.join(words)}\033[0m\r\n{shown}\r\n"


def rows(shown: str) -> list[list[tuple[str, str]]]:
    """Return the lines of a terminal, as parts with the style of each, wrapped at its width."""
    found: list[list[tuple[str, str]]] = [[]]
    style, column, at = "", 0, 0
    for code in [*_CODE.finditer(shown), None]:
        for character in shown[at : code.start() if code else len(shown)]:
            if character == "\n" or (character >= " " and column == COLUMNS):
                found.append([])
                column = 0
            if character == "\r":
                column = 0
            elif character >= " ":
                found[-1][column : column + 1] = [(character, style)]
                column += 1
        if code:
            at = code.end()
            if code[2] == "K":
                del found[-1][column:]
            elif code[2] == "m":
                numbers = [int(number or 0) for number in code[1].split(";")]
                colour = next((COLOURS[number] for number in numbers if number in COLOURS), "")
                style = f'fill="{colour}"' if colour else 'font-weight="bold"' if 1 in numbers else ""
    while not found[-1]:
        found.pop()
    return [joined(row) for row in found]


def joined(row: list[tuple[str, str]]) -> list[tuple[str, str]]:
    parts: list[tuple[str, str]] = []
    for character, style in row:
        if parts and parts[-1][1] == style:
            parts[-1] = (parts[-1][0] + character, style)
        else:
            parts.append((character, style))
    return parts


def drawing(shown: str) -> str:
    """Return an SVG of a terminal."""
    lines = rows(shown)
    width, height = COLUMNS * WIDTH + 2 * MARGIN, len(lines) * HEIGHT + 2 * MARGIN
    texts = []
    for number, line in enumerate(lines):
        parts = "".join(f"<tspan {style}>{escape(text)}</tspan>" if style else escape(text) for text, style in line)
        texts.append(f'<text x="{MARGIN}" y="{MARGIN + (number + 0.75) * HEIGHT:g}">{parts}</text>')
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:.0f} {height}" width="{width:.0f}">\n'
        f'<rect width="100%" height="100%" rx="8" fill="#16191d"/>\n'
        '<g fill="#e6e9ed" font-size="14" style="white-space: pre" '
        "font-family=\"ui-monospace, Menlo, Consolas, 'DejaVu Sans Mono', 'Liberation Mono', monospace\">\n"
        + "\n".join(texts)
        + "\n</g>\n</svg>\n"
    )


def draw(browser: str, page: Path, picture: Path, home: Path) -> None:
    """Have a browser draw the first screen of a page."""
    command = [
        *(browser, "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--force-color-profile=srgb"),
        *(f"--user-data-dir={home / 'browser'}", f"--window-size={PAGE[0]},{PAGE[1]}"),
        *(f"--screenshot={picture}", page.as_uri()),
    ]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, timeout=SECONDS)


if __name__ == "__main__":
    sys.exit(main())
