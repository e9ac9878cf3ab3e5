package main

import (
	"bufio"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// hdrFile is the file of --hdr. Its name chooses what it is: NAME.hgrm gets the percentile distribution of
// the trial in µs, anything else the interval log, one histogram in ns a second, which can be cut, merged
// and plotted by HdrHistogram's own tools.
type hdrFile struct {
	file  *os.File
	out   *bufio.Writer
	log   *hdrhistogram.HistogramLogWriter // nil: percentiles
	begin time.Time
	err   error // the first
}

func createHDR(path string, now time.Time) (*hdrFile, error) {
	file, err := os.Create(path)
	if err != nil {
		return nil, fmt.Errorf("--hdr: %w", err)
	}
	h := &hdrFile{file: file, out: bufio.NewWriter(file), begin: now}
	if filepath.Ext(path) == ".hgrm" {
		return h, nil
	}
	h.log = hdrhistogram.NewHistogramLogWriter(h.out)
	h.log.SetBaseTime(now.UnixMilli())
	h.try(h.log.OutputComment("[loadgen: latency in ns, from the time that each query was due]"))
	h.try(h.log.OutputLogFormatVersion())
	h.try(h.log.OutputBaseTime(now.UnixMilli()))
	h.try(h.log.OutputStartTime(now.UnixMilli()))
	h.try(h.log.OutputLegend())
	return h, nil
}

func (h *hdrFile) try(err error) {
	if h.err == nil {
		h.err = err
	}
}

// interval logs the answers of an interval, if they belong to the cohort.
func (h *hdrFile) interval(i *interval) {
	if h.log == nil || i.latency.TotalCount() == 0 {
		return
	}
	i.latency.SetStartTimeMs(h.begin.Add(time.Duration(i.from)).UnixMilli())
	i.latency.SetEndTimeMs(h.begin.Add(time.Duration(i.to)).UnixMilli())
	h.try(h.log.OutputIntervalHistogram(i.latency))
}

func (h *hdrFile) end() {}

// finish writes what is left, and closes the file.
func (h *hdrFile) finish(whole *hdrhistogram.Histogram) error {
	if h.log == nil {
		_, err := whole.PercentilesPrint(h.out, 5, 1e3)
		h.try(err)
	}
	h.try(h.out.Flush())
	h.try(h.file.Close())
	if h.err != nil {
		return fmt.Errorf("--hdr: write %s: %w", h.file.Name(), h.err)
	}
	return nil
}
