# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Lines for the person at the terminal, from the process of a task. PRIVATE to the collection.

They go to stderr: stdout belongs to the callback, and may be JSON. What a task displays is written by a thread of
ansible-playbook that ends for ever at the first error of a write, as of a pipe whose reader has gone; the run would
then wait for its results without an end. So a pipe, the only thing that breaks, is written to from here.
"""

from __future__ import annotations

import os
import stat

from ansible.utils.display import Display

_display = Display()


def show(text: str) -> None:
    """Write lines in one piece, so that those of several hosts do not mix; a reader that has gone misses them."""
    # ansible-core 2.19 takes the standard streams away from the processes of tasks.
    path = f"/proc/{os.getppid()}/fd/2"
    try:
        pipe = stat.S_ISFIFO(os.stat(path).st_mode)
    except OSError:
        pipe = False
    if not pipe:
        _display.display(text, stderr=True)
        return
    _display.display(text, log_only=True)
    try:
        # Without a reader, an opening that may wait would wait for ever.
        descriptor = os.open(path, os.O_WRONLY | os.O_NONBLOCK)
    except OSError:
        return
    try:
        os.set_blocking(descriptor, True)
        with open(descriptor, "w", encoding="utf-8", errors="backslashreplace", closefd=False) as file:
            file.write(text + "\n")
    except BrokenPipeError:
        pass
    finally:
        os.close(descriptor)
