// Copyright (c) 2026 Market Intel Brain
// GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
// SPDX-License-Identifier: GPL-3.0-or-later

module github.com/google/go-metrics-stackdriver

go 1.24.0

require cloud.google.com/go/monitoring v1.24.2

require github.com/armon/go-metrics v0.4.1
