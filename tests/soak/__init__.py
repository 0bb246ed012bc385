# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Campaigns: what `make test` plays once, with hundreds of seeds."""

from ansible.utils.collection_loader._collection_finder import _AnsibleCollectionFinder

from tools.tree import ROOT

# Some parts call the engines themselves.
_AnsibleCollectionFinder(paths=[str(ROOT / ".ansible" / "collections")])._install()
