# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Write every kind of report into a folder, to be looked at in a browser: report_kinds.py FOLDER"""

from __future__ import annotations

import sys
from pathlib import Path

from ansible.utils.collection_loader._collection_finder import _AnsibleCollectionFinder

TESTS = Path(__file__).resolve().parents[1]


def main() -> None:
    _AnsibleCollectionFinder(paths=[str(TESTS.parent / ".ansible" / "collections")])._install()
    sys.path.insert(0, str(TESTS))
    from support.kinds import write_all

    write_all(Path(sys.argv[1]).resolve())


if __name__ == "__main__":
    main()
