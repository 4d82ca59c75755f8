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

authority() {
    openssl req -x509 -newkey rsa:2048 -nodes -days 3650 -subj '/CN=Daymark development' -keyout ca.key -out ca.pem 2>/dev/null
}

certificate() { # certificate NAME HOST…: NAME.crt and NAME.key
    name=$1 names=
    shift
    for host in "$@"; do
        case $host in *[!0-9.]*) names=$names,DNS:$host ;; *) names=$names,IP:$host ;; esac
    done
    openssl req -new -newkey rsa:2048 -nodes -subj "/CN=$1" -keyout "$name.key" -out "$name.csr" 2>/dev/null
    printf 'subjectAltName=%s\n' "${names#,}" >"$name.ext"
    openssl x509 -req -in "$name.csr" -CA ca.pem -CAkey ca.key -CAcreateserial -days 825 -extfile "$name.ext" -out "$name.crt" 2>/dev/null
    rm "$name.csr" "$name.ext"
}

[ -f claim-key ] || random >claim-key
[ -f ca.pem ] || authority
[ -f ingest.pem ] || { certificate ingest localhost 127.0.0.1 "$@" && cat ingest.crt ca.pem ingest.key >ingest.pem; }
chmod 0444 ./* && chmod 0400 ca.key
echo "$PWD has: claim-key, ca.pem and ingest.pem"
