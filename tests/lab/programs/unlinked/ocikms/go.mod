// Copyright (c) 2026 Market Intel Brain
// GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
// SPDX-License-Identifier: GPL-3.0-or-later

module github.com/hashicorp/go-kms-wrapping/wrappers/ocikms/v2

go 1.24.0

require github.com/hashicorp/go-kms-wrapping/v2 v2.0.18
