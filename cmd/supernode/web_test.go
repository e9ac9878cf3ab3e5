package main

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus/testutil/promlint"
	"github.com/stretchr/testify/require"
	"golang.org/x/net/html"

	"supernode/dht/wire"
	"supernode/internal/conntrack"
	"supernode/internal/udp"
)

func TestStatusPage(t *testing.T) {
	p := start(t)
	status, body := p.get("/")
	require.Equal(t, http.StatusOK, status)
	for _, part := range []string{p.id, p.listen[0].String(), "Node id"} {
		require.Contains(t, body, part)
	}
	requireValidHTML(t, body)
	p.stopped()
}

// voidElements have no end tag (HTML, 13.1.2).
const voidElements = " area base br col embed hr img input link meta source track wbr "

// requireValidHTML wants what the parser would not have to mend: a doctype, every element closed where it was opened,
// and the elements that a document must have.
func requireValidHTML(t *testing.T, text string) {
	t.Helper()
	var open []string
	seen := map[string]bool{}
	for tokens := html.NewTokenizer(strings.NewReader(text)); ; {
		kind := tokens.Next()
		token := tokens.Token()
		switch kind {
		case html.ErrorToken:
			require.ErrorIs(t, tokens.Err(), io.EOF)
			require.Empty(t, open, "never closed")
			for _, name := range []string{"doctype", "html", "head", "title", "body", "h1"} {
				require.True(t, seen[name], name)
			}
			return
		case html.DoctypeToken:
			require.Empty(t, seen, "the doctype comes first")
			require.Equal(t, "html", token.Data)
			seen["doctype"] = true
		case html.StartTagToken:
			seen[token.Data] = true
			if !strings.Contains(voidElements, " "+token.Data+" ") {
				open = append(open, token.Data)
			}
		case html.EndTagToken:
			require.NotEmpty(t, open)
			require.Equal(t, open[len(open)-1], token.Data)
			open = open[:len(open)-1]
		}
	}
}

// TestPages: what is there, and what is not.
func TestPages(t *testing.T) {
	p := start(t)
	for path, want := range map[string]int{
		"/":                               http.StatusOK,
		"/healthz":                        http.StatusOK,
		"/metrics":                        http.StatusOK,
		"/debug/pprof/":                   http.StatusOK,
		"/debug/pprof/goroutine?debug=1":  http.StatusOK,
		"/debug/pprof/heap":               http.StatusOK,
		"/debug/pprof/trace?seconds=0.01": http.StatusOK,
		"/debug/pprof/cmdline":            http.StatusNotFound, // nobody's business
		"/favicon.ico":                    http.StatusNotFound,
	} {
		status, body := p.get(path)
		require.Equal(t, want, status, "%s: %s", path, body)
	}
	response, err := client.Post("http://"+p.http+"/healthz", "", nil)
	require.NoError(t, err)
	response.Body.Close()
	require.Equal(t, http.StatusMethodNotAllowed, response.StatusCode)
	require.Equal(t, "nosniff", response.Header.Get("X-Content-Type-Options"))
	p.stopped()
}

func TestMetricNames(t *testing.T) {
	p := start(t)
	_, body := p.get("/metrics")
	var ours strings.Builder
	for line := range strings.Lines(body) {
		if strings.Contains(line, "supernode_") {
			ours.WriteString(line)
		}
	}
	problems, err := promlint.New(strings.NewReader(ours.String())).Lint()
	require.NoError(t, err)
	require.Empty(t, problems)

	m := p.metrics()
	names := []string{
		`supernode_queries_total{method="get_peers"}`, `supernode_replies_total`, `supernode_errors_total{code="203"}`,
		`supernode_dropped_total{reason="receive_buffer"}`, `supernode_receive_batch_size_count`,
		`supernode_dropped_total{reason="limited"}`, `supernode_amplification_ratio`,
		`supernode_nodes{family="ipv4"}`, `supernode_peers`, `supernode_infohashes`, `supernode_items`, `go_goroutines`,
		`process_resident_memory_bytes`,
	}
	if facts, err := conntrack.Read(); err == nil && facts.Present {
		names = append(names, "supernode_conntrack_entries", "supernode_conntrack_limit", "supernode_conntrack_drops_total",
			"supernode_conntrack_early_drops_total")
	}
	for _, v := range verdicts {
		names = append(names, fmt.Sprintf("supernode_conntrack_verdict{verdict=%q}", v))
	}
	for _, name := range names {
		require.Contains(t, m, name)
	}
	p.stopped()
}

// TestHostHeader: a server on loopback does not answer to a name that a web page has made point to it.
func TestHostHeader(t *testing.T) {
	loopback := start(t)
	everywhere := start(t, "--http", "0.0.0.0:0")
	_, port, err := net.SplitHostPort(loopback.http)
	require.NoError(t, err)
	for host, want := range map[string]int{
		loopback.http:       http.StatusOK,
		"localhost:" + port: http.StatusOK,
		"LOCALHOST":         http.StatusOK,
		"127.0.0.1":         http.StatusOK,
		"[::1]":             http.StatusOK,
		"[::1]:" + port:     http.StatusOK,
		"evil.example":      http.StatusMisdirectedRequest,
		"evil.example:6880": http.StatusMisdirectedRequest,
		"localhost.example": http.StatusMisdirectedRequest,
		"127.0.0.1.example": http.StatusMisdirectedRequest,
		"127.0.0.1:80:80":   http.StatusMisdirectedRequest,
	} {
		require.Equal(t, want, statusFor(t, loopback.http, host), host)
	}
	_, port, err = net.SplitHostPort(everywhere.http)
	require.NoError(t, err)
	require.Equal(t, http.StatusOK, statusFor(t, "127.0.0.1:"+port, "node1.example"))
	loopback.stopped()
	everywhere.stopped()
}

// statusFor asks the server at addr for /healthz as host.
func statusFor(t *testing.T, addr, host string) int {
	t.Helper()
	request, err := http.NewRequest("GET", "http://"+addr+"/healthz", nil)
	require.NoError(t, err)
	request.Host = host
	response, err := client.Do(request)
	require.NoError(t, err)
	response.Body.Close()
	return response.StatusCode
}

func TestNoHTTP(t *testing.T) {
	p := start(t, "--http", none)
	require.Equal(t, none, p.http)
	p.stopped()
}

// TestStopWhileHTTPHangs: neither a request that takes its time nor one that never ends keeps the node from stopping.
func TestStopWhileHTTPHangs(t *testing.T) {
	p := start(t)
	for _, request := range []string{
		"GET /debug/pprof/profile?seconds=60 HTTP/1.1\r\nHost: localhost\r\n\r\n",
		"GET / HTTP/1.1\r\nHost: loc",
	} {
		conn, err := net.Dial("tcp", p.http)
		require.NoError(t, err)
		defer conn.Close()
		_, err = fmt.Fprint(conn, request)
		require.NoError(t, err)
	}
	await(t, "the profile being made", func() bool {
		_, body := p.get("/debug/pprof/goroutine?debug=1")
		return strings.Contains(body, "net/http/pprof.Profile")
	})
	p.stopped()
}

// TestSeveralAddresses: a host with two addresses of a family has an id at each, and the same peers at both (BEP 45).
func TestSeveralAddresses(t *testing.T) {
	p := start(t, "--listen", "127.0.0.1:0", "--listen", "127.0.0.2:0")
	_, page := p.get("/")
	requireValidHTML(t, page)
	q := newPeer(t, "127.0.0.1")
	first, _ := q.ask(p.listen[0], wire.Message{Method: wire.GetPeers, InfoHash: infohash})
	q.ask(p.listen[0], wire.Message{Method: wire.AnnouncePeer, InfoHash: infohash, ImpliedPort: true, Token: first.Token})
	second, from := q.ask(p.listen[1], wire.Message{Method: wire.GetPeers, InfoHash: infohash})
	require.Equal(t, p.listen[1], from)
	require.Equal(t, []netip.AddrPort{q.addr()}, slices.Collect(second.Peers()))
	require.NotEqual(t, first.ID, second.ID)
	for _, id := range [][]byte{first.ID, second.ID} {
		require.Contains(t, page, fmt.Sprintf("%x", id))
	}
	p.stopped()
}

// TestStalled: a worker that does not go round its loop is not healthy.
func TestStalled(t *testing.T) {
	w := newTestWorker(t, udp.OpenNet)
	serve := func() *httptest.ResponseRecorder {
		recorder := httptest.NewRecorder()
		newMux(w).ServeHTTP(recorder, httptest.NewRequest("GET", "/healthz", nil))
		return recorder
	}
	require.Equal(t, http.StatusOK, serve().Code)
	w.clock.start = w.clock.start.Add(-2 * stallLimit)
	stalled := serve()
	require.Equal(t, http.StatusServiceUnavailable, stalled.Code)
	require.Contains(t, stalled.Body.String(), statusStalled)
	_, err := w.turn(0)
	require.NoError(t, err)
	require.Equal(t, http.StatusOK, serve().Code)
}
