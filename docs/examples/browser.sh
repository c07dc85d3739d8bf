#!/bin/sh
# A browser as a client of darktower: the page of this project in Chromium without a window.
# BROWSER names another program than chromium.
# browser.sh PAGE SERVICE SERVER CERTIFICATE [publish=audio|stay ...]
set -eu
address="file://$(realpath "$1")?auto=$2&server=$3&certificate=$4"
shift 4
for setting; do address="$address&$setting"; done
profile=$(mktemp -d)
trap 'rm -rf "$profile"' EXIT
trap 'kill "$browser" 2>/dev/null' TERM INT
"${BROWSER:-chromium}" --headless=new --no-sandbox --disable-gpu --disable-dev-shm-usage --enable-logging=stderr \
	--user-data-dir="$profile" "$address" 2>&1 &
browser=$!
# A signal ends the first wait; the profile goes when the browser has.
wait "$browser" || true
wait "$browser" 2>/dev/null || true
