#!/usr/bin/python3
"""A user of package interop (see doc.go): the DHT of libtorrent-rasterbar as Debian packages it, as a read-only node.
It cannot scrape: libtorrent answers that (BEP 33) and does not ask."""

import argparse
import hashlib
import ipaddress
import json
import sys

import libtorrent as lt

def session(args):
    return lt.session({
        "listen_interfaces": args.listen,
        "dht_bootstrap_nodes": args.node,
        "dht_read_only": True,
        "enable_lsd": False,
        "enable_upnp": False,
        "enable_natpmp": False,
        "alert_mask": lt.alert.category_t.error_notification | lt.alert.category_t.status_notification
        | lt.alert.category_t.dht_notification | lt.alert.category_t.dht_operation_notification,
    })


def alerts(ses):
    while True:
        ses.wait_for_alert(1000)
        for alert in ses.pop_alerts():
            print(alert.what(), alert.message(), file=sys.stderr, flush=True)
            yield alert


def text(endpoint):
    ip = ipaddress.ip_address(endpoint[0])
    return f"[{ip}]:{endpoint[1]}" if ip.version == 6 else f"{ip}:{endpoint[1]}"


def endpoint(text):
    ip, _, port = text.rpartition(":")
    return ip.strip("[]"), int(port)


def keys(seed):
    """The private key as libtorrent wants it, which is what Ed25519 makes of a seed (RFC 8032, 5.1.5)."""
    h = bytearray(hashlib.sha512(seed).digest())
    h[0] &= 248
    h[31] = h[31] & 63 | 64
    return bytes(h)


def sha1(text):
    return lt.sha1_hash(bytes.fromhex(text))


class User:
    def __init__(self, args):
        self.session = session(args)
        self.node = endpoint(args.node)
        self.alerts = alerts(self.session)
        self.next(lt.dht_bootstrap_alert)

    def next(self, kind, wanted=lambda alert: True):
        return next(a for a in self.alerts if isinstance(a, kind) and wanted(a))

    def announce(self, q):
        # By way of a torrent: session.dht_announce cannot be called, its flags have no type in Python. libtorrent does not
        # tell when the announces have been sent.
        params = lt.add_torrent_params()
        params.info_hashes = lt.info_hash_t(sha1(q["info_hash"]))
        params.save_path = "."
        self.session.add_torrent(params)
        return {}

    def get_peers(self, q):
        info_hash = sha1(q["info_hash"])
        self.session.dht_get_peers(info_hash)
        alert = self.next(lt.dht_get_peers_reply_alert, lambda a: a.info_hash == info_hash)
        return {"peers": [text(p) for p in alert.peers()]}

    def put(self, q):
        target = self.session.dht_put_immutable_item(q["value"])
        alert = self.next(lt.dht_put_alert)
        if alert.num_success == 0:
            return {"error": "put to nobody"}
        return {"target": str(target)}

    def get(self, q):
        target = sha1(q["target"])
        self.session.dht_get_immutable_item(target)
        alert = self.next(lt.dht_immutable_item_alert, lambda a: a.target == target)
        return {"value": alert.item["value"].decode()}

    def put_mutable(self, q):
        self.session.dht_put_mutable_item(keys(bytes.fromhex(q["seed"])), bytes.fromhex(q["public"]),
                                          q["value"].encode(), q.get("salt", "").encode())
        alert = self.next(lt.dht_put_alert)
        if alert.num_success == 0:
            return {"error": "put to nobody"}
        return {}

    def get_mutable(self, q):
        self.session.dht_get_mutable_item(bytes.fromhex(q["public"]), q.get("salt", "").encode())
        alert = self.next(lt.dht_mutable_item_alert, lambda a: a.authoritative)
        return {"value": alert.item["value"].decode(), "seq": alert.seq}

    def sample(self, q):
        self.session.dht_sample_infohashes(self.node, sha1(q["target"]))
        alert = self.next(lt.dht_sample_infohashes_alert)
        return {"samples": [str(s) for s in alert.samples], "num": alert.num_infohashes,
                "interval": int(alert.interval.total_seconds())}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--node", required=True)
    parser.add_argument("--listen", required=True)
    user = User(parser.parse_args())
    print("{}", flush=True)
    for line in sys.stdin:
        q = json.loads(line)
        print(json.dumps(getattr(user, q["do"])(q)), flush=True)


main()
