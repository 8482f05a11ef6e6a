package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	rerankd "github.com/rerankd/rerankd/clients/go"
	rerankdv1 "github.com/rerankd/rerankd/clients/go/rerankd/v1"
)

const (
	unaryDocuments  = 100
	chunkDocuments  = 128
	maxReceiveBytes = 16 << 20
)

type overheadReport struct {
	ClientUnary  []int64 `json:"client_unary_us"`
	StubUnary    []int64 `json:"stub_unary_us"`
	ClientStream []int64 `json:"client_stream_us"`
	StubStream   []int64 `json:"stub_stream_us"`
}

// comparison holds the client and the bare stub, and what both send.
type comparison struct {
	client *rerankd.Client
	stub   rerankdv1.RerankServiceClient
	query  string
	all    []*rerankdv1.Document
	unary  []*rerankdv1.Document
}

// overhead measures the client and the bare stub in turn.
func overhead(target, query, path string, rounds int) (any, error) {
	all, err := firstDocuments(path, -1)
	if err != nil {
		return nil, err
	}
	client, err := rerankd.New(target)
	if err != nil {
		return nil, err
	}
	defer func() { _ = client.Close() }()
	conn, err := grpc.NewClient(target, grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(maxReceiveBytes)))
	if err != nil {
		return nil, err
	}
	defer func() { _ = conn.Close() }()
	c := &comparison{
		client: client, stub: rerankdv1.NewRerankServiceClient(conn), query: query,
		all: all, unary: all[:min(unaryDocuments, len(all))],
	}
	report := &overheadReport{}
	for range rounds {
		for _, one := range []struct {
			call  func(context.Context) error
			times *[]int64
		}{
			{c.clientUnary, &report.ClientUnary}, {c.stubUnary, &report.StubUnary},
			{c.clientStream, &report.ClientStream}, {c.stubStream, &report.StubStream},
		} {
			start := time.Now()
			if err := one.call(context.Background()); err != nil {
				return nil, err
			}
			*one.times = append(*one.times, time.Since(start).Microseconds())
		}
	}
	return report, nil
}

func (c *comparison) clientUnary(ctx context.Context) error {
	_, err := c.client.Rerank(ctx, c.query, c.unary, nil)
	return err
}

func (c *comparison) stubUnary(ctx context.Context) error {
	_, err := c.stub.Rerank(ctx, &rerankdv1.RerankRequest{Query: c.query, Documents: c.unary})
	return err
}

func (c *comparison) clientStream(ctx context.Context) error {
	stream, err := c.client.RerankStream(ctx, c.query, rerankd.FromSeq(slices.Values(c.all)), nil)
	if err != nil {
		return err
	}
	defer stream.Close()
	_, err = stream.Summary()
	return err
}

// stubStream sends the same chunks and only counts what comes back.
func (c *comparison) stubStream(ctx context.Context) error {
	stream, err := c.stub.RerankStream(ctx)
	if err != nil {
		return err
	}
	sent := make(chan error, 1)
	go func() { sent <- c.sendAll(stream) }()
	counted := 0
	for {
		message, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return err
		}
		counted += len(message.GetScores().GetIndex())
	}
	if counted != len(c.all) {
		return fmt.Errorf("%d scores for %d documents", counted, len(c.all))
	}
	return <-sent
}

func (c *comparison) sendAll(stream rerankdv1.RerankService_RerankStreamClient) error {
	start := &rerankdv1.RerankStreamStart{
		Query: c.query, Emit: rerankdv1.StreamEmit_STREAM_EMIT_SCORES, Options: &rerankdv1.RerankOptions{TopN: 1},
	}
	first := &rerankdv1.RerankStreamRequest{Message: &rerankdv1.RerankStreamRequest_Start{Start: start}}
	if err := stream.Send(first); err != nil {
		return err
	}
	for chunk := range slices.Chunk(c.all, chunkDocuments) {
		message := &rerankdv1.RerankStreamRequest_Documents{
			Documents: &rerankdv1.DocumentChunk{Documents: chunk},
		}
		if err := stream.Send(&rerankdv1.RerankStreamRequest{Message: message}); err != nil {
			return err
		}
	}
	return stream.CloseSend()
}
