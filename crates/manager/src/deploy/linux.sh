#!/bin/sh
# Installs the Sakimori agent on this machine and activates it. Running it again is harmless.
#   --token ID.SECRET   activation token (required)
#   --policy NAME       policy to assign
#   --no-start          do not start the agent
#   --proxy URL         HTTP proxy to reach the manager through
set -eu

manager='@MANAGER@'
tls_pin='@TLS_PIN@'
ca_pin='@CA_PIN@'

die() {
    echo "sakimori: $1" >&2
    shift
    for line in "$@"; do echo "  $line" >&2; done
    exit 1
}

main() {
    token='' policy='' proxy='' start=yes
    while [ $# -gt 0 ]; do
        case "$1" in
        --token | --policy | --proxy)
            [ $# -ge 2 ] || die "$1 needs a value"
            case "$1" in
            --token) token=$2 ;;
            --policy) policy=$2 ;;
            --proxy) proxy=$2 ;;
            esac
            shift 2
            ;;
        --no-start)
            start=no
            shift
            ;;
        *) die "unknown option: $1" "Options: --token ID.SECRET, --policy NAME, --no-start, --proxy URL" ;;
        esac
    done
    [ -n "$token" ] || die "--token is missing" "Copy the whole deployment line from the console."
    [ "$(id -u)" = 0 ] || die "this must run as root" "Put sudo before sh: ... | sudo sh -s -- --token ..."
    [ "$(uname -s)" = Linux ] || die "this script is for Linux"
    for tool in curl dpkg sha256sum mktemp; do
        command -v "$tool" >/dev/null 2>&1 || die "$tool is missing" "Install it and run this again."
    done

    architecture=$(dpkg --print-architecture)
    package='' sha256=''
    case "$architecture" in
        @PACKAGES@
        *) ;;
    esac
    [ -n "$package" ] || die "the manager has no agent package for $architecture" \
        "Put sakimori-agent_<version>_$architecture.deb into the manager's packages folder."

    work=$(mktemp -d)
    trap 'rm -rf "$work"' EXIT
    trap 'exit 1' HUP INT TERM
    if [ -n "$proxy" ]; then set -- --proxy "$proxy"; else set --; fi
    curl -fsS -k --pinnedpubkey "$tls_pin" --retry 3 "$@" -o "$work/agent.deb" "$manager/packages/$package" ||
        die "the agent package could not be fetched from $manager" \
            "Check that this machine reaches the manager; behind a proxy add --proxy URL."
    echo "$sha256  $work/agent.deb" | sha256sum -c - >/dev/null 2>&1 ||
        die "the agent package is not the one that the manager named" "Run the deployment line again."
    dpkg -i "$work/agent.deb" >"$work/dpkg.log" 2>&1 || {
        cat "$work/dpkg.log" >&2
        die "the agent package could not be installed" "dpkg says above why."
    }

    set -- --manager "$manager" --ca-pin "$ca_pin" --token "$token"
    [ -z "$policy" ] || set -- "$@" --policy "$policy"
    [ -z "$proxy" ] || set -- "$@" --proxy "$proxy"
    sakimori-agent activate "$@" || die "the agent could not be activated" "It says above why."

    if [ "$start" = no ]; then
        echo "sakimori: installed and activated; start it with: systemctl enable --now sakimori-agent"
    elif [ -d /run/systemd/system ]; then
        systemctl enable sakimori-agent >/dev/null 2>&1 || true
        systemctl restart sakimori-agent || die "the agent could not be started" "See: journalctl -u sakimori-agent"
        echo "sakimori: installed, activated and started"
    else
        echo "sakimori: installed and activated. systemd does not run here; start the agent with: sakimori-agent run"
    fi
}

# At the end, so that a script that was cut off on the way does nothing.
main "$@"
