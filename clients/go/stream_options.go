package rerankd

import (
	"fmt"
	"strconv"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"

	rerankdv1 "github.com/rerankd/rerankd/clients/go/rerankd/v1"
)

const (
	defaultChunkDocuments   = 128
	defaultSnapshotInterval = 250 * time.Millisecond
)

// StreamOption is a choice of one stream, for [Client.RerankStream].
type StreamOption func(*streamConfig)

type streamConfig struct {
	emit             rerankdv1.StreamEmit
	snapshotInterval time.Duration
	chunkDocuments   int
	callOptions      []grpc.CallOption
}

// EmitScores lets the stream's events be the scores of each micro-batch as it finishes. Every scored
// document appears exactly once.
func EmitScores() StreamOption {
	return func(c *streamConfig) { c.emit = rerankdv1.StreamEmit_STREAM_EMIT_SCORES }
}

// EmitSnapshots lets the stream's events be the best top_n so far whenever it has changed, at most one in
// each interval. It needs top_n from 1 to 1,000. An interval of 0 has no pause between two; 0.25 seconds
// suits a display.
func EmitSnapshots(interval time.Duration) StreamOption {
	return func(c *streamConfig) {
		c.emit, c.snapshotInterval = rerankdv1.StreamEmit_STREAM_EMIT_SNAPSHOTS, interval
	}
}

// WithChunkDocuments sets how many documents one message holds, 128 by default. A chunk is sent when it is
// full: choose 1 where documents come slowly and each should be scored at once.
func WithChunkDocuments(n int) StreamOption {
	return func(c *streamConfig) { c.chunkDocuments = n }
}

// WithCallOptions adds gRPC's own options of a call.
func WithCallOptions(options ...grpc.CallOption) StreamOption {
	return func(c *streamConfig) { c.callOptions = append(c.callOptions, options...) }
}

func newStreamConfig(options []StreamOption) *streamConfig {
	c := &streamConfig{
		emit:             rerankdv1.StreamEmit_STREAM_EMIT_SUMMARY_ONLY,
		snapshotInterval: defaultSnapshotInterval,
		chunkDocuments:   defaultChunkDocuments,
	}
	for _, option := range options {
		option(c)
	}
	return c
}

// check refuses what only the client can judge; the server judges the rest.
func (c *streamConfig) check(options *rerankdv1.RerankOptions, live *limits) error {
	if c.chunkDocuments < 1 {
		return invalidRequest("chunk_documents",
			fmt.Sprintf("is %d; it must be 1 or more", c.chunkDocuments), nil)
	}
	if !c.wantsSnapshots() {
		return nil
	}
	if c.snapshotInterval < 0 {
		return invalidRequest("snapshot_interval",
			fmt.Sprintf("is %v; it must be 0 or more", c.snapshotInterval), nil)
	}
	if topN := int(options.GetTopN()); topN < 1 || topN > live.snapshotResults {
		bounds := fmt.Sprintf("1 to %d in a stream with snapshots", live.snapshotResults)
		return invalidRequest("options.top_n", fmt.Sprintf("is %d; it must be %s", topN, bounds),
			map[string]string{"value": strconv.Itoa(topN), "bounds": bounds})
	}
	return nil
}

func (c *streamConfig) wantsSnapshots() bool {
	return c.emit == rerankdv1.StreamEmit_STREAM_EMIT_SNAPSHOTS
}

// startMessage asks the server for the score of every document. What the client does by itself is taken
// out; a value that the server has to refuse stays as it is.
func startMessage(query string, options *rerankdv1.RerankOptions) *rerankdv1.RerankStreamStart {
	sent := proto.CloneOf(options)
	if sent.GetTopN() >= 0 {
		// The summary of a stream whose chunks have told everything can be short.
		sent.TopN = 1
	}
	if sent.GetOnFailure() == rerankdv1.FailureMode_FAILURE_MODE_ORIGINAL_ORDER {
		// The client can do that after all its attempts. Before, the server may try other models.
		sent.OnFailure = rerankdv1.FailureMode_FAILURE_MODE_UNSPECIFIED
	}
	sent.ReturnDocuments = false
	return &rerankdv1.RerankStreamStart{
		Query: query, Options: sent, Emit: rerankdv1.StreamEmit_STREAM_EMIT_SCORES,
	}
}
