// Copyright (c) 2026 Market Intel Brain
// GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
// SPDX-License-Identifier: GPL-3.0-or-later

package main

import (
	"cmp"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"sync"
	"time"
)

// The results of cache_requests_total.
const (
	cacheHit   = "hit"
	cacheMiss  = "miss"
	cacheError = "error" // a lookup or a store that failed, or a lookup left out as the breaker was open
)

// buckets are the upper bounds of http_request_duration_seconds, in seconds.
var buckets = [...]float64{0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5}

// route is a code and a path of http_requests_total.
type route struct {
	code int
	path string
}

// histogram counts durations per bucket, the last of which has no bound.
type histogram struct {
	counts [len(buckets) + 1]uint64
	sum    float64 // seconds
}

// metrics are the numbers of /metrics. No label value needs escaping: all are chosen here, but
// for the service's name, which is a DNS label.
type metrics struct {
	service      string
	certificates *certificates
	breakers     []*breaker

	mu        sync.Mutex
	requests  map[route]uint64
	durations map[string]*histogram
	cache     map[string]uint64
}

func newMetrics(service string, certificates *certificates) *metrics {
	return &metrics{
		service:      service,
		certificates: certificates,
		requests:     map[route]uint64{},
		durations:    map[string]*histogram{},
		cache:        map[string]uint64{cacheHit: 0, cacheMiss: 0, cacheError: 0},
	}
}

func (m *metrics) request(code int, path string, took time.Duration) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.requests[route{code, path}]++
	h := m.durations[path]
	if h == nil {
		h = &histogram{}
		m.durations[path] = h
	}
	seconds := took.Seconds()
	i, _ := slices.BinarySearch(buckets[:], seconds)
	h.counts[i]++
	h.sum += seconds
}

func (m *metrics) cacheRequest(result string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.cache[result]++
}

// write writes the text format of Prometheus, version 0.0.4.
func (m *metrics) write(w io.Writer) {
	m.mu.Lock()
	defer m.mu.Unlock()
	family := func(name, kind, help string) {
		fmt.Fprintf(w, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, kind)
	}
	family("http_requests_total", "counter", "Requests answered over HTTPS.")
	byPath := func(a, b route) int { return cmp.Or(cmp.Compare(a.path, b.path), cmp.Compare(a.code, b.code)) }
	for _, r := range slices.SortedFunc(maps.Keys(m.requests), byPath) {
		fmt.Fprintf(w, "http_requests_total{service=%q,code=\"%d\",path=%q} %d\n", m.service, r.code, r.path, m.requests[r])
	}
	family("http_request_duration_seconds", "histogram", "Time to answer a request over HTTPS.")
	for _, path := range slices.Sorted(maps.Keys(m.durations)) {
		m.durations[path].write(w, fmt.Sprintf("service=%q,path=%q", m.service, path))
	}
	family("circuit_breaker_state", "gauge", "State of a circuit breaker: 0 closed, 1 half-open, 2 open.")
	for _, b := range m.breakers {
		fmt.Fprintf(w, "circuit_breaker_state{service=%q,target=%q} %d\n", m.service, b.target, b.state())
	}
	family("cache_requests_total", "counter", "Requests to the cache.")
	for _, result := range slices.Sorted(maps.Keys(m.cache)) {
		fmt.Fprintf(w, "cache_requests_total{service=%q,result=%q} %d\n", m.service, result, m.cache[result])
	}
	family("tls_certificate_not_after_seconds", "gauge", "End of the served certificate's validity, in seconds since 1970.")
	fmt.Fprintf(w, "tls_certificate_not_after_seconds{service=%q} %d\n", m.service, m.certificates.notAfter().Unix())
	family("tls_certificate_reload_errors_total", "counter", "Broken certificates or keys that were not taken over.")
	fmt.Fprintf(w, "tls_certificate_reload_errors_total{service=%q} %d\n", m.service, m.certificates.reloadErrors.Load())
}

func (h *histogram) write(w io.Writer, labels string) {
	const name = "http_request_duration_seconds"
	total := uint64(0)
	for i, count := range h.counts {
		total += count
		bound := "+Inf"
		if i < len(buckets) {
			bound = strconv.FormatFloat(buckets[i], 'g', -1, 64)
		}
		fmt.Fprintf(w, "%s_bucket{%s,le=%q} %d\n", name, labels, bound, total)
	}
	fmt.Fprintf(w, "%s_sum{%s} %g\n%s_count{%s} %d\n", name, labels, h.sum, name, labels, total)
}
