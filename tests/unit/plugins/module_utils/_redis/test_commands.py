# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which commands a run cannot do without; what the guide says of each is run in test_renamed_commands.py."""

from __future__ import annotations

from ansible_collections.market_intel.runbooks.plugins.module_utils._redis.commands import flush_needs, restore_needs


def required(**what: bool) -> set[str]:
    given = {"backup": True, "expire": False, "clustered": False, **what}
    return {name for name, need in flush_needs(**given).items() if not need.optional}


def test_a_flush_needs_what_it_does_and_no_more() -> None:
    assert {"DUMP", "EVALSHA", "UNLINK"} <= required()
    assert required(expire=True) - required() == {"PEXPIREAT"}
    assert required(clustered=True) - required() == {"ASKING", "CLUSTER NODES"}
    assert not {"DUMP", "EVALSHA", "HSCAN"} & required(backup=False)
    assert "EVALSHA" in required(backup=False, expire=True)


def test_what_only_an_undo_needs_is_optional_and_not_asked_for_without_a_backup() -> None:
    undo = restore_needs(overwrite=False, big_keys=True, fields_expire=True)
    with_backup = flush_needs(backup=True, expire=False, clustered=False)
    assert undo.keys() <= with_backup.keys()
    assert with_backup["RESTORE"].optional
    assert "RESTORE" not in flush_needs(backup=False, expire=False, clustered=False)
