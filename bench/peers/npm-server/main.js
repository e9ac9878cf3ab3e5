#!/usr/bin/env node
// Serves the DHT with bittorrent-dht, the DHT of WebTorrent, for measuring it beside supernode: alone (no bootstrap), with
// stores large enough that nothing it is told is forgotten. It has no rate limit to lift.
//
//   npm-server ADDR:PORT
import { createSocket } from 'node:dgram'

const fail = why => {
  console.error(`npm-server: ${why}`)
  process.exit(1)
}
const { default: DHT } = await import('bittorrent-dht').catch(error => fail(`${error.message}: make install-peers installs it`))

const [, host, port] = process.argv[2]?.match(/^\[?(.+?)\]?:(\d+)$/) ?? fail('want one argument, the ADDR:PORT to listen on')

// A socket buffer as large as supernode's: the comparison is of servers, not of defaults.
const socket = createSocket({ type: host.includes(':') ? 'udp6' : 'udp4', recvBufferSize: 2 << 20, sendBufferSize: 2 << 20 })
const dht = new DHT({ bootstrap: false, socket, maxPeers: 4_000_000, maxTables: 10_000 })
dht.on('error', error => fail(error.message))
dht.listen(Number(port), host)
process.on('SIGTERM', () => process.exit(0))
