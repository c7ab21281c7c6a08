#!/bin/sh
# Run once by PostgreSQL's image on an empty volume: the two roles that Bursar takes on, and its login, which is no
# superuser and may create no roles. Also good for any other server: psql as its administrator, then the same lines.
set -eu
psql --set ON_ERROR_STOP=1 --set password="$BURSAR_DATABASE_PASSWORD" \
     --username "${POSTGRES_USER:-postgres}" --dbname postgres <<'SQL'
CREATE ROLE bursar_app NOLOGIN;
CREATE ROLE bursar_ledger NOLOGIN;
CREATE ROLE bursar LOGIN PASSWORD :'password';
GRANT bursar_app, bursar_ledger TO bursar;
CREATE DATABASE bursar OWNER bursar;
REVOKE ALL ON DATABASE bursar FROM PUBLIC;
SQL
