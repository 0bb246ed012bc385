// Copyright (c) 2026 Market Intel Brain
// GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
// SPDX-License-Identifier: GPL-3.0-or-later

// Package plugincontainer stands in for plugins in Docker's containers; a Vault of the lab has its plugins built in.
package plugincontainer

import (
	"errors"
	"os/exec"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/go-plugin/runner"
)

type Config struct {
	Image, Tag, SHA256, Runtime, CgroupParent string
	Args, Entrypoint, Env                     []string
	Labels                                    map[string]string
	GroupAdd                                  int
	Memory, NanoCpus                          int64
	CapIPCLock, Rootless                      bool
}

func (*Config) NewContainerRunner(hclog.Logger, *exec.Cmd, string) (runner.Runner, error) {
	return nil, errors.New("plugincontainer is not linked in")
}
