// Copyright (c) 2026 Market Intel Brain
// GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
// SPDX-License-Identifier: GPL-3.0-or-later

package main

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"
)

const (
	cachePrefix = "market:data:"
	cacheTTL    = 300 * time.Second
	// upstreamTimeout bounds a request to the upstream with its connection and its body.
	upstreamTimeout = 3 * time.Second
	// upstreamIdleTimeout is shorter than idleTimeout: the side that asks hangs up first, so no
	// request meets a connection that is just being closed.
	upstreamIdleTimeout = 30 * time.Second
	// priceRounds of a hash are a few milliseconds of work.
	priceRounds = 20_000
)

// price is what the cache holds and /price answers.
type price struct {
	Symbol string  `json:"symbol"`
	Price  float64 `json:"price"` // between 1.00 and 1000.99, two decimals
}

// computePrice gives the same price for a symbol always and everywhere.
func computePrice(symbol string) price {
	sum := sha256.Sum256([]byte(symbol))
	for range priceRounds {
		sum = sha256.Sum256(sum[:])
	}
	cents := 100 + binary.BigEndian.Uint32(sum[:])%100_000
	return price{symbol, float64(cents) / 100}
}

// cache keeps prices in Redis, behind a circuit breaker.
type cache struct {
	redis   *redisClient
	breaker breaker
	metrics *metrics
}

// lookup returns a price and the result: hit, miss or error. An open breaker is an error too.
func (c *cache) lookup(symbol string) (found price, result string) {
	var value []byte
	err := c.breaker.do(func() (err error) {
		value, err = c.redis.get(cachePrefix + symbol)
		return err
	})
	switch {
	case err != nil:
		result = cacheError
	case json.Unmarshal(value, &found) != nil || found.Symbol != symbol:
		// No key, or the value of someone else.
		result = cacheMiss
	default:
		result = cacheHit
	}
	c.metrics.cacheRequest(result)
	return found, result
}

// store is a favour to later requests: if it fails, this one goes on.
func (c *cache) store(p price) {
	value, err := json.Marshal(p)
	if err == nil {
		err = c.breaker.do(func() error { return c.redis.set(cachePrefix+p.Symbol, string(value), cacheTTL) })
	}
	if err != nil {
		c.metrics.cacheRequest(cacheError)
	}
}

// upstream asks another service for prices, behind a circuit breaker.
type upstream struct {
	url     string
	client  *http.Client
	breaker breaker
}

func newUpstream(base, ca string, certificates *certificates) (*upstream, error) {
	config, err := certificates.clientConfig(ca)
	if err != nil {
		return nil, err
	}
	return &upstream{
		url: strings.TrimSuffix(base, "/") + "/price?symbol=",
		client: &http.Client{
			Timeout: upstreamTimeout,
			Transport: &http.Transport{
				TLSClientConfig:     config,
				MaxIdleConnsPerHost: 32,
				IdleConnTimeout:     upstreamIdleTimeout,
			},
		},
		breaker: breaker{target: "upstream"},
	}, nil
}

// price returns errOpen while the breaker is open.
func (u *upstream) price(ctx context.Context, symbol string) (answer price, err error) {
	err = u.breaker.do(func() error {
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, u.url+url.QueryEscape(symbol), nil)
		if err != nil {
			return err
		}
		response, err := u.client.Do(request)
		if err != nil {
			return err
		}
		defer response.Body.Close()
		body, err := io.ReadAll(io.LimitReader(response.Body, 4096))
		if err != nil {
			return err
		}
		if response.StatusCode != http.StatusOK {
			return fmt.Errorf("the upstream answered %s", response.Status)
		}
		if err := json.Unmarshal(body, &answer); err != nil {
			return err
		}
		if answer.Symbol != symbol {
			return fmt.Errorf("the upstream answered for %q", answer.Symbol)
		}
		return nil
	})
	return answer, err
}
