// Copyright (c) 2026 Market Intel Brain
// GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
// SPDX-License-Identifier: GPL-3.0-or-later

package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strconv"
	"strings"
	"time"
)

const (
	// redisTimeout bounds a command with all it needs: the turn, the connection and the reply.
	redisTimeout = 500 * time.Millisecond
	// redisReplyLimit in bytes guards against a peer that is no Redis.
	redisReplyLimit = 1 << 20
)

// redisClient speaks RESP2 over one connection, which its callers use in turn.
type redisClient struct {
	address      string
	passwordFile string // read at each connect, so that a rotated password is picked up

	turn   chan struct{} // a mutex that can be waited for with a timeout
	conn   net.Conn      // nil while there is none
	reader *bufio.Reader
}

func newRedisClient(address, passwordFile string) *redisClient {
	return &redisClient{address: address, passwordFile: passwordFile, turn: make(chan struct{}, 1)}
}

// get returns the value of key, or nil if there is no such key.
func (c *redisClient) get(key string) ([]byte, error) { return c.command("GET", key) }

// set stores a value for a time of whole seconds.
func (c *redisClient) set(key, value string, ttl time.Duration) error {
	_, err := c.command("SET", key, value, "EX", strconv.Itoa(int(ttl.Seconds())))
	return err
}

// command must be idempotent: it is sent twice if a connection used before turns out unusable,
// as one does that Redis has closed meanwhile or that leads to a demoted master.
func (c *redisClient) command(args ...string) ([]byte, error) {
	deadline := time.Now().Add(redisTimeout)
	select {
	case c.turn <- struct{}{}:
	case <-time.After(redisTimeout):
		return nil, errors.New("no turn on the connection to Redis in time")
	}
	defer func() { <-c.turn }()
	reused := c.conn != nil
	reply, err := c.attempt(deadline, args)
	if err != nil && reused && time.Now().Before(deadline) {
		reply, err = c.attempt(deadline, args)
	}
	return reply, err
}

// attempt sends a command, over a new connection if there is none, and drops it at any error.
func (c *redisClient) attempt(deadline time.Time, args []string) (reply []byte, err error) {
	if c.conn == nil {
		if err := c.connect(deadline); err != nil {
			return nil, err
		}
	}
	if reply, err = c.exchange(deadline, args); err != nil {
		c.conn.Close()
		c.conn = nil
	}
	return reply, err
}

func (c *redisClient) connect(deadline time.Time) error {
	password := ""
	if c.passwordFile != "" {
		content, err := os.ReadFile(c.passwordFile)
		if err != nil {
			return err
		}
		password = strings.TrimRight(string(content), "\r\n")
	}
	conn, err := (&net.Dialer{Deadline: deadline}).Dial("tcp", c.address)
	if err != nil {
		return err
	}
	c.conn, c.reader = conn, bufio.NewReader(conn)
	if password == "" {
		return nil
	}
	if _, err = c.exchange(deadline, []string{"AUTH", password}); err != nil {
		conn.Close()
		c.conn = nil
	}
	return err
}

func (c *redisClient) exchange(deadline time.Time, args []string) ([]byte, error) {
	if err := c.conn.SetDeadline(deadline); err != nil {
		return nil, err
	}
	var request strings.Builder
	fmt.Fprintf(&request, "*%d\r\n", len(args))
	for _, arg := range args {
		fmt.Fprintf(&request, "$%d\r\n%s\r\n", len(arg), arg)
	}
	if _, err := io.WriteString(c.conn, request.String()); err != nil {
		return nil, err
	}
	return readReply(c.reader)
}

// readReply reads a status, an error or a bulk string, which is all that the commands here answer.
func readReply(reader *bufio.Reader) ([]byte, error) {
	line, err := reader.ReadSlice('\n')
	if err != nil {
		return nil, err
	}
	text := strings.TrimSuffix(string(line), "\r\n")
	if text == "" {
		return nil, errors.New("Redis sent an empty reply")
	}
	switch kind, rest := text[0], text[1:]; kind {
	case '+':
		return []byte(rest), nil
	case '-':
		return nil, errors.New("Redis says: " + rest)
	case '$':
		size, err := strconv.Atoi(rest)
		if err != nil || size < -1 || size > redisReplyLimit {
			return nil, fmt.Errorf("Redis sent a reply of a wrong length, %q", rest)
		}
		if size == -1 {
			return nil, nil
		}
		value := make([]byte, size+len("\r\n"))
		_, err = io.ReadFull(reader, value)
		return value[:size], err
	default:
		return nil, fmt.Errorf("Redis sent a reply of an unknown kind, %q", kind)
	}
}
