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
	"net/netip"
	"strings"
	"syscall"
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
	if !c.http.IsValid() {
		return &web{}, nil
	}
	listener, err := net.Listen("tcp", c.http.String())
	if err != nil {
		return nil, listenHTTPError(c.http, err)
	}
	handler := harden(newMux(w))
	if c.http.Addr().IsLoopback() {
		handler = onlyByAddress(handler)
	}
	server := &http.Server{
		Handler:           handler,
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       10 * time.Second,
		WriteTimeout:      30 * time.Second, // profiles extend it
		IdleTimeout:       time.Minute,
		MaxHeaderBytes:    16 << 10,
		ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelWarn),
	}
	go func() {
		if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			log.Error("http server ended", "error", err)
		}
	}()
	return &web{server, listener}, nil
}

// listenHTTPError names the address and the mend.
func listenHTTPError(addr netip.AddrPort, err error) error {
	var op *net.OpError
	if errors.As(err, &op) {
		err = op.Err // the rest of what net says only names the address again
	}
	mend := ""
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		mend = ": another program has this TCP port, choose another port, or none"
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		mend = ": no interface of this machine has this address"
	case errors.Is(err, syscall.EACCES), errors.Is(err, syscall.EPERM):
		mend = ": ports below 1024 need CAP_NET_BIND_SERVICE or an administrator"
	}
	return addressError(fmt.Errorf("--http %q: %w%s", addr, err, mend))
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

func newMux(w *worker) http.Handler {
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

// harden tells browsers to take everything for what it says it is, and to keep none of it.
func harden(next http.Handler) http.Handler {
	return http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		h := rw.Header()
		h.Set("Content-Security-Policy",
			"default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'")
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Cache-Control", "no-store")
		next.ServeHTTP(rw, r)
	})
}

// onlyByAddress refuses requests for a host name other than localhost. Without it, any web page that the operator
// visits could read a server on loopback, profiles included, under a name of its own which it lets point to
// 127.0.0.1 (DNS rebinding). An address as host is beyond that trick. A server on another address is open to
// the network as it is, and may well be known by name.
func onlyByAddress(next http.Handler) http.Handler {
	return http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		host := r.Host
		if name, _, err := net.SplitHostPort(host); err == nil {
			host = name
		}
		_, err := netip.ParseAddr(strings.Trim(host, "[]"))
		if err != nil && host != "" && !strings.EqualFold(host, "localhost") { // HTTP/1.0 may leave it out
			http.Error(rw, "This server is on a loopback address and answers to that, or to localhost, only.",
				http.StatusMisdirectedRequest)
			return
		}
		next.ServeHTTP(rw, r)
	})
}

func (w *worker) serveHealth(rw http.ResponseWriter, _ *http.Request) {
	s := w.status()
	rw.Header().Set("Content-Type", "application/json")
	if s.Status != statusOK {
		rw.WriteHeader(http.StatusServiceUnavailable)
	}
	json.NewEncoder(rw).Encode(s)
}

//go:embed page.html
var pageText string

var page = template.Must(template.New("page").Parse(pageText))

func (w *worker) servePage(rw http.ResponseWriter, _ *http.Request) {
	rw.Header().Set("Content-Type", "text/html; charset=utf-8")
	page.Execute(rw, w.status())
}
