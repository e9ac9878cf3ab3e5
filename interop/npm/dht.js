// A user of package interop (see doc.go): bittorrent-dht, the DHT of WebTorrent. It knows IPv4 only, BEP 44 but neither
// BEP 33 nor 51. It is made a read-only node here (BEP 43), or the node would send the others to it, who cannot reach it.
import crypto from 'node:crypto'
import readline from 'node:readline'
import { parseArgs } from 'node:util'

import DHT from 'bittorrent-dht'
import krpcSocket from 'k-rpc-socket'

const { values: flags } = parseArgs({ options: { node: { type: 'string' }, listen: { type: 'string' } } })

// Node.js wants keys in their envelopes (RFC 8410): the same bytes before every key.
const privateKey = seed => crypto.createPrivateKey({
  key: Buffer.concat([Buffer.from('302e020100300506032b657004220420', 'hex'), seed]), format: 'der', type: 'pkcs8'
})
const publicKey = bytes => crypto.createPublicKey({
  key: Buffer.concat([Buffer.from('302a300506032b6570032100', 'hex'), bytes]), format: 'der', type: 'spki'
})
const verify = (signature, message, key) => crypto.verify(null, message, publicKey(Buffer.from(key)), signature)

const socket = krpcSocket()
const send = socket.send
socket.send = (peer, message, sent) => send.call(socket, peer, message.y === 'q' ? { ...message, ro: 1 } : message, sent)

const dht = new DHT({ bootstrap: [flags.node], krpcSocket: socket, verify })
const [host, port] = flags.listen.split(':')

// promised calls a method and returns the first result of its callback.
const promised = (method, ...args) => new Promise((resolve, reject) => {
  dht[method](...args, (error, result) => error ? reject(error) : resolve(result))
})
const salted = q => q.salt ? { salt: Buffer.from(q.salt) } : {}
const mutableTarget = q => crypto.createHash('sha1').update(Buffer.from(q.public, 'hex')).update(q.salt ?? '').digest()
// uncached asks the DHT although the client may have put the item itself.
const uncached = q => ({ cache: false, ...salted(q) })

const methods = {
  async announce (q) {
    await promised('announce', q.info_hash, Number(port))
    return {}
  },
  async get_peers (q) {
    const peers = []
    const collect = (peer, infoHash) => {
      if (infoHash.toString('hex') === q.info_hash) peers.push(`${peer.host}:${peer.port}`)
    }
    dht.on('peer', collect)
    await promised('lookup', q.info_hash)
    dht.off('peer', collect)
    return { peers }
  },
  async put (q) {
    const target = await promised('put', { v: Buffer.from(q.value) })
    return { target: target.toString('hex') }
  },
  async get (q) {
    const item = await promised('get', q.target, uncached(q))
    return item ? { value: item.v.toString() } : { error: 'no such item' }
  },
  async put_mutable (q) {
    const last = await promised('get', mutableTarget(q), uncached(q))
    const key = privateKey(Buffer.from(q.seed, 'hex'))
    await promised('put', {
      v: Buffer.from(q.value), k: Buffer.from(q.public, 'hex'), seq: (last?.seq ?? 0) + 1, ...salted(q),
      sign: message => crypto.sign(null, message, key)
    })
    return {}
  },
  async get_mutable (q) {
    const item = await promised('get', mutableTarget(q), uncached(q))
    return item ? { value: item.v.toString(), seq: item.seq } : { error: 'no such item' }
  }
}

const say = answer => console.log(JSON.stringify(answer))

dht.on('error', error => { throw error })
dht.on('warning', warning => console.error('warning:', warning.message))
dht.listen(Number(port), host)
dht.once('ready', async () => {
  say({})
  for await (const line of readline.createInterface({ input: process.stdin })) {
    const q = JSON.parse(line)
    say(await methods[q.do](q).catch(error => ({ error: error.message })))
  }
})
