package dht

import (
	"bytes"
	"encoding/binary"
	"maps"
	"slices"

	"pgregory.net/rapid"

	"supernode/dht/wire"
)

// tableModel is the routing table as its documentation tells it: a set of nodes and the rules of admission,
// without any structure that could go wrong.
type tableModel struct {
	table *table               // for its bounds, and for which subnets share a counter
	nodes map[string]modelNode // by compact address
}

type modelNode struct {
	id    wire.ID
	seen  uint32
	fails uint8
}

// host, subnet and network are the parts of an address that are bounded.
func (m *tableModel) host(addr string) string { return addr[:[families]int{4, 8}[m.table.family]] }

func (m *tableModel) subnet(addr string) string { return addr[:[families]int{3, 6}[m.table.family]] }

func (m *tableModel) network(addr string) string { return addr[:[families]int{2, 4}[m.table.family]] }

func (m *tableModel) bucket(id wire.ID) uint64 {
	var top uint64
	for _, b := range id[:8] {
		top = top<<8 | uint64(b)
	}
	return top >> m.table.shift
}

func secure(id wire.ID, addr string) bool {
	ip := wire.Addr([]byte(addr)).Addr()
	return SecureID(id, ip) == id
}

// worth orders nodes by how much they deserve their place.
func worth(n modelNode, addr string) (w int) {
	if n.fails == 0 {
		w += 2
	}
	if secure(n.id, addr) {
		w++
	}
	return w
}

// displaces says whether a compliant node may push out every other but a sound compliant one, and one that does not
// comply only a failing one of its kind.
func displaces(isSecure bool, old int) bool { return old == 0 || isSecure && old < 3 }

// answered lists every state that answered may leave behind, and its result there: which one of several equals has
// to make room is not specified.
func (m *tableModel) answered(id wire.ID, addr string, now uint32) (states []map[string]modelNode, holds []bool) {
	result := func(nodes map[string]modelNode, held bool) {
		states, holds = append(states, nodes), append(holds, held)
	}
	if old, ok := m.nodes[addr]; ok {
		next := maps.Clone(m.nodes)
		if old.id != id {
			delete(next, addr)
			result(next, false)
		} else {
			next[addr] = modelNode{id, now, 0}
			result(next, true)
		}
		return states, holds
	}
	isSecure := secure(id, addr)
	mates := m.least(isSecure, func(a string) bool { return m.host(a) == m.host(addr) })
	ofHost := 0
	for a := range m.nodes {
		if m.host(a) == m.host(addr) {
			ofHost++
		}
	}
	if m.table.onlySecure && !isSecure || ofHost >= hostLimit[m.table.family] && len(mates) == 0 {
		result(m.nodes, false)
		return states, holds
	}
	if ofHost < hostLimit[m.table.family] {
		m.admit(m.nodes, id, addr, now, result)
		return states, holds
	}
	for _, mate := range mates {
		without := maps.Clone(m.nodes)
		delete(without, mate)
		m.admit(without, id, addr, now, result)
	}
	return states, holds
}

// least lists the least worthy nodes among those chosen, if they may be displaced; nil if not.
func (m *tableModel) least(isSecure bool, chosen func(addr string) bool) (addrs []string) {
	least := 4
	for a, n := range m.nodes {
		if !chosen(a) {
			continue
		}
		w := worth(n, a)
		if w < least {
			least, addrs = w, nil
		}
		if w == least {
			addrs = append(addrs, a)
		}
	}
	if !displaces(isSecure, least) {
		return nil
	}
	return addrs
}

func (m *tableModel) admit(base map[string]modelNode, id wire.ID, addr string, now uint32, result func(map[string]modelNode, bool)) {
	for a, n := range base {
		if n.id == id && displaces(secure(id, addr), worth(n, a)) {
			base = maps.Clone(base)
			delete(base, a)
			break
		}
	}
	inBucket, inSubnet, near, far := 0, 0, 0, 0
	nearOf, farOf := m.table.subnets.counters(m.table.family, []byte(addr))
	for a, n := range base {
		if nearA, farA := m.table.subnets.counters(m.table.family, []byte(a)); nearA != nil {
			if nearA == nearOf {
				near++
			}
			if farA == farOf {
				far++
			}
		}
		if m.bucket(n.id) != m.bucket(id) {
			continue
		}
		if n.id == id {
			result(m.nodes, false)
			return
		}
		inBucket++
		if m.subnet(a) == m.subnet(addr) {
			inSubnet++
		}
	}
	sameSubnet := inSubnet >= bucketSubnet || near >= int(m.table.subnets.nearLimit)
	sameNet := far >= int(m.table.subnets.farLimit)
	if !sameSubnet && !sameNet && inBucket < bucketNodes && len(base) < m.table.limit {
		next := maps.Clone(base)
		next[addr] = modelNode{id, now, 0}
		result(next, true)
		return
	}
	victims := m.least(secure(id, addr), func(a string) bool {
		n, ok := base[a]
		return ok && m.bucket(n.id) == m.bucket(id) &&
			(!sameSubnet || m.subnet(a) == m.subnet(addr)) && (!sameNet || m.network(a) == m.network(addr))
	})
	if victims == nil {
		result(m.nodes, false)
	}
	oldest := uint32(0)
	for i, a := range victims {
		if seen := base[a].seen; i == 0 || int32(seen-oldest) < 0 {
			oldest = seen
		}
	}
	for _, a := range victims {
		if base[a].seen != oldest {
			continue
		}
		next := maps.Clone(base)
		delete(next, a)
		next[addr] = modelNode{id, now, 0}
		result(next, true)
	}
}

// contents reads the table through its own walk, and checks every bond between its parts. It runs after every step
// of a property, hence no assertion library.
func contents(t rapid.TB, table *table) map[string]modelNode {
	must := func(ok bool, format string, args ...any) {
		if !ok {
			t.Fatalf(format, args...)
		}
	}
	nodes := map[string]modelNode{}
	used := map[*byte]bool{}
	for number, head := range table.heads {
		b := table.bucket(uint32(number))
		must((head != 0) == (b != nil) && (head == 0) == (b.len() == 0), "bucket %d: %d nodes", number, b.len())
		must((head != 0) == (table.filled[number/64]>>(number%64)&1 == 1), "bitmap at bucket %d", number)
		if head == 0 {
			continue
		}
		must(!used[&b[0]], "bucket %d shares its array", number)
		used[&b[0]] = true
		must(binary.LittleEndian.Uint32(b) == uint32(number), "bucket %d has the array of %d", number, binary.LittleEndian.Uint32(b))
		must(table.arena.classes[table.classOf(uint32(number))].size >= bucketHeader+b.len()*table.record, "bucket %d: %d nodes are too many", number, b.len())
		must(b.fails()>>b.len() == 0, "bucket %d: somebody fails who is not there", number)
		twins := map[string]bool{}
		for s := range table.inBucket(uint32(number)) {
			id, addr := wire.ID(table.blob(s)[:20]), string(table.blob(s)[20:])
			must(uint32(number) == table.bucketOf(id[:]), "node %x is in bucket %d", id, number)
			twins[string(id[:8])] = true
			n := modelNode{id: id, seen: table.seen(s)}
			if table.isFailing(s) {
				n.fails = 1
			}
			nodes[addr] = n
		}
		must((len(twins) < b.len()) == b.twins(), "bucket %d: twins %v", number, b.twins())
	}
	arrays := 0
	for _, c := range table.arena.classes {
		arrays += max(len(c.pages)-1, 0)*c.per + min(len(c.pages), 1)*c.last
	}
	must(len(used) == arrays, "%d arrays for %d buckets", arrays, len(used))
	for w, word := range table.filled {
		must((word != 0) == (table.filled2[w/64]>>(w%64)&1 == 1), "upper bitmap at word %d", w)
	}
	must(len(nodes) == table.count, "%d different addresses, count %d", len(nodes), table.count)
	near, far := make([]uint8, len(table.subnets.near)), make([]uint32, len(table.subnets.far))
	counted := subnets{near: near, far: far, key: table.subnets.key}
	for addr := range nodes {
		counted.add(table.family, []byte(addr))
	}
	must(bytes.Equal(near, table.subnets.near), "counters of subnets")
	must(slices.Equal(far, table.subnets.far), "counters of networks")
	entries := 0
	for i, s := range table.hosts.directory {
		if i == 0 || s != table.hosts.directory[i-1] {
			entries += s.used
		}
	}
	must(len(nodes) == entries, "%d nodes, %d entries in the index of hosts", len(nodes), entries)
	for addr, n := range nodes {
		at, found, _ := table.find([]byte(addr))
		must(found && wire.ID(table.blob(at)[:20]) == n.id, "address %x is not found", addr)
	}
	return nodes
}

// closestTo is what appendClosest promises, by looking at every node.
func closestTo(nodes map[string]modelNode, target wire.ID, asker asker) []byte {
	type candidate struct {
		distance, id wire.ID
		addr         string
	}
	var best []candidate
	for addr, n := range nodes {
		if n.id == *asker.id || addr == string(asker.addr) || n.fails > 0 {
			continue
		}
		c := candidate{id: n.id, addr: addr}
		for i := range c.distance {
			c.distance[i] = n.id[i] ^ target[i]
		}
		i, _ := slices.BinarySearchFunc(best, c, func(a, b candidate) int {
			return bytes.Compare(a.distance[:], b.distance[:])
		})
		if best = slices.Insert(best, i, c); len(best) > K {
			best = best[:K]
		}
	}
	var blobs []byte
	for _, c := range best {
		blobs = append(append(blobs, c.id[:]...), c.addr...)
	}
	return blobs
}
