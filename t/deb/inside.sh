# Copyright (C) the ngx_http_referral_module authors
#
# What package.t runs in a bare Debian 12 root that has nginx and curl and no
# network: /packages has old.deb, new.deb, README.md and debian/.  Its results
# are lines "ok: NAME" and "not ok: NAME", and "done" at the end.

set -eu

export DEBIAN_FRONTEND=noninteractive

store=/var/lib/nginx-referral
site=/etc/nginx/sites-available/default
api=http://127.0.0.1:8081/referral/v1
agent='Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 Chrome/142.0.0.0'

is() {
    if [ "$1" = "$2" ]; then
        echo "ok: $3"
    else
        printf 'not ok: %s\ngot: %s\nexpected: %s\n' "$3" "$1" "$2"
    fi
}

# has TEXT PART NAME

has() {
    case $1 in
        *"$2"*) echo "ok: $3" ;;
        *) printf 'not ok: %s\n%s\nhas not: %s\n' "$3" "$1" "$2" ;;
    esac
}

apt() {
    apt-get -q -y --no-install-recommends "$@" 2>&1
}

ask() {
    curl -sS --retry 10 --retry-connrefused -H "Authorization: Bearer $TOKEN" \
        "$@" 2>&1
}

click() {
    curl -s -o /dev/null -w '%{http_code} %{redirect_url}\n' -A "$agent" \
        -H 'Accept: text/html' http://127.0.0.1/r/ANNA42
}

# clicks: how many the endpoint knows of, when all have been applied

clicks() {
    sleep 1
    ask $api/codes/ANNA42 | sed -n 's/.*"clicks":{"total":\([0-9]*\).*/\1/p'
}

replaced() {
    maps=/proc/$(cat /run/nginx.pid)/maps
    if grep -q 'referral_module.so.*(deleted)' $maps; then
        echo yes
    else
        echo no
    fi
}

files() {
    find / \( -path /proc -o -path /sys -o -path /dev -o -path /run \
        -o -path /tmp -o -path /packages -o -path /root -o -path /var/log \
        -o -path /var/cache -o -path /var/lib/apt -o -path /var/lib/dpkg \
        -o -path $store \) -prune -o -print | sort
}

# The shop as it is before.

cat > $site <<'END'
server {
    listen 80;

    location / {
        proxy_pass http://127.0.0.1:3000;
    }
}

server {
    listen 127.0.0.1:3000;

    location / {
        return 200 "$http_x_referral_code.\n";
    }
}
END

service nginx start
is "$(curl -s --retry 5 --retry-connrefused http://127.0.0.1/)" . 'a shop'
files > /tmp/before


# Installed.

said=$(apt install /packages/old.deb) && rc=0 || rc=$?
is "$rc" 0 'the package is installed'
[ $rc = 0 ] || { echo "$said"; exit 1; }
echo "$said"

is "$(curl -s http://127.0.0.1/)" . 'nginx goes on'
has "$(nginx -T 2>&1)" 'load_module modules/ngx_http_referral_module.so;' \
    'the module is loaded by itself'

# The commands of the README's synopsis: those before the start, and the rest,
# for an endpoint with a port of its own.

awk '/^## /          { here = $0 == "## Synopsis" }
     here && /^```$/ { block = 0 }
     block           { sub("127.0.0.1/referral", "127.0.0.1:8081/referral")
                       print > "/tmp/synopsis." block }
     here && /^```sh/ { block = ++n }' /packages/README.md

cd /tmp
. /tmp/synopsis.1
is "${#TOKEN}" 46 'a key and a token'

# Two lines, those of the README.

awk '/^##/              { here = $0 == "### As a Debian package" }
     here && /^```$/    { block = 0 }
     block              { print > "/tmp/line." block }
     here && /^```nginx/ { block = ++n }' /packages/README.md

two_lines() {
    cp /tmp/line.1 /etc/nginx/conf.d/referral.conf
    sed -i '0,/listen 80;/{/listen 80;/r /tmp/line.2
}' $site
}

two_lines
nginx -t
service nginx reload
sleep 1

for block in /tmp/synopsis.[!1]; do . $block; done > /tmp/said 2>&1
said=$(cat /tmp/said)

has "$said" '"code":"ANNA42"' 'synopsis: the code is registered'
has "$said" 'HTTP/1.1 302' 'synopsis: its link redirects'
has "$said" 'Location: https://shop.example/welcome?utm_source=referral' \
    'synopsis: to the landing'
has "$said" '"order_id":"1001"' 'synopsis: the order counts'
has "$said" '"points":10' 'synopsis: and gives points'

click > /dev/null
cookie=$(curl -s -D - -o /dev/null -A "$agent" -H 'Accept: text/html' \
    http://127.0.0.1/r/ANNA42 | sed -n 's/^Set-Cookie: \([^;]*\).*/\1/p')
is "$(curl -s -H "Cookie: $cookie" http://127.0.0.1/)" ANNA42. \
    'the storefront is told who sent a visitor'
is "$(curl -s -H 'X-Referral-Code: BEN7' http://127.0.0.1/)" . \
    'and not by anybody else'
is "$(clicks)" 3 'three clicks'
page=$(curl -s -i http://127.0.0.1:8081/referral/)
has "$page" '200 OK' 'the dashboard is there'
is "$(ls /usr/share/man/man[78] | grep -c referral)" 2 'two man pages'


# Upgraded under load.

rm -f /tmp/stop /tmp/codes
(while [ ! -e /tmp/stop ]; do click >> /tmp/codes; done) &
sleep 1

old=$(cat /run/nginx.pid)
said=$(apt install /packages/new.deb) && rc=0 || rc=$?
is "$rc" 0 'upgrade: done'
has "$said" 'nginx goes on with the referral module it has loaded' \
    'upgrade: says what nginx does'
is "$(replaced)" yes 'upgrade: that is so'
is "$(cat /run/nginx.pid)" "$old" 'upgrade: it is the same nginx'
sleep 1
service nginx upgrade
is "$(replaced)" no 'a binary upgrade takes the new one'
sleep 2
touch /tmp/stop
wait

is "$(grep -vc '^302 https://shop.example/' /tmp/codes)" 0 \
    'upgrade: every link redirects'
is "$(clicks)" $(($(wc -l < /tmp/codes) + 3)) 'upgrade: no click is lost'
service nginx restart
is "$(clicks)" $(($(wc -l < /tmp/codes) + 3)) 'nor by a restart'
referralctl verify $store && rc=0 || rc=$?
is "$rc" 0 'upgrade: verify finds nothing'


# Removed.

said=$(apt remove libnginx-mod-http-referral) && rc=0 || rc=$?
is "$rc" 0 'it is removed'
has "$said" 'nginx goes on, but will not start again as it is configured' \
    'remove: says that the configuration needs it'
has "$said" '/etc/nginx/snippets/referral-program.conf:' 'remove: and where'
is "$(click)" '302 https://shop.example/welcome?utm_source=referral' \
    'remove: nginx goes on'

rm /etc/nginx/conf.d/referral.conf
sed -i '/referral-server/d' $site
nginx -t
service nginx restart
is "$(curl -s --retry 5 --retry-connrefused http://127.0.0.1/)" . \
    'without the two lines it starts'


# Purged.

said=$(apt autoremove --purge libnginx-mod-http-referral) && rc=0 || rc=$?
is "$rc" 0 'it is purged'
has "$said" 'kept, with its orders, points and rewards' \
    'purge: says that the store is kept'
has "$said" "    $store" 'purge: and where'
files > /tmp/after
is "$(diff /tmp/before /tmp/after)" '' 'purge: no other file is left'
is "$(ls /dev/shm)" '' 'purge: nor in memory'
is "$(ls $store/data.mdb)" $store/data.mdb 'purge: the store is'


# Installed again.

apt install /packages/new.deb > /dev/null
. /tmp/synopsis.1
two_lines
nginx -t
service nginx restart
is "$(clicks)" $(($(wc -l < /tmp/codes) + 4)) 'again: all clicks are there'
has "$(ask $api/codes/ANNA42)" '"points":10' 'again: and points'
click > /dev/null
is "$(clicks)" $(($(wc -l < /tmp/codes) + 5)) 'again: it goes on'
service nginx stop
referralctl verify $store && rc=0 || rc=$?
is "$rc" 0 'again: verify finds nothing'


# The tests of the package's source, on a machine without a store.

apt purge libnginx-mod-http-referral > /dev/null
mv $store /root/store
rm /etc/nginx/conf.d/referral.conf
sed -i '/referral-server/d' $site
apt install autopkgtest dpkg-dev > /tmp/said || cat /tmp/said
mkdir /tmp/source
cp -r /packages/debian /tmp/source
autopkgtest --no-built-binaries /packages/new.deb /tmp/source -- null \
    > /tmp/said 2>&1 && rc=0 || rc=$?
[ $rc = 0 ] || cat /tmp/said
is "$rc" 0 'the tests of the package'
is "$(grep '^[a-z]* *PASS$' /tmp/said | sort -u | wc -l)" 2 'both of them'


# Without nginx.

rm -rf $store
mv /root/store $store
apt purge libnginx-mod-http-referral nginx nginx-common > /dev/null
is "$(ls -d $store/data.mdb /etc/nginx /var/lib/nginx 2>/dev/null)" \
    $store/data.mdb 'purged with nginx, the store is kept'

echo done
