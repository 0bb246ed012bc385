// Copyright (c) 2026 Market Intel Brain
// GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
// SPDX-License-Identifier: GPL-3.0-or-later

package main

import (
	"crypto/tls"
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"
)

const reloadErrors = `tls_certificate_reload_errors_total{service="api-gateway"}`

func TestHotServesANewCertificate(t *testing.T) {
	t.Parallel()
	ca := newAuthority(t)
	s := newSecret(t, ca.issue(t, 0x0A01))
	p := start(t, ca, nil, "-reload", "hot", "-cert", s.path("tls.crt"), "-key", s.path("tls.key"))
	if got := p.serial(); got != 0x0A01 {
		t.Fatalf("the first serial number is %X", got)
	}

	renewed := ca.issue(t, 0x0A02)
	s.put(t, renewed)
	eventually(t, "the new certificate", func() bool { return p.serial() == 0x0A02 })

	_, body := p.get("/")
	var about struct{ Name, Pod, Serial string }
	must(t, json.Unmarshal([]byte(body), &about))
	host, err := os.Hostname()
	must(t, err)
	if about.Name != "api-gateway" || about.Pod != host || about.Serial != "0A02" {
		t.Errorf("the service says %s", body)
	}
	p.expectMetric(reloadErrors, "0")
	p.expectMetric(`tls_certificate_not_after_seconds{service="api-gateway"}`,
		strconv.FormatInt(renewed.load(t).Leaf.NotAfter.Unix(), 10))
}

func TestHotKeepsTheCertificateBeforeABrokenPair(t *testing.T) {
	t.Parallel()
	ca := newAuthority(t)
	s := newSecret(t, ca.issue(t, 1))
	p := start(t, ca, nil, "-cert", s.path("tls.crt"), "-key", s.path("tls.key"))

	s.put(t, pair{ca.issue(t, 2).cert, ca.issue(t, 3).key})
	eventually(t, "the error of the wrong key", func() bool {
		if got := p.serial(); got != 1 {
			t.Fatalf("the serial number is %d", got)
		}
		return p.metric(reloadErrors) == "1"
	})
	must(t, os.Remove(s.path("tls.key")))
	eventually(t, "the error of the missing key", func() bool { return p.serial() == 1 && p.metric(reloadErrors) == "2" })

	must(t, os.Symlink(filepath.Join("..data", "tls.key"), s.path("tls.key")))
	s.put(t, ca.issue(t, 4))
	eventually(t, "the mended pair", func() bool { return p.serial() == 4 })
	p.expectMetric(reloadErrors, "2")
}

func TestStartKeepsItsCertificate(t *testing.T) {
	t.Parallel()
	ca := newAuthority(t)
	s := newSecret(t, ca.issue(t, 1))
	p := start(t, ca, nil, "-reload", "start", "-cert", s.path("tls.crt"), "-key", s.path("tls.key"))
	s.put(t, ca.issue(t, 2))
	time.Sleep(checkInterval + 200*time.Millisecond)
	if got := p.serial(); got != 1 {
		t.Errorf("the serial number is %d", got)
	}
}

func TestCertificateFromTheEnvironment(t *testing.T) {
	t.Parallel()
	ca := newAuthority(t)
	issued := ca.issue(t, 7)
	p := start(t, ca, []string{"TLS_CRT=" + string(issued.cert), "TLS_KEY=" + string(issued.key)}, "-reload", "env")
	if got := p.serial(); got != 7 {
		t.Errorf("the serial number is %d", got)
	}
}

func TestClientCAWantsAClientCertificate(t *testing.T) {
	t.Parallel()
	ca := newAuthority(t)
	s := newSecret(t, ca.issue(t, 1))
	file := filepath.Join(t.TempDir(), "ca.crt")
	must(t, os.WriteFile(file, ca.pem, 0o600))
	tlsFlags := []string{"-cert", s.path("tls.crt"), "-key", s.path("tls.key")}
	engine := start(t, ca, nil, append(tlsFlags, "-client-ca", file)...)
	if _, _, err := fetch(engine.client, "https://"+engine.public+"/"); err == nil {
		t.Error("a client without a certificate was served")
	}
	engine.client.Transport = &http.Transport{
		TLSClientConfig: &tls.Config{RootCAs: ca.pool, Certificates: []tls.Certificate{ca.issue(t, 2).load(t)}},
	}
	if code, body := engine.get("/"); code != 200 {
		t.Errorf("a client with a certificate got %d %s", code, body)
	}

	gateway := start(t, ca, nil, append(tlsFlags, "-upstream", "https://"+engine.public, "-upstream-ca", file)...)
	if got := gateway.source("AAPL"); got != "upstream" {
		t.Errorf("the price came from %s", got)
	}
}

func TestNoCertificateNoStart(t *testing.T) {
	t.Parallel()
	code, stderr := outcome(t, "-name", "api-gateway", "-cert", "/nonexistent/tls.crt")
	if code != 1 || stderr != "service: no certificate to serve: open /nonexistent/tls.crt: no such file or directory.\n" {
		t.Errorf("exit code %d: %s", code, stderr)
	}
}
