// Copyright (c) 2026 Market Intel Brain
// GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
// SPDX-License-Identifier: GPL-3.0-or-later

// Package monitoring stands in for the metrics of Google Cloud.
package monitoring

import (
	"context"
	"errors"

	"google.golang.org/api/option"
)

type MetricClient struct{}

func NewMetricClient(context.Context, ...option.ClientOption) (*MetricClient, error) {
	return nil, errors.New("monitoring is not linked in")
}
