package rerankd_test

import (
	"errors"
	"fmt"
	"iter"
	"strings"
	"sync/atomic"
	"testing"

	rerankd "github.com/rerankd/rerankd/clients/go"
	"github.com/rerankd/rerankd/clients/go/internal/fakeserver"
	rerankdv1 "github.com/rerankd/rerankd/clients/go/rerankd/v1"
)

func TestSourcesWithoutDocumentsOrWithNil(t *testing.T) {
	client := dial(t, &fakeserver.Server{})
	if _, err := ranked(t, client, listed(nil), nil); !errors.Is(err, rerankd.ErrInvalidRequest) {
		t.Errorf("%v", err)
	}
	_, err := ranked(t, client, listed([]*rerankdv1.Document{rerankd.Text("a"), nil}), nil)
	if !errors.Is(err, rerankd.ErrInvalidRequest) || !strings.Contains(err.Error(), "documents[1]") {
		t.Errorf("%v", err)
	}
}

var errSource = errors.New("the disk is gone")

func failing(after int) rerankd.Source {
	return rerankd.FromSeq2(func(yield func(*rerankdv1.Document, error) bool) {
		for _, document := range documents(after) {
			if !yield(document, nil) {
				return
			}
		}
		yield(nil, errSource)
	})
}

func TestTheErrorOfASourceComesOutAsItIs(t *testing.T) {
	client := dial(t, &fakeserver.Server{})
	for _, after := range []int{0, 1, 1000, 5000} {
		for _, options := range []*rerankdv1.RerankOptions{
			nil, {OnFailure: rerankdv1.FailureMode_FAILURE_MODE_ORIGINAL_ORDER},
		} {
			if _, err := ranked(t, client, failing(after), options); err != errSource {
				t.Errorf("after %d: %v", after, err)
			}
		}
		if _, err := client.RerankAll(patience(t), "query", failing(after), nil); err != errSource {
			t.Errorf("RerankAll after %d: %v", after, err)
		}
	}
}

// counted counts how many documents were asked for.
func counted(count *atomic.Int64, all iter.Seq[*rerankdv1.Document]) rerankd.Source {
	return rerankd.FromSeq(func(yield func(*rerankdv1.Document) bool) {
		for document := range all {
			count.Add(1)
			if !yield(document) {
				return
			}
		}
	})
}

func endless(yield func(*rerankdv1.Document) bool) {
	for i := 0; yield(rerankd.Text(fmt.Sprint("text ", i))); i++ {
	}
}

func TestWhoStopsReadingStopsTheSource(t *testing.T) {
	client := dial(t, &fakeserver.Server{})
	var read atomic.Int64
	stream := must[*rerankd.Stream](t)(client.RerankStream(patience(t), "query", counted(&read, endless), nil,
		rerankd.EmitScores()))
	for _, err := range stream.Events() {
		if err != nil {
			t.Fatal(err)
		}
		break
	}
	// What is sent and not scored has a bound; one chunk may be in the making beyond it.
	stream.Close()
	if most := int64(32 + 1024 + 129); read.Load() > most {
		t.Errorf("%d documents were read", read.Load())
	}
	if _, err := stream.Summary(); !errors.Is(err, rerankd.ErrCancelled) {
		t.Errorf("%v", err)
	}
	stream.Close()
}
