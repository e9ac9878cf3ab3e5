package report

import (
	"bufio"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// browser is a Chromium without a window, spoken to in the DevTools protocol over a pair of pipes, messages ended by a
// zero byte (--remote-debugging-pipe): no port, no WebSocket and no library. It is for one goroutine.
type browser struct {
	t       *testing.T
	to      *os.File
	from    *bufio.Reader
	last    int
	session string    // of the page
	events  []message // that came while an answer was awaited
}

type message struct {
	ID     int             `json:"id,omitempty"`
	Method string          `json:"method,omitempty"`
	Params json.RawMessage `json:"params,omitempty"`
	Result json.RawMessage `json:"result,omitempty"`
	Error  *struct {
		Message string `json:"message"`
	} `json:"error,omitempty"`
	Session string `json:"sessionId,omitempty"`
}

// chromium starts a browser with an empty page. It is ended with the test.
func chromium(t *testing.T) *browser {
	t.Helper()
	program := ""
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if path, err := exec.LookPath(name); err == nil && program == "" {
			program = path
		}
	}
	require.NotEmpty(t, program, "no Chromium in the path: install it with scripts/install-browser.sh")
	theirIn, to, err := os.Pipe()
	require.NoError(t, err)
	from, theirOut, err := os.Pipe()
	require.NoError(t, err)
	profile, err := os.MkdirTemp("", "chromium-")
	require.NoError(t, err)
	cmd := exec.CommandContext(t.Context(), program, "--headless=new", "--remote-debugging-pipe", "--no-sandbox", "--disable-gpu",
		"--disable-dev-shm-usage", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-extensions",
		"--user-data-dir="+profile, "about:blank")
	cmd.ExtraFiles = []*os.File{theirIn, theirOut} // become 3 and 4, where Chromium looks for them
	cmd.WaitDelay = 10 * time.Second
	cmd.Env = append(os.Environ(), "HOME="+profile)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	require.NoError(t, cmd.Start())
	require.NoError(t, theirIn.Close())
	require.NoError(t, theirOut.Close())
	b := &browser{t: t, to: to, from: bufio.NewReaderSize(from, 1<<20)}
	t.Cleanup(func() {
		b.session = ""
		_ = b.send("Browser.close", nil)
		_ = cmd.Wait()
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) // its helpers, which write to the profile to the end
		_, _ = to.Close(), from.Close()
		require.Eventually(t, func() bool { return os.RemoveAll(profile) == nil }, 10*time.Second, 20*time.Millisecond)
	})
	var created struct {
		Target string `json:"targetId"`
	}
	b.call("Target.createTarget", map[string]any{"url": "about:blank"}, &created)
	var attached struct {
		Session string `json:"sessionId"`
	}
	b.call("Target.attachToTarget", map[string]any{"targetId": created.Target, "flatten": true}, &attached)
	b.session = attached.Session
	for _, domain := range []string{"Page", "Runtime", "Log", "Network"} {
		b.call(domain+".enable", nil, nil)
	}
	return b
}

func (b *browser) send(method string, params any) error {
	b.last++
	if params == nil {
		params = struct{}{}
	}
	text, err := json.Marshal(params)
	if err != nil {
		return err
	}
	text, err = json.Marshal(message{ID: b.last, Method: method, Params: text, Session: b.session})
	if err != nil {
		return err
	}
	_, err = b.to.Write(append(text, 0))
	return err
}

func (b *browser) receive() message {
	b.t.Helper()
	text, err := b.from.ReadBytes(0)
	require.NoError(b.t, err, "Chromium has ended")
	var m message
	require.NoError(b.t, json.Unmarshal(text[:len(text)-1], &m))
	return m
}

// call has a command carried out and decodes its result.
func (b *browser) call(method string, params, result any) {
	b.t.Helper()
	require.NoError(b.t, b.send(method, params))
	for {
		m := b.receive()
		if m.ID != b.last {
			b.events = append(b.events, m)
			continue
		}
		require.Nil(b.t, m.Error, "%s: %+v", method, m.Error)
		if result != nil {
			require.NoError(b.t, json.Unmarshal(m.Result, result))
		}
		return
	}
}

// open loads a file and waits for it.
func (b *browser) open(path string) {
	b.t.Helper()
	b.events = nil
	b.call("Page.navigate", map[string]any{"url": "file://" + path}, nil)
	for i := 0; ; i++ {
		if i == len(b.events) {
			b.events = append(b.events, b.receive())
		}
		if b.events[i].Method == "Page.loadEventFired" {
			break
		}
	}
}

// said is what the browser has complained of since url was opened, and what else it asked the network for.
func (b *browser) said(url string) (complaints, requests []string) {
	b.t.Helper()
	for _, m := range b.events {
		switch m.Method {
		case "Runtime.consoleAPICalled", "Runtime.exceptionThrown", "Log.entryAdded":
			complaints = append(complaints, string(m.Params))
		case "Network.requestWillBeSent":
			var sent struct {
				Request struct {
					URL string `json:"url"`
				} `json:"request"`
			}
			require.NoError(b.t, json.Unmarshal(m.Params, &sent))
			if sent.Request.URL != url && !strings.HasPrefix(sent.Request.URL, "data:") {
				requests = append(requests, sent.Request.URL)
			}
		}
	}
	return complaints, requests
}

// eval gives the value of an expression of JavaScript in the page.
func (b *browser) eval(expression string, value any) {
	b.t.Helper()
	var result struct {
		Result struct {
			Value json.RawMessage `json:"value"`
		} `json:"result"`
		Exception *struct {
			Text string `json:"text"`
		} `json:"exceptionDetails"`
	}
	b.call("Runtime.evaluate", map[string]any{"expression": expression, "returnByValue": true, "awaitPromise": true}, &result)
	require.Nil(b.t, result.Exception, "%+v", result.Exception)
	require.NoError(b.t, json.Unmarshal(result.Result.Value, value))
}

// show sets the width of the window in CSS pixels and how the reader wants to see it.
func (b *browser) show(width int, scheme, media string) {
	b.t.Helper()
	b.call("Emulation.setDeviceMetricsOverride", map[string]any{"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 600}, nil)
	b.call("Emulation.setEmulatedMedia", map[string]any{"media": media,
		"features": []map[string]string{{"name": "prefers-color-scheme", "value": scheme}}}, nil)
}

// picture saves what is shown, the whole page of it in pieces that a person can look at, as name-1.png and so on.
func (b *browser) picture(name string) {
	b.t.Helper()
	var size struct{ W, H int }
	b.eval("({W: window.innerWidth, H: document.documentElement.scrollHeight})", &size)
	const piece = 1400
	for i := 0; i*piece < size.H; i++ {
		var shot struct {
			Data string `json:"data"`
		}
		clip := map[string]any{"x": 0, "y": i * piece, "width": size.W, "height": min(piece, size.H-i*piece), "scale": 1}
		b.call("Page.captureScreenshot", map[string]any{"format": "png", "captureBeyondViewport": true, "clip": clip}, &shot)
		png, err := base64.StdEncoding.DecodeString(shot.Data)
		require.NoError(b.t, err)
		require.NoError(b.t, os.WriteFile(fmt.Sprintf("%s-%d.png", name, i+1), png, 0o644))
	}
}
