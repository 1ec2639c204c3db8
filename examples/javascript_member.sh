#!/bin/sh
# A member in JavaScript beside one in Python: both train the digits for three rounds.
#
#     sh examples/javascript_member.sh [PORT]
#
# from a checkout, with `qrfl` and Node 20.19 or newer on the PATH, scikit-learn installed, and once
# before: npm --prefix clients/javascript ci --ignore-scripts
set -eu
cd "$(dirname "$0")/.."
port=${1:-7483}
member="node clients/javascript/bin/qrfld-js.js"
place=$(mktemp -d)
stop() {
  qrfl --home "$place/alice" down || true
  rm -rf "$place"
}
trap stop EXIT
trap 'exit 130' INT TERM

# A federation of one daemon, and a token for the newcomer. On two machines, these two commands are
# typed on alice's, with a name that the other can reach instead of 127.0.0.1.
qrfl --home "$place/alice" init --name alice --federation clinic \
  --listen "127.0.0.1:$port" --advertise "127.0.0.1:$port"
qrfl --home "$place/alice" up
token=$(qrfl --home "$place/alice" token create)

# The newcomer: the data that all members divide, the digest of the task that it vouches for, the token
# on standard input so that it stands in no list of processes.
python3 clients/javascript/export_digits.py > "$place/digits.csv"
digest=$(python3 -c 'from qrfld.tasks.loader import digest; print(digest("digits").hex())')
echo "$token" | $member join - --name bob --home "$place/bob"
$member run --home "$place/bob" --data "$place/digits.csv" --task "digits=$digest" --once &
bob=$!

# `up` and `join` are done when they return; the session comes a moment later. A run needs it.
until qrfl --home "$place/alice" peers --json | grep -q '"connected"'; do sleep 1; done
qrfl --home "$place/alice" run start digits --rounds 3 --rule mean
qrfl --home "$place/alice" run watch
wait $bob
