# What the run scripts share; $root is set by them.  From the environment:
# BUILD, NGINX_BINARY, PORT, EXAMPLE_DIR (empty, on a memory file system).

build=${BUILD:-$root/build}
nginx=${NGINX_BINARY:-/usr/sbin/nginx}
port=${PORT:-8080}
base=http://127.0.0.1:$port
dir=${EXAMPLE_DIR:-$(mktemp -d /dev/shm/referral-example.XXXXXX)}
pids=

# The last one first: what is started later needs what is already there.

cleanup() {
    trap '' INT TERM
    for pid in $pids; do
        kill "$pid" 2>/dev/null || true
        wait "$pid" 2>/dev/null || true
    done
    rm -rf "$dir"
}

trap cleanup EXIT
trap 'exit 0' INT TERM

fail() {
    echo "the example failed: $1" >&2
    cat "$dir"/*.log >&2 2>/dev/null || true
    exit 1
}

# prepare NAME SCOPE: directories, a key, and a token of that scope in $token.

prepare() {
    chmod 755 "$dir"
    mkdir -p "$dir/intake" "$dir/temp"
    chmod 777 "$dir/intake"
    "$build/referralctl" keygen k1 "$dir/referral.key"
    token=$("$build/referralctl" token "$1" "$2" "$dir/referral.tokens")
}

# configure FILE EXPRESSION ...: makes nginx.conf of it, by sed.

configure() {
    file=$1
    shift
    sed -e "s|MODULE|$build/ngx_http_referral_module.so|; s|DIR|$dir|g" \
        -e "s|WEB|$build/web|" "$@" "$file" > "$dir/nginx.conf"

    [ -d "$build/web" ] || sed -i /referral_web/d "$dir/nginx.conf"

    if "$nginx" -V 2>&1 | grep -q -e --add-module=; then
        sed -i /^load_module/d "$dir/nginx.conf"
    fi
}

# run NAME COMMAND ...: in the background, what it says in NAME.log.

run() {
    log=$dir/$1.log
    shift
    "$@" > "$log" 2>&1 &
    pids="$! $pids"
}

run_nginx() {
    run nginx "$nginx" -p "$dir/" -c "$dir/nginx.conf" -e "$dir/error.log" \
        -g 'daemon off;'
    nginx_pid=$!
}

api() {
    curl -sf -H "Authorization: Bearer $token" \
        -H 'Content-Type: application/json' -o /dev/null "$@"
}

# await URL ...: until all answer.

await() {
    tries=0
    for url in "$@"; do
        until api "$url"; do
            for pid in $pids; do
                kill -0 "$pid" 2>/dev/null || fail "a process ended"
            done
            tries=$((tries + 1))
            [ $tries -lt 100 ] || fail "no answer from $url"
            sleep 0.1
        done
    done
}

# As long as nginx runs.

forever() {
    wait "$nginx_pid" || true
    fail "nginx ended"
}
