package rerankd_test

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"go.uber.org/goleak"
	"google.golang.org/protobuf/proto"

	rerankd "github.com/rerankd/rerankd/clients/go"
	"github.com/rerankd/rerankd/clients/go/internal/fakeserver"
	rerankdv1 "github.com/rerankd/rerankd/clients/go/rerankd/v1"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// serve starts the server and checks, after everything is closed, that no goroutine is left.
func serve(t *testing.T, server *fakeserver.Server) *fakeserver.Server {
	t.Helper()
	t.Cleanup(func() { goleak.VerifyNone(t) })
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(server.Stop)
	return server
}

func connect(t *testing.T, target string, options ...rerankd.Option) *rerankd.Client {
	t.Helper()
	client, err := rerankd.New(target, options...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := client.Close(); err != nil {
			t.Error(err)
		}
	})
	return client
}

// dial is serve and connect.
func dial(t *testing.T, server *fakeserver.Server, options ...rerankd.Option) *rerankd.Client {
	t.Helper()
	return connect(t, serve(t, server).Target(), options...)
}

// patience is only a safety net: no test waits for it to pass.
func patience(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	t.Cleanup(cancel)
	return ctx
}

func documents(count int) []*rerankdv1.Document {
	made := make([]*rerankdv1.Document, count)
	for i := range made {
		made[i] = rerankd.TextWithID(fmt.Sprintf("id%d", i), fmt.Sprintf("text %d", i))
	}
	return made
}

func listed(documents []*rerankdv1.Document) rerankd.Source {
	return rerankd.FromSeq(slices.Values(documents))
}

func must[T any](t *testing.T) func(T, error) T {
	return func(value T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return value
	}
}

func sameResults(t *testing.T, want, got []*rerankdv1.RerankResult) {
	t.Helper()
	if len(want) != len(got) {
		t.Fatalf("%d results, want %d", len(got), len(want))
	}
	for i := range want {
		if !proto.Equal(want[i], got[i]) {
			t.Fatalf("result %d is\n%v, want\n%v", i, got[i], want[i])
		}
	}
}

// ranked runs a whole stream.
func ranked(
	t *testing.T, client *rerankd.Client, source rerankd.Source, options *rerankdv1.RerankOptions,
	streamOptions ...rerankd.StreamOption,
) (*rerankdv1.RerankResponse, error) {
	t.Helper()
	stream, err := client.RerankStream(patience(t), "query", source, options, streamOptions...)
	if err != nil {
		return nil, err
	}
	defer stream.Close()
	return stream.Summary()
}
