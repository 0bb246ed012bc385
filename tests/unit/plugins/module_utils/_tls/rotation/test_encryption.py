# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Backups are files of ansible-vault: it reads ours, and we read its."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from ansible_collections.market_intel.runbooks.plugins.module_utils._errors import InvalidInput
from ansible_collections.market_intel.runbooks.plugins.module_utils._tls.rotation.encryption import decrypt, encrypt

PASSWORD = "pässword of the backup"
VAULT = Path(sys.executable).parent / "ansible-vault"


@pytest.fixture
def password_file(tmp_path: Path) -> Path:
    path = tmp_path / "password"
    path.write_text(PASSWORD, encoding="utf-8")
    return path


@pytest.mark.parametrize("size", [0, 16, 4095])
def test_ansible_vault_reads_what_we_write(size: int, tmp_path: Path, password_file: Path) -> None:
    path = tmp_path / "file"
    content = b"x" * size
    path.write_bytes(encrypt(content, PASSWORD))
    command = [str(VAULT), "decrypt", "--vault-password-file", str(password_file), "--output", "-", str(path)]
    assert subprocess.run(command, check=True, capture_output=True).stdout == content
    assert decrypt(path.read_bytes(), PASSWORD, "file") == content


def test_we_read_what_ansible_vault_writes(tmp_path: Path, password_file: Path) -> None:
    path = tmp_path / "file"
    path.write_text("key: value\n")
    subprocess.run([str(VAULT), "encrypt", "--vault-password-file", str(password_file), str(path)], check=True)
    assert decrypt(path.read_bytes(), PASSWORD, "file") == b"key: value\n"


def test_two_of_the_same_content_are_not_the_same() -> None:
    assert encrypt(b"content", PASSWORD) != encrypt(b"content", PASSWORD)


def test_a_wrong_password_and_a_damaged_file_are_said_in_one_sentence() -> None:
    sealed = encrypt(b"content", PASSWORD)
    with pytest.raises(InvalidInput, match="The password does not open backup"):
        decrypt(sealed, "another", "backup")
    flipped = sealed[:-2] + (b"1" if sealed[-2:-1] != b"1" else b"2") + b"\n"
    with pytest.raises(InvalidInput, match="damaged"):
        decrypt(flipped, PASSWORD, "backup")
    with pytest.raises(InvalidInput, match="backup is not a file of ansible-vault"):
        decrypt(b"plain text", PASSWORD, "backup")
