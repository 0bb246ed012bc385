# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What looks like a secret in logs, events, variables and captured output, taken out and counted. PRIVATE.

Three things give a secret away: its own form (a key of a provider, a private key, a card number), its place (the user
part of a URL, the argument of a command), and the name before it. A name alone is weak evidence: what follows it may
also be a remark, a figure or a place, and these stay.
"""

from __future__ import annotations

import re
import typing as t
from collections import Counter
from collections.abc import Callable, Sequence

from .logs import without_escapes

HIDDEN = "***HIDDEN***"

_Replacement = t.Union[str, Callable[[re.Match[str]], str]]

_PASSWORDS = r"(?:password|passwd|passphrase|pwd|passwort|kennwort|contrase(?:ñ|n)a|mot de passe)"
_KEYS = (
    r"(?:api|access|account|admin|app|client|consumer|crypto|decryption|deploy|encryption|hmac|jwt|license|master|"
    r"private|root|server|service|session|shared|signing|ssh|storage|webhook)[_-]?key"
)
_WORDS = (
    rf"(?:{_PASSWORDS}|secret(?!ar(?:y|ies))|token|{_KEYS}|credentials?|"
    r"(?:db|user|root|admin|smtp|mail|ftp|ldap|bind|key_?store|trust_?store|redis|mysql|pg|mq)_?(?:pass|"
    r"pw)(?![A-Za-z])|"
    r"dockerconfigjson|dockercfg|(?<![A-Za-z])(?:pass|pw|auth|dsn|otp|cvv|cvc|x?csrf|xsrf)(?![A-Za-z]))"
)
_SECRET_NAME = re.compile(_WORDS + r"|(?<![A-Za-z])key(?![A-Za-z])", re.IGNORECASE)
# Before and after the value of a name that promises a secret. All of it is bounded, and begins where a name begins,
# because a log line may be long.
_NAMED = re.compile(
    rf"(?P<name>(?<![\w.-])[\w.-]{{0,64}}?{_WORDS}[\w.-]{{0,64}})"
    r"(?P<between>\\?[\"']?[ \t]{0,4}(?:=>|[=:])[ \t]{0,4}\[?(?:\w{1,20}\((?=\\?[\"']))?)"
    r"(?P<value>\\?\"(?:[^\"\\]|\\(?!\")|\\\\){0,4000}(?:\\?\"|\Z)|'[^']{0,4000}'|[^\s&\"')}\]]{1,4000})",
    re.IGNORECASE,
)
# Where a secret is, or of what kind, is none; nor is the line of a source file.
_PLACE = re.compile(
    r"(?:file|path|dir|name|ref|key[_-]?id|url|uri|endpoint|host|port|server|address|header|field|user|type|method|"
    r"mode|policy|provider|backend|format|algorithm|issuer|audience|status|state|service|svc|module|plugin|handler|"
    r"middleware|manager|store|cache|bucket|"
    r"\.(?:go|py|js|ts|java|kt|scala|rs|rb|php|cs|cc?|cpp|exs?))$",
    re.IGNORECASE,
)
# A figure is none where the name counts something.
_COUNTS = re.compile(
    r"(?:tokens|secrets|passwords|credentials)$|(?<![A-Za-z])(?:max|min|num|number|total|count|length|len|size|limit|"
    r"ttl|age|exp|expir\w*|expires|timeout|seconds|minutes|hours|days|bytes|interval|period|retries|attempts|rate|per|"
    r"version|rotation|in)(?![A-Za-z])|(?-i:Count|Length|Size|Limit|Age|Expir\w+|Timeout|Seconds|Version)",
    re.IGNORECASE,
)
_FIGURE = re.compile(r"[\d.,:TZ+-]{1,40}(?:ns|us|ms|s|m|h|d|[kKMGT]i?B?|%)?")
# How a remark begins, as opposed to a value.
_REMARK = re.compile(
    r"(?:a|an|and|are|bad|be|been|called|can|cannot|changed|could|created|deleted|denied|did|disabled|does|empty|"
    r"enabled|error|errors|expired|expires|fail|failed|failing|failure|for|forbidden|found|from|given|granted|has|have|"
    r"hidden|in|incorrect|internal|invalid|is|malformed|masked|mismatch|missing|must|no|none|not|null|of|off|ok|on|"
    r"optional|permission|provided|redacted|refused|rejected|required|reset|revoked|rotated|set|should|succeeded|"
    r"success|successful|the|timed|timeout|to|true|false|unable|unauthenticated|unauthorized|unavailable|undefined|"
    r"unknown|unset|unsupported|updated|loaded|ready|closed|expiring|using|was|were|will|with|without|wrong|yes|you|"
    r"your)(?![\w@#$%^&*+/=-])",
    re.IGNORECASE,
)
# The objects that the kubelet names behind a volume: ``volume "db-password" : secret "db-password" not found``.
_OBJECT = re.compile(r"(?:secrets?|configmaps?|serviceaccounts?|pods?|object|references)\s+\\?\"", re.IGNORECASE)
_PROSE = re.compile(r"[A-Za-z][a-z']{1,20},?[ \t]{1,4}(?:[A-Za-z][a-z']{0,20}(?![\w=/@]|:\S)|\\?\")")
# What stands before a name that is none of a secret: a scheme before a host, and words of parsers and of Kubernetes.
_OTHER_BEFORE = re.compile(r"(?:://|@|\b(?:no such|unexpected) )$", re.IGNORECASE)
# What tells after a name that it was a host, an object that is not there, a path, a result of tests.
_PORT = re.compile(r"\d{2,5}(?=$|[/\s:,;)\]\"'])")
_ABSENT = re.compile(
    r"[a-z0-9][a-z0-9.-]{0,252} (?:not found|does not exist|is (?:missing|not|empty|immutable)|already exists)\b"
)
_MOUNTED = re.compile(r"/(?:run|etc|var|mnt|opt|home|root|usr|secrets?|vault|tmp|app|data|config)/[\w./-]+$")
_NAMED_OBJECT = re.compile(r"[a-z0-9-]{1,63}/[a-z0-9.-]{1,253}[,;]?")
_RESULT = re.compile(r"\d+\W{1,3}fail", re.IGNORECASE)
_MASKED = re.compile(r"[*•.x-]{2,}|\W*(?:redacted|masked|hidden|removed|filtered)\W*", re.IGNORECASE)
# Schemes of the header Authorization; what stands behind one is the secret.
_SCHEMES = r"(?:bearer|basic|digest|token|apikey|api-key|negotiate|ntlm|aws4-hmac-sha256|hawk|signature|splunk|key)"

_PRIVATE_KEYS = "private keys"
_KEY_BEGIN = re.compile(r"-----BEGIN [A-Z0-9 ]{0,30}PRIVATE KEY(?: BLOCK)?-----")
_KEY_END = re.compile(r"-----END [A-Z0-9 ]{0,30}PRIVATE KEY(?: BLOCK)?-----")
_KEY_IN_ONE_LINE = re.compile(rf"{_KEY_BEGIN.pattern}[^\n]{{0,16000}}?{_KEY_END.pattern}")
# A line of one behind what a logger puts in front of it; the last may be short.
_KEY_LINE = re.compile(r"(?:^|(?<=[\s\"'|:]))[A-Za-z0-9+/=]{16,}[\s\"',]*$")
_KEY_LAST = re.compile(r"(?:^|(?<=[\s\"'|:]))[A-Za-z0-9+/=]+[\s\"',]*$")
_KEY_BEFORE_END = re.compile(r"(?:[A-Za-z0-9+/=]|\\[rn])+$")
_KEY_MOST_LINES = 200

# The forms that providers give to their keys, by which they can be told without a name.
_PROVIDER_KEYS = "|".join(
    (
        r"(?:AKIA|ASIA|ABIA|ACCA)[0-9A-Z]{16}\b",  # AWS
        r"AIza[\w-]{35}",  # Google
        r"ya29\.[\w-]{20,}",
        r"GOCSPX-[\w-]{28}",
        r"gh[pousr]_[A-Za-z0-9]{36,}",  # GitHub
        r"github_pat_\w{20,}",
        r"gl(?:pat|dt|rt|ptt|cbt|ft|soat|agent|imt)-[\w-]{20,}",  # GitLab
        r"xox[a-z]-[\w-]{10,}",  # Slack
        r"xapp-\d-[\w-]{10,}",
        r"[sr]k_(?:live|test)_[A-Za-z0-9]{16,}",  # Stripe
        r"whsec_[A-Za-z0-9+/=]{24,}",
        r"hv[sbr]\.[\w-]{20,}",  # Vault
        r"s\.(?=[A-Za-z]{0,23}\d)[A-Za-z0-9]{24}(?![\w.-])",
        r"npm_[A-Za-z0-9]{36}",
        r"pypi-[\w-]{40,}",
        r"rubygems_[0-9a-f]{48}",
        r"oy2[a-z0-9]{43}\b",  # NuGet
        r"SG\.[\w-]{16,32}\.[\w-]{16,64}",  # SendGrid
        r"sk-[\w-]{0,40}?(?=[A-Za-z]{0,200}\d)[A-Za-z0-9]{20,200}[\w-]{0,200}",  # OpenAI, Anthropic and their like
        r"hf_[A-Za-z0-9]{34}",  # Hugging Face
        r"do[opr]_v1_[0-9a-f]{64}",  # DigitalOcean
        r"shp(?:at|ca|pa|ss)_[0-9a-fA-F]{32}",  # Shopify
        r"sq0(?:atp|csp)-[\w-]{22,}",  # Square
        r"dckr_pat_[\w-]{20,}",  # Docker Hub
        r"dapi[0-9a-f]{32}\b",  # Databricks
        r"glsa_[A-Za-z0-9]{32}_[0-9a-f]{8}",  # Grafana
        r"glc_[A-Za-z0-9+/=]{32,}",
        r"NRAK-[A-Z0-9]{27}",  # New Relic
        r"dt0[a-z]\d\d\.[A-Z0-9]{24}\.[A-Z0-9]{64}",  # Dynatrace
        r"sntry[su]_[\w+/=-]{32,}",  # Sentry
        r"ATATT3[\w=-]{40,}",  # Atlassian
        r"lin_api_[A-Za-z0-9]{40}",  # Linear
        r"pul-[0-9a-f]{40}",  # Pulumi
        r"[A-Za-z0-9]{14}\.atlasv1\.[\w=-]{60,70}",  # Terraform
        r"tskey-[a-z]{3,10}-[\w-]{16,}",  # Tailscale
        r"xkeysib-[0-9a-f]{64}-[A-Za-z0-9]{16}",  # Brevo
        r"key-[0-9a-f]{32}\b",  # Mailgun
        r"PMAK-[0-9a-f]{24}-[0-9a-f]{34}",  # Postman
        r"figd_[\w-]{40,}",  # Figma
        r"AGE-SECRET-KEY-1[0-9A-Z]{58}",
        r"\d{8,10}:AA[\w-]{33}(?![\w-])",  # Telegram
    )
)


def _if_card(match: re.Match[str]) -> str:
    """Hide a number whose last digit checks the others, as that of a payment card does."""
    digits = [int(each) for each in match[0] if each.isdigit()]
    doubled = [sum(divmod(2 * each, 10)) for each in digits[-2::-2]]
    return HIDDEN if (sum(digits[-1::-2]) + sum(doubled)) % 10 == 0 else match[0]


def _if_credentials(match: re.Match[str]) -> str:
    """Hide what a header Authorization holds, and leave a remark about it."""
    value = match["value"]
    scheme = re.match(rf"{_SCHEMES}[ \t]{{1,4}}(?=\S)", value, re.IGNORECASE)
    if scheme and not _is_remark(value[scheme.end() :]):
        return f"{match['head']}{scheme[0]}{HIDDEN}"
    if _is_remark(value) or _PROSE.match(value) or re.fullmatch(r"[a-z,]{1,20}\W*", value):
        return match[0]
    if re.match(r"[A-Za-z]{2,16}:[ \t]", value):
        return match[0]
    return f"{match['head']}{HIDDEN}"


# Programs that take a password as an argument whose name does not say so.
_TOOLS = (
    *(
        "redis-cli",
        "requirepass",
        "masterauth",
        "bindpw",
        "rootpw",
        "curl",
        "sshpass",
        "docker",
        "podman",
        "nerdctl",
        "skopeo",
        "crane",
    ),
    *("helm", "buildah", "ldap", "mongo", "mysql", "mariadb", "vault"),
)


class _Rule(t.NamedTuple):
    """What one kind of secret looks like. Only a text that has one of the ``hints``, in lower case, is searched."""

    name: str
    hints: tuple[str, ...]
    pattern: re.Pattern[str]
    replacement: _Replacement


# From the most specific to the least: what one has taken out is not counted again by another.
_RULES = (
    _Rule(
        "webhook URLs",
        ("slack", "discord", "telegram", "office", "zapier", "ifttt", "pagerduty"),
        re.compile(
            r"(\bhooks\.slack(?:-gov)?\.com/(?:services|workflows|triggers)/|"
            r"\bdiscord(?:app)?\.com/api/(?:v\d{1,2}/)?webhooks/\d{1,20}/|\bapi\.telegram\.org/(?:file/)?bot(?=\d)|"
            r"\.webhook\.office\.com/webhookb2/|\boutlook\.office(?:365)?\.com/webhook/|"
            r"\bhooks\.zapier\.com/hooks/catch/|\bmaker\.ifttt\.com/trigger/[\w-]{1,80}/with/key/|"
            r"\bevents\.pagerduty\.com/integration/)(?:\d{1,20}:[\w-]{1,100}|[\w@/.~%+-]{8,400})",
            re.IGNORECASE,
        ),
        rf"\1{HIDDEN}",
    ),
    _Rule(
        # A port and a path may stand there too, whose @ is that of an address.
        "passwords in URLs",
        ("://",),
        re.compile(
            r"\b([a-z][a-z0-9+.-]{0,20}://(?:[^\s/:@\"']{1,200}(?=:(?!\d{1,5}[/?#]))|(?=:))):(?!\*\*\*)"
            r"[^\s\"']{1,400}@(?=[\w\[])",
            re.IGNORECASE,
        ),
        rf"\1:{HIDDEN}@",
    ),
    _Rule(
        # A user stands there alone, except in Redis's, where it is a password; what is long is a token.
        "passwords in URLs",
        ("://",),
        re.compile(
            r"\b((?:rediss?|valkeys?)://)[^\s/:@\"'*]{1,400}@(?=[\w\[])|"
            r"\b([a-z][a-z0-9+.-]{0,20}://)[^\s/:@\"'*]{16,400}@(?=[\w\[])",
            re.IGNORECASE,
        ),
        lambda match: f"{match[1] or match[2]}{HIDDEN}@",
    ),
    _Rule(
        "passwords in DSNs",
        ("jdbc:oracle:",),
        re.compile(r"(\bjdbc:oracle:\w{1,10}:[^\s/@]{1,200}/)(?!\*\*\*|/)[^\s@]{1,200}(?=@)", re.IGNORECASE),
        rf"\1{HIDDEN}",
    ),
    _Rule(
        "passwords in DSNs",
        ("@tcp(", "@udp(", "@unix("),
        re.compile(r"(?<![\w.-])([\w.-]{1,64}):(?!\*\*\*)[^\s:/\"']{1,200}@(tcp|udp|unix)\(", re.IGNORECASE),
        rf"\1:{HIDDEN}@\2(",
    ),
    _Rule(
        "signatures in URLs",
        ("sig=", "signature=", "code=", "key=", "assertion=", "samlresponse=", "ticket="),
        re.compile(
            r"((?<![\w.-])(?:sig|signature|x-(?:amz|goog)-signature)=|[?&](?:code|key|assertion|samlresponse|ticket)=)"
            r"[\w%+/=.~-]{16,1000}",
            re.IGNORECASE,
        ),
        rf"\1{HIDDEN}",
    ),
    _Rule(
        # As a line, in JSON, as a map of Go, and as a pair of a list.
        "bearer tokens",
        ("authorization",),
        re.compile(
            r"(?P<head>\bauthorization\\?[\"']?[ \t]{0,4}(?:[:=,]|\\?\"value\\?\"|[ \t]){1,6}\[?\\?[\"']?)"
            r"(?![\s\"'\\]*\*)(?P<value>[^\r\n\"'\\\]]{4,4000})",
            re.IGNORECASE,
        ),
        _if_credentials,
    ),
    _Rule("web tokens", ("eyj",), re.compile(r"\beyJ[\w-]{8,4000}\.[\w-]{8,4000}(?:\.[\w-]{0,4000})?"), HIDDEN),
    _Rule(
        "bearer tokens",
        ("bearer", "basic"),
        re.compile(
            r"\b(bearer|basic)[ \t]{1,4}(?!\*)(?!(?-i:[A-Za-z][a-z-]{0,60})(?![\w.~+/=]))[\w.~+/=-]{8,4000}",
            re.IGNORECASE,
        ),
        rf"\1 {HIDDEN}",
    ),
    _Rule("keys of providers", ("",), re.compile(rf"(?<![A-Za-z0-9])(?:{_PROVIDER_KEYS})"), HIDDEN),
    _Rule(
        "cookies",
        ("cookie",),
        re.compile(
            r"\b((?:set-)?cookie2?\\?[\"']?[ \t]{0,4}[:=,][ \t]{0,4}\[?[ \t]{0,4}\\?[\"']?)(?![\s]*\*)"
            r"[^\s=;\"'\\]{1,100}=[^\r\n\"'\\\]]{1,4000}",
            re.IGNORECASE,
        ),
        rf"\1{HIDDEN}",
    ),
    _Rule(
        "cookies",
        ("sess", "connect.sid"),
        re.compile(
            r"(\b(?:jsessionid|phpsessid|asp\.net_sessionid|connect\.sid|laravel_session|"
            r"sessionid)=)[\w%.:+/-]{16,400}",
            re.IGNORECASE,
        ),
        rf"\1{HIDDEN}",
    ),
    _Rule(
        "hashes of passwords",
        ("$",),
        re.compile(r"\$(?:apr1|[156y]|2[abxy]|argon2(?:id|i|d))\$[./A-Za-z0-9$=,+]{16,400}"),
        HIDDEN,
    ),
    _Rule(
        # Of Redis, in its file of users and as a command.
        "passwords in arguments",
        ("user",),
        re.compile(
            r"(\b(?:acl[ \t]{1,4}setuser|user)[ \t]{1,4}\S{1,100}[ \t]{1,4}(?:\S{1,100}[ \t]{1,4}){0,5}?(?:on|off)"
            r"[ \t]{1,4}(?:\S{1,100}[ \t]{1,4}){0,5}?[>#])(?!\*)[^\s\"']{1,400}",
            re.IGNORECASE,
        ),
        rf"\1{HIDDEN}",
    ),
    _Rule(
        # A pair in two fields, or in a list of two.
        "values of secret names",
        ("value",),
        re.compile(
            rf"(\\?\"(?:name|key|header)\\?\"\s{{0,40}}:\s{{0,40}}\\?\"(?:[^\"\\]{{0,64}}?{_WORDS}[^\"\\]{{0,64}}|"
            r"(?:proxy-)?authorization|(?:set-)?cookie)\\?\"\s{0,40},\s{0,40}"
            r"\\?\"value\\?\"\s{0,40}:\s{0,40}\\?\")(?!\*)[^\"\\]{1,4000}",
            re.IGNORECASE,
        ),
        rf"\1{HIDDEN}",
    ),
    _Rule(
        # As YAML and Go have the variables of a container.
        "values of secret names",
        ("value",),
        re.compile(
            rf"(\bname:[ \t]{{0,4}}[\"']?[\w.-]{{0,64}}?{_WORDS}[\w.-]{{0,64}}[\"']?(?:[ \t]{{0,4}}\n[ \t]{{0,40}}|"
            rf",)value:"
            r"[ \t]{0,4}[\"']?)(?!\*|[$\s])[^\n\"',}]{1,4000}",
            re.IGNORECASE,
        ),
        rf"\1{HIDDEN}",
    ),
    _Rule(
        "values of secret names",
        ("nil}", "nil>}"),
        re.compile(
            rf"(\{{[\w.-]{{0,64}}?{_WORDS}[\w.-]{{0,64}}[ ])(?!\*|[&<])[^\s}}]{{1,4000}}(?=[ ]<?nil>?\}})",
            re.IGNORECASE,
        ),
        rf"\1{HIDDEN}",
    ),
    _Rule(
        "values of secret names",
        ("[",),
        re.compile(
            r"(\[\s{0,40}\\?[\"'](?:x-[\w-]{0,40}(?:key|token|secret|auth)|api-?key|private-token|(?:set-)?cookie)"
            r"\\?[\"']\s{0,40},\s{0,40}\\?[\"'])(?!\*)[^\"'\\]{1,4000}",
            re.IGNORECASE,
        ),
        rf"\1{HIDDEN}",
    ),
    _Rule(
        "values of secret names",
        ("</",),
        re.compile(rf"(<[\w:.-]{{0,64}}?{_WORDS}[\w:.-]{{0,64}}>)(?!\*)[^<]{{1,4000}}(?=</)", re.IGNORECASE),
        rf"\1{HIDDEN}",
    ),
    _Rule(
        "passwords in arguments",
        ("-",),
        re.compile(rf"((?<![\w-])--?[\w-]{{0,64}}?{_WORDS}[ \t]{{1,4}})(?![-*/])[^\s]{{1,400}}", re.IGNORECASE),
        lambda match: _quoted(match[1], match[0][len(match[1]) :]),
    ),
    _Rule(
        "passwords in arguments",
        _TOOLS,
        re.compile(
            r"(\bredis-cli\b[^\n]{0,400}?\s-a[ \t]{1,4}|\b(?:requirepass|masterauth|bindpw|rootpw)[ \t]{1,4}|"
            r"\bcurl\b[^\n]{0,400}?\s(?:-u|--user)[ =][ \t]{0,4}|\bsshpass[ \t]{1,4}-p[ \t]{0,4}|"
            r"\b(?:docker|podman|nerdctl|skopeo|crane|helm|buildah)\b[^\n]{0,200}?\slogin\b[^\n]{0,200}?\s-p[ \t]{1,4}|"
            r"\bvault[ \t]{1,4}login[ \t]{1,4}(?!\w{1,20}=|method|with|fail|to\b)|"
            r"\bldap(?:search|modify|add|delete|whoami)\b[^\n]{0,400}?\s-w[ \t]{1,4}|"
            r"\bmongo(?:sh|dump|restore)?\b[^\n]{0,400}?\s-p[ \t]{1,4}|"
            r"\b(?:mysql|mariadb)\w{0,10}\b[^\n]{0,400}?\s-p(?=\S))(?![-*/])[^\s]{1,400}",
            re.IGNORECASE,
        ),
        lambda match: _quoted(match[1], match[0][len(match[1]) :]),
    ),
    _Rule(
        "passwords in arguments",
        ("auth ",),
        re.compile(
            r"((?<![\w-])AUTH[ \t]{1,4}(?:(?:PLAIN|LOGIN|XOAUTH2|CRAM-MD5)[ \t]{1,4})?)"
            r"(?!PLAIN\b|LOGIN\b|XOAUTH2\b|CRAM-MD5\b)"
            rf"(?!{_REMARK.pattern})(?![-*<(=:.,'\"])[^\s\"']{{1,400}}(?:[ \t]{{1,4}}(?![-*])[^\s\"']{{1,400}})?"
        ),
        rf"\1{HIDDEN}",
    ),
    _Rule(
        "passwords in SQL",
        ("identified", "password"),
        re.compile(
            r"(\b(?<!revision )(?<!is )(?<!are )IDENTIFIED[ \t]{1,4}(?:WITH[ \t]{1,4}\S{1,64}[ \t]{1,4})?(?:BY|"
            r"AS)[ \t]{1,4}(?:PASSWORD[ \t]{1,4})?|"
            r"\bPASSWORD[ \t]{0,4}\([ \t]{0,4}|"
            r"\bSET[ \t]{1,4}PASSWORD[ \t]{1,4}(?:FOR[ \t]{1,4}\S{1,100}[ \t]{0,4})?=[ \t]{0,4})"
            r"(?:'[^'\n]{1,400}'|\"[^\"\n]{1,400}\")",
            re.IGNORECASE,
        ),
        rf"\1'{HIDDEN}'",
    ),
    _Rule(
        "passwords in SQL",
        ("identified",),
        re.compile(r"(\bIDENTIFIED[ \t]{1,4}BY[ \t]{1,4})(?![\s'\"*])[^\s;,]{1,400}"),
        rf"\1{HIDDEN}",
    ),
    _Rule(
        # As servers print those that they have made themselves.
        "values of secret names",
        ("pass", "pwd", "wort"),
        re.compile(
            rf"(\b{_PASSWORDS}(?: (?:is|was|has|been|generated|set|created|"
            rf"reset)){{0,4}} for [\w@.'\"%-]{{1,100}}:[ \t]{{1,4}})"
            rf"(?!{_REMARK.pattern})(?!\*)[^\s]{{4,200}}",
            re.IGNORECASE,
        ),
        rf"\1{HIDDEN}",
    ),
    _Rule(
        # Jenkins has it in a line of its own.
        "values of secret names",
        ("password",),
        re.compile(
            r"(\bpassword\b[^\n]{0,80}:[ \t]{0,4}(?:\n[ \t]{0,4}){1,3}(?:\d{4}-\S{1,40} )?)[0-9a-f]{32}(?=\s|$)",
            re.IGNORECASE,
        ),
        rf"\1{HIDDEN}",
    ),
    _Rule(
        "values of secret names",
        ("unseal key", "recovery key"),
        re.compile(r"(\b(?:unseal|recovery) key \d{1,3}:[ \t]{1,4})(?!\*)[\w+/=]{16,400}", re.IGNORECASE),
        rf"\1{HIDDEN}",
    ),
    _Rule(
        "values of secret names",
        ("token", "key"),
        re.compile(
            r"((?<!unexpected )\b(?:token|api[_ -]?key)[ \t]{1,4}\\?\")(?!\*)"
            r"(?=[^\s\"\\]{0,400}\d)(?=[^\s\"\\]{0,400}[A-Za-z])"
            r"[^\s\"\\]{8,400}(?=\\?\")",
            re.IGNORECASE,
        ),
        rf"\1{HIDDEN}",
    ),
    _Rule(
        # A value of a form that words and names of objects do not have; those of Secrets are in lower case.
        "values of secret names",
        ("secret", "token", "key"),
        re.compile(
            r"(\b(?:api[ _-]?key|(?:access|client|encryption|license|secret|private|signing) (?:key|secret|token)|"
            r"secret(?=[^\n]{1,30}(?-i:[A-Z+/=_~]))|token)(?: (?:is|was|provided|used|generated))?:?[ \t]{1,4})(?!\*)"
            r"(?=[A-Za-z+/=_~]{0,400}\d)(?=[\d+/=_~]{0,400}[A-Za-z])"
            r"[A-Za-z0-9+/=_~]{16,400}(?![\w.:@-])",
            re.IGNORECASE,
        ),
        rf"\1{HIDDEN}",
    ),
    _Rule(
        # As prose has it: in quotes, or of a form that words do not have.
        "values of secret names",
        ("pass", "pwd"),
        re.compile(
            rf"(\b{_PASSWORDS}(?:[ \t]{{1,4}}is:?)?[ \t]{{1,4}})(?:'(?!\*)[^'\n]{{1,400}}'|"
            rf"\\?\"(?!\*)[^\"\\\n]{{1,400}}\\?\"|"
            r"(?![-*/'\"<$({\[])(?=[^\s]{0,40}(?:[A-Za-z][^\s]{0,20}\d|\d[^\s]{0,20}[A-Za-z]|[A-Za-z\d][!#$%^&*+~@]))"
            r"(?![\w.-]{1,60}[:/=(\[@])[^\s\"',;]{5,200})",
            re.IGNORECASE,
        ),
        lambda match: _quoted(match[1], match[0][len(match[1]) :]),
    ),
    _Rule(
        # Begins as the numbers of cards do, and has their groups or none.
        "card numbers",
        ("",),
        re.compile(
            r"(?<![\w.:+/-])(?:(?:4\d{3}|5[1-5]\d\d|2[2-7]\d\d|6(?:011|5\d\d|4[4-9]\d))(?:([ -]?)\d{4})(?:\1\d{4}){2}|"
            r"3[47]\d\d([ -]?)\d{6}\2\d{5}|3(?:0[0-5]|[68]\d)\d([ -]?)\d{6}\3\d{4})(?![\w:/-]|\.\d)"
        ),
        _if_card,
    ),
)


def _without_private_keys(text: str) -> tuple[str, int]:
    """Return a text without private keys, and how many there were; both ends of one may be missing."""
    text, number = _KEY_IN_ONE_LINE.subn(HIDDEN, text)
    lines, kept, index = text.split("\n"), [], 0
    while index < len(lines):
        line = lines[index]
        index += 1
        begin, end = _KEY_BEGIN.search(line), _KEY_END.search(line)
        if begin:
            index, rest = _end_of_key(lines, index)
            kept.append(f"{line[: begin.start()]}{HIDDEN}{rest}")
        elif end:
            # The last lines of a log may begin within a key.
            head = line[: end.start()]
            part = _KEY_BEFORE_END.search(head)
            if not part and len(kept) > 1 and _KEY_LAST.search(kept[-1]) and _KEY_LINE.search(kept[-2]):
                kept.pop()
            while not part and kept and _KEY_LINE.search(kept[-1]):
                kept.pop()
            kept.append(f"{head[: part.start()] if part else head}{HIDDEN}{line[end.end() :]}")
        else:
            kept.append(line)
            continue
        number += 1
    return "\n".join(kept), number


def _end_of_key(lines: Sequence[str], first: int) -> tuple[int, str]:
    """Return which line comes after a private key, and what stands behind its end."""
    for index in range(first, min(first + _KEY_MOST_LINES, len(lines))):
        if _KEY_BEGIN.search(lines[index]):
            break
        if end := _KEY_END.search(lines[index]):
            return index + 1, lines[index][end.end() :]
    index = first
    while index < len(lines) and _KEY_LINE.search(lines[index]):
        index += 1
    return index, ""


def _quoted(head: str, value: str) -> str:
    """Return what stands before a secret, and the secret hidden within its quotes."""
    quote = re.match(r"\\?[\"']", value)
    if not quote or not value.endswith(quote[0]):
        return head + HIDDEN
    return f"{head}{quote[0]}{HIDDEN}{quote[0]}"


def _is_remark(text: str) -> bool:
    return _REMARK.match(text) is not None or _OBJECT.match(text) is not None


def is_secret_name(name: str) -> bool:
    """Tell whether the name of a variable promises a secret."""
    return _SECRET_NAME.search(name) is not None and not _PLACE.search(name)


class Redactor:
    """Takes secrets out of texts; ``counts`` says how many of each kind."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()

    def text(self, text: str) -> str:
        """Return a text without what looks like a secret, and without the colours of a terminal, which may hide one."""
        text = without_escapes(text)
        if "PRIVATE KEY" in text:
            text, number = _without_private_keys(text)
            self.counts[_PRIVATE_KEYS] += number
        lower = text.lower()
        for rule in _RULES:
            if any(hint in lower for hint in rule.hints):
                text = rule.pattern.sub(self._counted(rule.name, rule.replacement), text)
        text = _NAMED.sub(self._named, text)
        self.counts = +self.counts
        return text

    def _counted(self, name: str, replacement: _Replacement) -> Callable[[re.Match[str]], str]:
        def replace(match: re.Match[str]) -> str:
            hidden = match.expand(replacement) if isinstance(replacement, str) else replacement(match)
            self.counts[name] += hidden != match[0]
            return hidden

        return replace

    def _named(self, match: re.Match[str]) -> str:
        value, between = match["value"], match["between"]
        bare = value.strip("\\\"'")
        if HIDDEN in value or not bare or bare.startswith(("$", "{{", "<", "%(")) or _MASKED.fullmatch(bare):
            return match[0]
        if self._is_none(match, bare):
            # It may have a name and a value of its own.
            return f"{match['name']}{between}{_NAMED.sub(self._named, value)}"
        self.counts["values of secret names"] += 1
        quote = value[: len(value) - len(value.lstrip("\\\"'"))]
        return f"{match['name']}{between}{quote}{HIDDEN}{quote}"

    @staticmethod
    def _is_none(match: re.Match[str], bare: str) -> bool:
        """Tell whether what stands behind a name that promises a secret is something else."""
        name, value = match["name"], match["value"]
        if _OTHER_BEFORE.search(match.string, max(0, match.start() - 12), match.start()):
            return True
        if (
            _PLACE.search(name)
            or bare == name
            or re.search("tokeni[sz]", name, re.IGNORECASE)
            or (_FIGURE.fullmatch(bare) and _COUNTS.search(name))
        ):
            return True
        following = match.string[match.start("value") : match.start("value") + 80]
        if value != bare:
            return _REMARK.fullmatch(bare) is not None
        if _is_remark(following) or _MOUNTED.match(bare) or _RESULT.match(following):
            return True
        password = re.search(rf"{_PASSWORDS}$", name, re.IGNORECASE)
        if match["between"] == ":" and not password and _PORT.match(following):
            return True
        # That of Kubernetes has a name, whose form a value has rarely.
        if name in ("secret", "Secret") and (_ABSENT.match(following) or _NAMED_OBJECT.fullmatch(value)):
            return True
        if "=" in match["between"] or password:
            return False
        return bool(_PROSE.match(following) or re.match(r"[a-z_]{1,40}=", value))

    def variable(self, name: str, value: str) -> str:
        """Return the value of a variable, without what its name or its look says is a secret."""
        named = is_secret_name(name) and not (_COUNTS.search(name) and _FIGURE.fullmatch(value))
        if value and named:
            self.counts["variables"] += 1
            return HIDDEN
        return self.text(value)

    def plain(self, value: t.Any) -> t.Any:
        """Return plain data with each of its texts redacted."""
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, dict):
            return {key: self.plain(item) for key, item in value.items()}
        if isinstance(value, (list, tuple)):
            return [self.plain(item) for item in value]
        return value
