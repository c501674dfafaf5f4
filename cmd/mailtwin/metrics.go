package main

import (
	"context"
	"errors"
	"slices"
	"time"

	"mailtwin/mailbox"
	"mailtwin/syncer"
)

// measures are what a run of an account tells programs that watch.
type measures struct {
	account      string
	began, ended time.Time
	success      time.Time // zero: none is known
	status       int
	messages     [2]int   // down and up
	octets       [2]int64 // of these messages
	quarantined  int      // negative: the state could not be read
	used, quota  [2]int64 // octets of today, down and up; a quota of 0 is none
}

// measured are the files that want the numbers of a run.
func (o syncOptions) measured(a *account) []string {
	if o.dryRun {
		return nil
	}
	files := []string{a.Metrics, o.metrics}
	slices.Sort(files)
	return slices.DeleteFunc(slices.Compact(files), func(file string) bool { return file == "" })
}

// standing reads what the state knows for programs that watch. The run is not on record yet.
func (r *accountRun) standing(ctx context.Context, last mailbox.Outcome) error {
	if len(r.files) == 0 {
		return nil
	}
	runs, err := r.ledger.Runs(ctx)
	if err != nil {
		return err
	}
	if last.Whole && last.Status == exitDone {
		r.success = last.Ended
	}
	for _, run := range runs { // the last one first
		if r.success.IsZero() && run.Finished() && run.Whole && run.Status == exitDone {
			r.success = run.Ended
			break
		}
	}
	troubles, err := r.ledger.Troubles(ctx)
	r.quarantined = len(troubles)
	return err
}

// publish writes the numbers of a run that ended then, once. While another run is at work, that one does.
func (r *accountRun) publish(ctx context.Context, ended time.Time, report *syncer.Report, err error) error {
	if err == nil {
		err = leftBehind(report)
	}
	m := measures{account: r.account.name, began: r.began, ended: ended, success: r.success, status: exitStatus(err), quarantined: r.quarantined}
	if m.status == exitLocked || len(r.files) == 0 {
		return nil
	}
	if report != nil {
		total := report.Total()
		m.messages = [2]int{total.Downloaded, total.Uploaded}
		m.octets = [2]int64{total.DownloadedSize, total.UploadedSize}
	}
	if r.bytes != nil {
		m.used, m.quota = r.bytes.usage()
	}
	ctx, cancel := metricsPatience(ctx)
	defer cancel()
	var failed []error
	for _, file := range r.files {
		if err := writeMetrics(ctx, file, m); err != nil {
			failed = append(failed, &metricsError{err})
		}
	}
	r.files = nil
	return errors.Join(failed...)
}

// How long a run waits at its end for others that write into the same directory; the second is for a run that was stopped.
const (
	metricsTime = 5 * time.Second
	stoppedTime = time.Second
)

var errMetricsLock = errors.New("another program keeps the lock of this directory")

// metricsPatience bounds the wait. A run that was stopped tells that, too.
func metricsPatience(ctx context.Context) (context.Context, context.CancelFunc) {
	if ctx.Err() != nil {
		return context.WithTimeoutCause(context.WithoutCancel(ctx), stoppedTime, errMetricsLock)
	}
	return context.WithTimeoutCause(ctx, metricsTime, errMetricsLock)
}

// A metricsError says that a file for programs that watch could not be written.
type metricsError struct{ err error }

func (e *metricsError) Error() string { return "metrics: " + e.err.Error() }
func (e *metricsError) Unwrap() error { return e.err }

func (*metricsError) advice() string {
	return "it is about this file only; see that its directory is there and that you may write to it, and that it is a regular file"
}
