// Copyright (c) 2026 Market Intel Brain
// GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
// SPDX-License-Identifier: GPL-3.0-or-later

package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"net"
	"net/http"
	"os"

	log "github.com/hashicorp/go-hclog"
	k8sauth "github.com/hashicorp/vault-plugin-auth-kubernetes"
	kv "github.com/hashicorp/vault-plugin-secrets-kv"
	"github.com/hashicorp/vault/audit"
	"github.com/hashicorp/vault/builtin/credential/approle"
	"github.com/hashicorp/vault/builtin/logical/pki"
	"github.com/hashicorp/vault/helper/namespace"
	vaulthttp "github.com/hashicorp/vault/http"
	"github.com/hashicorp/vault/internalshared/configutil"
	"github.com/hashicorp/vault/sdk/helper/consts"
	"github.com/hashicorp/vault/sdk/logical"
	"github.com/hashicorp/vault/sdk/physical/inmem"
	"github.com/hashicorp/vault/vault"
)

// runVault serves an unsealed Vault that keeps everything in memory, with what the runbooks use of it.
func runVault(args []string) error {
	flags := flag.NewFlagSet("vault", flag.ExitOnError)
	address := flags.String("listen", "127.0.0.1:8200", "where to listen, without TLS")
	keys := flags.String("keys", "", "file that gets the root token and the key that unseals, as JSON, once both work")
	if err := flags.Parse(args); err != nil {
		return err
	}
	logger := log.New(&log.LoggerOptions{Name: "vault", Level: log.Warn})
	storage, err := inmem.NewInmem(nil, logger)
	if err != nil {
		return err
	}
	secrets := map[string]logical.Factory{"kv": kv.Factory, "pki": pki.Factory}
	logins := map[string]logical.Factory{"approle": approle.Factory, "kubernetes": k8sauth.Factory}
	core, err := vault.NewCore(&vault.CoreConfig{
		// Mounting panics without a registry.
		BuiltinRegistry:    builtins{consts.PluginTypeSecrets: secrets, consts.PluginTypeCredential: logins},
		Physical:           storage,
		DisableMlock:       true,
		Logger:             logger,
		AuditBackends:      map[string]audit.Factory{"file": audit.NewFileBackend},
		LogicalBackends:    secrets,
		CredentialBackends: logins,
		RedirectAddr:       "http://" + *address,
	})
	if err != nil {
		return err
	}
	listener, err := net.Listen("tcp", *address)
	if err != nil {
		return err
	}
	created, err := core.Initialize(namespace.RootContext(context.Background()), &vault.InitParams{
		BarrierConfig:  &vault.SealConfig{SecretShares: 1, SecretThreshold: 1},
		RecoveryConfig: &vault.SealConfig{},
	})
	if err != nil {
		return err
	}
	if _, err := core.Unseal(created.SecretShares[0]); err != nil {
		return err
	}
	handler := vaulthttp.Handler.Handler(&vault.HandlerProperties{
		Core:                  core,
		ListenerConfig:        &configutil.Listener{Address: *address},
		DisablePrintableCheck: true,
	})
	core.SetClusterHandler(handler)
	if err := writeKeys(*keys, created); err != nil {
		return err
	}
	return (&http.Server{Handler: handler}).Serve(listener)
}

func writeKeys(path string, created *vault.InitResult) error {
	content, err := json.Marshal(map[string]string{
		"root_token": created.RootToken,
		"unseal_key": fmt.Sprintf("%x", created.SecretShares[0]),
	})
	if err != nil {
		return err
	}
	if err := os.WriteFile(path+".part", content, 0o600); err != nil {
		return err
	}
	return os.Rename(path+".part", path)
}

type builtins map[consts.PluginType]map[string]logical.Factory

func (b builtins) Contains(name string, kind consts.PluginType) bool {
	_, ok := b[kind][name]
	return ok
}

func (b builtins) Get(name string, kind consts.PluginType) (func() (any, error), bool) {
	factory, ok := b[kind][name]
	return func() (any, error) { return factory, nil }, ok
}

func (b builtins) Keys(kind consts.PluginType) []string {
	names := make([]string, 0, len(b[kind]))
	for name := range b[kind] {
		names = append(names, name)
	}
	return names
}

func (b builtins) DeprecationStatus(name string, kind consts.PluginType) (consts.DeprecationStatus, bool) {
	return consts.Supported, b.Contains(name, kind)
}

func (b builtins) IsBuiltinEntPlugin(string, consts.PluginType) bool { return false }
