#!/bin/sh
# Makes throw-away TLS files for the interoperability tests: certs.sh DIR
#   ca.pem      signs everything below           other-ca.pem  signed none of it
#   server.pem  server.key  for localhost and 127.0.0.1
#   broker.pem  broker.key  the same, for one that is a client too
#   client.pem  client.key  for a client that must identify itself
#   stranger.pem stranger.key  a client certificate signed by other-ca
set -eu

[ $# -eq 1 ] || { echo "usage: certs.sh DIR" >&2; exit 2; }
mkdir -p "$1"
cd "$1"

authority() { # name, common name
  openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj "/CN=$2" \
    -addext basicConstraints=critical,CA:TRUE -addext keyUsage=critical,keyCertSign,cRLSign \
    -keyout "$1.key" -out "$1.pem"
}

certificate() { # name, common name, signing authority, extensions
  openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj "/CN=$2" -keyout "$1.key" -out "$1.csr"
  printf '%s\n' "$4" >"$1.ext"
  openssl x509 -req -in "$1.csr" -CA "$3.pem" -CAkey "$3.key" -CAcreateserial -days 2 -extfile "$1.ext" -out "$1.pem"
  rm "$1.csr" "$1.ext"
}

umask 077
{
  authority ca "ferry test CA"
  authority other-ca "ferry unrelated CA"
  certificate server localhost ca "subjectAltName=DNS:localhost,IP:127.0.0.1
extendedKeyUsage=serverAuth"
  certificate broker localhost ca "subjectAltName=DNS:localhost,IP:127.0.0.1
extendedKeyUsage=serverAuth,clientAuth"
  certificate client "ferry test client" ca "extendedKeyUsage=clientAuth"
  certificate stranger "ferry stranger" other-ca "extendedKeyUsage=clientAuth"
  rm -f ./*.srl
} >openssl.log 2>&1 || { cat openssl.log >&2; exit 1; }
rm openssl.log
