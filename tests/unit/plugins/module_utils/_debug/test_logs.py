# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a log says: levels, groups by shape, last words, and causes; and that healthy lines say nothing."""

from __future__ import annotations

import pytest

from ansible_collections.market_intel.runbooks.plugins.module_utils._debug.causes import told_by
from ansible_collections.market_intel.runbooks.plugins.module_utils._debug.logs import digest, last_words, level_of


@pytest.mark.parametrize(
    ("line", "level"),
    [
        ('{"level":"error","msg":"x"}', "error"),
        ('{"severity": "CRITICAL", "message": "x"}', "fatal"),
        ('{"level":50,"msg":"x"}', "error"),
        ('time="2026" level=warning msg="x"', "warning"),
        ("E1123 10:15:00.000000       1 reflector.go:147] x", "error"),
        ("W1123 10:15:00.000000       1 reflector.go:147] x", "warning"),
        ("2026-11-23 10:15:00,123 ERROR [main] x", "error"),
        ("2026-11-23 10:15:00 [error] 31#31: *1 open() failed", "error"),
        ("[WARN] x", "warning"),
        ("error: x", "error"),
        ("npm ERR! code ELIFECYCLE", "error"),
        ('{"@timestamp":"x","message":"' + "WARN x" * 60 + '","level":"ERROR"}', "error"),
        ("INFO handled ERROR of before", "info"),
        ('{"t":{"$date":"x"},"s":"E","c":"STORAGE","msg":"x"}', "error"),
        ('{"t":{"$date":"x"},"s":"I","c":"ACCESS","msg":"Failed to authenticate"}', "info"),
        ('{"@t":"x","@mt":"x","@l":"Error"}', "error"),
        ('{"severityText":"ERROR","body":"x"}', "error"),
        ("t=2026 lvl=eror msg=x", "error"),
        ("[10:00:00 FTL] x", "fatal"),
        ("10:00AM WRN x", "warning"),
        ("10:00AM INF x", "info"),
        ("fail: Shop.Orders.Store[20004] x", "error"),
        ("crit: Shop.Orders.Store[0] x", "fatal"),
        ("NOTICE: PHP message: PHP Fatal error:  Uncaught TypeError: x", "fatal"),
        ("PHP Warning:  Undefined variable $x", "warning"),
        ("/srv/x.py:12: DeprecationWarning: invalid escape sequence", "warning"),
        ("2026-11-29T10:00:00Z\twarn\tretrying: unexpected status 503", "warning"),
        ("2026-11-29T10:00:00Z\tinfo\tfailed over to the other zone", "info"),
        ("alert manager started", ""),
        ("critical section entered", ""),
        ("app --log-level=error", ""),
        ("GET /errors 200", ""),
        ("an error of the user", ""),
    ],
)
def test_levels(line: str, level: str) -> None:
    assert level_of(line) == level


HEALTHY = """
INFO started, 0 errors
{"level":"info","msg":"done","error":null,"errors":0}
level=info msg="no errors found" failed=0
10.0.0.1 - - [23/Nov/2026:10:15:00 +0000] "GET /errors HTTP/1.1" 200 1500 "-" "curl"
10.0.0.1 - - [23/Nov/2026:10:15:00 +0000] "GET /favicon.ico HTTP/1.1" 404 153 "-" "curl"
DEBUG retry after timeout 500 ms
registered error handler 404 for /oops at info level=info
2026-11-23T10:15:00Z INFO took 403 ms
I1123 10:15:00.000000       1 leader.go:1] failed to acquire lease is only said once
10:00AM INF the attempt before failed error=timeout
Error budget remaining: 99.9%
Error count: 0
Errors in last hour: 0
connection refused count 0
timeouts: 0 refused: 0
Tests: 0 failed, 24 passed
Finished with 0 error(s)
Circuit breaker closed (failure rate 0%)
error=<nil>
lastError: ""
error handling middleware registered
Registered exception handler
Successfully recovered from previous failure
log level is set to ERROR
critical section entered
panic mode off
ok 12 - returns an error when denied
PASS src/error.test.js
+ echo "cannot fail"
2026/11/29 10:00:00 http: TLS handshake error from 10.0.0.1:4444: EOF
2026/11/29 10:00:00 [error] 31#31: *1 open() "/www/favicon.ico" failed (2: No such file or directory)
E1129 10:00:00.000000 1 c.go:1] "Reconciler error" err="the object has been modified; please apply your changes"
2026-11-29 10:00:00.000 UTC [29] LOG:  invalid record length at 0/1551BD8: expected at least 24, got 0
{"t":{"$date":"x"},"s":"I","c":"ACCESS","msg":"Failed to authenticate","attr":{"error":"AuthenticationFailed"}}
2026-11-29 10:00:00.000 UTC [1] LOG:  could not receive data from client: Connection reset by peer
AH00558: httpd: Could not reliably determine the server's fully qualified domain name, using 10.244.0.5.
WordPress not found in /var/www/html - copying now...
"""


@pytest.mark.parametrize("line", HEALTHY.strip().splitlines())
def test_healthy_lines_are_no_trouble(line: str) -> None:
    assert not digest(line).groups


@pytest.mark.parametrize(
    "line",
    [
        '{"msg":"payment failed","error":null}',
        "job 0 failed",
        "ERROR order 0 of user 0 failed",
        "Error: connect to the store",
        "level=error failed=0 msg=stopped",
        "error budget exhausted, cannot deploy",
        "giving up after 5 attempts",
        "recovered from nothing: cannot open the store",
    ],
)
def test_a_zero_or_a_null_beside_a_trouble_does_not_hide_it(line: str) -> None:
    assert [each.example for each in digest(line).groups] == [line]


def test_colours_of_a_terminal_hide_neither_the_level_nor_the_words() -> None:
    (group,) = digest("\x1b[2m10:00\x1b[0m \x1b[31mERROR\x1b[0m failed to reach \x1b[1mdb:5432\x1b[0m: refused").groups
    assert (group.level, group.example) == ("error", "10:00 ERROR failed to reach db:5432: refused")
    assert not digest("\x1b[32mINFO\x1b[0m an error of before is over").groups


def test_what_net_says_in_the_next_line_belongs_to_its_level() -> None:
    lines = [
        "2026-11-29T10:00:00.1Z info: Shop.Web[14]",
        "2026-11-29T10:00:00.2Z       Now listening on: http://[::]:8080",
        "2026-11-29T10:00:01.1Z fail: Shop.Store.Connection[20004]",
        "2026-11-29T10:00:01.2Z       The store gave no answer.",
        "2026-11-29T10:00:01.3Z          at Shop.Store.Open() in /src/Store.cs:line 12",
    ]
    (group,) = digest("\n".join(lines), stamped=True).groups
    assert group.level == "error"
    assert group.example.startswith("fail: Shop.Store.Connection[20004] The store gave no answer.")


@pytest.mark.parametrize(
    ("line", "waits"),
    [
        ("waiting for postgres:5432", True),
        ("still waiting for lock migrations (pid 12)...", True),
        ("Retrying in 30 seconds...", True),
        ("waiting for messages", False),
        ("Waiting for new connections on :8080", False),
        ("waiting for the next run", False),
        ("waiting for SIGTERM", False),
        ("Sleeping for 300 seconds", False),
        ("still waiting for leader lease", False),
    ],
)
def test_a_program_that_only_waits_is_told_from_one_that_serves(line: str, waits: bool) -> None:
    assert bool(digest("\n".join(["INFO started", *[line] * 20])).waits) is waits
    assert not digest("\n".join([*[line] * 20, "INFO started"])).waits


def test_lines_of_one_shape_are_one_group_with_its_times() -> None:
    lines = [
        f"2026-11-23T10:{minute:02d}:00.5Z ERROR order {minute * 977} of user {minute} failed" for minute in range(50)
    ]
    log = digest("\n".join([*lines, "2026-11-23T11:00:00.5Z INFO calm"]), stamped=True)
    (group,) = log.groups
    assert (group.level, group.count, group.example) == ("error", 50, "ERROR order 0 of user 0 failed")
    assert (str(group.first), str(group.last)) == (
        "2026-11-23 10:00:00.500000+00:00",
        "2026-11-23 10:49:00.500000+00:00",
    )
    assert log.lines == 51


def test_answers_of_a_server_are_grouped_by_their_status() -> None:
    lines = [f'10.0.0.{n} - - [x] "GET /orders/{n} HTTP/1.1" 503 {n}' for n in range(9)]
    (group,) = digest("\n".join(lines)).groups
    assert (group.count, group.access) == (9, True)


def test_a_line_of_a_trace_is_no_error_of_its_own() -> None:
    text = (
        "ERROR x\njava.lang.RuntimeException: y\n\tat com.shop.ErrorHandler.fail(ErrorHandler.java:1)\n    at failed\n"
    )
    assert [each.example for each in digest(text).groups] == ["ERROR x", "java.lang.RuntimeException: y"]


def test_words_of_the_kubelet_are_none_of_the_program() -> None:
    text = "unable to retrieve container logs for containerd://0123456789"
    assert digest(text, stamped=True).lines == 0


def test_warnings_that_become_more_since_a_change() -> None:
    calm = ["INFO request done"] * 400
    loud = [word for _number in range(100) for word in ("INFO request done", "WARN slow answer of pricing")]
    log = digest("\n".join([*calm, "INFO configuration reloaded", *loud]))
    assert log.rise == "INFO configuration reloaded"
    assert not digest("\n".join(calm + ["WARN slow"] * 3)).rise
    assert not digest("\n".join(loud * 3)).rise


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        (
            ["Traceback (most recent call last):", '  File "x"', "shop.errors.Broken: bad", "bye"],
            "shop.errors.Broken: bad",
        ),
        (["panic: x", "", "goroutine 1 [running]:", "main.main()"], "panic: x"),
        (["INFO a", "ERROR b", "INFO c"], "ERROR b"),
        (["a", "b"], "b"),
        (["sh: 1: nope: not found"], "sh: 1: nope: not found"),
        (
            ["Unhandled exception. System.Exception: x", "   at Program.Main()"],
            "Unhandled exception. System.Exception: x",
        ),
        (['{"level":"fatal","msg":"x"}', "INFO bye"], '{"level":"fatal","msg":"x"}'),
    ],
)
def test_last_words(lines: list[str], words: str) -> None:
    assert last_words(lines) == words


@pytest.mark.parametrize(
    ("line", "kind", "word"),
    [
        (
            'pods is forbidden: User "system:serviceaccount:shop:web" cannot list resource "pods" in API group "" in '
            'the namespace "shop"',
            "rbac",
            "system:serviceaccount:shop:web may not list pods in the namespace shop",
        ),
        (
            'deployments.apps is forbidden: User \\"system:serviceaccount:a:b\\" cannot get resource \\"deployments\\" '
            'in API group \\"apps\\" at the cluster scope',
            "rbac",
            "may not get deployments.apps in the whole cluster",
        ),
        ("OSError: [Errno 28] No space left on device", "disk_full", "disk is full"),
        ("dial tcp: lookup db.example on 10.96.0.10:53: no such host", "unknown_name", "db.example"),
        ("Error: getaddrinfo ENOTFOUND cache.shop.svc", "unknown_name", "cache.shop.svc"),
        ('could not translate host name "db-main" to address', "unknown_name", "db-main"),
        ("Error: connect ECONNREFUSED 10.0.0.7:5432", "refused", "10.0.0.7:5432"),
        ("QueuePool limit of size 5 overflow 10 reached, connection timed out", "pool_exhausted", "pool"),
        ("FATAL: remaining connection slots are reserved", "pool_exhausted", "pool"),
        ("dial tcp 10.0.0.7:5432: i/o timeout", "refused", "10.0.0.7:5432"),
        ("HTTP 429 Too Many Requests", "rate_limited", "429"),
        ("upstream answered 403 Forbidden", "forbidden", "403"),
        ("context deadline exceeded", "timeout", "too long"),
        ("x509: certificate signed by unknown authority", "tls", "certificate"),
        ("token is not yet valid", "clock", "another time"),
        ("WRONGPASS invalid username-password pair", "authentication", "credentials"),
        ('relation "orders" does not exist', "schema", "orders"),
        ("Environment variable API_URL is not set", "setting_missing", "API_URL"),
        ("bind: address already in use", "port_in_use", "taken"),
        ("open /data/x: read-only file system", "read_only", "read-only"),
        ("open /etc/app/app.yaml: no such file or directory", "file_missing", "file"),
        ("permission denied for table orders", "database_right", "orders"),
        ("read tcp 10.0.0.1:5000->10.0.0.2:80: connection reset by peer", "connection_lost", "loses"),
        ("Error: Request failed with status code 503", "peer_failing", "5xx"),
        ("got 401 Unauthorized from the registry", "authentication", "credentials"),
        ("mkdir /data/x: permission denied", "file_permission", "permission"),
        ("java.lang.RuntimeException: can not run searchd as root", "as_root", "as root"),
        ("DETAIL: data directory was initialized by version 12", "data_version", "another version"),
        ("failed to obtain node locks, tried [/var/lib/search]", "data_locked", "locked"),
        ("OSError: [Errno 116] Stale file handle: '/shared/a'", "volume_broken", "volume"),
        ("vm.max_map_count [65530] is too low", "kernel_setting", "vm.max_map_count"),
        ("ENOSPC: System limit for number of file watchers reached", "watches", "watch no more files"),
        ("READONLY You can't write against a read only replica.", "replica_written", "replica"),
        ("OOM command not allowed when used memory > 'maxmemory'", "store_full", "full"),
        ("F1129 10:00:00.0 1 main.go:9] leaderelection lost", "leadership", "lease"),
        ('[emerg] host not found in upstream "shop-api" in /etc/nginx/conf.d/a.conf:3', "unknown_name", "shop-api"),
        ("Pool(host='prices', port=80): Max retries (Name or service not known)", "unknown_name", "prices"),
        ("{orders=LEADER_NOT_AVAILABLE}", "broker", "Kafka"),
        ("NoCredentialProviders: no valid providers in chain", "no_credentials", "cloud"),
        ('FATAL: role "shop" does not exist', "authentication", "credentials"),
        ("nginx: [emerg] bind() to 0.0.0.0:80 failed (13: Permission denied)", "bind", "0.0.0.0:80"),
        ("Error: listen EACCES: permission denied 0.0.0.0:443", "bind", "0.0.0.0:443"),
        ("dial: upgrade failed: Dirty database version 7", "migration", "migration"),
        ("Waiting for changelog lock....", "lock", "lock"),
        ("[CRITICAL] WORKER TIMEOUT (pid:7)", "worker_killed", "workers"),
        ("exec /srv/start.sh: no such file or directory", "interpreter", "/srv/start.sh"),
        ("java.lang.OutOfMemoryError: unable to create native thread", "processes", "threads"),
        ("panic: yaml: line 14: did not find expected key", "configuration", "configuration"),
        ("error: failed to load config /etc/a.toml: expected an equals", "configuration", "configuration"),
        ("failed to read config /etc/a.toml: no such file or directory", "file_missing", "/etc/a.toml"),
        ("413 Request Entity Too Large", "too_large", "limit"),
        ("AttributeError: 'NoneType' object has no attribute 'id'", "own_code", "NoneType"),
        ("x509: certificate has expired or is not yet valid: 3 is after 2", "tls_expired", "expired"),
        ("identity provider: certificate is no longer valid", "tls_expired", "expired"),
        ("Can't reach database server at `orders-db:5432`", "refused", "orders-db:5432"),
        ("books: database host at orders.example.com is unreachable", "refused", "orders.example.com"),
        ("ERROR 2003 (HY000): Can't connect to MySQL server on 'ledger' (115)", "refused", "ledger"),
        ('err="cannot reach its store" dsn=u:x@tcp(stock-db:3306)/stock', "refused", "stock-db:3306"),
        ("stock-db:5432 - no response", "refused", "stock-db:5432"),
        ("GET https://rates.example.com/v1: context deadline exceeded", "timeout", "rates.example.com"),
        ("main.go:108 request to backend timed out after 30000ms", "timeout", "its backend"),
        ("Error: getaddrinfo ENOTFOUND $(DB_HOST)", "unexpanded", "$(DB_HOST)"),
        ("open /var/run/secrets/kubernetes.io/serviceaccount/token: no such file or directory", "no_token", "token"),
        ('pods is forbidden: User "system:anonymous" cannot list resource "pods"', "no_token", "token"),
        ("FATAL: license has expired on 2026-10-01", "license", "license"),
        ('no matches for kind "Widget" in version "example.com/v1"', "crd_missing", "Widget"),
        ("SignatureDoesNotMatch: Signature expired: 20261129T10Z is now earlier than 20261129T11Z", "clock", "time"),
        ("PHP Fatal error: Allowed memory size of 134217728 bytes exhausted", "out_of_memory", "memory"),
        ('initdb: error: directory "/data" exists but is not empty', "data_not_empty", "/data"),
        ("A server is already running. Check /app/tmp/pids/server.pid.", "data_locked", "locked"),
        ("ERROR 2005 (HY000): Unknown MySQL server host 'shopdb' (-2)", "unknown_name", "shopdb"),
        ("** server can't find orders.svc.cluster.local: NXDOMAIN", "unknown_name", "resolve orders"),
        ("** server can't find orders.sales.svc.cluster.local: NXDOMAIN", "unknown_name", "orders.sales.svc"),
        ("wget: bad address 'orders:8080'", "unknown_name", "orders"),
        ("git@github.com: Permission denied (publickey).", "authentication", "credentials"),
        ("rpc error: code = Unauthenticated desc = missing token", "authentication", "credentials"),
        ("java.security.cert.CertificateExpiredException: NotAfter: Sun Nov 01", "tls_expired", "expired"),
        ("http: TLS handshake error from 10.0.0.1:4: remote error: tls: bad certificate", "tls_own", "does not trust"),
        ("SSL_CTX_use_PrivateKey failed (x509 certificate routines::key values mismatch)", "key_mismatch", "together"),
        ("tls: first record does not look like a TLS handshake", "scheme", "speaks TLS"),
        ("[SSL: WRONG_VERSION_NUMBER] wrong version number (_ssl.c:1131)", "scheme", "speaks TLS"),
        ("Error [ERR_TLS_CERT_ALTNAME_INVALID]: Host: db. is not in the cert's altnames", "tls", "certificate"),
        ("SocketException (111): Connection refused [::ffff:10.0.0.4]:5432", "refused", "cannot connect"),
        ("failed to connect to postgres:5432: connection refused", "refused", "postgres:5432"),
        ("nc: connect to db port 5432 (tcp) failed: Connection refused", "refused", "db:5432"),
        ('connection to server at "db" (10.0.0.5), port 5432 failed: Connection timed out', "timeout", "db:5432"),
        ("wait-for-it.sh: timeout occurred after waiting 15 seconds for db:5432", "timeout", "db:5432"),
        ("Web server failed to start. Port 8080 was already in use.", "port_in_use", "taken"),
        ("PermissionError: [Errno 13] Permission denied: ('0.0.0.0', 80)", "bind", "port 80"),
        ("httpd: bind: Permission denied", "bind", "its port"),
        ("Killed", "process_killed", "killed from outside"),
        ("/run.sh: line 3:    12 Killed", "process_killed", "killed from outside"),
        ("ActiveRecord::PendingMigrationError: Migrations are pending", "migration", "migration"),
        ("alembic.util.exc.CommandError: Can't locate revision identified by 'a1b2c3'", "migration", "migration"),
        ("NoSuchBucket: The specified bucket does not exist", "bucket_missing", "bucket"),
        ("/bin/sh: /app/run.sh: Permission denied", "not_executable", "/app/run.sh"),
        ("app.py: error: the following arguments are required: --config", "option_missing", "--config"),
        ("Invalid maximum heap size: -Xmx4gb", "option", "-Xmx4gb"),
        ("Error: Unable to access jarfile /app/app.jar", "module_missing", "part of its program"),
        ("cannot load such file -- sinatra (LoadError)", "module_missing", "part of its program"),
        ('npm ERR! Missing script: "strt"', "module_missing", "part of its program"),
        ("Failed to bind properties under 'spring.pool.size' to int", "setting_invalid", "spring.pool.size"),
        ("exec user process caused: no such file or directory", "interpreter", "interpreter"),
        ("getaddrinfo for mysql failed: Name or service not known", "unknown_name", "mysql"),
        ('FATAL:  data directory "/data" has wrong ownership', "file_permission", "permission"),
        ('error unmarshaling JSON: json: unknown field "replica"', "configuration", "configuration"),
        ('toml: line 4 (last key "server"): expected value', "configuration", "configuration"),
        ("AH00526: Syntax error on line 5 of /usr/local/apache2/conf/httpd.conf:", "configuration", "configuration"),
        ('Error: unknown command "serv" for "app"', "subcommand", "serv"),
        ('/bin/sh: 1: Syntax error: "(" unexpected', "script", "script"),
        ("RuntimeError: Found no NVIDIA driver on your system.", "gpu", "GPU"),
        ("torch.cuda.OutOfMemoryError: CUDA out of memory.", "gpu_memory", "GPU"),
        ("This might be caused by insufficient shared memory (shm).", "shared_memory", "/dev/shm"),
        ("required key DATABASE_URL missing value", "setting_missing", "DATABASE_URL"),
        ("Could not resolve placeholder 'payment.url' in value \"${payment.url}\"", "setting_missing", "payment.url"),
        ('config.rb:3:in `fetch\': key not found: "DATABASE_URL" (KeyError)', "setting_missing", "DATABASE_URL"),
        ("You must specify POSTGRES_PASSWORD to a non-empty value", "setting_missing", "POSTGRES_PASSWORD"),
        ('strconv.Atoi: parsing "eighty": invalid syntax', "setting_invalid", "eighty"),
        ("panic: unknown time zone Europe/Brelin", "setting_invalid", "Europe/Brelin"),
        ("*** FATAL CONFIG FILE ERROR (Redis 7.0.15) ***", "configuration", "configuration"),
        ("SyntaxError: Unexpected token } in JSON at position 120", "not_json", "JSON"),
        ("json.decoder.JSONDecodeError: Expecting ',' delimiter: line 3 column 5", "not_json", "JSON"),
        ("python: can't open file '/app/man.py': [Errno 2] No such file or directory", "file_missing", "/app/man.py"),
        ("Error: could not find config file /etc/supervisord.conf", "file_missing", "/etc/supervisord.conf"),
        ("Attempted to create a lock file on a read-only directory: /data/db", "read_only", "read-only"),
    ],
)
def test_causes(line: str, kind: str, word: str) -> None:
    told = told_by(line)
    assert told is not None
    assert told.kind == kind
    assert word in told.what
    assert told.step


@pytest.mark.parametrize(
    "line",
    [
        "connecting to db:5432",
        "listening on :8080",
        "closing worker 4",
        "rate limit is 100",
        "order 403 failed",
        "user_id is required",
        "invalid timeout value",
        "took 500 ms",
        "the database is now available",
        "loading settings from config.yaml",
        "all peers are up",
        "certificate expires in 80 days",
        "license valid until 2027-10-01",
        "$(document).ready",
        "cannot open the database /data/shop.db",
    ],
)
def test_a_plain_line_tells_no_cause(line: str) -> None:
    assert told_by(line) is None


def test_calls_that_take_long_are_told_those_to_others_first() -> None:
    lines = [
        f"INFO stock query took {4 + n % 3}.5 s\nINFO request for page /a done in {5 + n % 3}.5 s" for n in range(9)
    ]
    slow = digest("\n".join(lines)).slow
    assert [each.what for each in slow] == ["INFO stock query took 4.5 s", "INFO request for page /a done in 5.5 s"]
    assert (slow[0].seconds, slow[0].times) == (5.5, 9)


@pytest.mark.parametrize(
    "line",
    [
        "INFO stock query took 45 ms",
        "INFO reconcile of 40 requests took 12.2 s",
        "INFO checkpoint complete: write=26.9 s, total=27.0 s",
        "INFO watch request closed after 300 s",
        "INFO next request in 30 s",
        "INFO report query took 44 s",
    ],
)
def test_what_may_take_long_is_not_slow(line: str) -> None:
    assert digest("\n".join([line] * 40)).slow == ()


def test_amounts_that_only_grow_are_told_from_plain_lines() -> None:
    lines = [f"[10:00:{n:02}] resized {n}\n[10:00:{n:02}] memory held by tiles: {3 * n}.5 MB" for n in range(1, 40)]
    (grown,) = digest("\n".join(lines)).growth
    assert str(grown).endswith("memory held by tiles: # MB rises from 3.5 to 117.5")


def test_a_trace_stands_for_its_exception() -> None:
    trace = ["Traceback (most recent call last):", '  File "/a.py", line 1', "KeyError: 'size'"]
    assert [each.example for each in digest("\n".join([*trace, "INFO go on"] * 3)).groups] == ["KeyError: 'size'"]


def test_a_group_has_what_its_lines_share_and_others_have_not() -> None:
    calm = [f'INFO "GET /items/{n} HTTP/1.1" 200' for n in range(90)]
    bad = [f'ERROR "POST /export HTTP/1.1" 503 {n} ms, too slow' for n in range(6)]
    (group,) = digest("\n".join([*calm, *bad])).groups
    assert (group.shared, group.place) == (("POST /export",), 90)
