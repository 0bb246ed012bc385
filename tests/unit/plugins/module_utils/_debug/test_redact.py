# Copyright (c) 2026 Market Intel Brain
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Secrets of every kind go, and nothing beside them; what only looks like one to a careless eye stays."""

from __future__ import annotations

import random
import re

import pytest

from ansible_collections.market_intel.runbooks.plugins.module_utils._debug.redact import HIDDEN, Redactor

# What stands between « and » has to go, and all else to stay. ``<36>`` is so many letters and digits: a key of a
# provider in one piece would be taken for a real one by those who look for them in repositories.
MUST_GO = r"""
password=«S3cr3t!»
DB_PASSWORD: «S3cr3t»
DB_PASS=«S3cr3t»
REDISCLI_AUTH=«S3cr3t»
PGPASSWORD=«S3cr3t» psql -h db
"pass": "«S3cr3t»"
{"password": "«S3cr3t with blanks»", "user": "me"}
{'api_key': '«S3cr3t»'}
{"password": "«no S3cr3t»"}
level=info msg="{\"token\": \"«S3cr3t»\"}"
client_secret => «S3cr3t»
aws_secret_access_key=«S3cr3t»
AccountKey=«S3cr3t==;EndpointSuffix=x»
password=«abc,S3cr3t;def»
password=«correct»
password: «hunter2»
PASSWORD = "«S3cr3t»"
db.password=«123456» db.user=shop
spring.datasource.password=«S3cr3t»
ENCRYPTION_KEY=«S3cr3tS3cr3t»
JWT_SIGNING_KEY: «S3cr3tS3cr3t»
APP_KEY=«base64:S3cr3tS3cr3t=»
STORAGE_KEY=«S3cr3t==»
SESSION_KEY="«S3cr3t»"
SECRET_KEY_BASE=«0123456789abcdef0123»
MASTER-KEY: «S3cr3t»
auth=«S3cr3t»
auth: «S3cr3t»
credentials=«bob:S3cr3t»
SENTRY_DSN=«S3cr3t»
api-key: «S3cr3t»
x-api-key: «S3cr3t»
private-token=«S3cr3t»
token=«S3cr3t»&user=bob
?access_token=«S3cr3t»&page=2
?id_token=«S3cr3t#top»
refresh_token=«S3cr3t»
vault.token: «S3cr3t»
passphrase: '«S3cr3t with blanks»'
pwd=«S3cr3t»
Server=db;User Id=sa;Pwd=«S3cr3t;Encrypt=true»
{"name":"DB_PASSWORD","value":"«S3cr3t»"}
{"name": "Authorization", "value": "«S3cr3tS3cr3t»"}
{"key": "X-Api-Key", "value": "«S3cr3t»"}
{"header": "cookie", "value": "«sid=S3cr3t»"}
{\"name\":\"token\",\"value\":\"«S3cr3t»\"}
<password>«S3cr3t»</password>
<wsse:Password>«S3cr3t»</wsse:Password>
[["host", "shop"], ["authorization", "Bearer «S3cr3tS3cr3t»"]]
["x-api-key", "«S3cr3t»"]
["X-Auth-Token","«S3cr3t»"]
{"authorization": ["Bearer «S3cr3tS3cr3t»"], "host": ["shop"]}
map[Accept:[*/*] Authorization:[Bearer «S3cr3tS3cr3t»] Host:[shop]]
Authorization: Bearer «S3cr3t.0123456789»
Authorization: Basic «c2VjcmV0OnNlY3JldA==»
Authorization: Token «S3cr3tS3cr3t»
Authorization: ApiKey «S3cr3tS3cr3t»
Authorization: AWS4-HMAC-SHA256 «Credential=abc/20261123/eu/s3/aws4_request, SignedHeaders=host, Signature=0123»
authorization: «S3cr3tS3cr3t»
Proxy-Authorization: Basic «c2VjcmV0OnNlY3JldA==»
"authorization":"«S3cr3tS3cr3t»"
curl -H 'Authorization: Bearer «S3cr3tS3cr3t»' http://shop
sent Bearer «abcdef0123456789» to shop
Basic «dXNlcjpwYXNz» was refused
jwt «eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.abcdefghij» is old
Set-Cookie: «session=S3cr3t; Path=/»
Cookie: «a=1; sid=S3cr3t»
{"cookie": "«sid=S3cr3t; theme=dark»", "host": "shop"}
{"set-cookie": ["«sid=S3cr3t; Path=/»"], "x": 1}
{'Cookie': '«sid=S3cr3t»'}
["cookie", "«sid=S3cr3t»"]
map[Cookie:[«sid=S3cr3t»] Host:[shop]]
postgres://shop:«S3cr3t»@db:5432/shop
postgresql+asyncpg://shop:«S3cr3t»@db/shop
redis://:«S3cr3t»@cache:6379/0
redis://«S3cr3t»@cache:6379/0
rediss://«S3cr3t»@cache
redis://:«a/S3cr3t»@cache
amqp://guest:«S3cr3t»@mq:5672/%2f
mongodb+srv://shop:«S3cr3t»@db.example.com/?retryWrites=true
https://me:«p@S3cr3t»@host/x
https://«S3cr3tS3cr3tS3cr3t»@host/x
https://me:«8080»@host/x
shop:«S3cr3t»@tcp(db:3306)/shop
https://x.blob.core.windows.net/c/f?sv=2024-11-04&sr=b&sig=«S3cr3t%2B0123456789%3D»&se=2026-11-23
SharedAccessSignature sr=hub&sig=«S3cr3t%2B0123456789%3D»&se=1
https://b.s3.amazonaws.com/f?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Signature=«0123456789abcdef0123»
https://b.s3.amazonaws.com/f?AWSAccessKeyId=me&Signature=«S3cr3t%2B0123456789»&Expires=1
https://storage.googleapis.com/b/f?X-Goog-Signature=«0123456789abcdef0123»&x=1
https://hooks.slack.com/services/«T000/B000/S3cr3t»
POST https://hooks.slack.com/workflows/«T000/A000/1/S3cr3t»: 404
https://discord.com/api/webhooks/123456/«S3cr3t-S3cr3t»
https://discordapp.com/api/v10/webhooks/123456/«S3cr3t-S3cr3t»
https://shop.webhook.office.com/webhookb2/«S3cr3t@S3cr3t/IncomingWebhook/1/2»
https://api.telegram.org/bot«123456789:S3cr3t»/sendMessage
https://hooks.zapier.com/hooks/catch/«1/S3cr3t/»
key «AKIA<16U>» of AWS
«ASIA<16U>»
«AIza<35>»
«ya29.<30>»
«GOCSPX-<28>»
«ghp_<36>»
«gho_<36>» has expired
«github_pat_<30>»
«glpat-<20>»
«xoxb-<24>»
«xapp-1-<24>»
«sk_live_<24>»
«rk_test_<24>»
«whsec_<32>»
«hvs.<28>»
//registry.npmjs.org/: «npm_<36>»
«pypi-<48>»
«SG.<22>.<43>»
«sk-<48>»
OPENAI: «sk-proj-<40>_<24>-<24>»
«sk-ant-api03-<40>»
«hf_<34>»
«dop_v1_<64h>»
«shpat_<32h>»
«sq0csp-<43>»
«dckr_pat_<27>»
«dapi<32h>»
«glsa_<32>_<8h>»
«NRAK-<27U>»
«sntrys_<40>»
«tskey-auth-<20>»
«key-<32h>» of mailgun
«PMAK-<24h>-<34h>»
«AGE-SECRET-KEY-1<58U>»
bot «123456789:AA<33>»
mysqld --password «S3cr3t» --port 1
app --api-key «S3cr3t» start
app --token='«S3cr3t»'
tool -password "«S3cr3t»" x
redis-cli -h cache -a «S3cr3t» ping
redis-server --requirepass «S3cr3t»
masterauth «S3cr3t»
mysql -h db -p«S3cr3t»
mysqldump -u root -p«S3cr3t» shop
curl -u «me:S3cr3t» http://shop
curl -s --user «me:S3cr3t» http://shop
sshpass -p «S3cr3t» ssh me@host
sshpass -p '«S3cr3t»' ssh me@host
docker login -u me -p «S3cr3t» registry.example.com
helm registry login -u me -p «S3cr3t» registry.example.com
ldapsearch -x -D cn=admin -w «S3cr3t» -b dc=shop
mongosh -u me -p «S3cr3t» db
AUTH «S3cr3t»
AUTH «me S3cr3t»
"AUTH" then AUTH «default S3cr3t»
AUTH PLAIN «AHNob3AAUzNjcjN0»
CREATE USER shop IDENTIFIED BY '«S3cr3t»' REQUIRE SSL
ALTER USER shop IDENTIFIED WITH mysql_native_password BY '«S3cr3t»'
CREATE USER shop IDENTIFIED BY «S3cr3t»;
ALTER ROLE shop WITH PASSWORD '«S3cr3t»'
ALTER ROLE shop ENCRYPTED PASSWORD '«S3cr3t»' VALID UNTIL '2027-01-01'
SET PASSWORD FOR shop = '«S3cr3t»'
SELECT PASSWORD('«S3cr3t»')
login with password «hunter2» for bob
the password is «S3cr3t!»
using password "«S3cr3t»" for bob
connecting as shop password «Tr0ub4dor&3»
paid with card «4111 1111 1111 1111» today
card=«5555555555554444»
pan «378282246310005»
card: «4012-8888-8888-1881», 12/27
jdbc:oracle:thin:app/«S3cr3t1x»@db:1521/XE
jdbc:mysql://db:3306/shop?user=app&password=«S3cr3t1x»&useSSL=false
-Djavax.net.ssl.keyStorePassword=«S3cr3t1x» -jar app.jar
password: Some("«S3cr3t1x»")
Config { user: "app", password: "«S3cr3t1x»" }
&{User:app Password:«S3cr3t1x» Host:db}
map[db:map[password:«S3cr3t1x» user:app]]
User(name='bob', password='«S3cr3t1x»')
Passwort: «S3cr3t1x»
Mot de passe: «S3cr3t1x»
Contraseña: «S3cr3t1x»
otp=«123456»
new password for bob: «S3cr3t1x»
[Note] A temporary password is generated for root@localhost: «S3cr3t1x,k»
GENERATED ROOT PASSWORD: «S3cr3t1xAbC»
Initial admin password is «S3cr3t1x»
Your API key is «S3cr3t1xS3cr3t1x»
invalid api key «S3cr3t1xS3cr3t1xS3cr3t1x»
token «S3cr3t1xS3cr3t1xS3cr3t1x» is invalid
using encryption key «0123456789abcdef0123456789abcdef»
TOTP secret «JBSWY3DPEHPK3PXP» for bob
Unseal Key 1: «S3cr3t1xS3cr3t1xS3cr3t1xS3cr3t1xS3cr3t1xABCD=»
Recovery Key 2: «S3cr3t1xS3cr3t1xS3cr3t1xABCD=»
vault login «S3cr3t1xS3cr3t1x»
ACL SETUSER bob on >«S3cr3t1x» ~*
user default on nopass >«S3cr3t1x» ~* +@all
user bob on #«0123456789abcdef0123456789abcdef» ~*
GET /callback?code=«S3cr3t1xS3cr3t1x»&state=1
GET /api?v=1&key=«S3cr3t1xS3cr3t1xS3cr3t1x»
POST /acs?SAMLResponse=«PHNhbWxwOlJlc3BvbnNl»
JSESSIONID=«S3cr3t1xS3cr3t1x»; Path=/
sent PHPSESSID=«S3cr3t1xS3cr3t1x»
bob:«$apr1$S3cr3t1x$abcdefgh»
root:«$6$S3cr3t1x$abcdefghijklmnop»:19000:0:99999:7:::
hash «$2b$12$S3cr3t1xS3cr3t1xS3cr3t1xS3cr3t1xS3cr3t1xS3cr3t1»
hash «$argon2id$v=19$m=65536,t=3,p=4$S3cr3t1xS3cr3t1x$S3cr3t1x»
Data Source=db;User ID=sa;Password=«S3cr3t1x»
Endpoint=sb://x.example.net/;SharedAccessKeyName=Root;SharedAccessKey=«S3cr3t1xAAAABBBB=»
kubectl create secret generic x --from-literal=password=«S3cr3t1x»
{"refreshToken":"«S3cr3t1x»"}
{"clientSecret":"«S3cr3t1x»","clientId":"x"}
smtp://user:«S3cr3t1x»@mail:587
token: «S3cr3t1x» not found
env: [{DB_PASSWORD «S3cr3t1x» nil} {LEVEL info nil}]
EnvVar{Name:DB_PASSWORD,Value:«S3cr3t1x»,}
dbpass=«S3cr3t1x»
DBPASS: «S3cr3t1x»
keystorePass="«S3cr3t1x»"
pw=«S3cr3t1x»
bindpw «S3cr3t1x»
bind_pw: «S3cr3t1x»
token "«S3cr3t1x»" is not valid
api_key "«S3cr3t1x»"
csrf=«S3cr3t1x»
.dockerconfigjson: «eyJhdXRocyI6eyJyLmV4YW1wbGUuY29tIjp7fX19»
api_key: «s3cr3t1x» does not exist
""".strip().splitlines()

MUST_STAY = r"""
token count: 5 items left
-redis-password-file=/redis/password
password=$REDIS_PASSWORD
password=${REDIS_PASSWORD}
password: {{ vaulted }}
password=%(db_password)s
password: <redacted>
password=******
password: [REDACTED]
no password given
password authentication failed for user "shop"
FATAL: password authentication failed for user "shop"
Access denied for user 'shop'@'10.0.0.1' (using password: YES)
password: incorrect
{"password": null, "token": "none"}
password: must have at least 12 characters
password is wrong
password expired 3 days ago
the password for user2 has expired
enter password for shop@db:
password file /etc/app/passwd not found
password_file=/etc/app/passwd
PASSWORD_MAX_AGE=90
password_length=16
GET /login?next=/home HTTP/1.1
POST /oauth/token 200 12ms
GET /password/reset 404
http://shop:8080/path
http://shop:8080/path?mail=bob@example.com
https://user@host/path
ssh://git@github.com/shop/shop.git
postgres://shop@db:5432/shop
redis://cache:6379/0
amqp://mq:5672
mail to bob@example.com
volume "api-credentials": secret "x" not found
MountVolume.SetUp failed for volume "db-password" : secret "db-password" not found
MountVolume.SetUp failed for volume "kube-api-access-x" : failed to fetch token: pods "web" not found
couldn't find key password in Secret shop/db-credentials
couldn't find key token in ConfigMap shop/web
secret "web-tls" not found
configmap "auth" not found
references non-existent secret key: password
failed to sync secret cache: timed out waiting for the condition
serviceaccount "token-reader" not found
error looking up service account shop/builder: serviceaccount "builder" not found
secretName: web-tls
secretKeyRef:
imagePullSecrets: none
auth: refused to ldap:389
auth: denied
auth: user bob not found
auth=required
auth: error: connection refused
AUTH failed: invalid username-password pair
AUTH called without any password configured for the default user
NOAUTH Authentication required.
WRONGPASS invalid username-password pair or user is disabled.
ERR AUTH <password> called without any password configured
250-AUTH LOGIN PLAIN
authorization: denied
authorization: disabled
authorization: user bob may not list pods
authorization: refused to ldap:389
Authorization: missing
--authorization-mode=Node,RBAC
authorization-mode: Node,RBAC
WWW-Authenticate: Basic realm="shop"
WWW-Authenticate: Bearer realm="https://auth.example.com/token",service="registry"
basic authentication is disabled
bearer authentication required
bearer of bad news
Basic configuration loaded
dsn: no such host
dsn: parse error near host
max_tokens=4096
"max_tokens": 4096,
prompt_tokens: 12, completion_tokens: 34, total_tokens: 46
tokens=5
token_ttl=3600s
token_expires_in: 3600
token: expired
token: invalid signature
token is expired by 3m
token has been revoked
token_type: bearer
"token_type":"Bearer"
token_endpoint=https://auth.example.com/token
auth_method=kubernetes
auth_backend: ldap
credential_provider=aws
credentials: not found
credentials: unable to load from any provider
secret: object not found
secrets: 3
use_token=false
token=null
api_key: none
api_key is required
api key not valid
TokenService: started with 4 workers
token.go:45] refreshed
auth.go:123: user logged in
password_reset.py:12 called
at com.shop.TokenService.check(TokenService.java:45)
File "/app/auth.py", line 12, in login
[auth] user bob logged in from 10.0.0.1
key=user:123 not in cache
cache_key=orders:4
primary key (id)
partition_key=2026-11
routing_key=orders.created
public_key=/etc/app/public.pem
; COOKIE: 0123456789abcdef01000000 (good)
cookie: not set
cookies enabled
(the end) of a sentence
identified by the scheduler
IDENTIFIED BY
sig=SIGTERM received
signature=none
-----BEGIN CERTIFICATE-----
-----BEGIN PUBLIC KEY-----
trace 4bf92f3577b34da6a3ce929d0e0e4736
sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08
order 4111111111111112 paid
at 1764236100123456789 ns
1764236100123456 us
job 20261123101500123
web-7d9f8b6c5-x2k8p
sk-worker-deployment-7d9f8b6c5d-x2k8p
risk-assessment-service-0123456789
docker run -p 8080:80 web
helm upgrade shop ./chart -p
curl -v http://shop:8080/
mysql -h db -P 3306
redis-cli -h cache ping
sshd: accepted publickey for bob
npm_config_cache=/tmp
xoxo-
pass
--- PASS
-p 8080
1 password policy violation
vault:v1:abcdef
https://hooks.slack.com/ is unreachable
https://discord.com/api/v10/gateway
https://api.telegram.org/ is unreachable
is forbidden: User "system:serviceaccount:shop:web" cannot list resource "secrets" in API group ""
user=bob action=login status=ok
pull access denied, repository does not exist or may require authorization: authorization failed: no basic auth
authorization failed: no basic auth credentials
authorization: RBAC: access denied
Can't locate revision identified by 'a1b2c3'
no such secret: web-tls
secret: web-tls not found
secret: web-tls does not exist
Secret: shop/web-tls
error: secret "regcred" not found
unexpected token: 'EOF'
SyntaxError: Unexpected token } in JSON at position 120
syntax error near unexpected token `('
tokenizer=bert-base
tokenizer: bert-base
token bucket refill rate=5
pass: 12, fail: 3
passed: 12 failed: 0
secretary: alice
auth-service: ready
auth_cache: 12 entries
http://auth:8080/token: connection refused
POST http://auth-service:8080/oauth/token: 503
dial tcp auth:8080: connect: connection refused
http://token:9000/
password: /run/secrets/db-password
password: /etc/app/password.txt
open /run/secrets/password: no such file or directory
TokenReview: unauthenticated
token: ready
credentials: loaded from /var/run/creds
private key does not match certificate
private key: /etc/ssl/private/key.pem
tls.key: no such file or directory
license_key: not found
signature: mismatch
enter new password for bob:
password has been reset for user 12
password required for bob: denied
api key header is missing
secret db-credentials-7d9f8b6c5-x2k8p is immutable
token default-token-x2k8p not found
client token count 12
code=200 key=orders
GET /items?key=42
$6 $1 $2
user bob logged on > 3 times
user agents on mobile
/entrypoint.sh: line 4: API_KEY: API_KEY is required
unexpected token "EOF123456" at line 3
invalid token "identifier" at line 3
env: [{LEVEL info nil} {DB_PASSWORD  &EnvVarSource{SecretKeyRef:db}}]
csrf: disabled
httpd: mod_pw loaded
the Secret myregistrysecret2024 that the pod needs does not exist
its pull secret registrycredentials01 cannot be read
bypass: true
compass: north
""".strip().splitlines()

ALPHABET = "abcdefghijklmnopqrstuvwxyz"
_FILLERS = {"": "aB3dE6fG9hJ2kL5mN8", "U": "A3BC6DE7FGH2JKL5MN", "h": "0a1b2c3d4e5f6789"}
PEM_LINES = ["MIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSjAgEAAoIBAQC7VJTUt9Us8cKB", "k5mN8aB3dE6fG9hJ2kL5mN8x", "Ab3="]
PEM = "\n".join(["-----BEGIN RSA PRIVATE KEY-----", *PEM_LINES, "-----END RSA PRIVATE KEY-----"])


def expanded(line: str) -> str:
    def filler(match: re.Match[str]) -> str:
        unit = _FILLERS[match[2]]
        return (unit * 8)[: int(match[1])]

    return re.sub(r"<(\d+)([Uh]?)>", filler, line)


@pytest.mark.parametrize("line", MUST_GO)
def test_a_secret_is_taken_out_alone_and_counted(line: str) -> None:
    redactor = Redactor()
    text = expanded(line).replace("«", "").replace("»", "")
    expected = re.sub("«.*?»", lambda _match: HIDDEN, line)
    assert redactor.text(text) == expected
    assert sum(redactor.counts.values()) == 1, redactor.counts
    again = Redactor()
    assert again.text(expected) == expected
    assert not again.counts


@pytest.mark.parametrize("line", MUST_STAY)
def test_what_is_no_secret_stays(line: str) -> None:
    redactor = Redactor()
    assert redactor.text(line) == line
    assert not redactor.counts


def _stamped(text: str) -> str:
    return "\n".join(f"2026-11-23T10:15:0{number}.123Z {line}" for number, line in enumerate(text.splitlines()))


@pytest.mark.parametrize(
    "text",
    [
        PEM,
        PEM.replace("\n", "\\n"),
        PEM.replace("RSA ", "OPENSSH "),
        PEM.replace("RSA PRIVATE KEY", "PGP PRIVATE KEY BLOCK"),
        _stamped(PEM),
        PEM.partition("\n")[2],
        PEM.partition("\n")[2].replace("\n", "\\n"),
        _stamped(PEM).partition("\n")[2],
        PEM.rpartition("\n")[0].rpartition("\n")[0],
        _stamped(PEM).rpartition("\n")[0].rpartition("\n")[0],
    ],
    ids=["whole", "one line", "ssh", "pgp", "stamped", "no begin", "no begin, one line", "no begin, stamped", "no end"]
    + ["no end, stamped"],
)
def test_a_private_key_is_taken_out_whole_and_the_log_around_it_stays(text: str) -> None:
    redactor = Redactor()
    redacted = redactor.text(f"INFO before it\n{text}\nINFO after it")
    assert not any(line in redacted for line in PEM_LINES[:2])
    assert redacted.startswith("INFO before it\n")
    assert redacted.endswith("\nINFO after it")
    assert redactor.counts == {"private keys": 1}


def test_a_password_in_a_line_of_its_own_goes() -> None:
    text = "Please use the following password to proceed to installation:\n\n{}\n\nThis may also be found at: /x"
    secret = "0123456789abcdef0123456789abcdef"
    assert Redactor().text(text.format(secret)) == text.format(HIDDEN)


def test_colours_do_not_hide_a_secret() -> None:
    assert Redactor().text("\x1b[33mpassword\x1b[0m=\x1b[36mS3cr3t\x1b[0m ok") == f"password={HIDDEN} ok"


def test_a_pair_of_fields_over_several_lines_is_one() -> None:
    text = '{\n    "name": "DB_PASSWORD",\n    "value": "S3cr3t"\n}'
    assert Redactor().text(text) == text.replace("S3cr3t", HIDDEN)


def test_a_variable_of_a_pod_in_yaml_is_one() -> None:
    text = "- name: DB_PASSWORD\n  value: S3cr3t\n- name: LEVEL\n  value: info"
    assert Redactor().text(text) == text.replace("S3cr3t", HIDDEN)


def test_two_private_keys_without_ends_are_two() -> None:
    redactor = Redactor()
    half = "\n".join(PEM.splitlines()[:2])
    assert redactor.text(f"{half}\n{half}\nx y") == f"{HIDDEN}\n{HIDDEN}\nx y"
    assert redactor.counts == {"private keys": 2}


def test_a_certificate_stays() -> None:
    text = PEM.replace("RSA PRIVATE KEY", "CERTIFICATE")
    assert Redactor().text(text) == text


# Lines around a secret, as logs have them; none of their words promises one.
AROUND = [
    "2026-11-23T10:15:00Z INFO request done status=200 path=/api/v1/orders",
    '{"level":"warn","ts":1764236100.5,"caller":"api/server.go:123","msg":"slow query"}',
    "E1123 10:15:00.000000       1 reflector.go:147] failed to list *v1.Pod: connection refused",
    "\tat com.shop.Orders.place(Orders.java:45)",
    "",
]
CARRIERS = [
    "password={}",
    'DB_PASSWORD="{}"',
    '{{"api_key": "{}", "user": "bob"}}',
    "postgres://shop:{}@db:5432/shop",
    "redis://:{}@cache:6379",
    "Authorization: Bearer {}",
    "using ENCRYPTION_KEY={} now",
    '{{"name":"token","value":"{}"}}',
    "<secret>{}</secret>",
    "app --token {} start",
    "IDENTIFIED BY '{}'",
    "?sig={}&se=1",
    "https://hooks.slack.com/services/{}",
    '{{"cookie": "sid={}; theme=dark"}}',
]


def test_no_secret_of_any_form_comes_through_wherever_it_stands() -> None:
    chance = random.Random(17)
    for _number in range(2_000):
        characters = ALPHABET + ALPHABET.upper() + "0123456789" + chance.choice(["", "_-", "+", "~"])
        secret = "".join(chance.choice(characters) for _character in range(chance.randint(20, 60))) + "7Q"
        before, after = chance.choice(AROUND), chance.choice(AROUND)
        line = chance.choice(CARRIERS).format(secret)
        redactor = Redactor()
        redacted = redactor.text(f"{before}\n{line}\n{after}")
        assert secret[:12] not in redacted, line
        assert secret[-12:] not in redacted, line
        assert redacted.startswith(f"{before}\n"), line
        assert redacted.endswith(f"\n{after}"), line
        assert Redactor().text(redacted) == redacted


def test_what_is_hidden_stays_hidden_whatever_is_around_it() -> None:
    chance = random.Random(17)
    lines = [*(expanded(line).replace("«", "").replace("»", "") for line in MUST_GO), *MUST_STAY]
    for _number in range(300):
        text = "\n".join(chance.choice(lines) for _line in range(6))
        once = Redactor().text(text)
        again = Redactor()
        assert again.text(once) == once
        assert not again.counts
        assert "S3cr3t" not in once, text


def test_a_variable_is_judged_by_its_name_too() -> None:
    redactor = Redactor()
    assert redactor.variable("DB_PASS", "plain words") == HIDDEN
    assert redactor.variable("SENTRY_DSN", "plain words") == HIDDEN
    assert redactor.variable("ENCRYPTION_KEY", "plain words") == HIDDEN
    assert redactor.variable("LOG_LEVEL", "info") == "info"
    assert redactor.variable("MAX_TOKENS", "4096") == "4096"
    assert redactor.variable("PASSWORD_FILE", "/run/password") == "/run/password"
    assert redactor.variable("DATABASE_URL", "postgres://a:b@c/d") == f"postgres://a:{HIDDEN}@c/d"


@pytest.mark.parametrize(
    "text",
    [
        "QUJDREVGR0hJSktMTU5PUFFSU1RVVldYWVo=\n" * 7_000,
        "a" * 250_000,
        "-" * 250_000,
        "a.b-" * 60_000,
        "x://" * 60_000,
        '"' * 250_000,
        "curl " * 50_000,
        "mysql -" * 36_000,
        "password " * 28_000,
        "4" * 250_000,
        "user a on " * 25_000,
        "name: password\n" * 17_000,
        "token " + "a1" * 120_000 + ".",
    ],
    ids=["base64", "one word", "dashes", "dots", "schemes", "quotes", "tools", "arguments", "names", "digits"]
    + ["users", "variables", "a token"],
)
def test_a_long_text_takes_no_time_of_its_own(text: str) -> None:
    # Would take hours if a rule went back over what it has read.
    assert Redactor().text(text) == text


def test_half_a_secret_is_taken_out_before_a_text_is_shortened() -> None:
    assert "S3cr3t" not in Redactor().text('password="S3cr3t that is cut')
