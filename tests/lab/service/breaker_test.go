// Copyright (c) 2026 Market Intel Brain
// GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
// SPDX-License-Identifier: GPL-3.0-or-later

package main

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

var errBroken = errors.New("broken")

func fails() error { return errBroken }
func works() error { return nil }

func expectState(t *testing.T, b *breaker, want breakerState) {
	t.Helper()
	if got := b.state(); got != want {
		t.Fatalf("the state is %d, not %d", got, want)
	}
}

func open(t *testing.T, b *breaker) {
	t.Helper()
	for range breakerFailures {
		if err := b.do(fails); err != errBroken {
			t.Fatal(err)
		}
	}
	expectState(t, b, stateOpen)
}

func TestBreakerOpensAndCloses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &breaker{target: "test"}
		open(t, b)
		if err := b.do(works); err != errOpen {
			t.Errorf("the open breaker answered %v", err)
		}
		time.Sleep(breakerPause)
		expectState(t, b, stateHalfOpen)
		if err := b.do(fails); err != errBroken {
			t.Errorf("the half-open breaker answered %v", err)
		}
		expectState(t, b, stateOpen)
		time.Sleep(breakerPause)
		must(t, b.do(works))
		expectState(t, b, stateClosed)
		for range breakerFailures - 1 {
			b.do(fails)
		}
		expectState(t, b, stateClosed)
	})
}

func TestBreakerCountsFailuresInARow(t *testing.T) {
	b := &breaker{target: "test"}
	for range breakerFailures {
		for range breakerFailures - 1 {
			b.do(fails)
		}
		must(t, b.do(works))
	}
	expectState(t, b, stateClosed)
}

func TestHalfOpenBreakerLetsOneCallTry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &breaker{target: "test"}
		open(t, b)
		time.Sleep(breakerPause)
		err := b.do(func() error {
			if err := b.do(works); err != errOpen {
				t.Errorf("a second call was answered %v", err)
			}
			return context.Canceled
		})
		if err != context.Canceled {
			t.Error(err)
		}
		expectState(t, b, stateHalfOpen)
		func() {
			defer func() { recover() }()
			b.do(func() error { panic("on purpose") })
		}()
		expectState(t, b, stateOpen)
	})
}

func TestLateResultLeavesTheBreakerOpen(t *testing.T) {
	b := &breaker{target: "test"}
	must(t, b.do(func() error {
		open(t, b)
		return nil
	}))
	expectState(t, b, stateOpen)
}
