// Copyright (c) 2026 Market Intel Brain
// GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
// SPDX-License-Identifier: GPL-3.0-or-later

package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"net/http"
	"os"
	"regexp"
	"strings"
	"sync/atomic"
	"time"
)

var symbolForm = regexp.MustCompile(`^[A-Z0-9.]{1,12}$`)

// app is a service with all it talks to.
type app struct {
	name         string
	pod          string
	certificates *certificates
	metrics      *metrics
	cache        *cache    // nil without -redis
	upstream     *upstream // nil without -upstream
	draining     atomic.Bool
}

func newApp(s settings) (*app, error) {
	pod, err := os.Hostname()
	if err != nil {
		return nil, err
	}
	certificates, err := newCertificates(s.reload, s.cert, s.key)
	if err != nil {
		return nil, err
	}
	a := &app{name: s.name, pod: pod, certificates: certificates, metrics: newMetrics(s.name, certificates)}
	if s.redis != "" {
		a.cache = &cache{
			redis:   newRedisClient(s.redis, s.redisPasswordFile),
			breaker: breaker{target: "redis"},
			metrics: a.metrics,
		}
		a.metrics.breakers = append(a.metrics.breakers, &a.cache.breaker)
	}
	if s.upstream != "" {
		if a.upstream, err = newUpstream(s.upstream, s.upstreamCA, certificates); err != nil {
			return nil, err
		}
		a.metrics.breakers = append(a.metrics.breakers, &a.upstream.breaker)
	}
	return a, nil
}

// publicHandler serves the HTTPS endpoints.
func (a *app) publicHandler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", a.about)
	mux.HandleFunc("GET /quote", a.quote)
	mux.HandleFunc("GET /price", a.price)
	return a.observed(mux)
}

// internalHandler serves the endpoints of the monitoring and of the kubelet.
func (a *app) internalHandler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { w.Write([]byte("ok\n")) })
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, _ *http.Request) {
		if a.draining.Load() {
			http.Error(w, "draining", http.StatusServiceUnavailable)
			return
		}
		w.Write([]byte("ok\n"))
	})
	mux.HandleFunc("GET /metrics", func(w http.ResponseWriter, _ *http.Request) {
		// A slow reader must not hold up the requests that count themselves.
		var text bytes.Buffer
		a.metrics.write(&text)
		w.Header().Set("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
		w.Write(text.Bytes())
	})
	return mux
}

// observed counts and times the requests, under the path of their endpoint or "other".
func (a *app) observed(mux *http.ServeMux) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if a.draining.Load() {
			// Clients leave their kept-alive connections before the shutdown closes these.
			w.Header().Set("Connection", "close")
		}
		begin := time.Now()
		recorder := &statusRecorder{ResponseWriter: w, code: http.StatusOK}
		mux.ServeHTTP(recorder, r)
		path := "other"
		if r.Pattern != "" {
			path = strings.TrimSuffix(strings.TrimPrefix(r.Pattern, "GET "), "{$}")
		}
		a.metrics.request(recorder.code, path, time.Since(begin))
	})
}

// statusRecorder remembers the status code, 200 if a handler sets none.
type statusRecorder struct {
	http.ResponseWriter
	code int
}

func (s *statusRecorder) WriteHeader(code int) {
	s.code = code
	s.ResponseWriter.WriteHeader(code)
}

func (a *app) about(w http.ResponseWriter, _ *http.Request) {
	answer(w, struct {
		Name   string `json:"name"`
		Pod    string `json:"pod"`
		Serial string `json:"serial"`
	}{a.name, a.pod, a.certificates.serial()})
}

func (a *app) price(w http.ResponseWriter, r *http.Request) {
	if symbol, ok := symbolOf(w, r); ok {
		answer(w, computePrice(symbol))
	}
}

func (a *app) quote(w http.ResponseWriter, r *http.Request) {
	symbol, ok := symbolOf(w, r)
	if !ok {
		return
	}
	result := cacheError
	var p price
	if a.cache != nil {
		p, result = a.cache.lookup(symbol)
	}
	source := "cache"
	if result != cacheHit {
		if a.upstream == nil {
			p, source = computePrice(symbol), "computed"
		} else {
			var err error
			p, err = a.upstream.price(r.Context(), symbol)
			switch {
			case errors.Is(err, errOpen):
				http.Error(w, "the upstream is unavailable", http.StatusServiceUnavailable)
				return
			case err != nil:
				http.Error(w, "the upstream failed", http.StatusBadGateway)
				return
			}
			source = "upstream"
		}
	}
	if result == cacheMiss {
		a.cache.store(p)
	}
	answer(w, struct {
		price
		Source string `json:"source"` // cache, upstream or computed
	}{p, source})
}

// symbolOf answers 400 itself if the request names no proper symbol.
func symbolOf(w http.ResponseWriter, r *http.Request) (symbol string, ok bool) {
	symbol = r.URL.Query().Get("symbol")
	if !symbolForm.MatchString(symbol) {
		http.Error(w, "symbol must be 1 to 12 of A-Z, 0-9 and the dot", http.StatusBadRequest)
		return "", false
	}
	return symbol, true
}

func answer(w http.ResponseWriter, value any) {
	w.Header().Set("Content-Type", "application/json")
	json.NewEncoder(w).Encode(value)
}
