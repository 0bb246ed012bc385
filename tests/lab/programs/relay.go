// Copyright (c) 2026 Market Intel Brain
// GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
// SPDX-License-Identifier: GPL-3.0-or-later

package main

import (
	"fmt"
	"io"
	"net"
	"os"
	"strconv"
	"strings"
)

// runRelay joins listening sockets that were inherited from another network namespace with addresses in this one.
// Each argument is FD=HOST:PORT.
func runRelay(args []string) error {
	failed := make(chan error)
	for _, arg := range args {
		number, target, _ := strings.Cut(arg, "=")
		descriptor, err := strconv.Atoi(number)
		if err != nil {
			return fmt.Errorf("%q is not FD=HOST:PORT", arg)
		}
		listener, err := net.FileListener(os.NewFile(uintptr(descriptor), target))
		if err != nil {
			return fmt.Errorf("%s: %w", arg, err)
		}
		go func() { failed <- relay(listener, target) }()
	}
	return <-failed
}

func relay(listener net.Listener, target string) error {
	for {
		client, err := listener.Accept()
		if err != nil {
			return err
		}
		go func() {
			defer client.Close()
			server, err := net.Dial("tcp", target)
			if err != nil {
				return
			}
			defer server.Close()
			go pour(server, client)
			pour(client, server)
		}()
	}
}

// pour copies until the source ends, and then says so to the destination only: the other direction may go on.
func pour(to, from net.Conn) {
	_, _ = io.Copy(to, from)
	_ = to.(*net.TCPConn).CloseWrite()
}
