// Copyright (c) 2026 Market Intel Brain
// GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
// SPDX-License-Identifier: GPL-3.0-or-later

package main

import (
	"crypto/tls"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// engine is an upstream whose answers a test decides; its CA file is for -upstream-ca.
func engine(t *testing.T, handler http.HandlerFunc) (flags []string) {
	t.Helper()
	ca := newAuthority(t)
	file := filepath.Join(t.TempDir(), "ca.crt")
	must(t, os.WriteFile(file, ca.pem, 0o600))
	server := httptest.NewUnstartedServer(handler)
	server.TLS = &tls.Config{Certificates: []tls.Certificate{ca.issue(t, 1).load(t)}}
	server.StartTLS()
	t.Cleanup(server.Close)
	return []string{"-upstream", server.URL, "-upstream-ca", file}
}

func answerPrice(w http.ResponseWriter, r *http.Request) {
	json.NewEncoder(w).Encode(price{r.URL.Query().Get("symbol"), 12.5})
}

func TestQuoteIsCached(t *testing.T) {
	t.Parallel()
	redis := newFakeRedis(t, "secret")
	file := filepath.Join(t.TempDir(), "password")
	must(t, os.WriteFile(file, []byte("secret\n"), 0o600))
	p := startWith(t, "-redis", redis.address(), "-redis-password-file", file)

	for i, want := range []string{"computed", "cache", "cache"} {
		if got := p.source("BRK.B"); got != want {
			t.Errorf("price %d came from %s, not %s", i, got, want)
		}
		redis.hangUp()
	}
	redis.mu.Lock()
	defer redis.mu.Unlock()
	if redis.ttls["market:data:BRK.B"] != "300" {
		t.Errorf("Redis holds %v for %v", redis.values, redis.ttls)
	}
	for result, want := range map[string]string{"hit": "2", "miss": "1", "error": "0"} {
		p.expectMetric(`cache_requests_total{service="api-gateway",result="`+result+`"}`, want)
	}
	p.expectMetric(`http_requests_total{service="api-gateway",code="200",path="/quote"}`, "3")
	p.expectMetric(`http_request_duration_seconds_bucket{service="api-gateway",path="/quote",le="+Inf"}`, "3")
	p.expectMetric(`http_request_duration_seconds_count{service="api-gateway",path="/quote"}`, "3")
}

func TestForeignValueIsAMiss(t *testing.T) {
	t.Parallel()
	redis := newFakeRedis(t, "")
	redis.values["market:data:AAPL"] = "value 17"
	p := startWith(t, "-redis", redis.address())
	if first, second := p.source("AAPL"), p.source("AAPL"); first != "computed" || second != "cache" {
		t.Errorf("the prices came from %s and %s", first, second)
	}
}

func TestQuotesGoOnWithoutRedis(t *testing.T) {
	t.Parallel()
	redis := newFakeRedis(t, "")
	must(t, redis.listener.Close())
	p := startWith(t, "-redis", redis.address())
	const state = `circuit_breaker_state{service="api-gateway",target="redis"}`
	p.expectMetric(state, "0")
	for range breakerFailures + 2 {
		if got := p.source("AAPL"); got != "computed" {
			t.Errorf("the price came from %s", got)
		}
	}
	p.expectMetric(state, "2")
	p.expectMetric(`cache_requests_total{service="api-gateway",result="error"}`, "7")
}

func TestBreakerOfTheUpstream(t *testing.T) {
	t.Parallel()
	var broken atomic.Bool
	var asked atomic.Int64
	broken.Store(true)
	p := startWith(t, engine(t, func(w http.ResponseWriter, r *http.Request) {
		asked.Add(1)
		if broken.Load() {
			http.Error(w, "broken", http.StatusInternalServerError)
			return
		}
		answerPrice(w, r)
	})...)
	const state = `circuit_breaker_state{service="api-gateway",target="upstream"}`
	for range breakerFailures {
		if code, _ := p.get("/quote?symbol=AAPL"); code != http.StatusBadGateway {
			t.Errorf("the failure of the upstream gave %d", code)
		}
	}
	p.expectMetric(state, "2")
	if code, _ := p.get("/quote?symbol=AAPL"); code != http.StatusServiceUnavailable || asked.Load() != breakerFailures {
		t.Errorf("the open breaker gave %d and asked the upstream %d times", code, asked.Load())
	}
	broken.Store(false)
	time.Sleep(breakerPause)
	p.expectMetric(state, "1")
	if got := p.source("AAPL"); got != "upstream" {
		t.Errorf("the price came from %s", got)
	}
	p.expectMetric(state, "0")
}

func TestSymbols(t *testing.T) {
	t.Parallel()
	p := startWith(t)
	for _, symbol := range []string{"", "aapl", "A*", "A B", "AAPL\n", strings.Repeat("A", 13)} {
		for _, path := range []string{"/quote", "/price"} {
			if code, _ := p.get(path + "?symbol=" + url.QueryEscape(symbol)); code != http.StatusBadRequest {
				t.Errorf("%s of %q gave %d", path, symbol, code)
			}
		}
	}
	_, first := p.get("/price?symbol=AAPL")
	_, second := p.get("/price?symbol=AAPL")
	if _, other := p.get("/price?symbol=MSFT"); first != second || first == other {
		t.Errorf("the prices are %s, %s and %s", first, second, other)
	}
	if code, _ := p.get("/unknown"); code != http.StatusNotFound {
		t.Errorf("an unknown path gave %d", code)
	}
	p.expectMetric(`http_requests_total{service="api-gateway",code="404",path="other"}`, "1")
}
