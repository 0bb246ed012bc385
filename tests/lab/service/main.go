// Copyright (c) 2026 Market Intel Brain
// GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
// SPDX-License-Identifier: GPL-3.0-or-later

// Command service is the platform in small: api-gateway or core-engine, an HTTPS server whose
// certificate gets rotated and whose quotes are cached in Redis. It is configured by flags only.
//
// Exit codes: 0 after SIGTERM or SIGINT with no request lost, 1 when it cannot start, fails or
// misses the deadline of the shutdown, 2 for bad flags.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log"
	"net"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"
)

const (
	// shutdownDeadline bounds the wait for requests in flight once the drain is over.
	shutdownDeadline = 10 * time.Second
	// idleTimeout closes kept-alive connections; longer than upstreamIdleTimeout.
	idleTimeout = 60 * time.Second
)

func main() {
	log.SetFlags(log.LstdFlags | log.LUTC)
	settings, err := parse(os.Args[1:])
	switch {
	case errors.Is(err, flag.ErrHelp):
		return
	case err != nil:
		fmt.Fprintf(os.Stderr, "service: %v.\n", err)
		os.Exit(2)
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	if err := run(ctx, settings); err != nil {
		fmt.Fprintf(os.Stderr, "service: %v.\n", err)
		os.Exit(1)
	}
}

// run serves until ctx ends, then drains and shuts down.
func run(ctx context.Context, s settings) error {
	app, err := newApp(s)
	if err != nil {
		return err
	}
	tlsConfig, err := app.certificates.serverConfig(s.clientCA)
	if err != nil {
		return err
	}
	public := &http.Server{
		Handler:           app.publicHandler(),
		TLSConfig:         tlsConfig,
		ReadHeaderTimeout: 5 * time.Second,
		WriteTimeout:      shutdownDeadline,
		IdleTimeout:       idleTimeout,
	}
	internal := &http.Server{Handler: app.internalHandler(), ReadHeaderTimeout: 5 * time.Second}
	defer internal.Close()

	publicListener, err := net.Listen("tcp", s.listen)
	if err != nil {
		return err
	}
	defer publicListener.Close()
	internalListener, err := net.Listen("tcp", s.metrics)
	if err != nil {
		return err
	}
	failed := make(chan error, 2)
	go func() { failed <- public.ServeTLS(publicListener, "", "") }()
	go func() { failed <- internal.Serve(internalListener) }()
	log.Printf("%s serves https on %s and metrics on %s", s.name, publicListener.Addr(), internalListener.Addr())

	select {
	case err := <-failed:
		return err
	case <-ctx.Done():
	}
	app.draining.Store(true)
	log.Printf("%s drains for %s", s.name, s.drain)
	select {
	case err := <-failed:
		return err
	case <-time.After(s.drain):
	}
	// The signal has ended ctx already, so the deadline needs a context of its own.
	deadline, cancel := context.WithTimeout(context.Background(), shutdownDeadline)
	defer cancel()
	if err := public.Shutdown(deadline); err != nil {
		return fmt.Errorf("requests were still in flight %s after the drain: %w", shutdownDeadline, err)
	}
	return nil
}
