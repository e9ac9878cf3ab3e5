#!/usr/bin/python3
"""Serves the DHT with libtorrent-rasterbar as Debian packages it, for measuring it beside supernode: alone (no bootstrap),
with every limit lifted that would keep it from answering all it can.

    libtorrent-server ADDR:PORT

Its threads are libtorrent's own; Python only waits. Settings: include/libtorrent/settings_pack.hpp.
"""

import signal
import sys

try:
    import libtorrent as lt
except ImportError as error:
    sys.exit(f"libtorrent-server: {error}: make install-peers installs it, or apt-get install python3-libtorrent")

UNLIMITED = 1_000_000_000  # of whatever; libtorrent multiplies rates by 3 in 64 bits, counts are of 32

# libtorrent takes whoever asks it into its table, but pings only one of them in five seconds and names none before. So that
# its answers have nodes from the beginning, it is told to ping the first to announce something.
NEIGHBOURS = 1000

QUIET = lt.alert.category_t.error_notification | lt.alert.category_t.status_notification

SETTINGS = {
    "dht_bootstrap_nodes": "",
    "enable_lsd": False,
    "enable_upnp": False,
    "enable_natpmp": False,
    "enable_incoming_tcp": False,
    "dht_upload_rate_limit": UNLIMITED,  # bytes a second, 8,000 by default
    "dht_block_ratelimit": UNLIMITED,    # queries a second of one address, 5 by default
    "dht_max_torrents": 2_000_000,       # 2,000 by default; a full store searches all of itself at each new info_hash
    "dht_max_peers": 5_000,              # of one info_hash, 500 by default
    "dht_restrict_routing_ips": False,   # the lab's addresses are close together, and private
    "dht_restrict_search_ips": False,
    "dht_ignore_dark_internet": False,
    "dht_prefer_verified_node_ids": False,
    "dht_enforce_node_id": False,
    "recv_socket_buffer_size": 2 << 20,  # as large as supernode's: the comparison is of servers, not of defaults
    "send_socket_buffer_size": 2 << 20,
    "alert_mask": QUIET | lt.alert.category_t.dht_notification,
}


def main():
    if len(sys.argv) != 2:
        sys.exit("libtorrent-server: want one argument, the ADDR:PORT to listen on")
    session = lt.session({**SETTINGS, "listen_interfaces": sys.argv[1]})
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    neighbours = set()
    while True:
        session.wait_for_alert(1000)
        for alert in session.pop_alerts():
            if isinstance(alert, lt.dht_announce_alert):
                if len(neighbours) < NEIGHBOURS and (alert.ip, alert.port) not in neighbours:
                    neighbours.add((alert.ip, alert.port))
                    session.add_dht_node((alert.ip, alert.port))
                    if len(neighbours) == NEIGHBOURS:
                        session.apply_settings({"alert_mask": QUIET})
            elif not isinstance(alert, lt.dht_get_peers_alert):
                print(alert.what(), alert.message(), file=sys.stderr, flush=True)
            if isinstance(alert, lt.listen_failed_alert):
                sys.exit(1)


main()
