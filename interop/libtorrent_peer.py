#!/usr/bin/python3
"""A peer of package interop (see doc.go): libtorrent-rasterbar as Debian packages it, left as it is by default but
for the switches that keep it from finding peers in any way but the DHT."""

import argparse
import ipaddress
import json
import os
import sys

import libtorrent as lt

FLAGS = lt.torrent_flags.disable_pex | lt.torrent_flags.disable_lsd

# peer_source_flags_t of include/libtorrent/peer_info.hpp, which the Python binding leaves out.
INCOMING = 0x20


def say(event, **values):
    print(json.dumps({"event": event, **values}), flush=True)


def log(*words):
    print(*words, file=sys.stderr, flush=True)


def session(args):
    return lt.session({
        "listen_interfaces": args.listen,
        "dht_bootstrap_nodes": ",".join(args.node),
        "dht_read_only": args.read_only,
        "enable_lsd": False,
        "enable_upnp": False,
        "enable_natpmp": False,
        "alert_mask": lt.alert.category_t.error_notification | lt.alert.category_t.status_notification
        | lt.alert.category_t.peer_notification | lt.alert.category_t.dht_notification
        | lt.alert.category_t.connect_notification | lt.alert.category_t.storage_notification,
    })


def seed(directory, name):
    """Makes a torrent of a file."""
    files = lt.file_storage()
    lt.add_files(files, os.path.join(directory, name))
    torrent = lt.create_torrent(files, flags=lt.create_torrent.v1_only)
    lt.set_piece_hashes(torrent, directory)
    params = lt.add_torrent_params()
    params.ti = lt.torrent_info(torrent.generate())
    return params


def source(handle, endpoint):
    """How the client came by a peer's address."""
    for peer in handle.get_peer_info():
        if peer.ip == endpoint:
            if peer.source & lt.peer_info.dht:
                return "dht"
            if peer.source & INCOMING:
                return "incoming"
    return "other"


def text(endpoint):
    ip = ipaddress.ip_address(endpoint[0])
    return f"[{ip}]:{endpoint[1]}" if ip.version == 6 else f"{ip}:{endpoint[1]}"


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--node", action="append", required=True)
    parser.add_argument("--listen", required=True)
    parser.add_argument("--dir", required=True)
    parser.add_argument("--seed")
    parser.add_argument("--magnet")
    parser.add_argument("--read-only", action="store_true")
    args = parser.parse_args()
    ses = session(args)
    params = seed(args.dir, args.seed) if args.seed else lt.parse_magnet_uri(args.magnet)
    params.save_path = args.dir
    params.flags |= FLAGS
    handle = ses.add_torrent(params)
    while True:
        ses.wait_for_alert(1000)
        for alert in ses.pop_alerts():
            log(alert.what(), alert.message())
            # libtorrent looks a torrent up when it is added. If it knows no DHT node by then, it looks again after a
            # quarter of an hour, unless it is told to.
            if isinstance(alert, (lt.dht_bootstrap_alert, lt.torrent_finished_alert)):
                handle.force_dht_announce()
            if isinstance(alert, lt.torrent_finished_alert):
                if args.seed:
                    say("seeding", info_hash=str(handle.info_hash()))
                else:
                    handle.flush_cache()  # the last blocks may still be on their way to the file
            elif isinstance(alert, lt.cache_flushed_alert) and not args.seed and handle.status().is_seeding:
                say("completed")
            elif isinstance(alert, lt.peer_connect_alert):
                say("connected", addr=text(alert.endpoint), source=source(handle, alert.endpoint))
            elif isinstance(alert, (lt.listen_failed_alert, lt.torrent_error_alert)):
                sys.exit(alert.message())


main()
