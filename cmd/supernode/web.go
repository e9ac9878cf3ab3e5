package main

import (
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"html/template"
	"log/slog"
	"net"
	"net/http"
	"net/http/pprof"
	"time"

	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// web is the HTTP side: for operators and scrapers, on a loopback address unless told otherwise.
type web struct {
	server   *http.Server
	listener net.Listener
}

// startWeb listens at once, so that a wrong address is an error at start, and serves in the background.
func startWeb(c *config, w *worker, log *slog.Logger) (*web, error) {
	if c.http == none {
		return &web{}, nil
	}
	listener, err := net.Listen("tcp", c.http)
	if err != nil {
		return nil, err
	}
	server := &http.Server{
		Handler:           newMux(w),
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       10 * time.Second,
		IdleTimeout:       time.Minute,
		MaxHeaderBytes:    16 << 10,
	}
	go func() {
		if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			log.Error("http server ended", "error", err)
		}
	}()
	return &web{server, listener}, nil
}

func (s *web) addr() string {
	if s.listener == nil {
		return none
	}
	return s.listener.Addr().String()
}

// stop lets running requests end, for a second.
func (s *web) stop() {
	if s.server == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	if s.server.Shutdown(ctx) != nil {
		s.server.Close()
	}
}

func newMux(w *worker) *http.ServeMux {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", w.servePage)
	mux.HandleFunc("GET /healthz", w.serveHealth)
	mux.Handle("GET /metrics", promhttp.HandlerFor(newRegistry(w), promhttp.HandlerOpts{}))
	mux.HandleFunc("GET /debug/pprof/", pprof.Index)
	mux.HandleFunc("GET /debug/pprof/profile", pprof.Profile)
	mux.HandleFunc("GET /debug/pprof/trace", pprof.Trace)
	mux.HandleFunc("GET /debug/pprof/symbol", pprof.Symbol)
	return mux
}

// status is the answer of /healthz and the content of the page.
type status struct {
	Status     string   `json:"status"`
	ID         string   `json:"id"`
	Version    string   `json:"version"`
	Listen     []string `json:"listen"`
	UptimeS    int64    `json:"uptime_s"`
	Nodes4     int      `json:"nodes_ipv4"`
	Nodes6     int      `json:"nodes_ipv6"`
	Peers      int      `json:"peers"`
	Infohashes int      `json:"infohashes"`
	Replies    uint64   `json:"replies"`
}

func (w *worker) status() status {
	t := w.published.read()
	s := status{
		Status: "ok", ID: fmt.Sprintf("%x", w.nodeID), Version: versionText(),
		UptimeS: int64(time.Since(w.clock.start).Seconds()),
		Nodes4:  t.counts.Nodes4, Nodes6: t.counts.Nodes6,
		Peers: t.counts.Peers, Infohashes: t.counts.Infohashes, Replies: t.replies,
	}
	for _, addr := range w.transport.Local() {
		s.Listen = append(s.Listen, addr.String())
	}
	return s
}

func (w *worker) serveHealth(rw http.ResponseWriter, _ *http.Request) {
	rw.Header().Set("Content-Type", "application/json")
	json.NewEncoder(rw).Encode(w.status())
}

//go:embed page.html
var pageText string

var page = template.Must(template.New("page").Parse(pageText))

func (w *worker) servePage(rw http.ResponseWriter, _ *http.Request) {
	rw.Header().Set("Content-Type", "text/html; charset=utf-8")
	rw.Header().Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'")
	page.Execute(rw, w.status())
}
