// Copyright (c) 2026 Market Intel Brain
// GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
// SPDX-License-Identifier: GPL-3.0-or-later

package main

import (
	"bufio"
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// program is the service as the image has it.
var program string

func TestMain(m *testing.M) {
	folder, err := os.MkdirTemp("", "service")
	if err != nil {
		panic(err)
	}
	program = filepath.Join(folder, "service")
	build := exec.Command("go", "build", "-o", program, ".")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if output, err := build.CombinedOutput(); err != nil {
		panic(string(output))
	}
	code := m.Run()
	os.RemoveAll(folder)
	os.Exit(code)
}

// authority is a CA of a test.
type authority struct {
	certificate *x509.Certificate
	key         *ecdsa.PrivateKey
	pool        *x509.CertPool
	pem         []byte
}

func newAuthority(t *testing.T) *authority {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(t, err)
	template := &x509.Certificate{
		SerialNumber:          big.NewInt(1),
		Subject:               pkix.Name{CommonName: "test CA"},
		NotAfter:              time.Now().Add(time.Hour),
		IsCA:                  true,
		BasicConstraintsValid: true,
		KeyUsage:              x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	must(t, err)
	certificate, err := x509.ParseCertificate(der)
	must(t, err)
	pool := x509.NewCertPool()
	pool.AddCert(certificate)
	return &authority{certificate, key, pool, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})}
}

// issue makes a pair for localhost with the serial number given.
func (a *authority) issue(t *testing.T, serial int64) pair {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(t, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(serial),
		NotAfter:     time.Now().Add(time.Hour),
		DNSNames:     []string{"localhost"},
		IPAddresses:  []net.IP{net.IPv4(127, 0, 0, 1)},
		ExtKeyUsage:  []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, a.certificate, &key.PublicKey, a.key)
	must(t, err)
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	must(t, err)
	return pair{
		pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}),
		pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: keyDER}),
	}
}

func (p pair) load(t *testing.T) tls.Certificate {
	t.Helper()
	certificate, err := tls.X509KeyPair(p.cert, p.key)
	must(t, err)
	return certificate
}

// secret is a folder that changes like a mounted Secret: through one link, at once.
type secret struct {
	folder   string
	versions int
}

func newSecret(t *testing.T, p pair) *secret {
	t.Helper()
	s := &secret{folder: t.TempDir()}
	s.put(t, p)
	for _, name := range []string{"tls.crt", "tls.key"} {
		must(t, os.Symlink(filepath.Join("..data", name), s.path(name)))
	}
	return s
}

func (s *secret) path(name string) string { return filepath.Join(s.folder, name) }

func (s *secret) put(t *testing.T, p pair) {
	t.Helper()
	s.versions++
	version := fmt.Sprintf("..%d", s.versions)
	must(t, os.Mkdir(s.path(version), 0o700))
	must(t, os.WriteFile(filepath.Join(s.path(version), "tls.crt"), p.cert, 0o600))
	must(t, os.WriteFile(filepath.Join(s.path(version), "tls.key"), p.key, 0o600))
	must(t, os.Symlink(version, s.path("..data_tmp")))
	must(t, os.Rename(s.path("..data_tmp"), s.path("..data")))
}

// process is a running service.
type process struct {
	t               *testing.T
	command         *exec.Cmd
	public, metrics string // host:port
	client          *http.Client
	exited          chan struct{}
	err             error // of the process, once exited is closed
}

var serving = regexp.MustCompile(`serves https on (\S+) and metrics on (\S+)`)

// start runs the service on free ports; its clients trust the CA and make a handshake per request.
func start(t *testing.T, ca *authority, environment []string, args ...string) *process {
	t.Helper()
	args = append([]string{"-name", "api-gateway", "-listen", "127.0.0.1:0", "-metrics", "127.0.0.1:0"}, args...)
	p := &process{t: t, command: exec.Command(program, args...), exited: make(chan struct{})}
	p.command.Env = append(os.Environ(), environment...)
	stderr, err := p.command.StderrPipe()
	must(t, err)
	must(t, p.command.Start())
	addresses := make(chan []string, 1)
	go func() {
		lines := bufio.NewScanner(stderr)
		for lines.Scan() {
			if found := serving.FindStringSubmatch(lines.Text()); found != nil {
				addresses <- found
			}
		}
		p.err = p.command.Wait()
		close(p.exited)
	}()
	t.Cleanup(func() {
		p.command.Process.Kill()
		<-p.exited
	})
	select {
	case found := <-addresses:
		p.public, p.metrics = found[1], found[2]
	case <-p.exited:
		t.Fatalf("the service did not start: %v", p.err)
	case <-time.After(10 * time.Second):
		t.Fatal("the service did not start in time")
	}
	p.client = &http.Client{
		Timeout:   10 * time.Second,
		Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: ca.pool}, DisableKeepAlives: true},
	}
	return p
}

// startWith runs the service in hot mode with a certificate of its own.
func startWith(t *testing.T, args ...string) *process {
	t.Helper()
	ca := newAuthority(t)
	s := newSecret(t, ca.issue(t, 1))
	return start(t, ca, nil, append([]string{"-cert", s.path("tls.crt"), "-key", s.path("tls.key")}, args...)...)
}

func fetch(client *http.Client, url string) (code int, body string, err error) {
	response, err := client.Get(url)
	if err != nil {
		return 0, "", err
	}
	defer response.Body.Close()
	content, err := io.ReadAll(response.Body)
	return response.StatusCode, string(content), err
}

func (p *process) get(path string) (int, string) {
	p.t.Helper()
	code, body, err := fetch(p.client, "https://"+p.public+path)
	must(p.t, err)
	return code, body
}

func (p *process) internal(path string) (int, string) {
	p.t.Helper()
	code, body, err := fetch(http.DefaultClient, "http://"+p.metrics+path)
	must(p.t, err)
	return code, body
}

// metric returns the value of a sample, "" if there is none.
func (p *process) metric(sample string) string {
	p.t.Helper()
	_, body := p.internal("/metrics")
	for line := range strings.Lines(body) {
		if value, ok := strings.CutPrefix(line, sample+" "); ok {
			return strings.TrimSpace(value)
		}
	}
	return ""
}

func (p *process) expectMetric(sample, want string) {
	p.t.Helper()
	if got := p.metric(sample); got != want {
		p.t.Errorf("%s is %q, not %q", sample, got, want)
	}
}

// source asks for a quote that must succeed and returns where its price came from.
func (p *process) source(symbol string) string {
	p.t.Helper()
	code, body := p.get("/quote?symbol=" + symbol)
	var quote struct{ Symbol, Source string }
	if err := json.Unmarshal([]byte(body), &quote); err != nil || code != 200 || quote.Symbol != symbol {
		p.t.Fatalf("the quote is %d %s", code, body)
	}
	return quote.Source
}

// serial makes a handshake and returns the serial number shown.
func (p *process) serial() int64 {
	p.t.Helper()
	config := p.client.Transport.(*http.Transport).TLSClientConfig
	conn, err := tls.Dial("tcp", p.public, config)
	must(p.t, err)
	defer conn.Close()
	return conn.ConnectionState().PeerCertificates[0].SerialNumber.Int64()
}

func (p *process) terminate() {
	p.t.Helper()
	must(p.t, p.command.Process.Signal(syscall.SIGTERM))
}

func (p *process) expectCleanExit() {
	p.t.Helper()
	select {
	case <-p.exited:
		if p.err != nil {
			p.t.Errorf("the service ended with %v", p.err)
		}
	case <-time.After(15 * time.Second):
		p.t.Error("the service did not end")
	}
}

// fakeRedis understands AUTH, GET and SET with EX.
type fakeRedis struct {
	listener net.Listener
	password string

	mu     sync.Mutex
	values map[string]string
	ttls   map[string]string
	conns  []net.Conn
}

func newFakeRedis(t *testing.T, password string) *fakeRedis {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	f := &fakeRedis{listener: listener, password: password, values: map[string]string{}, ttls: map[string]string{}}
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			f.mu.Lock()
			f.conns = append(f.conns, conn)
			f.mu.Unlock()
			go f.serve(conn)
		}
	}()
	t.Cleanup(func() { listener.Close(); f.hangUp() })
	return f
}

func (f *fakeRedis) address() string { return f.listener.Addr().String() }

// hangUp closes the connections there are, as a restart of Redis would.
func (f *fakeRedis) hangUp() {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, conn := range f.conns {
		conn.Close()
	}
	f.conns = nil
}

func (f *fakeRedis) serve(conn net.Conn) {
	defer conn.Close()
	reader := bufio.NewReader(conn)
	authenticated := f.password == ""
	for {
		var count int
		if _, err := fmt.Fscanf(reader, "*%d\r\n", &count); err != nil {
			return
		}
		args := make([]string, count)
		for i := range args {
			var size int
			if _, err := fmt.Fscanf(reader, "$%d\r\n", &size); err != nil {
				return
			}
			content := make([]byte, size+2)
			if _, err := io.ReadFull(reader, content); err != nil {
				return
			}
			args[i] = string(content[:size])
		}
		io.WriteString(conn, f.answer(args, &authenticated))
	}
}

func (f *fakeRedis) answer(args []string, authenticated *bool) string {
	f.mu.Lock()
	defer f.mu.Unlock()
	switch {
	case args[0] == "AUTH" && len(args) == 2 && args[1] == f.password:
		*authenticated = true
		return "+OK\r\n"
	case !*authenticated:
		return "-NOAUTH Authentication required.\r\n"
	case args[0] == "GET" && len(args) == 2:
		value, ok := f.values[args[1]]
		if !ok {
			return "$-1\r\n"
		}
		return fmt.Sprintf("$%d\r\n%s\r\n", len(value), value)
	case args[0] == "SET" && len(args) == 5 && args[3] == "EX":
		f.values[args[1]], f.ttls[args[1]] = args[2], args[4]
		return "+OK\r\n"
	}
	return "-ERR unknown command\r\n"
}

// outcome runs the service to its end.
func outcome(t *testing.T, args ...string) (code int, stderr string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	command := exec.CommandContext(ctx, program, args...)
	var output bytes.Buffer
	command.Stderr = &output
	err := command.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return command.ProcessState.ExitCode(), output.String()
}

func eventually(t *testing.T, what string, done func() bool) {
	t.Helper()
	for end := time.Now().Add(8 * time.Second); !done(); time.Sleep(50 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%s: not in time", what)
		}
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
