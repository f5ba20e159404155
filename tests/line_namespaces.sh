#!/usr/bin/env bash
# A host behind a wall, for as long as it takes: one destination, one port, and a counter for everything else.
#
# Two network namespaces, joined by one cable. The plane's side runs `flowforge server`; the host's side lets TCP to the
# plane's address and port out, drops everything else in both directions, and counts it. The host enrols, works, loses the
# cable, loses the plane, goes through a proxy that cuts every connection when it is 28 seconds old, and finds the plane at
# another address. At the end both counters must stand at 0.
#
# Called by `tests/tests/e2e/namespaces.rs` as: unshare --user --map-root-user --net --mount bash line_namespaces.sh
# In the environment: PROGRAMS, COMPONENTS, EXAMPLES, WORK. Prints one line for each proof, and ends with 0 if all hold.
set -euo pipefail

PORT=7443
NAME=plane.test
PLANE=10.77.0.1
MOVED=10.77.0.9
HOST=10.77.0.2
flowforge="$PROGRAMS/flowforge"
host="$PROGRAMS/flowforge-host"
export FLOWFORGE_HOME="$WORK/home"

say() { printf '%s\n' "$*"; }
fail() { say "FAILED: $*"; tail -n 30 "$WORK"/*.log 2>/dev/null; exit 1; }

# Waits until a command succeeds; two minutes are enough for a machine that is busy.
until_ok() {
  local what=$1; shift
  for _ in $(seq 1 600); do
    if "$@" >/dev/null 2>&1; then return 0; fi
    sleep 0.2
  done
  fail "$what"
}

children=()
stop_all() {
  trap - EXIT
  for pid in "${children[@]}"; do kill "$pid" 2>/dev/null || true; done
  wait 2>/dev/null || true
}
trap stop_all EXIT

# --- the cable and the wall -------------------------------------------------------------------------------------------
mount --make-rprivate /
ip link set lo up
unshare --net --mount sleep infinity &
inside=$!; children+=("$inside")
is_apart() { test "$(readlink "/proc/$inside/ns/net")" != "$(readlink /proc/self/ns/net)"; }
until_ok "the host's namespace" is_apart
in_host() { nsenter --target "$inside" --net --mount -- "$@"; }
ip link add plane-end type veth peer name host-end netns "$inside"
ip address add "$PLANE/24" dev plane-end
ip address add "$MOVED/24" dev plane-end
in_host sysctl -qw net.ipv6.conf.all.disable_ipv6=1
ip link set plane-end up
in_host ip address add "$HOST/24" dev host-end
in_host ip link set host-end up
in_host ip route add default via "$PLANE"
for address in "$PLANE" "$MOVED"; do
  in_host iptables -A OUTPUT -p tcp -d "$address" --dport "$PORT" -j ACCEPT
  in_host iptables -A INPUT -p tcp -s "$address" --sport "$PORT" -j ACCEPT
done
# What the system tells itself when the cable is out stays on the machine, and is no word of the host's.
in_host iptables -N ITSELF
in_host iptables -A OUTPUT -o lo -p icmp --icmp-type destination-unreachable -j ITSELF
in_host iptables -A INPUT -i lo -p icmp --icmp-type destination-unreachable -j ITSELF
in_host iptables -A ITSELF -j ACCEPT
in_host iptables -A OUTPUT -j DROP
in_host iptables -A INPUT -j DROP
# The name is known by a file, as on a site without a name service.
printf '%s %s\n' "$PLANE" "$NAME" > "$WORK/hosts"
in_host mount --bind "$WORK/hosts" /etc/hosts
printf 'hosts: files\n' > "$WORK/nsswitch"
in_host mount --bind "$WORK/nsswitch" /etc/nsswitch.conf

counted() { # chain target -> packets
  in_host iptables -L "$1" -v -x -n | awk -v target="$2" '$3 == target { sum += $1 } END { print sum + 0 }'
}

# --- the plane --------------------------------------------------------------------------------------------------------
start_plane() {
  "$flowforge" server --data-dir "$WORK/plane" --listen 127.0.0.1:7400 --hosts-url "https://$NAME:$PORT" \
    --hosts-listen "0.0.0.0:$PORT" --output json > "$WORK/plane.out" 2>> "$WORK/plane.log" &
  plane=$!; children+=("$plane")
  until_ok "the plane starts" grep -q '"server"' "$WORK/plane.out"
}
start_plane
export FLOWFORGE_CONTEXT="$WORK/plane/client.json"
"$flowforge" connector publish "$COMPONENTS/bench.steps.wasm" > /dev/null
mkdir -p "$WORK/w1" && cp "$EXAMPLES/bench/w1/workflow.yaml" "$WORK/w1/"
"$flowforge" workflow publish "$WORK/w1" > /dev/null

# --- it enrols with two commands --------------------------------------------------------------------------------------
"$flowforge" host token --name press-7 > "$WORK/token" 2> /dev/null
in_host "$host" check --data-dir "$WORK/host" --token-file "$WORK/token" > "$WORK/check" || fail "check: $(cat "$WORK/check")"
grep -q "✓ server" "$WORK/check" || fail "check does not name the server: $(cat "$WORK/check")"
start_host() {
  nsenter --target "$inside" --net --mount -- "$host" --data-dir "$WORK/host" "$@" 2>> "$WORK/host.log" &
  running=$!; children+=("$running")
}
start_host --token-file "$WORK/token"
connected() { in_host "$host" status --data-dir "$WORK/host" --check; }
until_ok "the host connects" connected
test ! -e "$WORK/token" || fail "the token file is still there"
say "proved: enrolled with two commands"

run() { "$flowforge" run start w1 --input "{\"n\": $1}" --wait --output json | grep -q '"state": "DONE"'; }
run 5 || fail "a run with a connector"
say "proved: a run with a connector that came over the same port"

# --- the cable --------------------------------------------------------------------------------------------------------
ip link set plane-end down
is_offline() { in_host "$host" status --data-dir "$WORK/host" | grep -q "offline for"; }
until_ok "the host says that it is offline" is_offline
if connected; then fail "status --check is content without a cable"; fi
"$flowforge" run start w1 --input '{"n": 6}' > /dev/null || fail "a start without a host"
ip link set plane-end up
ip address replace "$PLANE/24" dev plane-end; ip address replace "$MOVED/24" dev plane-end
until_ok "the host comes back" connected
done_runs() { test "$("$flowforge" run list --output json | grep -c '"state": "DONE"')" -ge "$1"; }
until_ok "the run that was started without a cable" done_runs 2
say "proved: the cable was pulled, and nothing was lost"

# --- the plane --------------------------------------------------------------------------------------------------------
kill -TERM "$plane"; wait "$plane" || fail "the plane did not stop in order"
until_ok "the host says that the plane is away" is_offline
start_plane
until_ok "the host finds the plane again" connected
run 7 || fail "a run after the plane's restart"
say "proved: the plane was restarted"

# --- another address --------------------------------------------------------------------------------------------------
ip address del "$PLANE/24" dev plane-end
ip address replace "$MOVED/24" dev plane-end
printf '%s %s\n' "$MOVED" "$NAME" > "$WORK/hosts"
until_ok "the host finds the new address" connected
run 8 || fail "a run at the new address"
say "proved: the plane moved to another address"

# --- a proxy that cuts ------------------------------------------------------------------------------------------------
kill -TERM "$running"; wait "$running" || fail "the host did not stop in order"
kill -TERM "$plane"; wait "$plane" || fail "the plane did not stop in order"
# The proxy takes the plane's port, because that is the one that the wall lets through; the plane listens behind it.
"$flowforge" server --data-dir "$WORK/plane" --listen 127.0.0.1:7400 --hosts-url "https://$NAME:$PORT" \
  --hosts-listen 127.0.0.1:7444 --output json > "$WORK/plane.out" 2>> "$WORK/plane.log" &
plane=$!; children+=("$plane")
until_ok "the plane starts behind the proxy" grep -q '"server"' "$WORK/plane.out"
python3 "$(dirname "$0")/cutting_proxy.py" "$MOVED" "$PORT" 127.0.0.1 7444 28 2>> "$WORK/proxy.log" &
proxy=$!; children+=("$proxy")
start_host --proxy "http://$MOVED:$PORT"
until_ok "the host connects through the proxy" connected
run 9 || fail "a run through the proxy"
# Every connection is cut when it is 28 seconds old, in the middle of a standing call; that is no trouble, and not told.
cuts() { test "$(grep -c cut "$WORK/proxy.log")" -ge 3; }
complaints=$(grep -c "no connection" "$WORK/host.log" || true)
for _ in $(seq 1 60); do
  connected || fail "a connection that a proxy cut counts as an error"
  if cuts; then break; fi
  sleep 2
done
cuts || fail "the proxy cut nothing"
run 10 || fail "a run through the proxy, later"
test "$(grep -c "no connection" "$WORK/host.log" || true)" -eq "$complaints" || fail "a cut connection was complained of"
say "proved: a proxy that cuts every connection is no trouble"

kill -TERM "$running"; wait "$running" || fail "the host did not stop in order"
in_host "$host" journal verify --data-dir "$WORK/host" > "$WORK/verify" || fail "journal verify: $(cat "$WORK/verify")"
say "proved: the journal is whole"

# --- the counters -----------------------------------------------------------------------------------------------------
let_out=$(counted OUTPUT ACCEPT); dropped_out=$(counted OUTPUT DROP); dropped_in=$(counted INPUT DROP)
say "packets: $let_out to the plane, $dropped_out elsewhere, $dropped_in from elsewhere"
if test "$dropped_out" -ne 0 || test "$dropped_in" -ne 0; then in_host iptables -L -v -x -n; fi
test "$let_out" -gt 0 || fail "the counter counts nothing"
test "$dropped_out" -eq 0 || fail "the host spoke to somebody else"
test "$dropped_in" -eq 0 || fail "somebody else spoke to the host"
# The wall itself: what it is to count is counted.
in_host bash -c "exec 3<>/dev/udp/$PLANE/53 && printf x >&3" 2> /dev/null || true
test "$(counted OUTPUT DROP)" -gt 0 || fail "the wall counts nothing"
say "proved: nothing but the plane's port was spoken to"
