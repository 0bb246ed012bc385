// Copyright (c) 2026 Market Intel Brain
// GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
// SPDX-License-Identifier: GPL-3.0-or-later

package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/url"
	"os"
	"regexp"
	"time"
)

// serviceName is a DNS label, which also needs no escaping as the value of a metric's label.
var serviceName = regexp.MustCompile(`^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$`)

// settings are the flags; their usage texts and defaults are in parse.
type settings struct {
	name, listen, metrics    string
	reload, cert, key        string
	clientCA                 string
	redis, redisPasswordFile string
	upstream, upstreamCA     string
	drain                    time.Duration
}

// parse reads and checks the flags. After -h, whose text it prints, the error is flag.ErrHelp.
func parse(args []string) (settings, error) {
	var s settings
	flags := flag.NewFlagSet("service", flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	flags.StringVar(&s.name, "name", "", "`name` of the service, such as api-gateway (required)")
	flags.StringVar(&s.listen, "listen", ":8443", "`address` of the HTTPS server")
	flags.StringVar(&s.metrics, "metrics", ":9090", "`address` of /metrics, /healthz and /readyz over plain HTTP")
	flags.StringVar(&s.reload, "reload", reloadHot, "`mode` of the certificate: hot (files, re-read when changed), start (files, read once) or env (TLS_CRT and TLS_KEY)")
	flags.StringVar(&s.cert, "cert", "/tls/tls.crt", "certificate `file` in PEM, not read with -reload env")
	flags.StringVar(&s.key, "key", "/tls/tls.key", "key `file` in PEM, not read with -reload env")
	flags.StringVar(&s.clientCA, "client-ca", "", "`file` of the CA clients must have a certificate of; read at start (default no client certificate)")
	flags.StringVar(&s.redis, "redis", "", "`host:port` of the cache (default no cache)")
	flags.StringVar(&s.redisPasswordFile, "redis-password-file", "", "`file` of the password for -redis, read at each connect (default no password)")
	flags.StringVar(&s.upstream, "upstream", "", "https `URL` of the service asked for prices (default compute them here)")
	flags.StringVar(&s.upstreamCA, "upstream-ca", "", "`file` of the CA for -upstream; read at start (default the system's)")
	flags.DurationVar(&s.drain, "drain", 3*time.Second, "`time` between a signal, at which /readyz turns 503, and the shutdown")
	if err := flags.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			flags.SetOutput(os.Stdout)
			flags.Usage()
		}
		return s, err
	}
	if flags.NArg() > 0 {
		return s, fmt.Errorf("unexpected argument %q", flags.Arg(0))
	}
	return s, s.check()
}

func (s settings) check() error {
	if !serviceName.MatchString(s.name) {
		return fmt.Errorf("-name must be a DNS label such as api-gateway, not %q", s.name)
	}
	switch s.reload {
	case reloadHot, reloadStart, reloadEnv:
	default:
		return fmt.Errorf("-reload must be hot, start or env, not %q", s.reload)
	}
	for _, address := range []struct{ flag, value string }{{"-listen", s.listen}, {"-metrics", s.metrics}} {
		if _, port, err := net.SplitHostPort(address.value); err != nil || port == "" {
			return fmt.Errorf("%s must be host:port or :port, not %q", address.flag, address.value)
		}
	}
	if s.redis != "" {
		if host, port, err := net.SplitHostPort(s.redis); err != nil || host == "" || port == "" {
			return fmt.Errorf("-redis must be host:port, not %q", s.redis)
		}
	} else if s.redisPasswordFile != "" {
		return errors.New("-redis-password-file needs -redis")
	}
	if s.upstream != "" {
		u, err := url.Parse(s.upstream)
		if err != nil || u.Scheme != "https" || u.Host == "" || u.User != nil || (u.Path != "" && u.Path != "/") || u.RawQuery != "" || u.Fragment != "" {
			return fmt.Errorf("-upstream must be like https://core-engine:8443, not %q", s.upstream)
		}
	} else if s.upstreamCA != "" {
		return errors.New("-upstream-ca needs -upstream")
	}
	if s.drain < 0 {
		return fmt.Errorf("-drain must not be negative, not %s", s.drain)
	}
	return nil
}
