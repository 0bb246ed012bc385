// Copyright (c) 2026 Market Intel Brain
// GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
// SPDX-License-Identifier: GPL-3.0-or-later

package main

import (
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

func TestTerminationLosesNoRequestInFlight(t *testing.T) {
	t.Parallel()
	const requests = 4
	var reached sync.WaitGroup
	reached.Add(requests)
	release := make(chan struct{})
	flags := engine(t, func(w http.ResponseWriter, r *http.Request) {
		reached.Done()
		<-release
		answerPrice(w, r)
	})
	p := startWith(t, append(flags, "-drain", "0s")...)
	var answered sync.WaitGroup
	for range requests {
		answered.Go(func() {
			code, body, err := fetch(p.client, "https://"+p.public+"/quote?symbol=AAPL")
			if err != nil || code != 200 {
				t.Errorf("a request in flight got %d %s: %v", code, body, err)
			}
		})
	}
	reached.Wait()
	p.terminate()
	eventually(t, "the shutdown", func() bool {
		conn, err := net.Dial("tcp", p.public)
		if err == nil {
			conn.Close()
		}
		return err != nil
	})
	close(release)
	answered.Wait()
	p.expectCleanExit()
}

func TestDrainTurnsReadyzAndServesOn(t *testing.T) {
	t.Parallel()
	p := startWith(t, "-drain", "1s")
	if code, _ := p.internal("/readyz"); code != 200 {
		t.Fatalf("/readyz is %d", code)
	}
	// This client keeps its connections, as a load balancer does.
	kept := &http.Client{Transport: p.client.Transport.(*http.Transport).Clone()}
	kept.Transport.(*http.Transport).DisableKeepAlives = false
	var draining, closing atomic.Bool
	var load sync.WaitGroup
	load.Go(func() {
		for !closing.Load() {
			response, err := kept.Get("https://" + p.public + "/")
			if err != nil {
				t.Error(err)
				return
			}
			response.Body.Close()
			closing.Store(response.Close)
			if response.StatusCode != 200 || response.Close && !draining.Load() {
				t.Errorf("the service answered %s, closing %t", response.Status, response.Close)
			}
		}
	})
	time.Sleep(100 * time.Millisecond)
	draining.Store(true)
	p.terminate()
	load.Wait()

	if code, _ := p.internal("/readyz"); code != http.StatusServiceUnavailable {
		t.Errorf("/readyz is %d in the drain", code)
	}
	if code, _ := p.internal("/healthz"); code != 200 {
		t.Errorf("/healthz is %d in the drain", code)
	}
	if code, _ := p.get("/"); code != 200 {
		t.Errorf("a new client got %d in the drain", code)
	}
	p.expectCleanExit()
}

func TestBadFlagsAreOneSentence(t *testing.T) {
	t.Parallel()
	name := []string{"-name", "api-gateway"}
	for _, args := range [][]string{
		{},
		{"-name", "API"},
		append(name, "-reload", "never"),
		append(name, "-listen", "8443"),
		append(name, "-redis", "redis"),
		append(name, "-redis-password-file", "/dev/null"),
		append(name, "-upstream", "http://core-engine"),
		append(name, "-upstream-ca", "/dev/null"),
		append(name, "-drain", "soon"),
		append(name, "-drain", "-1s"),
		append(name, "-unknown"),
		append(name, "extra"),
	} {
		code, stderr := outcome(t, args...)
		if code != 2 || strings.Count(stderr, "\n") != 1 || !strings.HasSuffix(stderr, ".\n") {
			t.Errorf("%q gave exit code %d: %s", args, code, stderr)
		}
	}
	if code, stderr := outcome(t, "-h"); code != 0 || stderr != "" {
		t.Errorf("-h gave exit code %d: %s", code, stderr)
	}
}
