// Copyright (c) 2026 Market Intel Brain
// GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
// SPDX-License-Identifier: GPL-3.0-or-later

// Package option stands in for the options of Google's clients.
package option

type ClientOption any

func WithUserAgent(string) ClientOption { return nil }
