# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Causes that can be told by the form of a line, and what to do about each. PRIVATE to the collection."""

from __future__ import annotations

import difflib
import re
import typing as t


class Cause(t.NamedTuple):
    """What lines of a form tell; ``what`` goes on after the name of a container, with the groups of ``pattern``."""

    kind: str
    pattern: re.Pattern[str]
    what: str
    step: str


def _cause(kind: str, pattern: str, what: str, step: str) -> Cause:
    return Cause(kind, re.compile(pattern, re.IGNORECASE), what, step)


def _answer(code: str, reason: str) -> str:
    """Return what matches the status of an answer, and no other number."""
    return (
        r"(?:http(?:/\d(?:\.\d)?)?|status(?:_?code)?|code|response|answer\w*|return\w*|got|error)\\?[\"']?[\s:=(]{1,3}"
        rf"(?:\w+[\s:=]{{1,3}})?{code}\b|\b{code}\b\W{{1,3}}(?:{reason})"
    )


# What a login that failed for another reason goes on with.
_NOT_REACHED = r"(?!.{0,60}(?:time.?out|timed out|refused|certificate|unavailable|unreachable|resolve))"

# From the most telling to the least.
CAUSES = (
    _cause(
        "no_token",
        r"serviceaccount/token: no such file|User \\?\"system:anonymous\\?\" cannot|(?:unable to load|could not get|"
        r"not in) "
        r"(?:an? )?in-cluster config\w*|ConfigException: Service (?:host/port|token file)|"
        r"KUBERNETES_SERVICE_HOST[^\n]{0,60}must be defined",
        "finds no token of its ServiceAccount",
        "let it be mounted (automountServiceAccountToken: true in the pod or its ServiceAccount), if the program is to "
        "call the API server",
    ),
    _cause(
        "unexpanded",
        r"\$\((?P<name>(?-i:[A-Z_][A-Z0-9_]+))\)",
        "has a variable that was not expanded: $({name})",
        "define {name} before it is used (env of the same container, above), and look how it is written: Kubernetes "
        "replaces $({name}) only in command, args and env, and leaves what it does not know",
    ),
    _cause(
        "license",
        r"licen[sc]e(?: key| file)?\b[^\n]{0,40}(?:\bexpired\b|invalid|not valid|not found|missing|required|exceeded)|"
        r"(?:expired|invalid|no valid|missing|unlicensed)[^\n]{0,20} licen[sc]e\b",
        "has no valid license",
        "renew the license, or correct where it is configured (Secret, ConfigMap, licence server)",
    ),
    _cause(
        "crd_missing",
        r"no matches for kind \\?\"(?P<name>[^\"\\]+)|no kind \\?\"(?P<name2>[^\"\\]+)\\?\" is registered|"
        r"ensure CRDs are installed|resource type \\?\"(?P<name3>[^\"\\]+)\\?\"",
        "asks the API server for a kind that it does not know: {name}",
        "install the CustomResourceDefinition in the version that the program asks for (kubectl api-resources)",
    ),
    _cause(
        "rbac",
        r"is forbidden: User \\?\"(?P<user>[^\"\\]+)\\?\" cannot (?P<verb>\w+) resource "
        r"\\?\"(?P<resource>[^\"\\]+)\\?\""
        r"(?: in API group \\?\"(?P<group>[^\"\\]*)\\?\")?(?: in the namespace \\?\"(?P<space>[^\"\\]+)\\?\")?",
        "lacks a right: {user} may not {verb} {resource}{where}",
        "bind a Role with {verb} on {resource} to it (kubectl auth can-i {verb} {resource}{option} --as={user})",
    ),
    _cause(
        "watches",
        r"system limit for number of file watchers|inotify_(?:init|add_watch)|fsnotify watcher: too many open files|"
        r"user limit on the total number of inotify",
        "may watch no more files: a limit of its node is reached",
        "raise fs.inotify.max_user_watches and max_user_instances on the node, or find what watches so many files",
    ),
    _cause(
        "kernel_setting",
        r"(?P<name>vm\.max_map_count|net\.core\.somaxconn|fs\.file-max|vm\.overcommit_memory)\b[^\n]{0,60}"
        r"(?:too low|increase|must be|at least)",
        "needs another {name} than its node has",
        "set {name} on the node (sysctl), or in securityContext.sysctls where Kubernetes allows it",
    ),
    _cause(
        "disk_full",
        r"no space left on device|ENOSPC|disk quota exceeded|database or disk is full|errno 28",
        "cannot write: the disk is full",
        "free or enlarge the volume that it writes to (df from inside), or raise its limit for ephemeral storage",
    ),
    _cause(
        "clock",
        r"RequestTimeTooSkewed|clock skew|token used before issued|(?<!expired or )(?:is|was) not yet valid|"
        r"not yet valid: current time \S+ is before|issued in the future|"
        r"signature (?:has )?expired: \S+ is now earlier|signature not yet current|nbf\b[^\n]{0,30}future|"
        r"token (?:is )?not valid yet",
        "sees another time than its peer",
        "compare the clocks of the node and of the peer (date on both), and look at the node's time synchronisation",
    ),
    _cause(
        "out_of_memory",
        r"java\.lang\.OutOfMemoryError(?!: unable to create)|heap out of memory|(?<!OutOf)MemoryError|"
        r"cannot allocate memory|std::bad_alloc|"
        r"runtime: out of memory|could not reserve enough space|reached heap limit|perhaps out of memory|"
        r"allowed memory size of \d+ bytes exhausted",
        "has no more memory of its own",
        "compare the heap that the program gives itself with the memory limit of the container, and look for a leak",
    ),
    _cause(
        "as_root",
        r"\\?\"root\\?\" execution of|(?:must not|cannot|can not|can't|should not|refus\w+ to|not (?:be )?allowed to|"
        r"do not) (?:be )?(?:run|start|launch|execut)\w*[^\n]{0,40}\bas (?:the )?(?:\\?[\"'`])?root\b|"
        r"initdb: error: cannot be run as root",
        "refuses to run as root",
        "set runAsUser to the user of its image (and fsGroup for its volumes), or leave out a command that goes round "
        "the image's entrypoint",
    ),
    _cause(
        "data_version",
        r"(?:database files|data directory|data files?)[^\n]{0,60}(?:incompatible|initialized by|not compatible)|"
        r"(?:cannot|can't|unsupported) (?:be )?downgrad\w+|downgrade[^\n]{0,40}not (?:supported|possible|allowed)|"
        r"(?:unsupported|newer|older|wrong) (?:data|on-?disk|file format|schema|index) version|"
        r"Can't handle (?:RDB|AOF) format version|featureCompatibilityVersion",
        "finds data that another version has written",
        "take the image of the version that wrote the data, or migrate the data first (dump and restore, upgrade tool)",
    ),
    _cause(
        "data_not_empty",
        r"directory \"?(?P<name>[^\"\n]{1,200}?)\"? exists but is not empty|contains a lost\+found directory|"
        r"data directory has files in it",
        "finds its data directory not empty, and does not fill it: {name}",
        "let it use a folder below the mount (PGDATA, subPath): a volume of its own has a folder lost+found; or "
        "remove what "
        "an attempt before has left",
    ),
    _cause(
        "lock",
        r"deadlock (?:detected|found)|lock wait timeout|could not obtain lock|database is locked|"
        r"(?:waiting for|could not acquire) change ?log lock",
        "waits for a lock of its database",
        "find out which session holds the lock",
    ),
    _cause(
        "data_locked",
        r"another (?:instance|process|server|\w+ process)[^\n]{0,30}(?:is (?:already )?(?:running|using)|"
        r"has (?:the )?lock|holds)|"
        r"(?:could not|cannot|unable to|failed to) (?:acquire|obtain|get|create|take)[^\n]{0,30}\block\b"
        r"[^\n]{0,40}(?:file|dir|path|/)|lock ?file[^\n]{0,60}(?:exists|held|in use)|postmaster\.pid|"
        r"failed to obtain node lock|DBPathInUse|already locked by|a server is already running|"
        r"pid ?file[^\n]{0,60}(?:already exists|is the server running)|error acquiring the state lock",
        "finds its data locked by another process",
        "see whether another pod uses the same volume (the old replica of a rollout: strategy Recreate), whether a "
        "lock "
        "file was left by an end without warning, or whether its user may not write there (fsGroup)",
    ),
    _cause(
        "volume_broken",
        r"stale (?:NFS )?file handle|ESTALE|transport endpoint is not connected|input/output error|\bEIO\b|"
        r"structure needs cleaning",
        "cannot use its volume: the storage behind it fails",
        "look at the storage (NFS server, CSI driver, dmesg of the node), then start the pod anew so that it is "
        "mounted again",
    ),
    _cause(
        "replica_written",
        r"READONLY You can't write|in a read-only transaction|cannot execute \w+ in a read-only|not (?:the )?primary\b|"
        r"NotWritablePrimary|--read-only option so it cannot",
        "writes to a replica, which takes no writes",
        "point it at the primary (address, Service, selector), and look whether a failover has moved the primary",
    ),
    _cause(
        "store_full",
        r"OOM command not allowed|used memory > 'maxmemory'|MISCONF Redis",
        "is refused its writes by a store that is full",
        "look at the store: its memory and maxmemory-policy, and whether it can save to its disk",
    ),
    _cause(
        "leadership",
        r"leader ?election lost|failed to renew lease|stopped leading|"
        r"lost (?:the )?(?:leader(?:ship)?|master) ?(?:lease|lock|election)?\b",
        "has lost the lease of the leader",
        "look at the API server and at the CPU of this pod at that time (throttling, limits); one end of this kind is "
        "by design, many are not",
    ),
    _cause(
        "refused",
        r"all hosts?(?:\(s\))? tried[^\n]{0,60}\(tried: /?(?P<peer>[\w.-]+:\d{1,5})",
        "cannot connect to {peer}",
        "check whether the peer runs and listens there, whether its Service has endpoints, and which NetworkPolicies "
        "are between",
    ),
    _cause(
        "pool_exhausted",
        r"pool (?:is |was )?(?:exhausted|full|timed? ?out)|exhausted.{0,40}\bpool|QueuePool limit|"
        r"(?:timeout|waiting|wait).{0,40}\bconnection from (?:the )?pool|too many connections|too many clients|"
        r"remaining connection slots|max number of clients|"
        r"(?:unable to|could not|cannot|failed to) (?:acquire|get|obtain) (?:a |new |jdbc )*connection|"
        r"connection (?:pool )?.{0,30}not available, request timed out|no (?:available|free) connections?|"
        r"pool_?exhausted|PoolExhausted|no more connections (?:allowed|available)",
        "has no free connection left in its pool",
        "find out who holds connections (slow queries, leaks), and compare the pool's size with the limit of the "
        "server",
    ),
    _cause(
        "open_files_log",
        r"too many open files|EMFILE|max file descriptors \[\d+\]",
        "has too many open files",
        "look for files or connections that are never closed, or raise the limit",
    ),
    _cause(
        "unknown_name",
        r"lookup (?P<name>[\w.-]+)(?: on \S+)?: no such host|ENOTFOUND (?P<name2>[\w.-]+)|"
        r"could not resolve host:? (?P<name3>[\w.-]+)|could not translate host name \\?\"(?P<name4>[\w.-]+)|"
        r"(?:failed to resolve|can(?:not|'t) resolve|unknown host|UnknownHostException):? ['\"]?(?P<name5>[\w.-]+)|"
        r"unknown (?:\w+ )?server host '(?P<name11>[\w.-]+)'|bad address '(?P<name12>[\w.-]+)|"
        r"no resolvable bootstrap urls|host not found in upstream \\?[\"'](?P<name9>[\w.-]+)|"
        r"host=\\?['\"](?P<name10>[\w.-]+)\\?['\"][^\n]{0,400}(?:name or service not known|"
        r"temporary failure in name resolution|nodename nor servname|no address associated|failed to resolve)|"
        r"server can't find (?P<name8>[\w.-]+)\.?: (?:NXDOMAIN|SERVFAIL|REFUSED)|"
        r"EAI_AGAIN (?P<name6>[\w.-]+)|no such host|name or service not known|nodename nor servname|"
        r"temporary failure in name resolution|server misbehaving|"
        r"getaddrinfo for (?P<name13>[\w.-]+) failed|getaddrinfo(?: (?:ENOTFOUND|EAI_AGAIN) (?P<name7>[\w.-]+))?",
        "cannot resolve {name}",
        "correct the name where it is configured (environment, ConfigMap), or make the Service that it names; if other "
        "names fail too, look at the cluster's DNS",
    ),
    _cause(
        "authentication",
        rf"(?:auth(?:entication)?|login|logon) (?:failed|failure|error)\b{_NOT_REACHED}|WRONGPASS|"
        r"NOAUTH|access denied for user|invalid (?:api.?key|credentials|username|password|login|token)|"
        r"role \\?\"[^\"\\]+\\?\" does not exist|bad credentials|SASL authentication|must be logged in to the server|"
        r"ACCESS_REFUSED|permission denied \(publickey|could not read (?:Username|Password) for|AuthenticationError\b|"
        r"code = Unauthenticated|\bauthentication required\b|(?:username|user) or password (?:is |"
        r"are )?(?:not allowed|wrong|incorrect|invalid)|" + _answer("401", "unauthorized"),
        "is refused by a peer for its credentials",
        "compare the Secret that it uses with what the peer expects; a Secret that has changed reaches variables only "
        "after a restart",
    ),
    _cause(
        "no_credentials",
        r"NoCredentialProviders|unable to locate credentials|(?:could not|cannot|can't) (?:find|load)[^\n]{0,30}"
        r"(?:default )?credentials|WebIdentityErr|AssumeRoleWithWebIdentity|AADSTS\d+|"
        r"no valid (?:credential|authentication) (?:sources?|providers?)",
        "has no credentials for its cloud",
        "give its ServiceAccount the role (annotation, workload identity), or the pod the Secret with the credentials",
    ),
    _cause(
        "rate_limited",
        r"too many requests|rate.?limit(?:ed|ing)?\b(?! is | set)|quota exceeded|toomanyrequests|throttlingexception|"
        + _answer("429", "too many"),
        "is turned away for too many requests (429)",
        "lower the rate of its requests (retries, workers), or ask the peer for a higher limit",
    ),
    _cause(
        "tls_expired",
        r"certificate[^\n]{0,80}?\b(?:has |is |was |have )?expired\b|expired[^\n]{0,20}certificate|"
        r"certificate is no longer valid|cert(?:ificate)?_?has_?expired|NotAfter[^\n]{0,60}(?:past|expired)|"
        r"ExpiredCert\w*|CertificateExpired\w*|CERT_HAS_EXPIRED",
        "meets a certificate that has expired",
        "find out whose it is: a peer's (openssl s_client -connect HOST:PORT), or one that the pod mounts from a "
        "Secret or ConfigMap; renew it, and restart what still has the old one",
    ),
    _cause(
        "tls_own",
        r"remote error: tls: (?:bad|unknown|unsupported) certificate|alert (?:bad|unknown) (?:certificate|ca)\b|"
        r"(?:SSLV3|TLSV1)_ALERT_(?:BAD_CERTIFICATE|CERTIFICATE_UNKNOWN|UNKNOWN_CA)|"
        r"received fatal alert: (?:bad_certificate|certificate_unknown|unknown_ca)",
        "shows a certificate that its peer does not trust",
        "compare the certificate that it shows (its names, its issuer) with the CA that its peers trust",
    ),
    _cause(
        "key_mismatch",
        r"key values mismatch|private key (?:does not|doesn't) match|"
        r"certificate and private key[^\n]{0,30}do(?:es)? not match|"
        r"(?:failed to find any PEM data|PEM lib|no start line|bad base64 decode)",
        "has a certificate and a key that do not belong together, or cannot be read",
        "look at both in the Secret that it mounts (openssl x509 -noout -pubkey, openssl pkey -pubout: they have to be "
        "the same)",
    ),
    _cause(
        "scheme",
        r"first record does not look like a TLS handshake|wrong.version.number|HTTP response to HTTPS client|"
        r"HTTP request to an? HTTPS (?:server|port)|plain HTTP request was sent to HTTPS port|"
        r"unsupported or unrecognized SSL message|packet length too long|not an SSL/TLS record",
        "speaks TLS where its peer does not, or the other way round",
        "correct the scheme (http or https) or the port of the address that it calls",
    ),
    _cause(
        "tls",
        r"x509: [^\"]{0,120}|certificate[ _](?:verify|validation|verification)[ _]failed|ALTNAME_INVALID|"
        r"(?:host ?name|names?)[^\n]{0,40}(?:does not|doesn't) match[^\n]{0,40}cert|no subject alternative|"
        r"unknown (?:certificate )?authority|"
        r"(?:tls|ssl).{0,30}handshake.{0,20}(?:fail|error|alert)|self.signed certificate|PKIX path building failed|"
        r"SSLHandshakeException",
        "cannot trust the certificate of a peer",
        "look at the certificate of the peer (openssl s_client -connect HOST:PORT) and at the CA that the program "
        "trusts",
    ),
    _cause(
        "refused",
        r"(?:dial tcp |\bconnect(?:ing|ion)?(?: to)? )[\"']?(?P<peer>[\w.-]+:\d{1,5})\b.{0,80}?"
        r"(?:refused|timed? ?out|no route|reset|unreachable|failed)|ECONNREFUSED (?P<peer2>[\w.-]+:\d{1,5})|"
        r"(?P<peer4>[\w.-]+:\d{1,5})(?:: |\W{1,3})(?:\w+: )?connection refused|"
        r"connection refused(?: to|:)?\W{0,3}(?:ECONNREFUSED\W{1,3}|::ffff:)?(?P<peer3>[\w.-]+:\d{1,5})?|"
        r"ECONNREFUSED(?:\W{1,3}(?P<peer5>[\w.-]+:\d{1,5}))?|couldn't connect to server|"
        r"no route to host|network is unreachable|upstream connect error|no healthy upstream|"
        r"(?:unable|failed|could not|cannot|can't|couldn't|could never|not able) (?:to )?(?:re)?(?:connect\b|reach\b|"
        r"contact\b|(?:establish|open|make) (?:an? |the )?(?:\w+ )?connection)|"
        r"connection (?:attempt |retry |to \S+ )?(?:\d+ )?failed(?! over)|no connection (?:to|with) |"
        r"(?:is|are|was|has become|became|went) (?:currently )?(?:unavailable|unreachable)|has gone away|"
        r"(?P<peer6>[\w.-]+:\d{1,5}) - no response|not responding|dependency (?:failure|unavailable)",
        "cannot connect to {peer}",
        "check whether the peer runs and listens there, whether its Service has endpoints, and which NetworkPolicies "
        "are between",
    ),
    _cause(
        "connection_lost",
        r"connection reset by peer|ECONNRESET|broken pipe|EPIPE\b|unexpected EOF|server closed the connection",
        "loses its connection to a peer",
        "check whether the peer is restarted or overloaded, and whether a proxy between ends idle connections",
    ),
    _cause(
        "broker",
        r"NoBrokersAvailable|LEADER_NOT_AVAILABLE|UNKNOWN_TOPIC_OR_PARTITION|topic \S+ not present in metadata|"
        r"broker transport failure|all brokers (?:are )?down|no leader for (?:this )?(?:topic|partition)|"
        r"Bootstrap broker \S+ disconnected",
        "gets no broker or topic of Kafka",
        "check that its bootstrap servers are the right ones, that the topic exists, and that the listeners which the "
        "brokers advertise can be reached from this pod",
    ),
    _cause(
        "port_in_use",
        r"address already in use|EADDRINUSE|port (?:\d+ )?(?:is|was) already (?:allocated|in use|taken)|"
        r"bind: .{0,40}in use",
        "cannot listen: its port is taken",
        "give each container of the pod a port of its own; with host network, each pod of the node",
    ),
    _cause(
        "bind",
        r"(?:failed|unable|cannot|could not|couldn't|can't) (?:to )?(?:bind|listen)\b"
        r"(?! (?:to (?:the )?)?(?:propert|param|argument|variable|value|mount|ldap|role|service\b|queue|key))"
        r"(?:\(\))?(?: (?:to|on))?"
        r"(?: (?:the )?(?:address|port|socket))? ?(?P<name>[\w.:\[\]*-]*\d)?|bind\(\) to (?P<name2>\S+) failed|"
        r"\bbind: permission denied|listen \w+ (?P<name3>\S+): bind|"
        r"listen EACCES:? (?:permission denied )?(?P<name4>\S+)|"
        r"Permission denied: \('[\d.:]*', (?P<name5>\d+)\)",
        "cannot listen on {port}",
        "see whether another process has the port (ss -lntp from inside); a port below 1024 asks for root or "
        "NET_BIND_SERVICE: take a higher one",
    ),
    _cause(
        "migration",
        r"migrations? (?:\S+ )?(?:have |has )?failed|failed (?:migration|to (?:run|apply) (?:the )?migrations?)|"
        r"(?:pending|unapplied) migrations?|migrations are pending|PendingMigration|checksum mismatch for migration|"
        r"dirty database version|can't locate revision",
        "stops at a migration of its database",
        "read which migration it is, repair it (or mark it as done) in the database, and start the pod anew",
    ),
    _cause(
        "schema",
        r"relation \\?\"(?P<name>[^\"\\]+)\\?\" does not exist|no such table:? (?P<name2>\S+)|"
        r"table '(?P<name3>[^']+)' doesn't exist|unknown database '(?P<name4>[^']+)'|database "
        r"\\?\"(?P<name5>[^\"\\]+)\\?\" "
        r"does not exist|no such column|unknown column",
        "misses {name} in its database",
        "run the migration of the schema, or correct the name of the database",
    ),
    _cause(
        "bucket_missing",
        r"NoSuchBucket|specified bucket does not exist|ContainerNotFound",
        "misses a bucket of its object store",
        "make the bucket, or correct its name, its region or the endpoint",
    ),
    _cause(
        "query",
        r"query.{0,60}syntax error|syntax error (?:at (?:or near|position|line)|near)|error in your SQL syntax|"
        r"SQLSyntaxError",
        "sends its database a query that is wrong",
        "correct the query that the message names, and look at what was deployed last",
    ),
    _cause(
        "constraint",
        r"duplicate key value|duplicate entry|violates .{0,30}constraint|unique constraint (?:failed|violat)|"
        r"constraint violation",
        "violates a constraint of its database",
        "look for what writes the same row twice, or for rows that lack what they refer to",
    ),
    _cause(
        "interpreter",
        r"(?:^|: )exec (?P<name>/\S+): no such file or directory|(?P<name2>/\S+): (?:\S+: )?bad interpreter|"
        r"env: .?(?P<name3>[\w.+-]+)\\r|(?P<name4>/\S+)\^M|exec user process caused:? \\?\"?no such file",
        "cannot run {name}: the interpreter that it names is not in the image",
        "look at its first line (#!): that program has to be in the image, and lines must not end as those of Windows "
        "do (CR LF); a binary may be built for another libc",
    ),
    _cause(
        "command_missing",
        r"(?:^|[\s/])(?:sh|bash|ash|dash|env)(?:: (?:line )?\d+)?: [\"'`]?(?P<name>[\w./+-]+)[\"'`]?: "
        r"(?:command not found|not found|No such file or directory)|exec: "
        r"[\"'](?P<name2>[^\"']+)[\"']: executable file not found",
        "starts {name}, and there is no such program in its image",
        "correct the command of the container{typo}, or put {name} into the image and its $PATH",
    ),
    _cause(
        "not_executable",
        r"(?:^|[\s/])(?:sh|bash|ash|dash|env|exec)(?:: (?:line )?\d+)?: (?:exec: "
        r")?[\"'`]?(?P<name>/?[\w./+-]+)[\"'`]?: "
        r"permission denied",
        "may not execute {name}",
        "make {name} executable in the image (chmod +x; of a ConfigMap: defaultMode 0755), or start it by its "
        "interpreter "
        "(sh {name})",
    ),
    _cause(
        "option",
        r"(?:unknown|unrecognized|invalid|illegal|no such|undefined|unsupported) (?:shorthand |VM |command.line )?"
        r"(?:flag|option)s?:? (?:-- )?[\"'`]?(?P<name>-{0,2}[\w-]{1,60})|unrecognized arguments?: (?P<name3>\S+)|"
        r"flag provided but not defined: (?P<name2>\S+)|"
        r"invalid (?:maximum|initial) heap size: (?P<name4>\S+)",
        "does not know the option {name}",
        "correct the arguments of the container (args, command), or take the version of the image that knows it",
    ),
    _cause(
        "subcommand",
        r"unknown command \\?\"(?P<name>[^\"\\]+)\\?\" for|no such command:? [\"'](?P<name2>[^\"']+)",
        "does not know the command {name}",
        "correct the arguments of the container (args, command), or take the version of the image that knows it",
    ),
    _cause(
        "script",
        r"(?:sh|bash|ash|dash|entrypoint\S*|\.sh): (?:(?:line )?\d+: )?syntax error|"
        r"unterminated quoted string(?! at or near)|"
        r"unexpected EOF while looking for matching|syntax error near unexpected token|"
        r"syntax error: unexpected end of file",
        "has an error in its script",
        "correct the script at the line that the message names (quotes, brackets, then and fi) in command, args or its "
        "ConfigMap",
    ),
    _cause(
        "gpu",
        r"found no nvidia driver|no cuda-capable device|cuda driver version is insufficient|"
        r"no kernel image is available|"
        r"could not select device driver|failed to initialize NVML|no cuda gpus are available",
        "finds no GPU that it can use",
        "ask for one (resources.limits, such as nvidia.com/gpu: 1), and compare the driver of the node with the "
        "version of "
        "CUDA in the image",
    ),
    _cause(
        "gpu_memory",
        r"cuda out of memory|CUDA_ERROR_OUT_OF_MEMORY|cudaErrorMemoryAllocation",
        "has no memory left on its GPU",
        "take a smaller batch or model, or a GPU with more memory; see who else uses it (nvidia-smi)",
    ),
    _cause(
        "shared_memory",
        r"insufficient shared memory|/dev/shm[^\n]{0,80}(?:no space|too small|full)|shared memory segment",
        "has too little shared memory (/dev/shm)",
        "mount an emptyDir with medium Memory at /dev/shm: 64 MiB are what a container has else",
    ),
    _cause(
        "option_missing",
        r"(?:following arguments are required|required (?:flag|option|argument)\(?s?\)?|"
        r"missing (?:required )?(?:flag|option|"
        r"argument)s?):? \[?[\"'`]?(?P<name>-{0,2}[\w-]{1,60})",
        "is started without an argument that it needs: {name}",
        "add {name} to the arguments of the container (args, command)",
    ),
    _cause(
        "module_missing",
        r"(?:ModuleNotFoundError|ImportError|cannot find module|Could not find or load main class|"
        r"ClassNotFoundException|UnsupportedClassVersionError|unable to access jarfile|cannot load such file|"
        r"GemNotFound|Bundler::|Uncaught Error: Class \S+ not found|missing script: |no such module|"
        r"NoClassDefFoundError|error while loading shared libraries|version .GLIBC\w*_[\d.]+' not found)[^\n]{0,160}",
        "lacks a part of its program",
        "rebuild the image with it: what the message names is not in there",
    ),
    _cause(
        "platform",
        r"exec format error",
        "is built for another processor",
        "take an image for the architecture of the node",
    ),
    _cause(
        "setting_missing",
        # Names of variables are in capitals; others are those of fields.
        r"variables? [\"'`]?(?P<name>(?-i:[A-Z][A-Z0-9_]{2,}))[\"'`]? (?:is |are |was )?(?:not set|required|missing|"
        r"undefined|unset|empty)|KeyError: '(?P<name2>(?-i:[A-Z][A-Z0-9_]{2,}))'|"
        r"missing (?:required )?(?:environment )?variable:? [\"'`]?(?P<name3>(?-i:[A-Z][A-Z0-9_]{2,}))|"
        r"(?P<name4>(?-i:[A-Z][A-Z0-9_]{2,})): (?:unbound variable|parameter not set)|"
        r"[\"'`]?(?P<name5>(?-i:[A-Z][A-Z0-9]*_[A-Z0-9_]+))[\"'`]? (?:is|must be|environment variable is) "
        r"(?:not set|required|missing|set)",
        "lacks the setting {name}",
        "set it in the environment of the container, a ConfigMap or a Secret",
    ),
    _cause(
        "setting_missing",
        # Of frameworks, which name fields, and of images of databases.
        r"required key (?P<name>\S+) missing value|could not resolve placeholder '(?P<name2>[^']+)'|"
        r"no configuration setting found for key '(?P<name3>[^']+)'|"
        r"missing (?:required )?(?:config\w*|setting)(?: value| key)?(?: for)?:? [\"'`](?P<name4>[^\"'`]+)|"
        r"Missing `(?P<name5>\w+)` for '|The (?P<name6>[A-Z_]+) setting must not be empty|"
        r"'(?P<name7>[\w.-]+)' attribute is not specified|(?P<name8>(?-i:[A-Z][A-Z0-9]*_[A-Z0-9_]+)) to a non-empty "
        r"value|"
        r"key not found: \"(?P<name9>(?-i:[A-Z][A-Z0-9_]{2,}))\"|(?P<name10>\w+)\s+Field required|"
        r"validation errors? for \w*Settings|(?P<name11>password) option is not specified|ImproperlyConfigured|"
        r"failed to determine a suitable driver class|\bno (?P<name13>\w+) setting provided|"
        r"(?:environment )?variable (?P<name12>(?-i:[A-Z][A-Z0-9_]{2,}))\b[^\n]{0,20}(?:not found|not present|"
        r"NotPresent)",
        "lacks the setting {name}",
        "set it in the environment of the container, a ConfigMap or a Secret",
    ),
    _cause(
        "setting_invalid",
        r"strconv\.\w+: parsing \\?\"(?P<name>[^\"\\]*)|invalid literal for (?:int|"
        r"float)\(\)[^\n]{0,30}: '(?P<name2>[^']*)|"
        r"NumberFormatException: For input string: \"(?P<name3>[^\"]*)|unknown time zone (?P<name4>\S+)|"
        r"invalid (?:number|time interval) '(?P<name7>[^']+)'|failed to bind properties under '(?P<name8>[^']+)'|"
        r"invalid port(?: number)?:? [\"']?(?P<name5>[\w.-]+)|could not convert string to float: '(?P<name6>[^']*)",
        "has a setting whose value it cannot read: {name}",
        "correct the value where it is set (environment, ConfigMap, arguments)",
    ),
    _cause(
        "configuration",
        r"FATAL CONFIG FILE ERROR|error unmarshaling (?:JSON|YAML)|\btoml: line \d|MissingSectionHeaderError|"
        r"configuration file [^\n]{1,200} contains errors|syntax error on line \d+ of /|perhaps misspelled|"
        r"bad directive or wrong number of arguments|(?:toml|yaml)\.(?:decoder|scanner|"
        r"parser)\.|"
        r"(?:yaml|toml|ini|properties|config\w*|settings)\b[^\n]{0,80}(?:syntax|pars(?:e|ing)|unmarshal\w*|decod\w+|"
        r"unexpected (?:token|end|character)|did not find expected|invalid|unknown (?:field|key|directive))|"
        r"(?:pars(?:e|ing)|unmarshal\w*|decod\w+|load\w*|read\w*)[^\n]{0,40}(?:config\w*|settings|yaml|"
        r"toml)\b[^\n]{0,20}"
        r"(?:error|fail|invalid)|\[emerg\][^\n]{0,80} in /\S+:\d+|unknown config(?:uration)? (?:key|option|field)|"
        r"(?:invalid|bad) (?:value|configuration) (?:for|in) (?:option|key|setting|field|directive)|"
        r"(?:error|failed|unable|cannot|could not)[^\n]{0,20} (?:load|pars|read|decod|unmarshal)\w*[^\n]{0,30}"
        r"(?:config|settings|yaml|toml)(?!.{0,200}(?:no such file|file not found|permission denied|does not exist))",
        "cannot read its configuration",
        "correct the place that the message names (file, line, key) in its ConfigMap or Secret, and compare it with "
        "the last one that worked",
    ),
    _cause(
        "not_json",
        r"unexpected (?:token|end of)[^\n]{0,60}\bJSON\b|JSONDecodeError|Json(?:Parse|Reader|Mapping)?Exception|"
        r"invalid character '.{1,4}' (?:looking for|after)|is not valid JSON|unexpected end of JSON",
        "cannot read what is to be JSON",
        "correct the file that it reads (ConfigMap, Secret: a comma, a quote, a bracket), or look at what the peer "
        "answers: "
        "often a page of HTML with an error",
    ),
    _cause(
        "processes",
        r"unable to create (?:new )?native thread|pthread_create failed|can(?:'t|not) fork|fork: (?:retry: )?resource "
        r"temporarily unavailable|can't start new thread|newosproc",
        "may start no more processes or threads",
        "look what starts so many (ps from inside), and raise the limit of pids of the node's kubelet if they are "
        "needed",
    ),
    _cause(
        "read_only",
        r"read-only file system|EROFS|read-only director(?:y|ies)",
        "cannot write: its file system is read-only",
        "mount an emptyDir where it writes, or let it write elsewhere",
    ),
    _cause(
        "database_right",
        r"permission denied for (?:table|relation|schema|database|sequence|function|view) (?P<name>\S+)|"
        r"command denied to user '(?P<name2>[^']+)'",
        "lacks a right in its database: {name}",
        "grant its user the right in the database",
    ),
    _cause(
        "file_permission",
        r"permission denied|EACCES|operation not permitted|EPERM\b|has wrong ownership|has invalid permissions|"
        r"accessible by owner only|is not writable\b|are not writable\b|write permissions? (?:for|to|on)|"
        r"unable to write to",
        "is denied something by the system (permission)",
        "compare the user that it runs as with the owner of what it opens (runAsUser, fsGroup), and its capabilities",
    ),
    _cause(
        "file_missing",
        r"[\"' ](?P<name>/[\w./-]+)[\"']?(?:\W{1,2}(?:\[Errno 2\]|"
        r"BIO_new_file\(\)[^\n]{0,80})?)? ?:? ?no such file or directory|"
        r"(?:could not|cannot|can't|unable to|failed to) (?:find|"
        r"locate) (?:the )?(?:\w+ ){0,2}[\"']?(?P<name4>/[\w./-]+\.\w+)|"
        r"\b(?:open|read|load)\w* (?:the )?(?:\w+ ){0,2}[\"']?(?P<name5>/[\w./-]+\.\w+)[\"']?[^\n]{0,60}"
        r"(?:\[Errno 2\]|no such file|not found|does not exist)|"
        r"no such file or directory(?:, \w+|:)? [\"'](?P<name2>[^\"']+)|(?:ENOENT|"
        r"FileNotFoundException):? (?P<name3>/[\w./-]+)|"
        r"no such file or directory|ENOENT|FileNotFoundError|FileNotFoundException",
        "misses {file}",
        "mount the file that the message names (ConfigMap, Secret, volume), or correct its path",
    ),
    _cause(
        "forbidden",
        r"\bforbidden\b|access ?denied|not authorized|" + _answer("403", "forbidden"),
        "is forbidden what it asks for (403)",
        "find out which right its user, ServiceAccount or token lacks at the peer",
    ),
    _cause(
        "process_killed",
        r"^(?:\S+: line \d+:\s+\d+ )?Killed\s*$|signal: killed\b|exit(?:ed with)? (?:code|status) 137\b|"
        r"(?:process|child|command)[^\n]{0,60}\bSIGKILL",
        "has lost a process that was killed from outside, mostly for memory",
        "compare its memory limit with what the process takes (memory.events from inside counts such ends)",
    ),
    _cause(
        "worker_killed",
        r"WORKER TIMEOUT|worker[^\n]{0,40}(?:was sent SIGKILL|terminated due to signal|exited unexpectedly|timed out)",
        "loses its workers, which take too long or die",
        "find out what a request waits for or computes, before the time-out of the workers is raised; look at its "
        "memory and CPU too",
    ),
    _cause(
        "too_large",
        r"(?:request|payload|message|entity|header|body)[^\n]{0,20} too (?:large|big|long)|RecordTooLarge|"
        r"(?:received )?message larger than max|exceeds? (?:the )?max\w* (?:message|request|body|payload)? ?size",
        "sends or gets something that is larger than a limit",
        "raise the limit of the side that refuses it (proxy, Ingress, broker, server), or send less at once",
    ),
    _cause(
        "timeout",
        r"timed[ -]?out|deadline exceeded|ETIMEDOUT|Timeout(?:Error|Exception)\b|"
        r"(?:request|connection|connect|read|gateway|i/o) timeout|timeout (?:expired|exceeded|reached|waiting|after|"
        r"occurred|while)",
        "waits too long for {peer}",
        "check whether the peer is slow or cannot be reached (its load, NetworkPolicies between), before the time-out "
        "is raised",
    ),
    _cause(
        "peer_failing",
        r"bad gateway|service unavailable|internal server error|"
        + _answer("50[0234]", "internal|bad gateway|service|gateway"),
        "gives or gets errors of a server (5xx)",
        "look at the log of the server that answers so",
    ),
    _cause(
        "peer_down",
        r"\b(?:peer|node|link|replica|primary|broker|member|upstream|backend|server|host|database)s? "
        r"(?:\S+ )?(?:is |are |went |has gone )?down\b",
        "reports that a peer is down",
        "find out which peer it means (its configuration, its Service), whether that runs, and what is between",
    ),
    _cause(
        "own_code",
        # The names of errors are in capitals, as programs write them.
        r"(?P<name>(?:(?-i:\b(?:[a-z]\w*\.)*(?:Type|Attribute|Name|UnboundLocal|Index|ZeroDivision|Recursion|Syntax|"
        r"Indentation|Reference|Range|Assertion|Key|Value|NoMethod|NotImplemented)Error)|"
        r"(?:NullPointer|ClassCast|IndexOutOfBounds|ArrayIndexOutOfBounds|Arithmetic|NullReference|IllegalArgument|"
        r"UnsupportedOperation)Exception|panic: |nil pointer dereference|index out of range|is not a function|"
        r"panicked at |cannot read propert(?:y|ies) of (?:undefined|null)|undefined method|assertion failed)"
        r"[^\n\"]{0,120})",
        "fails in its own code: {name}",
        "give the trace in its log to its developers; if it came with the last change, go back to the revision before "
        "(kubectl rollout undo)",
    ),
)


class Told(t.NamedTuple):
    """A cause that a line tells: words that go on after the name of a container, and what to do.

    ``peer`` is the other side that it names: host and port, a host, the kind of server, or an unknown name.
    """

    kind: str
    what: str
    step: str
    peer: str = ""


# Programs that commands of containers are usually meant to be.
_PROGRAMS = (
    *("bash", "sh", "wget", "curl", "python", "python3", "node", "npm", "java", "nginx", "redis-server", "gunicorn"),
    *("uvicorn", "celery", "sleep", "cat", "echo", "tail", "supervisord", "postgres", "mysqld", "kubectl", "openssl"),
    *("dotnet", "ruby", "bundle", "php", "php-fpm", "perl", "caddy", "envoy", "haproxy", "busybox", "make", "psql"),
)


def typo(name: str) -> str:
    """Return a question for the program that a name is probably meant to be, to go on after what to correct."""
    program = name.rpartition("/")[2]
    close = difflib.get_close_matches(program, _PROGRAMS, 1, 0.75) if program not in _PROGRAMS else []
    return f" (is {close[0]} meant?)" if close else ""


# What a line names as the other side, the surest first: an address, host and port, and the kind of server.
_NO_HOST = r"(?!(?:https?|status|code|line|error|errno|level|pid|exit|port|line|id|version)\b)"
_SOURCE = r"(?![\w.-]*\.(?:go|py|java|js|mjs|ts|rb|rs|cc?|cpp|cs|kt|php|scala|exs?|lua|pl|sh|ya?ml|json|conf|c?toml):)"
_SERVERS = (
    r"redis|postgres(?:ql)?|mysql|mariadb|mongo(?:db)?|kafka|rabbitmq|elasticsearch|opensearch|cassandra|memcached|"
    r"zookeeper|etcd|vault|consul|ldap|smtp|s3|database|db|cache|broker|upstream|backend|api server|gateway"
)
_PLACES = tuple(
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        r"\b[a-z][a-z0-9+.-]*://(?:[^\s/@\"']*@)?(?P<peer>[a-z0-9][\w.-]*(?::\d{1,5})?)",
        r"\bhost=\\?['\"](?P<peer>[a-z0-9][\w.-]*)",
        r"\b(?:server|host|broker|database)(?: \w+)? (?:at|on) \\?[\"'`](?P<peer>[a-z0-9][\w.-]*(?::\d{2,5})?)",
        rf"(?<![\w.:/@=-]){_NO_HOST}{_SOURCE}(?P<peer>(?=[\w.-]*[a-z])[a-z0-9][\w.-]*:(?:80|\d{{3,5}}))(?![\w.]|:\d)",
        r"(?<![\w.:])(?P<peer>\d{1,3}(?:\.\d{1,3}){3}:\d{2,5})(?!\d)",
        r"(?:server|database|host|broker|service|connection|connect)(?: \w+)? (?:at|on|to) "
        r"\\?[\"'`]?(?P<peer>(?=[\w.-]*[a-z])[a-z0-9][\w-]*(?:\.[\w-]+)+)",
        rf"(?:connection|request|call|connect(?:ing)?) (?:to|from) (?:the )?{_NO_HOST}"
        r"(?P<peer>[a-z][\w-]*[a-z0-9]) (?:has |was )?(?:timed out|failed|refused|lost|closed|reset)",
        rf"\b(?P<peer>{_SERVERS})\b",
    )
)
# A host and a port with words between.
_APART = re.compile(
    r"\b(?:to|at|on|host) \\?[\"']?((?=[\w.-]*[a-z0-9])[a-z0-9][\w.-]*)\\?[\"']?(?: \([\da-f.:]+\))?,? port:? "
    r"(\d{2,5})\b",
    re.IGNORECASE,
)
_OWN_SERVERS = ("database", "db", "cache", "broker", "upstream", "backend", "api server", "gateway")
_WITH_PEER = ("refused", "timeout", "connection_lost")


# The words of a line in JSON.
WORDS = re.compile(
    r"\"(?:msg|message|log|event|error|err|exception|reason)\"\s*:\s*\"((?:[^\"\\]|\\.){1,500})\"", re.IGNORECASE
)


def place_of(text: str) -> str:
    """Return which host or server a text names, empty if none; of a line in JSON, what it says in words."""
    if text.startswith("{"):
        text = " ".join(each[1] for each in WORDS.finditer(text)) or text
    if apart := _APART.search(text):
        return f"{apart[1]}:{apart[2]}"
    found = next(filter(None, (place.search(text) for place in _PLACES)), None)
    peer = found["peer"].rstrip(".") if found else ""
    return f"its {peer.lower()}" if peer.lower() in _OWN_SERVERS else peer


# A name with what the resolver of a pod has appended to it, and what no Service can have.
_SEARCHED = re.compile(r"^([\w-]+)(?:\.svc)?\.cluster\.local\.?$")
# What stands for a name that a line does not have.
_NO_NAME = {
    "unknown_name": "a name",
    "schema": "something",
    "interpreter": "its program",
    "setting_invalid": "one of its settings",
    "crd_missing": "one of its own",
    "data_not_empty": "a volume",
}


def told_by(text: str) -> Told | None:
    """Return the most telling cause of a text, None if it tells none."""
    for cause in CAUSES:
        if found := cause.pattern.search(text):
            groups = {name: value for name, value in found.groupdict().items() if value}
            name = next((value for key, value in groups.items() if key.startswith("name")), "")
            peer = next((value for key, value in groups.items() if key.startswith("peer")), "")
            if not peer and cause.kind in _WITH_PEER:
                peer = place_of(text)
            if cause.kind == "unknown_name":
                name = peer = _SEARCHED.sub(r"\1", name)
            space = groups.get("space", "")
            values = {
                "user": groups.get("user", ""),
                "verb": groups.get("verb", ""),
                "resource": groups.get("resource", "") + (f".{groups['group']}" if groups.get("group") else ""),
                "where": f" in the namespace {space}" if space else " in the whole cluster",
                "option": f" -n {space}" if space else " -A",
                "name": name or _NO_NAME.get(cause.kind, "that it needs"),
                "peer": peer or "a peer",
                "port": (f"port {name}" if name.isdigit() else name) or "its port",
                "typo": typo(name),
                "file": f"the file {name}" if name else "a file",
            }
            return Told(cause.kind, cause.what.format(**values), cause.step.format(**values), peer)
    return None
