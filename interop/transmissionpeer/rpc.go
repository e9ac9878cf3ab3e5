package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"net/netip"
	"net/url"
	"strings"

	"supernode/interop/internal/adapter"
)

// rpc asks a running Transmission (its docs/rpc-spec.md).
type rpc struct {
	session string // it wants to see again what it told the last time: against forged requests of a browser
}

// torrent is what Transmission says of its only one. The JSON names are fields of torrent-get.
type torrent struct {
	HashString  string       `json:"hashString"`
	PercentDone float64      `json:"percentDone"` // 1 when all is there and checked
	Status      int          `json:"status"`
	ErrorString string       `json:"errorString"`
	Peers       []remotePeer `json:"peers"`
}

// statusSeed is TR_STATUS_SEED.
const statusSeed = 6

type remotePeer struct {
	Address netip.Addr `json:"address"`
	Port    uint16     `json:"port"`
	Flags   string     `json:"flagStr"`
}

// source reads the letters with which Transmission shows where it knows a peer from.
func (p remotePeer) source() string {
	switch {
	case strings.Contains(p.Flags, "H"):
		return adapter.FromDHT
	case strings.Contains(p.Flags, "I"):
		return adapter.Incoming
	}
	return adapter.Other
}

const (
	rpcURL        = "http://127.0.0.1:9091/transmission/rpc"
	sessionHeader = "X-Transmission-Session-Id"
	question      = `{"method":"torrent-get","arguments":{"fields":["hashString","percentDone","status","errorString","peers"]}}`
)

// torrent asks for the only torrent; nil if there is none yet.
func (r *rpc) torrent() (*torrent, error) {
	request, err := http.NewRequest(http.MethodPost, rpcURL, strings.NewReader(question))
	if err != nil {
		return nil, err
	}
	request.Header.Set(sessionHeader, r.session)
	request.Close = true // the server may end a connection that it keeps just when the next question is on its way
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	var body bytes.Buffer
	if _, err := body.ReadFrom(response.Body); err != nil {
		return nil, &url.Error{Op: "read", URL: rpcURL, Err: err}
	}
	if response.StatusCode == http.StatusConflict {
		r.session = response.Header.Get(sessionHeader)
		return nil, nil
	}
	var answer struct {
		Result    string `json:"result"`
		Arguments struct {
			Torrents []torrent `json:"torrents"`
		} `json:"arguments"`
	}
	if err := json.Unmarshal(body.Bytes(), &answer); err != nil {
		return nil, fmt.Errorf("read answer %.200q: %w", body.String(), err)
	}
	if answer.Result != "success" {
		return nil, fmt.Errorf("torrent-get: %s", answer.Result)
	}
	if len(answer.Arguments.Torrents) == 0 {
		return nil, nil
	}
	return &answer.Arguments.Torrents[0], nil
}
