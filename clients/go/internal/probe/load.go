package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"sync"

	rerankd "github.com/rerankd/rerankd/clients/go"
	rerankdv1 "github.com/rerankd/rerankd/clients/go/rerankd/v1"
)

const (
	loadDocuments = 10
	loadTellEvery = 50
	mostErrors    = 5
)

type loadReport struct {
	mu     sync.Mutex
	Calls  int      `json:"calls"`
	Failed int      `json:"failed"`
	Errors []string `json:"errors"`
}

// load sends the same call from several goroutines until stdin ends.
func load(target, query, path string, concurrency int) (any, error) {
	documents, err := firstDocuments(path, loadDocuments)
	if err != nil {
		return nil, err
	}
	client, err := rerankd.New(target)
	if err != nil {
		return nil, err
	}
	defer func() { _ = client.Close() }()
	ended := make(chan struct{})
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		close(ended)
	}()
	report := &loadReport{Errors: []string{}}
	var callers sync.WaitGroup
	for range concurrency {
		callers.Add(1)
		go func() {
			defer callers.Done()
			callUntil(ended, client, query, documents, report)
		}()
	}
	callers.Wait()
	return report, nil
}

func callUntil(
	ended <-chan struct{}, client *rerankd.Client, query string, documents []*rerankdv1.Document,
	report *loadReport,
) {
	for {
		select {
		case <-ended:
			return
		default:
			_, err := client.Rerank(context.Background(), query, documents, nil)
			report.add(err)
		}
	}
}

func (r *loadReport) add(err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if err != nil {
		r.Failed++
		if len(r.Errors) < mostErrors {
			r.Errors = append(r.Errors, fmt.Sprintf("%T: %v", err, err))
		}
		return
	}
	r.Calls++
	if r.Calls%loadTellEvery == 0 {
		say("calls %d", r.Calls)
	}
}
