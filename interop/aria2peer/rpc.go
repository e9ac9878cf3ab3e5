package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"net/netip"
	"strconv"
)

// rpc asks a running aria2 (its manual, RPC INTERFACE). It listens on the loopback address of the family that the host
// has another address of.
type rpc struct{ url string }

func newRPC(listen netip.Addr) rpc {
	if listen.Is6() {
		return rpc{"http://[::1]:6800/jsonrpc"}
	}
	return rpc{"http://127.0.0.1:6800/jsonrpc"}
}

// download is what aria2 says of a download (aria2.tellActive). Its numbers are strings.
type download struct {
	GID        string `json:"gid"`
	InfoHash   string `json:"infoHash"`
	Seeder     string `json:"seeder"` // "true": all is there and checked
	BitTorrent struct {
		Info struct {
			Name string `json:"name"` // empty while there is only a magnet link
		} `json:"info"`
	} `json:"bittorrent"`
}

func (d download) seeding() bool { return d.Seeder == "true" && d.BitTorrent.Info.Name != "" }

// remotePeer is what aria2 says of a connection (aria2.getPeers).
type remotePeer struct {
	IP   netip.Addr `json:"ip"`
	Port string     `json:"port"`
}

func (p remotePeer) addr() (netip.AddrPort, error) {
	port, err := strconv.ParseUint(p.Port, 10, 16)
	if err != nil {
		return netip.AddrPort{}, fmt.Errorf("port of peer %v: %w", p.IP, err)
	}
	return netip.AddrPortFrom(p.IP, uint16(port)), nil
}

// call calls a method and decodes its result.
func (r rpc) call(result any, method string, params ...any) error {
	if params == nil {
		params = []any{} // null is not an array
	}
	question, err := json.Marshal(map[string]any{"jsonrpc": "2.0", "id": "1", "method": method, "params": params})
	if err != nil {
		return err
	}
	response, err := http.Post(r.url, "application/json", bytes.NewReader(question))
	if err != nil {
		return err
	}
	defer response.Body.Close()
	var answer struct {
		Result json.RawMessage `json:"result"`
		Error  *struct {
			Message string `json:"message"`
		} `json:"error"`
	}
	if err := json.NewDecoder(response.Body).Decode(&answer); err != nil {
		return fmt.Errorf("%s: read answer: %w", method, err)
	}
	if answer.Error != nil {
		return fmt.Errorf("%s: %s", method, answer.Error.Message)
	}
	return json.Unmarshal(answer.Result, result)
}
