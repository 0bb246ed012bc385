// Copyright (c) 2026 Market Intel Brain
// GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
// SPDX-License-Identifier: GPL-3.0-or-later

package main

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"log"
	"os"
	"sync"
	"sync/atomic"
	"time"
)

// The modes of -reload.
const (
	reloadHot   = "hot"   // files, re-read when they have changed
	reloadStart = "start" // files, read once
	reloadEnv   = "env"   // the environment variables TLS_CRT and TLS_KEY
)

// checkInterval is the least time between two looks at the files; a look happens at a handshake.
const checkInterval = time.Second

// certificates holds the certificate the service shows.
type certificates struct {
	read    func() (pair, error)
	hot     bool
	current atomic.Pointer[tls.Certificate]
	// reloadErrors counts the broken states of the files: each once, however long it lasts.
	reloadErrors atomic.Uint64

	mu      sync.Mutex
	checked time.Time
	seen    pair   // what the last look found, good or broken
	trouble string // why the last look could not even read, or empty
}

// pair is a certificate chain and its key in PEM.
type pair struct{ cert, key []byte }

func (p pair) equal(other pair) bool {
	return bytes.Equal(p.cert, other.cert) && bytes.Equal(p.key, other.key)
}

// newCertificates reads the first certificate, which must be good.
func newCertificates(mode, certFile, keyFile string) (*certificates, error) {
	c := &certificates{hot: mode == reloadHot}
	if mode == reloadEnv {
		c.read = func() (pair, error) {
			return pair{[]byte(os.Getenv("TLS_CRT")), []byte(os.Getenv("TLS_KEY"))}, nil
		}
	} else {
		c.read = func() (pair, error) { return readPair(certFile, keyFile) }
	}
	found, err := c.read()
	if err != nil {
		return nil, fmt.Errorf("no certificate to serve: %w", err)
	}
	certificate, err := tls.X509KeyPair(found.cert, found.key)
	if err != nil {
		return nil, fmt.Errorf("no certificate to serve: %w", err)
	}
	c.seen, c.checked = found, time.Now()
	c.current.Store(&certificate)
	return c, nil
}

// readPair reads both files. A mounted Secret can be swapped between the two reads; the
// certificate is therefore read again, and an old one beside a new key does not count as broken.
func readPair(certFile, keyFile string) (p pair, err error) {
	for range 3 {
		if p.cert, err = os.ReadFile(certFile); err != nil {
			return pair{}, err
		}
		if p.key, err = os.ReadFile(keyFile); err != nil {
			return pair{}, err
		}
		again, err := os.ReadFile(certFile)
		if err != nil {
			return pair{}, err
		}
		if bytes.Equal(again, p.cert) {
			break
		}
	}
	return p, nil
}

// forHandshake is the certificate for a new connection, which is the time to look for a new one.
func (c *certificates) forHandshake() *tls.Certificate {
	if c.hot {
		c.refresh()
	}
	return c.current.Load()
}

func (c *certificates) refresh() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if time.Since(c.checked) < checkInterval {
		return
	}
	c.checked = time.Now()
	found, err := c.read()
	if err != nil {
		if c.trouble != err.Error() {
			c.trouble = err.Error()
			c.keep(err)
		}
		return
	}
	c.trouble = ""
	if found.equal(c.seen) {
		return
	}
	c.seen = found
	certificate, err := tls.X509KeyPair(found.cert, found.key)
	if err != nil {
		c.keep(err)
		return
	}
	c.current.Store(&certificate)
	log.Printf("serving the certificate with the serial number %s", c.serial())
}

func (c *certificates) keep(err error) {
	c.reloadErrors.Add(1)
	log.Printf("keeping the certificate with the serial number %s: %v", c.serial(), err)
}

// serial is the serial number as `openssl x509 -serial` writes it: upper case hex, whole bytes.
func (c *certificates) serial() string {
	return fmt.Sprintf("%02X", c.current.Load().Leaf.SerialNumber.Bytes())
}

// notAfter is the end of the certificate's validity.
func (c *certificates) notAfter() time.Time { return c.current.Load().Leaf.NotAfter }

// serverConfig is the TLS configuration of the HTTPS server. With a clientCA file, clients must
// show a certificate of that CA.
func (c *certificates) serverConfig(clientCA string) (*tls.Config, error) {
	config := &tls.Config{
		MinVersion:     tls.VersionTLS12,
		GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return c.forHandshake(), nil },
		// A resumed session shows no certificate, so a rotation would stay unseen by its client.
		SessionTicketsDisabled: true,
	}
	if clientCA != "" {
		pool, err := readPool(clientCA)
		if err != nil {
			return nil, err
		}
		config.ClientCAs, config.ClientAuth = pool, tls.RequireAndVerifyClientCert
	}
	return config, nil
}

// clientConfig is the TLS configuration towards an upstream, to which the service shows its own
// certificate if asked. Without a file of a CA, the system's count.
func (c *certificates) clientConfig(ca string) (*tls.Config, error) {
	config := &tls.Config{
		MinVersion: tls.VersionTLS12,
		GetClientCertificate: func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
			return c.forHandshake(), nil
		},
	}
	if ca != "" {
		pool, err := readPool(ca)
		if err != nil {
			return nil, err
		}
		config.RootCAs = pool
	}
	return config, nil
}

func readPool(file string) (*x509.CertPool, error) {
	content, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(content) {
		return nil, fmt.Errorf("%s holds no certificate", file)
	}
	return pool, nil
}
