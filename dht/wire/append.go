package wire

import "strconv"

// Append writes m in bencode behind dst and returns the longer slice. Keys are sorted; absent (nil) fields
// are left out; what does not belong to m.Kind is not written.
func (m *Message) Append(dst []byte) []byte {
	dst = append(dst, 'd')
	if m.Kind == Query {
		dst = append(dst, "1:ad"...)
		dst = m.appendBody(dst)
		dst = append(dst, 'e')
	}
	if m.Kind == Error {
		dst = append(dst, "1:el"...)
		dst = AppendInt(dst, m.Code)
		dst = AppendString(dst, m.Text)
		dst = append(dst, 'e')
	}
	dst = appendField(dst, "2:ip", m.IP)
	switch m.Kind {
	case Query:
		if m.Method == Unknown {
			dst = appendField(dst, "1:q", m.Name)
		} else {
			dst = append(dst, methodFields[m.Method]...)
		}
	case Response:
		dst = append(dst, "1:rd"...)
		dst = m.appendBody(dst)
		dst = append(dst, 'e')
	}
	if m.ReadOnly {
		dst = append(dst, "2:roi1e"...)
	}
	dst = appendField(dst, "1:t", m.T)
	dst = appendField(dst, "1:v", m.Version)
	return append(dst, '1', ':', 'y', '1', ':', byte(m.Kind), 'e')
}

// methodFields are "q" and its value, bencoded.
var methodFields = func() (s [Methods]string) {
	for i, name := range methodNames {
		s[i] = "1:q" + strconv.Itoa(len(name)) + ":" + name
	}
	return s
}()

// appendBody writes the inside of "a" or "r".
func (m *Message) appendBody(dst []byte) []byte {
	dst = appendField(dst, "4:BFpe", m.BFpe)
	dst = appendField(dst, "4:BFsd", m.BFsd)
	if m.Has&HasCAS != 0 {
		dst = AppendInt(append(dst, "3:cas"...), m.CAS)
	}
	dst = appendID(dst, "2:id20:", m.ID)
	if m.ImpliedPort {
		dst = append(dst, "12:implied_porti1e"...)
	}
	dst = appendID(dst, "9:info_hash20:", m.InfoHash)
	if m.Has&HasInterval != 0 {
		dst = AppendInt(append(dst, "8:interval"...), m.Interval)
	}
	dst = appendField(dst, "1:k", m.Key)
	dst = appendField(dst, "5:nodes", m.Nodes)
	dst = appendField(dst, "6:nodes6", m.Nodes6)
	if m.NoSeed {
		dst = append(dst, "6:noseedi1e"...)
	}
	if m.Has&HasNum != 0 {
		dst = AppendInt(append(dst, "3:num"...), m.Num)
	}
	if m.Has&HasPort != 0 {
		dst = AppendInt(append(dst, "4:port"...), m.Port)
	}
	dst = appendField(dst, "4:salt", m.Salt)
	dst = appendField(dst, "7:samples", m.Samples)
	if m.Scrape {
		dst = append(dst, "6:scrapei1e"...)
	}
	if m.Seed {
		dst = append(dst, "4:seedi1e"...)
	}
	if m.Has&HasSeq != 0 {
		dst = AppendInt(append(dst, "3:seq"...), m.Seq)
	}
	dst = appendField(dst, "3:sig", m.Sig)
	dst = appendID(dst, "6:target20:", m.Target)
	dst = appendField(dst, "5:token", m.Token)
	if len(m.Value) != 0 { // an empty one is no bencoded value
		dst = append(append(dst, "1:v"...), m.Value...)
	}
	if m.Values != nil {
		dst = append(append(dst, "6:valuesl"...), m.Values...)
		dst = append(dst, 'e')
	}
	if m.Want != 0 {
		dst = append(dst, "4:wantl"...)
		if m.Want&Want4 != 0 {
			dst = append(dst, "2:n4"...)
		}
		if m.Want&Want6 != 0 {
			dst = append(dst, "2:n6"...)
		}
		dst = append(dst, 'e')
	}
	return dst
}

// appendField writes a key, already bencoded, and its string value; nothing at all if the value is nil.
func appendField(dst []byte, key string, value []byte) []byte {
	if value == nil {
		return dst
	}
	return AppendString(append(dst, key...), value)
}

// appendID writes a key, already bencoded and with the length of an ID behind it, and the ID; nothing at all if it
// has another length. The ID goes in two pieces of constant size, which the compiler turns into plain moves.
func appendID(dst []byte, key string, id []byte) []byte {
	if len(id) != 20 {
		return dst
	}
	dst = append(dst, key...)
	return append(append(dst, id[:16]...), id[16:20]...)
}

// AppendString writes s as a bencoded string behind dst.
func AppendString(dst, s []byte) []byte {
	switch n := len(s); {
	case n < 10:
		dst = append(dst, byte('0'+n), ':')
	case n < 100:
		dst = append(dst, byte('0'+n/10), byte('0'+n%10), ':')
	case n < 1000:
		dst = append(dst, byte('0'+n/100), byte('0'+n/10%10), byte('0'+n%10), ':')
	default:
		dst = append(strconv.AppendInt(dst, int64(n), 10), ':')
	}
	return append(dst, s...)
}

// AppendInt writes n as a bencoded integer behind dst.
func AppendInt(dst []byte, n int64) []byte {
	return append(strconv.AppendInt(append(dst, 'i'), n, 10), 'e')
}
