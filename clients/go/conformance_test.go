package rerankd_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/protobuf/encoding/protojson"

	rerankd "github.com/rerankd/rerankd/clients/go"
	"github.com/rerankd/rerankd/clients/go/internal/fakeserver"
	rerankdv1 "github.com/rerankd/rerankd/clients/go/rerankd/v1"
)

// TestConformance runs the vectors of tests/conformance against a real server.
func TestConformance(t *testing.T) {
	target := os.Getenv("RERANKD_TARGET")
	if target == "" {
		t.Skip("RERANKD_TARGET names no server")
	}
	folder := os.Getenv("RERANKD_VECTORS")
	if folder == "" {
		folder = filepath.Join("..", "..", "tests", "conformance", "vectors")
	}
	runVectors(t, folder, target)
}

// TestTheConformanceRunner runs vectors for the fake server, and then wrong ones, which have to fail.
func TestTheConformanceRunner(t *testing.T) {
	folder := filepath.Join("testdata", "vectors")
	server := serve(t, &fakeserver.Server{})
	runVectors(t, folder, server.Target())

	client := connect(t, server.Target())
	one := readVectors(t, folder)["fake-unary"]
	got, err := one.run(t, client, server.Target())
	if err != nil {
		t.Fatal(err)
	}
	for _, wrong := range []string{
		`{"results": [{"index": 1}]}`, `{"results": [{"index": 0}, {}]}`, `{"results": [{"score": 0.501}, {}]}`,
		`{"results": [{}, {}], "outcome": "PARTIAL"}`, `{"results": [{}, {}], "outcome_reason": "x"}`,
		`{"results": [{}, {}], "model": "x"}`, `{"results": [{}, {}], "usage": {"documents": 3}}`,
		`{"results": [{"passage": {"end_char": 3}}, {}]}`, `{"results": [{"original_score": 0}, {}]}`,
		`{"error": {"code": "INTERNAL", "reason": ""}}`, `{"same_as": "fake-error"}`, `{"results": [], "count": 3}`,
	} {
		var expect expectation
		if err := json.Unmarshal([]byte(wrong), &expect); err != nil {
			t.Fatal(err)
		}
		if differences(readVectors(t, folder), expect, 0, got) == nil {
			t.Errorf("%s was accepted", wrong)
		}
	}
}

func runVectors(t *testing.T, folder, target string) {
	t.Helper()
	all := readVectors(t, folder)
	client := connect(t, target)
	for _, name := range slices.Sorted(maps.Keys(all)) {
		t.Run(name, func(t *testing.T) {
			got, err := all[name].run(t, client, target)
			if err != nil && !errors.As(err, &got.failure) {
				t.Fatal(err)
			}
			if err := differences(all, all[name].Expect, all[name].Tolerance, got); err != nil {
				t.Error(err)
			}
		})
	}
}

// run sends the request of a vector.
func (v *vector) run(t *testing.T, client *rerankd.Client, target string) (got answered, err error) {
	ctx := patience(t)
	switch {
	case v.RerankBatch != nil:
		batch := &rerankdv1.RerankBatchRequest{}
		if err := protojson.Unmarshal(v.RerankBatch, batch); err != nil {
			return got, err
		}
		got.batch, err = client.RerankBatch(ctx, batch)
		return got, err
	case v.StreamMessages != nil:
		got.ranking, err = v.runRaw(t, target)
		return got, rerankd.FromError(err)
	case v.RerankStream != nil:
		got.ranking, err = v.runStream(t, client)
		return got, err
	case v.RerankAll != nil:
		request, err := v.request(v.RerankAll)
		if err != nil {
			return got, err
		}
		got.ranking, err = client.RerankAll(ctx, request.GetQuery(), listed(request.GetDocuments()), request.GetOptions())
		return got, err
	}
	request, err := v.request(v.Rerank)
	if err != nil {
		return got, err
	}
	got.ranking, err = client.Rerank(ctx, request.GetQuery(), request.GetDocuments(), request.GetOptions())
	return got, err
}

// runRaw sends messages as they are, by the generated stub.
func (v *vector) runRaw(t *testing.T, target string) (*rerankdv1.RerankResponse, error) {
	conn := must[*grpc.ClientConn](t)(
		grpc.NewClient(target, grpc.WithTransportCredentials(insecure.NewCredentials())))
	defer func() { _ = conn.Close() }()
	stream, err := rerankdv1.NewRerankServiceClient(conn).RerankStream(patience(t))
	if err != nil {
		return nil, err
	}
	for _, raw := range v.StreamMessages {
		message := &rerankdv1.RerankStreamRequest{}
		if err := protojson.Unmarshal(raw, message); err != nil {
			return nil, err
		}
		// A server that has failed the stream takes no more; reading tells why.
		if err := stream.Send(message); err != nil {
			break
		}
	}
	if err := stream.CloseSend(); err != nil {
		return nil, err
	}
	var last *rerankdv1.RerankStreamResponse
	for {
		message, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			return last.GetSummary(), nil
		}
		if err != nil {
			return nil, err
		}
		last = message
	}
}

func (v *vector) runStream(t *testing.T, client *rerankd.Client) (*rerankdv1.RerankResponse, error) {
	request, err := v.request(v.RerankStream)
	if err != nil {
		return nil, err
	}
	stream, err := client.RerankStream(patience(t), request.GetQuery(), listed(request.GetDocuments()),
		request.GetOptions(), v.streamOptions()...)
	if err != nil {
		return nil, err
	}
	defer stream.Close()
	var events []rerankd.Event
	for event, err := range stream.Events() {
		if err != nil {
			return nil, err
		}
		events = append(events, event)
	}
	response, err := stream.Summary()
	if err != nil {
		return nil, err
	}
	switch v.Emit {
	case "scores":
		err = checkScores(events, response)
	case "snapshots":
		err = checkSnapshots(events, int(request.GetOptions().GetTopN()), response)
	default:
		if len(events) > 0 {
			err = fmt.Errorf("%d events", len(events))
		}
	}
	return response, err
}

func (v *vector) streamOptions() []rerankd.StreamOption {
	var options []rerankd.StreamOption
	switch v.Emit {
	case "scores":
		options = append(options, rerankd.EmitScores())
	case "snapshots":
		interval := 250 * time.Millisecond
		if v.SnapshotIntervalSeconds != nil {
			interval = time.Duration(*v.SnapshotIntervalSeconds * float64(time.Second))
		}
		options = append(options, rerankd.EmitSnapshots(interval))
	}
	if v.ChunkDocuments > 0 {
		options = append(options, rerankd.WithChunkDocuments(v.ChunkDocuments))
	}
	return options
}

func checkScores(events []rerankd.Event, response *rerankdv1.RerankResponse) error {
	scores, unscored := map[int32]float32{}, map[int32]bool{}
	for _, event := range events {
		for _, index := range event.Scores.GetUnscoredIndex() {
			if unscored[index] {
				return fmt.Errorf("documents[%d] was left unscored twice", index)
			}
			unscored[index] = true
		}
		for row, index := range event.Scores.GetIndex() {
			if _, again := scores[index]; again {
				return fmt.Errorf("documents[%d] came twice", index)
			}
			scores[index] = event.Scores.GetScore()[row]
		}
	}
	if len(scores) != int(response.GetUsage().GetScoredDocuments()) {
		return fmt.Errorf("%d scores; usage %v", len(scores), response.GetUsage())
	}
	passed := response.GetOutcome() == rerankdv1.Outcome_OUTCOME_PASSTHROUGH
	if passed && len(unscored) != int(response.GetUsage().GetDocuments()) {
		return fmt.Errorf("%d documents were left unscored; usage %v", len(unscored), response.GetUsage())
	}
	for _, result := range response.GetResults() {
		if score, ok := scores[result.GetIndex()]; ok != result.GetScored() || (ok && score != result.GetScore()) {
			return fmt.Errorf("documents[%d] had the score %v, then %v", result.GetIndex(), score, result.GetScore())
		}
	}
	return nil
}

func checkSnapshots(events []rerankd.Event, topN int, response *rerankdv1.RerankResponse) error {
	if len(events) == 0 {
		return errors.New("no snapshot")
	}
	scored := int32(0)
	for _, event := range events {
		results := event.Snapshot.GetResults()
		descending := slices.IsSortedFunc(results, func(a, b *rerankdv1.RerankResult) int {
			return int(a.GetRank() - b.GetRank())
		}) && slices.IsSortedFunc(results, func(a, b *rerankdv1.RerankResult) int {
			if a.GetScore() < b.GetScore() {
				return 1
			}
			return 0
		})
		if !descending || len(results) > topN || event.Snapshot.GetScored() < scored {
			return fmt.Errorf("a snapshot out of order: %v", event.Snapshot)
		}
		scored = event.Snapshot.GetScored()
	}
	if scored != response.GetUsage().GetScoredDocuments() {
		return nil
	}
	for _, result := range events[len(events)-1].Snapshot.GetResults() {
		if !slices.ContainsFunc(response.GetResults(), func(other *rerankdv1.RerankResult) bool {
			return other.GetId() == result.GetId()
		}) {
			return fmt.Errorf("%q of the last snapshot is not in the results", result.GetId())
		}
	}
	return nil
}
