package dht

import (
	"fmt"
	"strconv"
	"strings"
)

// name gives names to the parts of an item: its target, and if it has a seq, its key and signature too.
func (s *script) name(line string) error {
	options, value, ok := strings.Cut(line, " v=")
	words := strings.Fields(options)
	if !ok || len(words) == 0 {
		return fmt.Errorf("item: no name or no value: %s", line)
	}
	v, err := s.notation.encode(value)
	if err != nil {
		return err
	}
	var salt []byte
	seq, priv := int64(-1), keyPair('k')
	for _, o := range words[1:] {
		option, value, _ := strings.Cut(o, "=")
		switch option {
		case "salt":
			salt = []byte(value)
		case "seq":
			if seq, err = strconv.ParseInt(value, 10, 64); err != nil {
				return err
			}
		default:
			return fmt.Errorf("option %q is not known", option)
		}
	}
	define := func(part string, is []byte) {
		s.notation.names = append(s.notation.names, named{"$" + words[0] + "." + part, is})
	}
	if seq < 0 {
		target := ImmutableTarget(v)
		define("target", target[:])
		return nil
	}
	target := MutableTarget(publicOf(priv), salt)
	define("target", target[:])
	define("k", publicOf(priv))
	define("sig", SignItem(priv, salt, seq, v))
	return nil
}
