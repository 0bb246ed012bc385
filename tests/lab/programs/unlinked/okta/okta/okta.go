// Copyright (c) 2026 Market Intel Brain
// GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
// SPDX-License-Identifier: GPL-3.0-or-later

// Package okta stands in for the client of Okta's logins, which a Vault of the lab does not ask.
package okta

import (
	"context"
	"errors"
)

type Configuration struct{ Context context.Context }

type ConfigSetter func(*Configuration)

func NewConfiguration(...ConfigSetter) (*Configuration, error) {
	return nil, errors.New("okta is not linked in")
}

func WithToken(string) ConfigSetter  { return nil }
func WithOrgUrl(string) ConfigSetter { return nil }
func WithCache(bool) ConfigSetter    { return nil }

// What follows is never reached: there is no configuration.

type APIClient struct {
	UserAPI       users
	UserFactorAPI factors
}

func NewAPIClient(*Configuration) *APIClient { return nil }
func (*APIClient) GetConfig() *Configuration { return nil }

type (
	users          struct{}
	factors        struct{}
	request[T any] struct{}
)

func (request[T]) Filter(string) request[T] { return request[T]{} }

func (request[T]) Execute() (result T, response any, err error) { return }

func (users) ListUsers(context.Context) request[[]User] { return request[[]User]{} }

func (factors) ListFactors(context.Context, string) request[[]Factor] { return request[[]Factor]{} }

func (factors) VerifyFactor(context.Context, string, string) request[*Verification] {
	return request[*Verification]{}
}

func (factors) GetFactorTransactionStatus(context.Context, string, string, string) request[*Transaction] {
	return request[*Transaction]{}
}

type User struct{}

func (User) GetId() string { return "" }

type Factor struct{ UserFactorPush *UserFactorPush }

type UserFactorPush struct{}

func (*UserFactorPush) GetId() string { return "" }

type Verification struct{ Links any }

func (*Verification) GetFactorResult() string { return "" }

type Transaction struct {
	UserFactorPushTransaction         *struct{}
	UserFactorPushTransactionWaiting  *struct{}
	UserFactorPushTransactionRejected *struct{}
	UserFactorPushTransactionTimeout  *struct{}
}
