#!/bin/sh
# Makes secrets and certificates for docker-compose.yml in deploy/compose/secrets, once: what is there is kept.
#
#   deploy/compose/secrets.sh [HOST…]      HOST: a name or an address that senders use; localhost is always one of them
#
# The certificates are of an authority of its own, ca.pem: for tries, and for networks whose clients are told to trust it.
# Files are readable, so that the parts' users can read them; their folder is not.
set -eu
cd "$(dirname "$0")"
mkdir -p secrets && chmod 0700 secrets && cd secrets
umask 022

random() { openssl rand -hex 32; }
hashed() { printf '%s' "$1" | openssl dgst -sha256 -r | cut -d ' ' -f 1; }

authority() {
    openssl req -x509 -newkey rsa:2048 -nodes -days 3650 -subj '/CN=Daymark development' -addext 'keyUsage=critical,keyCertSign,cRLSign' \
        -keyout ca.key -out ca.pem 2>/dev/null
}

certificate() { # certificate NAME HOST…: NAME.crt and NAME.key
    name=$1 names=
    shift
    for host in "$@"; do
        case $host in *[!0-9.]*) names=$names,DNS:$host ;; *) names=$names,IP:$host ;; esac
    done
    openssl req -new -newkey rsa:2048 -nodes -subj "/CN=$1" -keyout "$name.key" -out "$name.csr" 2>/dev/null
    printf 'subjectAltName=%s\nsubjectKeyIdentifier=hash\nauthorityKeyIdentifier=keyid\n' "${names#,}" >"$name.ext"
    openssl x509 -req -in "$name.csr" -CA ca.pem -CAkey ca.key -CAcreateserial -days 825 -extfile "$name.ext" -out "$name.crt" 2>/dev/null
    rm "$name.csr" "$name.ext"
}

store() { # users with least rights, and what each of the store's parts is told
    worker=$(random) replica=$(random) sentinel=$(random)
    cat >users.acl <<END
user default off
user worker on #$(hashed "$worker") resetkeys ~d{* ~t{* resetchannels -@all +set +get +evalsha +eval +config|get
user replica on #$(hashed "$replica") resetkeys resetchannels -@all +psync +replconf +ping
user sentinel on #$(hashed "$sentinel") resetkeys resetchannels &__sentinel__:hello -@all +multi +exec +slaveof +replicaof +failover +ping +info +role +subscribe +publish +config|rewrite +client|setname +client|kill +script|kill
user check on nopass resetkeys resetchannels -@all +info
END
    printf 'rediss://worker:%s@store:6379/0?ssl_ca_certs=/run/secrets/ca\n' "$worker" >store-url
    tls='tls-cert-file /run/secrets/store-crt
tls-key-file /run/secrets/store-key
tls-ca-cert-file /run/secrets/ca
tls-auth-clients no
tls-replication yes'
    cat >node.conf <<END
port 0
tls-port 6379
$tls
dir /data
aclfile /run/secrets/store-acl
masteruser replica
masterauth $replica
appendonly yes
maxmemory 256mb
maxmemory-policy noeviction
min-replicas-to-write 1
min-replicas-max-lag 5
END
    cat >sentinel.conf <<END
port 0
tls-port 26379
$tls
dir /data
sentinel resolve-hostnames yes
sentinel announce-hostnames yes
sentinel monitor claims valkey 6379 2
sentinel auth-user claims sentinel
sentinel auth-pass claims $sentinel
sentinel down-after-milliseconds claims 2000
sentinel failover-timeout claims 10000
sentinel parallel-syncs claims 2
END
    certificate store store valkey valkey-2 valkey-3 sentinel-1 sentinel-2 sentinel-3
}

[ -f claim-key ] || random >claim-key
[ -f ca.pem ] || authority
[ -f ingest.pem ] || { certificate ingest localhost 127.0.0.1 "$@" && cat ingest.crt ca.pem ingest.key >ingest.pem; }
[ -f users.acl ] || store
chmod 0444 ./* && chmod 0400 ca.key
echo "$PWD has: claim-key, ca.pem, ingest.pem, and the store's store-url, users.acl, node.conf, sentinel.conf, store.crt, store.key"
