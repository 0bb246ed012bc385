// Copyright (c) 2026 Market Intel Brain
// GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
// SPDX-License-Identifier: GPL-3.0-or-later

package main

import (
	"context"
	"errors"
	"log"
	"sync"
	"time"
)

const (
	// breakerFailures in a row open a breaker.
	breakerFailures = 5
	// breakerPause is how long an open breaker refuses every call before it lets one try.
	breakerPause = 2 * time.Second
)

// errOpen is the answer of a breaker that lets no call through.
var errOpen = errors.New("the circuit breaker is open")

// errPanicked stands for the result of a call that never returned one.
var errPanicked = errors.New("the call panicked")

// breakerState is the value of the metric circuit_breaker_state.
type breakerState int

const (
	stateClosed breakerState = iota
	stateHalfOpen
	stateOpen
)

// breaker is a circuit breaker around the calls to one target.
type breaker struct {
	target string

	mu       sync.Mutex
	failures int       // in a row, while closed
	opened   time.Time // of the last opening; zero while closed
	trying   bool      // the one call of the half-open state is under way
}

// do makes the call, or returns errOpen without it. A call its client gave up on
// (context.Canceled) says nothing about the target and counts neither way.
func (b *breaker) do(call func() error) error {
	trial, ok := b.enter()
	if !ok {
		return errOpen
	}
	err := errPanicked
	defer func() { b.leave(trial, err) }()
	err = call()
	return err
}

func (b *breaker) state() breakerState {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.locked()
}

// locked is the state, for callers that hold the mutex.
func (b *breaker) locked() breakerState {
	switch {
	case b.opened.IsZero():
		return stateClosed
	case time.Since(b.opened) < breakerPause:
		return stateOpen
	default:
		return stateHalfOpen
	}
}

func (b *breaker) enter() (trial, ok bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch b.locked() {
	case stateClosed:
		return false, true
	case stateHalfOpen:
		if !b.trying {
			b.trying = true
			return true, true
		}
	}
	return false, false
}

func (b *breaker) leave(trial bool, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if trial {
		b.trying = false
	} else if !b.opened.IsZero() {
		// The call began before the breaker opened: its result is old news.
		return
	}
	switch {
	case errors.Is(err, context.Canceled):
	case err == nil:
		b.failures = 0
		if trial {
			b.opened = time.Time{}
			log.Printf("the circuit breaker of %s closes", b.target)
		}
	default:
		b.failures++
		if trial || b.failures >= breakerFailures {
			b.opened = time.Now()
			log.Printf("the circuit breaker of %s opens: %v", b.target, err)
		}
	}
}
